//! Layers one after another.

use std::fmt;

use etude_autograd::{Tensor, scope};

use super::Layer;
use crate::ctx::Ctx;
use crate::module::{Module, Visitor};

/// Layers applied in order. They are named 0, 1, 2, …, activations counted, as in PyTorch's `nn.Sequential`.
///
/// ```
/// use etude_autograd::Tensor;
/// use etude_nn::{Act, Ctx, Layer, Linear, Module, Seq};
///
/// let mut cx = Ctx::train(0);
/// let net = Seq::default().then(Linear::new(2, 8, &mut cx)).then(Act::Tanh).then(Linear::new(8, 1, &mut cx));
/// let names: Vec<String> = net.named_params().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
/// assert_eq!(net.forward(&Tensor::zeros([5, 2]), &mut cx).shape(), [5, 1]);
/// ```
#[derive(Clone, Default)]
pub struct Seq {
    layers: Vec<Box<dyn Layer>>,
}

impl Seq {
    /// These layers, in this order.
    pub fn new(layers: Vec<Box<dyn Layer>>) -> Self {
        Seq { layers }
    }

    /// One more layer at the end.
    pub fn then(mut self, layer: impl Layer + 'static) -> Self {
        self.push(layer);
        self
    }

    /// Adds a layer at the end.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        self.layers.push(Box::new(layer));
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Box<dyn Layer>] {
        &self.layers
    }
}

impl Module for Seq {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layers.visit(visitor);
    }
}

impl Layer for Seq {
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let mut y = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            y = scope(i, || layer.forward(&y, cx));
        }
        y
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seq").field("layers", &self.layers.len()).field("count", &self.count()).finish()
    }
}
