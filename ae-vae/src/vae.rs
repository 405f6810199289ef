//! The variational autoencoder with a Gaussian encoder.
//!
//! Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, arXiv:1312.6114:
//! ln p(x) ≥ E_q(z|x)[ln p(x|z)] − KL(q(z|x) ‖ p(z)) (eq. 3), estimated with one sample z = μ + σ⊙ε (eqs. 7 and 10).
//! All quantities are nats an image, summed over pixels and averaged over the batch.
//!
//! With [`crate::KlWeight`] it is a β-VAE (Higgins et al. 2017), warms up, or has free bits.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational};
use crate::error::Error;
use crate::gaussian::{Gaussian, std_normal_log_prob};
use crate::likelihood::Likelihood;
use crate::net::{Decoder, GaussianEncoder, check_sizes};

/// The sizes of a [`Vae`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Pixels of an image.
    pub input: usize,
    /// Hidden layers of the encoder, outermost first; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Size of the code z.
    pub latent: usize,
    /// The activation of hidden layers.
    pub act: Act,
    /// p(x|z).
    pub likelihood: Likelihood,
}

impl Default for VaeConfig {
    /// 784-400-20.
    fn default() -> Self {
        VaeConfig { input: 784, hidden: vec![400], latent: 20, act: Act::Relu, likelihood: Likelihood::Bernoulli }
    }
}

impl VaeConfig {
    /// Every size must be at least 1, and there must be a hidden layer.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_sizes("VaeConfig", &[("input", self.input), ("latent", self.latent)], &self.hidden, true)?;
        self.likelihood.validate()
    }
}

/// The variational autoencoder.
#[derive(Clone, Debug)]
pub struct Vae {
    config: VaeConfig,
    encoder: GaussianEncoder,
    decoder: Decoder,
}
module!(Vae { encoder as "", decoder as ""; config });

impl Vae {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: VaeConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let VaeConfig { input, ref hidden, latent, act, likelihood } = config;
        let encoder = GaussianEncoder::new(input, hidden, latent, act, cx);
        let decoder = Decoder::new(latent, hidden, input * likelihood.numbers(), act, cx);
        Ok(Vae { config, encoder, decoder })
    }

    /// The sizes.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// q(z|x) of images `[batch, pixels]`: mean and ln σ², `[batch, latent]` each.
    pub fn posterior(&self, x: &Tensor, cx: &mut Ctx) -> Gaussian {
        self.encoder.forward(x, cx)
    }

    /// As [`Autoencoder::forward`] with a given ε, `[batch, latent]`.
    pub fn forward_with_noise(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        self.posterior(x, cx).bound(self, x, eps, cx)
    }
}

impl Autoencoder for Vae {
    fn pixels(&self) -> usize {
        self.config.input
    }
    fn likelihood(&self) -> Likelihood {
        self.config.likelihood
    }
    /// The mean of q(z|x).
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.posterior(x, cx).mu
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.decoder.forward(code, cx)
    }
    /// Encodes, samples z = μ + σ⊙ε with ε ~ N(0, 1) from the context, decodes. The loss is the negative evidence lower
    /// bound in the parts `reconstruction`, −ln p(x|z), and `kl`, KL(q(z|x) ‖ N(0, 1)) of each latent variable.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([x.dim(0), self.config.latent], cx);
        self.forward_with_noise(x, &eps, cx)
    }
}

impl Generative for Vae {
    /// N(0, 1).
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        Tensor::randn([n, self.config.latent], cx)
    }
}

impl Variational for Vae {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        let eps = Tensor::randn([k, x.dim(0), self.config.latent], cx);
        self.posterior(x, cx).draws(self, x, &eps, cx, |z, _| std_normal_log_prob(z).sum_dims([1]))
    }
}
