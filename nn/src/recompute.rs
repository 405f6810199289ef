//! A layer that keeps only its input and is computed again in the backward pass.

use std::sync::Arc;

use etude_autograd::{Tensor, checkpoint_with, is_grad_enabled};

use crate::ctx::Ctx;
use crate::layers::Layer;
use crate::module::{Module, Visitor};

/// A layer whose inner values are not kept for the backward pass but computed again there: memory for time. Gradient
/// checkpointing of Chen et al. 2016, arXiv:1604.06174.
///
/// Values, gradients, dropout masks, running statistics and parameter names are those of the layer itself; parameters are
/// those of the forward pass, whatever an optimiser does before the backward pass. Buffers are not: a layer whose value
/// depends on them (`SpectralNorm`, or batch normalisation in evaluation) must not change them in between, as by a second
/// forward pass in training. `clone` copies the layer.
///
/// ```
/// use etude_autograd::Tensor;
/// use etude_nn::{Act, Ctx, Dropout, Layer, Linear, Module, Recompute, Seq};
///
/// let mut cx = Ctx::train(0);
/// let block = Seq::default().then(Linear::new(4, 4, &mut cx)).then(Act::Tanh).then(Dropout::new(0.5));
/// let net = Seq::default().then(Recompute::new(block)).then(Linear::new(4, 1, &mut cx));
/// let names: Vec<String> = net.named_params().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]);
/// let grads = net.forward(&Tensor::ones([8, 4]), &mut cx).square().mean().backward();
/// assert_eq!(grads.len(), 4);
/// ```
#[derive(Debug)]
pub struct Recompute<L> {
    layer: Arc<L>,
}

impl<L> Recompute<L> {
    /// This layer, recomputed.
    pub fn new(layer: L) -> Self {
        Recompute { layer: Arc::new(layer) }
    }

    /// The layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

impl<L: Clone> Clone for Recompute<L> {
    fn clone(&self) -> Self {
        Recompute::new(L::clone(&self.layer))
    }
}

impl<L: Module> Module for Recompute<L> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layer.visit(visitor);
    }
}

impl<L: Layer + Clone + 'static> Layer for Recompute<L> {
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        if !is_grad_enabled() {
            return self.layer.forward(x, cx);
        }
        let layer = self.layer.clone();
        let params: Vec<_> = layer.named_params().iter().map(|(_, p)| (p.id(), cx.get(p))).collect();
        let forward = move |x: &[Tensor], cx: &mut Ctx| {
            let mut inner = cx.with_params(params.iter().cloned());
            let y = layer.forward(&x[0], &mut inner);
            cx.rng = inner.rng;
            y
        };
        checkpoint_with(cx, forward, &[x])
    }
}
