//! Activations as data: what a configuration names and a model applies.

use etude_autograd::Tensor;

use crate::ctx::Ctx;
use crate::layers::Layer;
use crate::module::{Module, Visitor};

/// An activation function. Formulas are at the tensor's methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Act {
    /// x.
    Identity,
    /// max(0, x).
    #[default]
    Relu,
    /// x above 0, slope·x below.
    LeakyRelu(f64),
    /// x above 0, α(eˣ − 1) below.
    Elu(f64),
    /// x·Φ(x).
    Gelu,
    /// GELU with Φ approximated by tanh.
    GeluTanh,
    /// x·σ(x).
    Silu,
    /// σ(x).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// ln(1 + eˣ).
    Softplus,
    /// max(x, 0), 6 at most.
    Relu6,
    /// x/6 + ½ within 0 and 1.
    Hardsigmoid,
    /// x·hardsigmoid(x).
    Hardswish,
    /// x within [−1, 1].
    Hardtanh,
    /// x·tanh(softplus(x)).
    Mish,
    /// λ·elu(x; α) with the constants that keep mean 0 and variance 1.
    Selu,
    /// x above 0, α(e^(x/α) − 1) below.
    Celu(f64),
    /// x/(1 + |x|).
    Softsign,
    /// ln σ(x).
    LogSigmoid,
}

impl Act {
    /// The function, element by element.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Act::Identity => x.clone(),
            Act::Relu => x.relu(),
            Act::LeakyRelu(slope) => x.leaky_relu(slope),
            Act::Elu(alpha) => x.elu(alpha),
            Act::Gelu => x.gelu(),
            Act::GeluTanh => x.gelu_tanh(),
            Act::Silu => x.silu(),
            Act::Sigmoid => x.sigmoid(),
            Act::Tanh => x.tanh(),
            Act::Softplus => x.softplus(),
            Act::Relu6 => x.relu6(),
            Act::Hardsigmoid => x.hardsigmoid(),
            Act::Hardswish => x.hardswish(),
            Act::Hardtanh => x.hardtanh(-1.0, 1.0),
            Act::Mish => x.mish(),
            Act::Selu => x.selu(),
            Act::Celu(alpha) => x.celu(alpha),
            Act::Softsign => x.softsign(),
            Act::LogSigmoid => x.log_sigmoid(),
        }
    }
}

impl Module for Act {
    fn visit(&self, _: &mut Visitor<'_>) {}
}

impl Layer for Act {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        self.apply(x)
    }
}
