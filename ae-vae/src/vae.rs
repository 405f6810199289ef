//! The variational autoencoder with a Gaussian encoder and a Bernoulli decoder.
//!
//! Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, arXiv:1312.6114:
//! ln p(x) ≥ E_q(z|x)[ln p(x|z)] − KL(q(z|x) ‖ p(z)) (eq. 3), estimated with one sample z = μ + σ⊙ε (eqs. 7 and 10).
//! All quantities are nats an image, summed over pixels and averaged over the batch.

use etude_autograd::{Tensor, no_grad};
use etude_nn::loss::kl_std_normal;
use etude_nn::metrics::Mean;
use etude_nn::{Act, ConfigError, Ctx, Layer, Linear, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, check_pixels, layers, trunk};
use crate::error::Error;

/// The sizes of a [`Vae`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaeConfig {
    /// Pixels of an image.
    pub input: usize,
    /// Hidden layers of the encoder, outermost first; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Size of the code z.
    pub latent: usize,
}

impl Default for VaeConfig {
    /// 784-400-20.
    fn default() -> Self {
        VaeConfig { input: 784, hidden: vec![400], latent: 20 }
    }
}

impl VaeConfig {
    /// Every size must be at least 1, and there must be a hidden layer.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good, field, value: String| ConfigError::check(good, "VaeConfig", field, value, "at least 1");
        check(self.input > 0, "input", self.input.to_string())?;
        check(!self.hidden.is_empty() && !self.hidden.contains(&0), "hidden", format!("{:?}", self.hidden))?;
        check(self.latent > 0, "latent", self.latent.to_string())
    }
}

/// ln σ² is kept in ±`LOGVAR_LIMIT`, so that an exploding encoder gives a large but finite loss.
const LOGVAR_LIMIT: f64 = 20.0;

/// The variational autoencoder.
#[derive(Clone, Debug)]
pub struct Vae {
    config: VaeConfig,
    encoder: Vec<Linear>,
    mu: Linear,
    logvar: Linear,
    decoder: Vec<Linear>,
    pixels: Linear,
}
module!(Vae { encoder, mu, logvar, decoder, pixels; config });

/// What a forward pass gives.
#[derive(Clone, Debug)]
pub struct VaeOutput {
    /// Logits of the pixels, `[batch, pixels]`.
    pub recon: Tensor,
    /// Mean of q(z|x), `[batch, latent]`.
    pub mu: Tensor,
    /// ln σ² of q(z|x), `[batch, latent]`.
    pub logvar: Tensor,
    /// The sample, `[batch, latent]`.
    pub z: Tensor,
}

impl VaeOutput {
    /// The two parts of the negative ELBO of the images `x` that this output belongs to, each `[batch]`.
    pub fn parts(&self, x: &Tensor) -> ElboParts {
        ElboParts {
            reconstruction: self.recon.bce_with_logits(x).sum_dims([1]),
            kl: kl_std_normal(&self.mu, &self.logvar),
        }
    }
}

/// The negative evidence lower bound in its two parts, nats an image.
#[derive(Clone, Debug)]
pub struct ElboParts {
    /// −ln p(x|z).
    pub reconstruction: Tensor,
    /// KL(q(z|x) ‖ N(0, 1)).
    pub kl: Tensor,
}

impl ElboParts {
    /// The negative ELBO, mean over the batch: the loss.
    pub fn loss(&self) -> Tensor {
        (&self.reconstruction + &self.kl).mean()
    }
}

