//! The β-TC-VAE: latent variables that are independent of one another.
//!
//! Chen, Li, Grosse & Duvenaud 2018, *Isolating Sources of Disentanglement in Variational Autoencoders*, arXiv:1802.04942.
//! The divergence of all images together falls into three (eq. 2): the mutual information of image and code, the total
//! correlation of the latent variables, and the divergence of each from its prior. The total correlation is what counts β
//! times (eq. 4). ln q(z) of the aggregate is estimated from the batch alone (minibatch-weighted sampling, eq. 3).

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational, verbs_of_net};
use crate::error::Error;
use crate::gaussian::{Gaussian, std_normal_log_prob};
use crate::loss::Loss;
use crate::vae::{Vae, VaeConfig};

/// The net and the weight of a [`BetaTc`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BetaTcConfig {
    /// The sizes of the nets.
    pub net: VaeConfig,
    /// β, the weight of the total correlation.
    pub beta: f64,
    /// Images in the training set, N of eq. (3).
    pub images: usize,
}

impl Default for BetaTcConfig {
    /// 784-400-20 with β = 6 for 10,000 images.
    fn default() -> Self {
        BetaTcConfig { net: VaeConfig::default(), beta: 6.0, images: 10_000 }
    }
}

impl BetaTcConfig {
    /// Sizes must be at least 1, β not negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        let good = self.beta >= 0.0 && self.beta.is_finite();
        ConfigError::check(good, "BetaTcConfig", "beta", self.beta, "a finite number from 0")?;
        ConfigError::check(self.images > 0, "BetaTcConfig", "images", self.images, "at least 1")
    }
}

/// A [`Vae`] trained on the three parts of its divergence.
#[derive(Clone, Debug)]
pub struct BetaTc {
    config: BetaTcConfig,
    net: Vae,
}
module!(BetaTc { net as ""; config });

impl BetaTc {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: BetaTcConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(BetaTc { net: Vae::new(config.net.clone(), cx)?, config })
    }

    /// The net, β and the number of images.
    pub fn config(&self) -> &BetaTcConfig {
        &self.config
    }

    /// The variational autoencoder.
    pub fn net(&self) -> &Vae {
        &self.net
    }

    /// q(z|x) of images `[batch, pixels]`: mean and ln σ², `[batch, latent]` each.
    pub fn posterior(&self, x: &Tensor, cx: &mut Ctx) -> Gaussian {
        self.net.posterior(x, cx)
    }

    pub(crate) fn at(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        let q = self.net.posterior(x, cx);
        let (code, decoded, reconstruction) = q.decoded(&self.net, x, eps, cx);
        let [information, correlation, dimensions] = decomposed(&q, &code, self.config.images);
        let loss = Loss::new("reconstruction", reconstruction)
            .with("mutual_information", 1.0, information)
            .with("total_correlation", self.config.beta, correlation)
            .with("dimensions", 1.0, dimensions);
        Output { decoded, code, loss }
    }
}

/// The three terms of eq. (2) of each image, `[batch]`, whose sum is ln q(z|x) − ln p(z): from the posteriors of a batch and
/// one draw of each, out of a set of `images`.
pub(crate) fn decomposed(q: &Gaussian, z: &Tensor, images: usize) -> [Tensor; 3] {
    let ln_mn = ((z.dim(0) * images) as f64).ln();
    let log_posterior = q.log_prob(z).sum_dims([1]);
    let log_prior = std_normal_log_prob(z).sum_dims([1]);
    // ln q(z_ij | x_m) of draw i under the posterior of every image m of the batch, [i, m, j].
    let others = Gaussian { mu: q.mu.unsqueeze(0), logvar: q.logvar.unsqueeze(0) };
    let each = others.log_prob(&z.unsqueeze(1));
    // eq. (3): ln q(z) ≈ ln 1/(NM) Σ_m q(z|x_m), for all variables together and for each alone.
    let log_joint = each.sum_dims([2]).logsumexp(1).affine(1.0, -ln_mn);
    let log_marginals = each.logsumexp(1).affine(1.0, -ln_mn).sum_dims([1]);
    [log_posterior - &log_joint, log_joint - &log_marginals, log_marginals - log_prior]
}

impl Autoencoder for BetaTc {
    verbs_of_net!();

    /// The loss has the parts `reconstruction`, `mutual_information`, `total_correlation` (of weight β) and `dimensions`.
    ///
    /// The estimates of the last three are biased, their sum is not. Eq. (3) divides by N·M what is a sum over M images: where
    /// posteriors are broad and overlap, each estimate of ln q, of all d variables together and of each alone, is about ln N
    /// too low, even if the batch is the whole set. So the information is up to ln N too high, the correlation by (d − 1)·ln N,
    /// and the dimensions d·ln N too low: compare the parts only between runs of equal d and N.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([x.dim(0), self.net.config().latent], cx);
        self.at(x, &eps, cx)
    }
}

impl Generative for BetaTc {
    /// N(0, 1).
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        self.net.prior(n, cx)
    }
}

impl Variational for BetaTc {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        self.net.draws(x, k, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn the_parts_add_up_to_the_divergence_and_a_batch_of_one_works() {
        for (batch, images) in [(1, 1), (6, 100)] {
            let mut rng = Rng::new(0);
            let q = Gaussian { mu: Tensor::randn([batch, 3], &mut rng), logvar: Tensor::randn([batch, 3], &mut rng) };
            let z = q.sample(&mut rng);
            let want = (q.log_prob(&z) - std_normal_log_prob(&z)).sum_dims([1]).to_vec();
            let found = decomposed(&q, &z, images).into_iter().reduce(|a, b| a + b).expect("three").to_vec();
            for (found, want) in found.into_iter().zip(want) {
                assert!((found - want).abs() < 1e-4, "{found} against {want}");
            }
        }
    }

    #[test]
    fn variables_that_say_the_same_are_correlated_and_independent_ones_are_not() {
        // A whole set as one batch, narrow posteriors: two variables with equal means against two on a grid.
        let n = 64;
        let correlation = |mu: Vec<f32>| {
            let q = Gaussian { mu: Tensor::from_vec(mu, [n, 2]), logvar: Tensor::full([n, 2], -6.0) };
            let z = q.sample(&mut Rng::new(1));
            // Eq. (3) has 1/(NM) for 1/M: ln N too little for one joint, and for two marginals.
            decomposed(&q, &z, n)[1].mean().item() - (n as f32).ln()
        };
        let same = correlation((0..n).flat_map(|i| [i as f32; 2]).collect());
        let grid = correlation((0..n).flat_map(|i| [(i % 8) as f32, (i / 8) as f32]).collect());
        // Of 64 values that are equal one tells the other, ln 64 nats; the coordinates of a grid tell nothing.
        assert!((same - (n as f32).ln()).abs() < 0.1 && grid.abs() < 0.1, "{same} and {grid}");
    }
}
