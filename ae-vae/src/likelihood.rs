//! What the numbers that a decoder gives say of the pixels: p(x|z).
//!
//! Every decoder gives the logits of the pixels' means, so that reconstructions lie in (0, 1) whatever the likelihood; some
//! likelihoods have a second number for each pixel, behind those of all means.

use etude_autograd::Tensor;
use etude_nn::ConfigError;
use serde::{Deserialize, Serialize};

/// Logarithms of scales and variances are kept from this on, so that a decoder cannot make a likelihood infinite by being sure.
const SHARPEST: f64 = -7.0;

/// And to this, which no pixel in [0, 1] asks for.
const DULLEST: f64 = 7.0;

/// A distribution of pixels in [0, 1], independent given the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Likelihood {
    /// Black or white: Kingma & Welling 2014, appendix C.1. Grey pixels count as probabilities, whose cross-entropy is then
    /// no likelihood any more.
    #[default]
    Bernoulli,
    /// N(μ, std²) with one deviation for all, a density: half the squared error, up to scale and constant.
    Gaussian {
        /// The deviation, from 10⁻⁶: below, the square of 1/std soon has no room in an f32.
        std: f64,
    },
    /// N(μ, σ²) with a variance of each pixel from the decoder, a density: appendix C.2. Two numbers a pixel, logit μ and
    /// ln σ².
    GaussianLearned,
    /// One of `levels` equal steps from 0 to 1, whose probabilities are those that a logistic distribution gives to the
    /// intervals around them, the outer ones without end: Kingma et al. 2016, arXiv:1606.04934; Salimans et
    /// al. 2017, arXiv:1701.05517, eq. (2). Two numbers a pixel, logit μ and ln s.
    Logistic {
        /// 256 for bytes.
        levels: u32,
    },
}

impl Likelihood {
    /// The deviation must be finite and at least 10⁻⁶, and there must be two levels.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Likelihood::Bernoulli | Likelihood::GaussianLearned => Ok(()),
            Likelihood::Gaussian { std } => {
                let good = (1e-6..=f64::from(f32::MAX)).contains(&std);
                ConfigError::check(good, "Likelihood", "std", std, "an f32 from 1e-6")
            }
            Likelihood::Logistic { levels } => {
                ConfigError::check(levels > 1, "Likelihood", "levels", levels, "at least 2")
            }
        }
    }

    /// How many numbers a decoder gives for each pixel.
    pub fn numbers(&self) -> usize {
        match self {
            Likelihood::Bernoulli | Likelihood::Gaussian { .. } => 1,
            Likelihood::GaussianLearned | Likelihood::Logistic { .. } => 2,
        }
    }

    /// The logits of the means and the other numbers, `[n, pixels]` each; the means alone if there are no others.
    fn split(&self, decoded: &Tensor) -> (Tensor, Tensor) {
        let pixels = decoded.dim(1) / self.numbers();
        (decoded.narrow(1, 0, pixels), decoded.narrow(1, decoded.dim(1) - pixels, pixels))
    }

    /// The means of all pixels, in (0, 1). `[n, numbers·pixels]` → `[n, pixels]`.
    pub fn mean(&self, decoded: &Tensor) -> Tensor {
        self.split(decoded).0.sigmoid()
    }

    /// −ln p(x|z) in nats, `[n]`, of images `[n, pixels]` and what a decoder gave for them, `[n, numbers·pixels]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn nll(&self, decoded: &Tensor, x: &Tensor) -> Tensor {
        let fits = x.rank() == 2 && decoded.shape() == [x.dim(0), self.numbers() * x.dim(1)];
        assert!(fits, "Likelihood::nll: a decoder's {:?} for images {:?} by {self:?}", decoded.shape(), x.shape());
        let (logits, other) = self.split(decoded);
        let ln_2pi = std::f64::consts::TAU.ln();
        let terms = match *self {
            Likelihood::Bernoulli => logits.bce_with_logits(x),
            Likelihood::Gaussian { std } => {
                (x - logits.sigmoid()).square().affine(0.5 / (std * std), 0.5 * ln_2pi + std.ln())
            }
            Likelihood::GaussianLearned => {
                let logvar = other.clamp(SHARPEST, DULLEST);
                ((x - logits.sigmoid()).square() * (-&logvar).exp() + logvar).affine(0.5, 0.5 * ln_2pi)
            }
            Likelihood::Logistic { levels } => logistic_nll(&logits.sigmoid(), &other, x, levels),
        };
        terms.sum_dims([1])
    }
}

