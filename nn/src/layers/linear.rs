//! The affine map of the last axis.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::init;
use crate::module::{Module, Visitor};
use crate::param::Param;

/// x·Wᵀ + b over the last axis.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[out, in]`; [`Module::pack`] packs it.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
}

impl Module for Linear {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let Linear { weight, bias } = self;
        visitor.weight("weight", weight);
        visitor.child("bias", bias);
    }
}

impl Linear {
    /// Weights and biases uniform in ±1/√inputs.
    pub fn new(inputs: usize, outputs: usize, cx: &mut Ctx) -> Self {
        let weight = Param::new(init::kaiming_uniform([outputs, inputs], 5f64.sqrt(), cx));
        let bias = Param::new(init::uniform([outputs], 1.0 / (inputs as f64).sqrt(), cx));
        Linear { weight, bias: Some(bias) }
    }

    /// x·Wᵀ alone.
    pub fn no_bias(inputs: usize, outputs: usize, cx: &mut Ctx) -> Self {
        Linear { weight: Param::new(init::kaiming_uniform([outputs, inputs], 5f64.sqrt(), cx)), bias: None }
    }
}

impl Layer for Linear {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        cx.linear(x, &self.weight, self.bias.as_ref())
    }
}
