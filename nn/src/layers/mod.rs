//! Layers: the modules that models are made of.
//!
//! Names, layouts, defaults and initial distributions are PyTorch's. Parameters are public fields, so that weights can be
//! tied (`Linear { weight: embedding.weight.share(), bias: None }`) or replaced. Every `forward` asks the context for its
//! parameters, which makes substitutes (adapted weights, averages) work in every layer.

mod attention;
mod conv;
mod conv1d;
mod conv3d;
mod dropout;
mod embedding;
mod linear;
mod norm;
mod pad;
mod pool;
mod prelu;
pub mod recurrent;
mod reparametrise;
mod resample;
mod seq;
mod spatial;
mod unpool;

use etude_autograd::Tensor;

use crate::ctx::Ctx;
use crate::module::Module;

pub use attention::{InProj, MultiheadAttention};
pub use conv::{Conv2d, ConvTranspose2d};
pub use conv1d::{Conv1d, ConvTranspose1d};
pub use conv3d::{Conv3d, ConvTranspose3d};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use etude_autograd::Mask;
pub use linear::Linear;
pub use norm::{
    BatchNorm, BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, RmsNorm,
    Running,
};
pub use pad::{Pad1d, Pad2d, Pad3d};
pub use pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d,
};
pub use prelu::PRelu;
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, LstmState, Nonlinearity, Rnn, RnnCell, batch_major, time_major};
pub use reparametrise::{SpectralNorm, WeightNorm, Weighted};
pub use resample::{Interpolation, PixelShuffle, Resize};
pub use seq::Seq;
pub use spatial::{Flatten, GlobalAvgPool2d, Upsample};
pub use unpool::{MaxUnpool1d, MaxUnpool2d, MaxUnpool3d};

/// A module that maps one tensor to one tensor, so that it can stand in a [`Seq`].
pub trait Layer: Module + BoxedClone + Send + Sync {
    /// The output for `x`.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor;
}

/// Copies behind `Box<dyn Layer>`; every layer that is `Clone` has it by itself.
pub trait BoxedClone {
    /// An independent copy: its parameters have identities of their own.
    fn boxed_clone(&self) -> Box<dyn Layer>;
}

impl<L: Layer + Clone + 'static> BoxedClone for L {
    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        (**self).boxed_clone()
    }
}
