//! Normal distributions with a diagonal covariance, as encoders give them.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::Ctx;

use crate::autoencoder::{Autoencoder, Draws, Output, repeat};
use crate::loss::Loss;

/// N(μ, σ²) of each latent variable of each image.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// μ, `[batch, latent]`.
    pub mu: Tensor,
    /// ln σ², `[batch, latent]`.
    pub logvar: Tensor,
}

/// ½ ln 2π.
const HALF_LN_2PI: f64 = 0.918_938_533_204_672_7;

impl Gaussian {
    /// z = μ + σ⊙ε of draws ε of N(0, 1), `[batch, latent]` or `[k, batch, latent]`: Kingma & Welling 2014,
    /// arXiv:1312.6114, eq. (10).
    pub fn at(&self, eps: &Tensor) -> Tensor {
        &self.mu + self.logvar.affine(0.5, 0.0).exp() * eps
    }

    /// One draw of each, through which gradients flow.
    pub fn sample(&self, rng: &mut impl AsMut<Rng>) -> Tensor {
        self.at(&Tensor::randn(self.mu.shape(), rng))
    }

    /// ln N(z; μ, σ²) of each variable; z as [`Gaussian::at`] gives it.
    pub fn log_prob(&self, z: &Tensor) -> Tensor {
        ((z - &self.mu).square() * (-&self.logvar).exp() + &self.logvar).affine(-0.5, -HALF_LN_2PI)
    }

    /// KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1 − ln σ²) of each variable, `[batch, latent]`: appendix B.
    pub fn kl_std_normal(&self) -> Tensor {
        (self.mu.square() + self.logvar.exp() - &self.logvar).affine(0.5, -0.5)
    }

    /// KL(self ‖ other) of each variable: ½(ln σ₂² − ln σ₁² + (σ₁² + (μ₁ − μ₂)²)/σ₂² − 1).
    pub fn kl(&self, other: &Gaussian) -> Tensor {
        let spread = (self.logvar.exp() + (&self.mu - &other.mu).square()) * (-&other.logvar).exp();
        (spread + &other.logvar - &self.logvar).affine(0.5, -0.5)
    }
}

/// As the posterior q(z|x) of images x, `[batch, pixels]`, whose codes `model` decodes.
impl Gaussian {
    /// z of noise ε, `[batch, latent]`, what the decoder says of it, and −ln p(x|z), `[batch]`.
    pub(crate) fn decoded(
        &self,
        model: &impl Autoencoder,
        x: &Tensor,
        eps: &Tensor,
        cx: &mut Ctx,
    ) -> (Tensor, Tensor, Tensor) {
        let z = self.at(eps);
        let decoded = model.decode(&z, cx);
        let nll = model.likelihood().nll(&decoded, x);
        (z, decoded, nll)
    }

    /// The negative evidence lower bound under the prior N(0, 1), in its two parts.
    pub(crate) fn bound(&self, model: &impl Autoencoder, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        let (code, decoded, reconstruction) = self.decoded(model, x, eps, cx);
        let loss = Loss::new("reconstruction", reconstruction).with("kl", 1.0, self.kl_std_normal());
        Output { decoded, code, loss }
    }

    /// Draws from noise `[k, batch, latent]` under a prior whose logarithm `log_prior` gives: `[n, latent]` → `[n]`.
    pub(crate) fn draws(
        &self,
        model: &impl Autoencoder,
        x: &Tensor,
        eps: &Tensor,
        cx: &mut Ctx,
        log_prior: impl FnOnce(&Tensor, &mut Ctx) -> Tensor,
    ) -> Draws {
        let (k, z) = (eps.dim(0), self.at(eps));
        let log_q = self.log_prob(&z).sum_dims([2]);
        let code = z.flatten(0..2);
        let decoded = model.decode(&code, cx);
        let joint = log_prior(&code, cx) - model.likelihood().nll(&decoded, &repeat(x, k));
        Draws { code, decoded, log_weights: joint.reshape([k, x.dim(0)]) - log_q }
    }
}

/// ln N(z; 0, 1) of each variable.
pub(crate) fn std_normal_log_prob(z: &Tensor) -> Tensor {
    z.square().affine(-0.5, -HALF_LN_2PI)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two distributions of two variables, and many draws of the first.
    fn pair(n: usize) -> (Gaussian, Gaussian, Tensor) {
        let gaussian = |mu: &[f32], logvar: &[f32]| Gaussian {
            mu: Tensor::from_slice(mu, [1, 2]),
            logvar: Tensor::from_slice(logvar, [1, 2]),
        };
        let first = gaussian(&[0.5, -1.0], &[-0.7, 0.4]);
        let z = first.at(&Tensor::randn([n, 1, 2], &mut Rng::new(0)));
        (first, gaussian(&[0.2, 0.3], &[0.5, -0.2]), z)
    }

    #[test]
    fn analytic_divergences_equal_their_monte_carlo_estimates() {
        let n = 200_000;
        let (first, second, z) = pair(n);
        for (other, want) in
            [(std_normal_log_prob(&z), first.kl_std_normal()), (second.log_prob(&z), first.kl(&second))]
        {
            let ratio = (first.log_prob(&z) - other).squeeze(1);
            let (mean, var) = (ratio.mean_dims([0]).to_vec(), ratio.var_dims([0]).to_vec());
            for ((mean, var), want) in mean.into_iter().zip(var).zip(want.to_vec()) {
                // Five standard errors.
                assert!((mean - want).abs() < 5.0 * (var / n as f32).sqrt(), "{mean} against {want}");
            }
        }
    }

    #[test]
    fn a_distribution_has_no_divergence_from_itself_and_densities_integrate_to_one() {
        let (first, second, _) = pair(1);
        assert!(first.kl(&first).to_vec().iter().all(|kl| kl.abs() < 1e-6));
        assert!(first.kl(&second).to_vec().iter().all(|&kl| kl > 0.0));
        let n = 8001;
        let z = Tensor::from_vec((0..n).flat_map(|i| [i as f32 / 400.0 - 10.0; 2]).collect(), [n, 1, 2]);
        for total in (first.log_prob(&z).exp().sum_dims([0, 1]) / 400.0).to_vec() {
            assert!((total - 1.0).abs() < 1e-4, "{total}");
        }
    }
}
