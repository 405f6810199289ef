//! Activation functions, each with its formula and source.

use etude_kernels::ew::Unary;

use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// max(x, 0); the derivative at 0 is 0.
    pub fn relu(&self) -> Self {
        self.activation(Unary::Relu)
    }
    /// x above 0, `slope·x` below. Maas et al. 2013.
    pub fn leaky_relu(&self, slope: f64) -> Self {
        self.activation(Unary::LeakyRelu(slope))
    }
    /// x above 0, `alpha·(eˣ − 1)` below. Clevert et al. 2016, arXiv:1511.07289, eq. (15).
    pub fn elu(&self, alpha: f64) -> Self {
        self.activation(Unary::Elu(alpha))
    }
    /// σ(x) = 1 / (1 + e⁻ˣ).
    pub fn sigmoid(&self) -> Self {
        self.activation(Unary::Sigmoid)
    }
    /// ln σ(x) = −softplus(−x), without overflow.
    pub fn log_sigmoid(&self) -> Self {
        self.activation(Unary::LogSigmoid)
    }
    /// tanh x.
    pub fn tanh(&self) -> Self {
        self.activation(Unary::Tanh)
    }
    /// x·Φ(x) with the normal distribution function Φ. Hendrycks & Gimpel 2016, arXiv:1606.08415, §2.
    pub fn gelu(&self) -> Self {
        self.activation(Unary::Gelu)
    }
    /// ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), the approximation of GELU in GPT-2. Ibid., §2.
    pub fn gelu_tanh(&self) -> Self {
        self.activation(Unary::GeluTanh)
    }
    /// x·σ(x), also called swish. Elfwing et al. 2018, arXiv:1702.03118, eq. (5).
    pub fn silu(&self) -> Self {
        self.activation(Unary::Silu)
    }
    /// ln(1 + eˣ), without overflow.
    pub fn softplus(&self) -> Self {
        self.activation(Unary::Softplus)
    }
}