impl Vae {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: VaeConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let inner = *config.hidden.last().expect("validated: there is a hidden layer");
        let outer = config.hidden[0];
        let up: Vec<usize> = [&[config.input], &config.hidden[..]].concat();
        let down: Vec<usize> = std::iter::once(config.latent).chain(config.hidden.iter().rev().copied()).collect();
        Ok(Vae {
            encoder: layers(&up, cx),
            mu: Linear::new(inner, config.latent, cx),
            logvar: Linear::new(inner, config.latent, cx),
            decoder: layers(&down, cx),
            pixels: Linear::new(outer, config.input, cx),
            config,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Mean and ln σ² of q(z|x).
    pub fn posterior(&self, x: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let h = trunk(&self.encoder, Act::Relu, x, cx);
        let logvar = self.logvar.forward(&h, cx).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT);
        (self.mu.forward(&h, cx), logvar)
    }

    /// Encodes, samples z = μ + σ⊙ε with ε ~ N(0, 1) from the context, decodes.
    pub fn forward(&self, x: &Tensor, cx: &mut Ctx) -> VaeOutput {
        let eps = Tensor::randn([x.dim(0), self.config.latent], cx);
        self.forward_with_noise(x, &eps, cx)
    }

    /// As [`Vae::forward`] with a given ε, `[batch, latent]`.
    pub fn forward_with_noise(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> VaeOutput {
        let (mu, logvar) = self.posterior(x, cx);
        let z = &mu + logvar.affine(0.5, 0.0).exp() * eps;
        VaeOutput { recon: self.decode(&z, cx), mu, logvar, z }
    }

    /// Pixel probabilities of `n` draws from the prior N(0, 1), `[n, pixels]`.
    pub fn sample(&self, n: usize, cx: &mut Ctx) -> Tensor {
        let z = Tensor::randn([n, self.config.latent], cx);
        no_grad(|| self.decode(&z, cx).sigmoid())
    }

    /// The mean negative ELBO over all images, one sample of z each, in batches. No graph is recorded.
    ///
    /// # Errors
    /// If the images are none, have another size, or hold anything but 0 to 1.
    pub fn neg_elbo(&self, x: &Tensor, cx: &mut Ctx) -> Result<f64, Error> {
        const BATCH: usize = 500;
        check_pixels("Vae::neg_elbo", x, self.config.input)?;
        let mut mean = Mean::default();
        for start in (0..x.dim(0)).step_by(BATCH) {
            let batch = x.narrow(0, start, BATCH.min(x.dim(0) - start));
            let loss = no_grad(|| self.forward(&batch, cx).parts(&batch).loss().item());
            mean.add_weighted(loss, batch.dim(0) as f64);
        }
        Ok(mean.get())
    }

    /// ln p(x) of each image by importance sampling with `k` samples of q: a bound that tightens with k.
    ///
    /// Burda et al. 2016, arXiv:1509.00519, eq. (8): ln 1/k Σ p(x|zᵢ)p(zᵢ)/q(zᵢ|x), streamed as a log-sum-exp.
    ///
    /// # Errors
    /// As [`Vae::neg_elbo`], and if `k` is 0.
    pub fn log_likelihood(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Result<Tensor, Error> {
        check_pixels("Vae::log_likelihood", x, self.config.input)?;
        ConfigError::check(k > 0, "Vae::log_likelihood", "k", k, "at least 1")?;
        Ok(no_grad(|| {
            let (mu, logvar) = self.posterior(x, cx);
            let std = logvar.affine(0.5, 0.0).exp();
            let mut total: Option<Tensor> = None;
            for _ in 0..k {
                let eps = Tensor::randn(mu.shape(), cx);
                let z = &mu + &std * &eps;
                // ln p(z) − ln q(z|x): the constants of both normal densities cancel.
                let ratio = (eps.square() + &logvar - z.square()).sum_dims([1]).affine(0.5, 0.0);
                let log_w = ratio - self.decode(&z, cx).bce_with_logits(x).sum_dims([1]);
                total = Some(match total {
                    Some(sum) => Tensor::stack(&[&sum, &log_w], 0).logsumexp(0),
                    None => log_w,
                });
            }
            total.expect("k is at least 1").affine(1.0, -(k as f64).ln())
        }))
    }
}

impl Autoencoder for Vae {
    /// The mean of q(z|x).
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.posterior(x, cx).0
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        let h = trunk(&self.decoder, Act::Relu, code, cx);
        self.pixels.forward(&h, cx)
    }
}
