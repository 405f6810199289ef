//! The multi-layer perceptron, which most families use somewhere.

use etude_autograd::Tensor;

use crate::act::Act;
use crate::ctx::Ctx;
use crate::layers::{Layer, Linear};
use crate::module::{Module, Visitor};

/// Linear maps with an activation between them, none after the last.
///
/// Parameters are named as in `nn.Sequential(Linear, act, Linear, …)`: 0, 2, 4, ….
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    act: Act,
}

impl Mlp {
    /// `sizes` of the input, every hidden layer, and the output: `&[784, 512, 10]`.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[track_caller]
    pub fn new(sizes: &[usize], act: Act, cx: &mut Ctx) -> Self {
        assert!(sizes.len() >= 2, "Mlp: {sizes:?} has not at least an input and an output size");
        Mlp { layers: sizes.windows(2).map(|w| Linear::new(w[0], w[1], cx)).collect(), act }
    }

    /// The linear maps, in order.
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// The activations of the last hidden layer (`x` itself if there is none).
    #[track_caller]
    pub fn features(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let mut y = x.clone();
        for layer in &self.layers[..self.layers.len() - 1] {
            y = self.act.apply(&layer.forward(&y, cx));
        }
        y
    }
}

impl Module for Mlp {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let Mlp { layers, act: _ } = self;
        for (i, layer) in layers.iter().enumerate() {
            visitor.child(&(2 * i).to_string(), layer);
        }
    }
}

impl Layer for Mlp {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let features = self.features(x, cx);
        self.layers[self.layers.len() - 1].forward(&features, cx)
    }
}
