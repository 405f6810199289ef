//! Modules, layers, losses, optimisers and checkpoints over [`etude_autograd`].
//!
//! A model is a plain struct of [`Param`]s and other modules; [`module!`] gives it names. `forward` takes a [`Ctx`] that
//! carries the mode, the random numbers and substitute parameters, so a module has no hidden state. Parameter names and
//! layouts are PyTorch's: published weights load without mapping.
//!
//! * **Modules**: [`Module`] and [`module!`], [`Param`] and [`Buffer`]; copies, counts, averages, state dictionaries.
//! * **Layers**: [`layers`] has linear, convolutional, recurrent and attention layers, norms, pooling, embedding and dropout;
//!   [`Act`] the activations, [`init`] the initial distributions; [`Seq`], [`Mlp`] and [`LeNet`] put them together.
//! * **Losses and optimisers**: [`loss`] and [`metrics`]; [`Sgd`], [`Adam`], [`AdamW`] and [`RmsProp`] by [`Optimizer`], with
//!   [groups](optim::Optim::group) of parameters and the learning rates of a [`schedule`].
//! * **Files**: [`Module::save`] and [`Module::load`] for safetensors ([`mod@file`]), [`Checkpoint`] for a whole training,
//!   [`Journal`] for what happened in it.
//! * **Watching a training**: [`guard`] is what happens at a NaN, [`Watched`] and [`Recompute`] go around a layer, to look at
//!   its activations or to save their memory.
//! * **Generation**: [`Sampler`] draws the next token.
//!
//! ```
//! use etude_autograd::Tensor;
//! use etude_nn::{Act, Adam, Ctx, Layer, Mlp, Module, Optimizer, loss};
//!
//! // The exclusive or, by a network with one hidden layer.
//! let mut cx = Ctx::train(0);
//! let x = Tensor::from_slice(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
//! let y = Tensor::from_slice(&[0.0, 1.0, 1.0, 0.0], [4, 1]);
//! let model = Mlp::new(&[2, 16, 1], Act::Tanh, &mut cx);
//! let mut opt = Adam::new(&model, 0.02);
//! for _ in 0..300 {
//!     let loss = loss::bce_with_logits(&model.forward(&x, &mut cx), &y).mean();
//!     opt.step(&loss.backward());
//! }
//! let p = model.forward(&x, &mut cx.eval()).sigmoid().to_vec();
//! assert!(p[0] < 0.1 && p[1] > 0.9 && p[2] > 0.9 && p[3] < 0.1, "{p:?}");
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("xor.safetensors");
//! model.save(&path)?; // PyTorch's names: 0.weight, 0.bias, 2.weight, 2.bias
//! let report = model.load(&path)?;
//! assert_eq!((model.count(), report.tensors), (65, 4));
//! # Ok::<(), etude_nn::Error>(())
//! ```
#![forbid(unsafe_code)]

mod act;
pub mod checkpoint;
mod config;
mod crc32c;
mod ctx;
mod error;
pub mod file;
#[cfg(feature = "linalg")]
mod frechet;
pub mod guard;
pub mod init;
pub mod journal;
pub mod layers;
mod lenet;
#[cfg(feature = "linalg")]
pub mod linalg;
pub mod loss;
mod matching;
pub mod metrics;
mod mlp;
mod module;
pub mod optim;
mod param;
mod prompt;
mod recompute;
mod sampler;
pub mod schedule;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod watched;

#[doc = include_str!("../docs/from_pytorch.md")]
pub mod from_pytorch {}

pub use act::Act;
pub use checkpoint::{Checkpoint, Resumed};
pub use config::ConfigError;
pub use ctx::{Ctx, Mode};
pub use error::{Error, check_finite};
pub use etude_autograd::Storage;
#[cfg(feature = "linalg")]
pub use frechet::frechet_distance;
pub use guard::Guard;
pub use journal::{Journal, JournalPosition};
pub use layers::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, BatchNorm, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Conv3d, ConvTranspose1d,
    ConvTranspose2d, ConvTranspose3d, Dropout, Embedding, Flatten, GlobalAvgPool2d, GroupNorm, Gru, GruCell,
    InstanceNorm, InstanceNorm1d, InstanceNorm2d, Interpolation, Layer, LayerNorm, Linear, Lstm, LstmCell, LstmState,
    Mask, MaxPool1d, MaxPool2d, MaxPool3d, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d, MultiheadAttention, Nonlinearity,
    PRelu, Pad1d, Pad2d, Pad3d, PixelShuffle, Resize, RmsNorm, Rnn, RnnCell, Seq, SpectralNorm, Upsample, WeightNorm,
    Weighted,
};
pub use lenet::{LeNet, LeNetConfig};
pub use matching::Mismatch;
pub use mlp::Mlp;
pub use module::{Module, Slot, Value, Visitor};
pub use optim::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use param::{Buffer, Param};
pub use prompt::PromptError;
pub use recompute::Recompute;
pub use sampler::Sampler;
pub use state::LoadReport;
pub use watched::Watched;