/// −ln(σ(b) − σ(a)) with a and b the ends of the pixel's interval, (x ∓ half a step − μ)/s.
fn logistic_nll(mean: &Tensor, log_scale: &Tensor, x: &Tensor, levels: u32) -> Tensor {
    let step = 1.0 / f64::from(levels - 1);
    let log_scale = log_scale.clamp(SHARPEST, DULLEST);
    let sharp = (-&log_scale).exp();
    let offset = x - mean;
    let low = offset.affine(1.0, -0.5 * step) * &sharp;
    let high = offset.affine(1.0, 0.5 * step) * &sharp;
    // σ(b) − σ(a) = σ(b)·σ(−a)·(1 − e^(a − b)) holds without a difference that cancels; b − a = step/s.
    let between = -sharp.affine(-step, 0.0).exp_m1();
    // The first interval begins at −∞, where σ(−a)·(1 − e^(a − b)) is 1, the last ends at ∞, where σ(b) and that are 1.
    let half = (0.5 * step) as f32;
    let (first, last) = (x.lt_scalar(half), x.gt_scalar(1.0 - half));
    let below = high.log_sigmoid().masked_fill(&last, 0.0);
    let above = (-low).log_sigmoid().masked_fill(&first, 0.0);
    let width = between.ln().masked_fill(&first.or(&last), 0.0);
    -(below + above + width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn the_least_deviation_is_finite_and_less_is_refused() {
        let x = Tensor::ones([1, 784]);
        let sharp = Likelihood::Gaussian { std: 1e-6 };
        sharp.validate().expect("the least");
        assert!(sharp.nll(&Tensor::full([1, 784], -100.0), &x).item().is_finite());
        for std in [1e-20, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Likelihood::Gaussian { std }.validate().is_err(), "{std}");
        }
    }

    #[test]
    fn the_probabilities_of_all_levels_add_up_to_one() {
        for levels in [2, 5, 256] {
            let likelihood = Likelihood::Logistic { levels };
            let n = levels as usize;
            // From narrower than a level to wider than all of them, in the middle and at the ends.
            for (logit, log_scale) in [(0.0, -6.5), (0.3, -2.0), (8.0, -4.0), (-9.0, -1.0), (0.0, 2.0)] {
                let decoded = Tensor::from_slice(&[logit, log_scale], [1, 2]).expand([n, 2]);
                let x = Tensor::from_vec((0..n).map(|i| i as f32 / (n - 1) as f32).collect(), [n, 1]);
                let total: f64 = likelihood.nll(&decoded, &x).to_vec().iter().map(|&p| f64::from(-p).exp()).sum();
                assert!((total - 1.0).abs() < 2e-4, "{levels} levels, logit {logit}, ln s {log_scale}: {total}");
            }
        }
    }

    #[test]
    fn densities_integrate_to_one() {
        // The trapezoid rule over ±8 deviations around means in (0, 1).
        let n = 20_001;
        let (from, to) = (-8.0, 9.0);
        let x = Tensor::from_vec((0..n).map(|i| from + (to - from) * i as f32 / (n - 1) as f32).collect(), [n, 1]);
        for (likelihood, decoded) in [
            (Likelihood::Gaussian { std: 0.7 }, Tensor::full([n, 1], 0.4)),
            (Likelihood::GaussianLearned, Tensor::from_slice(&[-1.0, -0.8], [1, 2]).expand([n, 2])),
        ] {
            let density: f64 = likelihood.nll(&decoded, &x).to_vec().iter().map(|&p| f64::from(-p).exp()).sum();
            let total = density * f64::from(to - from) / (n - 1) as f64;
            assert!((total - 1.0).abs() < 1e-3, "{likelihood:?}: {total}");
        }
    }

    #[test]
    fn extreme_decoders_stay_finite_with_finite_gradients() {
        let x = Tensor::from_slice(&[0.0, 0.5, 1.0], [1, 3]);
        for likelihood in [
            Likelihood::Bernoulli,
            Likelihood::Gaussian { std: 0.1 },
            Likelihood::GaussianLearned,
            Likelihood::Logistic { levels: 256 },
        ] {
            for (logit, other) in [(90.0, -90.0), (-90.0, 90.0), (0.0, -90.0), (0.0, 90.0)] {
                let mut values = vec![logit; 3];
                values.extend(vec![other; 3 * (likelihood.numbers() - 1)]);
                let decoded = Tensor::from_vec(values, [1, 3 * likelihood.numbers()]).requires_grad();
                let nll = likelihood.nll(&decoded, &x).sum();
                assert!(nll.item().is_finite(), "{likelihood:?} {logit} {other}: {}", nll.item());
                let grads = nll.backward();
                let gradient = grads.get(&decoded).expect("a leaf").to_vec();
                assert!(gradient.iter().all(|g| g.is_finite()), "{likelihood:?} {logit} {other}: {gradient:?}");
            }
        }
    }

    #[test]
    fn means_lie_between_0_and_1_and_have_one_number_a_pixel() {
        for likelihood in [Likelihood::Bernoulli, Likelihood::GaussianLearned, Likelihood::Logistic { levels: 4 }] {
            let decoded: Tensor = Tensor::randn([5, 3 * likelihood.numbers()], &mut Rng::new(0));
            let mean = likelihood.mean(&decoded);
            assert_eq!(mean.shape(), [5, 3]);
            assert!(mean.to_vec().iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Likelihood::Gaussian { std: 0.0 }.validate().is_err());
        assert!(Likelihood::Logistic { levels: 1 }.validate().is_err());
    }
}
