//! Activation functions, each with its formula and source.

use etude_kernels::ew::Unary;

use super::check_axis;
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
    /// max(x, 0) limited to 6; the derivative at 0 and 6 is 0. Krizhevsky 2010, *Convolutional Deep Belief Networks on
    /// CIFAR-10*.
    pub fn relu6(&self) -> Self {
        self.between("relu6", 0.0, 6.0)
    }
    /// x limited to [low, high]: −1 and 1 where a line stands for tanh. Unlike that of [`Tensor::clamp`], the derivative on
    /// the bounds is 0. Collobert 2004.
    ///
    /// # Panics
    /// If `low > high`.
    #[track_caller]
    pub fn hardtanh(&self, low: f64, high: f64) -> Self {
        self.between("hardtanh", low, high)
    }
    /// x limited to [low, high], with a derivative of 0 on the bounds.
    #[track_caller]
    fn between(&self, op: &str, low: f64, high: f64) -> Self {
        assert!(low <= high, "{op}: the lower bound {low} is above the upper bound {high}");
        let inside = self.gt_scalar(T::from_f64(low)).and(&self.lt_scalar(T::from_f64(high)));
        Tensor::where_cond(&inside, self, &self.detach().clamp(low, high))
    }
    /// x/6 + ½ limited to [0, 1]; the derivative at ±3 is 0. Howard et al. 2019, arXiv:1905.02244, section 5.2.
    pub fn hardsigmoid(&self) -> Self {
        self.affine(1.0, 3.0).relu6().affine(1.0 / 6.0, 0.0)
    }
    /// x·hardsigmoid(x); the derivative is 0 at −3 and 1 at 3. Howard et al. 2019, arXiv:1905.02244, section 5.2.
    pub fn hardswish(&self) -> Self {
        // From −3 down the second factor is 0, and the first stays finite: −∞ gives 0.
        self.clamp(-3.0, f64::INFINITY) * self.hardsigmoid()
    }
    /// x·tanh(softplus(x)). Misra 2019, arXiv:1908.08681, eq. (1).
    pub fn mish(&self) -> Self {
        // From −1000 down the second factor is 0 in either precision, and the first stays finite: −∞ gives 0.
        self.clamp(-1e3, f64::INFINITY) * self.softplus().tanh()
    }
    /// λ·elu(x; α) with the constants that keep mean 0 and variance 1. Klambauer et al. 2017, arXiv:1706.02515, eq. (2)
    /// and (14).
    pub fn selu(&self) -> Self {
        self.elu(1.673_263_242_354_377_2).affine(1.050_700_987_355_480_5, 0.0)
    }
    /// x above 0, `alpha·(e^(x/alpha) − 1)` below: an ELU with a continuous derivative. Barron 2017, arXiv:1704.07483,
    /// eq. (2).
    ///
    /// # Panics
    /// If `alpha` is not positive.
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Self {
        assert!(alpha > 0.0, "celu: α is {alpha}, expected more than 0");
        self.affine(1.0 / alpha, 0.0).elu(1.0).affine(alpha, 0.0)
    }
    /// x / (1 + |x|). Turian et al. 2009.
    pub fn softsign(&self) -> Self {
        self / self.abs().affine(1.0, 1.0)
    }
    /// x − tanh x.
    pub fn tanhshrink(&self) -> Self {
        self - self.tanh()
    }
    /// x moved towards 0 by `lambda`, and 0 within it: the proximal map of λ|x|.
    ///
    /// # Panics
    /// If `lambda` is negative.
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Self {
        assert!(lambda >= 0.0, "softshrink: λ is {lambda}, expected 0 or more");
        self - self.clamp(-lambda, lambda)
    }
    /// x where |x| is above `lambda`, else 0.
    ///
    /// # Panics
    /// If `lambda` is negative.
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Self {
        assert!(lambda >= 0.0, "hardshrink: λ is {lambda}, expected 0 or more");
        self.masked_fill(&self.detach().abs().le_scalar(T::from_f64(lambda)), T::ZERO)
    }
    /// x above 0, `slope·x` below, with slopes that are learnt: one for all channels, `[1]`, or one for each, `[channels]`,
    /// where channels are axis 1 (axis 0 of a vector). The derivative at 0 is the slope. He et al. 2015, arXiv:1502.01852,
    /// eq. (1).
    ///
    /// # Panics
    /// If the number of slopes is neither.
    #[track_caller]
    pub fn prelu(&self, slope: &Tensor<T>) -> Self {
        let axis = if self.rank() > 1 { 1 } else { 0 };
        let channels = self.shape().get(axis).copied().unwrap_or(1);
        let fits = slope.rank() == 1 && (slope.len() == 1 || slope.len() == channels);
        assert!(
            fits,
            "prelu: slopes {:?} for x {:?}, whose axis {axis} has {channels} channels",
            slope.shape(),
            self.shape()
        );
        let mut shape = vec![1; self.rank().max(1)];
        let last = shape.len() - 1;
        shape[axis.min(last)] = slope.len();
        // At 0 the first has no slope and the second that below; ∞ meets 0 in neither.
        let y = self.relu() + self.clamp(f64::NEG_INFINITY, 0.0) * slope.reshape(&shape);
        y.reshape(self.shape())
    }
    /// a·σ(b) of the two halves a, b of `axis`. Dauphin et al. 2017, arXiv:1612.08083, eq. (1).
    ///
    /// # Panics
    /// If there is no such axis, or its length is odd.
    #[track_caller]
    pub fn glu(&self, axis: usize) -> Self {
        check_axis("glu", axis, self.shape());
        let n = self.dim(axis);
        assert!(n.is_multiple_of(2), "glu: axis {axis} of {:?} has no halves", self.shape());
        self.narrow(axis, 0, n / 2) * self.narrow(axis, n / 2, n / 2).sigmoid()
    }
    /// e⁻ˣ / Σ e⁻ˣ along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn softmin(&self, axis: usize) -> Self {
        check_axis("softmin", axis, self.shape());
        (-self).softmax(axis)
    }
}
