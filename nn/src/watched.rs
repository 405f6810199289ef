//! Looking at what a layer gives, and at its gradient.

use std::fmt;
use std::sync::Arc;

use etude_autograd::{Tensor, scope};

use crate::ctx::Ctx;
use crate::layers::Layer;
use crate::module::{Module, Visitor};

/// Called with a tensor.
type Look = Arc<dyn Fn(&Tensor) + Send + Sync>;

/// A layer with somebody who looks at its output and at the gradient of that: PyTorch's forward and backward hooks. Values,
/// gradients and parameter names are those of the layer itself.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use etude_autograd::Tensor;
/// use etude_nn::{Act, Ctx, Layer, Linear, Seq, Watched};
///
/// let largest = Arc::new(Mutex::new(Vec::new()));
/// let see = {
///     let largest = largest.clone();
///     move |x: &Tensor| largest.lock().expect("no panic").push(x.abs().max_keep(1).to_vec())
/// };
/// let mut cx = Ctx::train(0);
/// let hidden = Watched::new("hidden", Linear::new(2, 8, &mut cx)).output(see.clone()).gradient(see);
/// let net = Seq::default().then(hidden).then(Act::Relu).then(Linear::new(8, 1, &mut cx));
/// net.forward(&Tensor::ones([3, 2]), &mut cx).sum().backward();
/// assert_eq!(largest.lock().expect("no panic").len(), 2);
/// ```
#[derive(Clone)]
pub struct Watched<L> {
    name: String,
    layer: L,
    output: Option<Look>,
    gradient: Option<Look>,
}

impl<L> Watched<L> {
    /// A layer under a name: what an anomaly in it is reported under ([`etude_autograd::detect_anomaly`]).
    pub fn new(name: impl Into<String>, layer: L) -> Self {
        Watched { name: name.into(), layer, output: None, gradient: None }
    }

    /// Calls `look` with every output.
    pub fn output(mut self, look: impl Fn(&Tensor) + Send + Sync + 'static) -> Self {
        self.output = Some(Arc::new(look));
        self
    }

    /// Calls `look` with the gradient of every output that a backward pass goes through.
    pub fn gradient(mut self, look: impl Fn(&Tensor) + Send + Sync + 'static) -> Self {
        self.gradient = Some(Arc::new(look));
        self
    }
}

impl<L> fmt::Debug for Watched<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<L: Module> Module for Watched<L> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layer.visit(visitor);
    }
}

impl<L: Layer + Clone + 'static> Layer for Watched<L> {
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let y = scope(&self.name, || self.layer.forward(x, cx));
        if let Some(look) = &self.output {
            look(&y.detach());
        }
        match &self.gradient {
            Some(look) => {
                let look = look.clone();
                y.on_grad(move |g| {
                    look(&g.detach());
                    None
                })
            }
            None => y,
        }
    }
}
