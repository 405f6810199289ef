//! The Wasserstein autoencoder: codes that are distributed as the prior together, not each.
//!
//! Tolstikhin, Bousquet, Gelly & Schölkopf 2018, *Wasserstein Auto-Encoders*, arXiv:1711.01558: the cost of reconstruction
//! plus λ times a divergence of the aggregate posterior from the prior (eq. 4), here the maximum mean discrepancy between
//! the codes of a batch and as many draws of N(0, 1) (algorithm 2) under the inverse multiquadratics kernel
//! k(a, b) = C/(C + ‖a − b‖²) with C = 2·latent (section 4). The encoder is deterministic.

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Generative, Output, verbs_of_net};
use crate::error::Error;
use crate::vanilla::{Vanilla, VanillaConfig};

/// The net and the penalty of a [`Wae`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WaeConfig {
    /// The sizes of the net.
    pub net: VanillaConfig,
    /// λ, the weight of the discrepancy, in nats an image.
    pub weight: f64,
}

impl Default for WaeConfig {
    /// 784-256-64-8 with λ = 100: a discrepancy of 0.1 costs as much as ten nats.
    fn default() -> Self {
        WaeConfig { net: VanillaConfig { code: 8, ..VanillaConfig::default() }, weight: 100.0 }
    }
}

impl WaeConfig {
    /// Sizes must be at least 1, the weight not negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        let good = self.weight >= 0.0 && self.weight.is_finite();
        ConfigError::check(good, "WaeConfig", "weight", self.weight, "a finite number from 0")
    }
}

/// A [`Vanilla`] autoencoder with a prior that its codes are pulled to.
#[derive(Clone, Debug)]
pub struct Wae {
    config: WaeConfig,
    net: Vanilla,
}
module!(Wae { net as ""; config });

impl Wae {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: WaeConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(Wae { net: Vanilla::new(config.net.clone(), cx)?, config })
    }

    /// The net and the weight.
    pub fn config(&self) -> &WaeConfig {
        &self.config
    }

    /// The autoencoder.
    pub fn net(&self) -> &Vanilla {
        &self.net
    }

    /// As [`Autoencoder::forward`] with given draws of the prior, `[batch, code]`.
    pub(crate) fn at(&self, x: &Tensor, prior: &Tensor, cx: &mut Ctx) -> Output {
        let Output { decoded, code, loss } = self.net.forward(x, cx);
        let discrepancy = mmd(&code, prior);
        Output { decoded, code, loss: loss.with("mmd", self.config.weight, discrepancy) }
    }
}

/// The unbiased estimate of the squared maximum mean discrepancy of two samples of equal size, `[n, dim]` each: a scalar, 0 in
/// expectation for equal distributions, and so negative at times. Of one draw each, only the kernel between them counts.
pub(crate) fn mmd(a: &Tensor, b: &Tensor) -> Tensor {
    let n = a.dim(0);
    let c = 2.0 * a.dim(1) as f64;
    let kernel = |a: &Tensor, b: &Tensor| {
        let norms = |x: &Tensor| x.square().sum_dims([1]);
        let distance = norms(a).unsqueeze(1) + norms(b).unsqueeze(0) - a.matmul(&b.t()).affine(2.0, 0.0);
        // Rounding can make a small distance negative.
        distance.clamp(0.0, f64::INFINITY).affine(1.0 / c, 1.0).recip()
    };
    let diagonal = Tensor::<f32>::eye(n).gt_scalar(0.5);
    let within = |x: &Tensor| kernel(x, x).masked_fill(&diagonal, 0.0).sum();
    let pairs = (n * (n - 1)).max(1) as f64;
    (within(a) + within(b)).affine(1.0 / pairs, 0.0) - kernel(a, b).mean().affine(2.0, 0.0)
}

impl Autoencoder for Wae {
    verbs_of_net!();

    /// The loss has the parts `reconstruction` and `mmd`, which belongs to the batch as a whole.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let prior = self.prior(x.dim(0), cx);
        self.at(x, &prior, cx)
    }
}

impl Generative for Wae {
    /// N(0, 1).
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        Tensor::randn([n, self.net.config().code], cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn equal_distributions_have_no_discrepancy_and_others_do() {
        let mut rng = Rng::new(0);
        let mut mean = |shift: f32, scale: f32| {
            let each = (0..40).map(|_| {
                let a = Tensor::randn([100, 4], &mut rng) * scale + shift;
                f64::from(mmd(&a, &Tensor::randn([100, 4], &mut rng)).item())
            });
            each.sum::<f64>() / 40.0
        };
        let equal = mean(0.0, 1.0);
        // The standard deviation of one estimate is below 0.01 at n = 100, that of the mean of 40 below 0.002.
        assert!(equal.abs() < 0.006, "{equal}");
        assert!(mean(0.5, 1.0) > 0.02 && mean(0.0, 2.0) > 0.02 && mean(0.0, 0.2) > 0.02);
    }

    #[test]
    fn it_does_not_depend_on_the_order_or_on_a_shift_of_both() {
        let mut rng = Rng::new(1);
        let (a, b): (Tensor, Tensor) = (Tensor::randn([9, 3], &mut rng), Tensor::randn([9, 3], &mut rng));
        let want = mmd(&a, &b).item();
        assert!((mmd(&a.flip(0), &b).item() - want).abs() < 1e-6);
        assert!((mmd(&(&a + 1.0), &(&b + 1.0)).item() - want).abs() < 1e-5);
        assert!(mmd(&a.narrow(0, 0, 1), &b.narrow(0, 0, 1)).item().is_finite());
    }
}
