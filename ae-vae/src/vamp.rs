//! The variational autoencoder whose prior is a mixture of its own posteriors.
//!
//! Tomczak & Welling 2018, *VAE with a VampPrior*, arXiv:1705.07120: p(z) = 1/K Σ q(z|u_k) (section 2) with K pseudo-inputs u_k
//! that are trained with the rest. The divergence has no closed form and is estimated with one draw. Pixels of pseudo-inputs
//! are sigmoids of what is trained, where the authors cut linear ones to [0, 1], so that no gradient dies.

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, Param, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational, verbs_of_net};
use crate::error::Error;
use crate::gaussian::Gaussian;
use crate::loss::Loss;
use crate::vae::{Vae, VaeConfig};

/// The net and the prior of a [`Vamp`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VampConfig {
    /// The sizes of the nets.
    pub net: VaeConfig,
    /// K, the number of pseudo-inputs; each step encodes them all.
    pub components: usize,
}

impl Default for VampConfig {
    /// 784-400-20 with 500 pseudo-inputs, as the authors have.
    fn default() -> Self {
        VampConfig { net: VaeConfig::default(), components: 500 }
    }
}

impl VampConfig {
    /// Sizes must be at least 1.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        ConfigError::check(self.components > 0, "VampConfig", "components", self.components, "at least 1")
    }
}

/// A [`Vae`] with a variational mixture of posteriors as its prior.
#[derive(Clone, Debug)]
pub struct Vamp {
    config: VampConfig,
    net: Vae,
    pseudo: Param,
}
module!(Vamp { net as "", pseudo; config });

impl Vamp {
    /// A model with random weights and pseudo-inputs.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: VampConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let pseudo = Param::new(Tensor::randn([config.components, config.net.input], cx));
        Ok(Vamp { net: Vae::new(config.net.clone(), cx)?, pseudo, config })
    }

    /// The net and the number of pseudo-inputs.
    pub fn config(&self) -> &VampConfig {
        &self.config
    }

    /// The variational autoencoder, whose own prior is N(0, 1).
    pub fn net(&self) -> &Vae {
        &self.net
    }

    /// q(z|x) of images `[batch, pixels]`: mean and ln σ², `[batch, latent]` each.
    pub fn posterior(&self, x: &Tensor, cx: &mut Ctx) -> Gaussian {
        self.net.posterior(x, cx)
    }

    /// The pseudo-inputs, `[components, pixels]` in (0, 1).
    pub fn pseudo_inputs(&self, cx: &Ctx) -> Tensor {
        cx.get(&self.pseudo).sigmoid()
    }

    /// The posteriors of the pseudo-inputs.
    fn components(&self, cx: &mut Ctx) -> Gaussian {
        let u = self.pseudo_inputs(cx);
        self.net.posterior(&u, cx)
    }

    pub(crate) fn at(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        let q = self.net.posterior(x, cx);
        let (code, decoded, reconstruction) = q.decoded(&self.net, x, eps, cx);
        let kl = q.log_prob(&code).sum_dims([1]) - log_mixture(&self.components(cx), &code);
        Output { decoded, code, loss: Loss::new("reconstruction", reconstruction).with("kl", 1.0, kl) }
    }
}

/// ln 1/K Σ N(z; μ_k, σ_k²) of each z, `[n, latent]` → `[n]`.
fn log_mixture(components: &Gaussian, z: &Tensor) -> Tensor {
    let each = components.log_prob(&z.unsqueeze(1)).sum_dims([2]);
    each.logsumexp(1).affine(1.0, -(components.mu.dim(0) as f64).ln())
}

impl Autoencoder for Vamp {
    verbs_of_net!();

    /// The loss has the parts `reconstruction` and `kl`, ln q(z|x) − ln p(z) of one draw.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([x.dim(0), self.net.config().latent], cx);
        self.at(x, &eps, cx)
    }
}

impl Generative for Vamp {
    /// A draw from the posterior of a pseudo-input, all of which are equally likely.
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        let q = self.components(cx);
        let ids = (0..n).map(|_| cx.rng.below(q.mu.dim(0)) as i64).collect();
        let ids = Tensor::from_vec(ids, [n]);
        let chosen = Gaussian { mu: q.mu.index_select(0, &ids), logvar: q.logvar.index_select(0, &ids) };
        chosen.sample(cx)
    }
}

impl Variational for Vamp {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        let eps = Tensor::randn([k, x.dim(0), self.net.config().latent], cx);
        self.net.posterior(x, cx).draws(&self.net, x, &eps, cx, |z, cx| log_mixture(&self.components(cx), z))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::std_normal_log_prob;
    use etude_kernels::rng::Rng;

    #[test]
    fn equal_components_are_one_and_none_is_more_likely_than_its_best() {
        let mut rng = Rng::new(0);
        let z = Tensor::randn([50, 3], &mut rng);
        let one = Gaussian { mu: Tensor::zeros([4, 3]), logvar: Tensor::zeros([4, 3]) };
        let want = std_normal_log_prob(&z).sum_dims([1]);
        let off = (log_mixture(&one, &z) - want).abs().to_vec();
        assert!(off.iter().all(|&off| off < 1e-5), "{off:?}");
        let four = Gaussian { mu: Tensor::randn([4, 3], &mut rng), logvar: Tensor::randn([4, 3], &mut rng) };
        let best = four.log_prob(&z.unsqueeze(1)).sum_dims([2]).max(1).to_vec();
        for (found, best) in log_mixture(&four, &z).to_vec().into_iter().zip(best) {
            assert!(found <= best + 1e-5 && found >= best - 4f32.ln() - 1e-5, "{found}, best component {best}");
        }
    }
}
