//! The variational autoencoder with convolutions: [`crate::Vae`] for pictures.
//!
//! Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, arXiv:1312.6114, eqs. (3), (7) and (10), with the encoder and
//! decoder of [`crate::Convolutional`] in the place of fully connected layers. All quantities are nats an image.

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, Layer, Linear, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational};
use crate::conv_net::{ConvDecoder, ConvEncoder, PictureConfig};
use crate::error::Error;
use crate::gaussian::{Gaussian, std_normal_log_prob};
use crate::likelihood::Likelihood;
use crate::net::LOGVAR_LIMIT;

/// The sizes of a [`ConvVae`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConvVaeConfig {
    /// The pictures and the convolutions.
    pub net: PictureConfig,
    /// Size of the code z.
    pub latent: usize,
    /// p(x|z).
    pub likelihood: Likelihood,
}

impl Default for ConvVaeConfig {
    /// 28 × 28 pixels to 20 latent variables.
    fn default() -> Self {
        ConvVaeConfig { net: PictureConfig::default(), latent: 20, likelihood: Likelihood::Bernoulli }
    }
}

impl ConvVaeConfig {
    /// Sizes must be at least 1, and the sides divisible.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        ConfigError::check(self.latent > 0, "ConvVaeConfig", "latent", self.latent, "at least 1")?;
        self.likelihood.validate()
    }
}

/// The variational autoencoder of pictures.
#[derive(Clone, Debug)]
pub struct ConvVae {
    config: ConvVaeConfig,
    encoder: ConvEncoder,
    mu: Linear,
    logvar: Linear,
    features: Linear,
    decoder: ConvDecoder,
}
module!(ConvVae { encoder as "", mu, logvar, features, decoder as ""; config });

impl ConvVae {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: ConvVaeConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let features: usize = config.net.features().iter().product();
        Ok(ConvVae {
            encoder: ConvEncoder::new(&config.net, cx),
            mu: Linear::new(features, config.latent, cx),
            logvar: Linear::new(features, config.latent, cx),
            features: Linear::new(config.latent, features, cx),
            decoder: ConvDecoder::new(&config.net, config.likelihood.numbers(), cx),
            config,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &ConvVaeConfig {
        &self.config
    }

    /// q(z|x) of images `[batch, pixels]`: mean and ln σ², `[batch, latent]` each.
    pub fn posterior(&self, x: &Tensor, cx: &mut Ctx) -> Gaussian {
        let features = self.encoder.forward(x, cx).flatten_from(1);
        let logvar = self.logvar.forward(&features, cx).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT);
        Gaussian { mu: self.mu.forward(&features, cx), logvar }
    }

    /// As [`Autoencoder::forward`] with a given ε, `[batch, latent]`.
    pub fn forward_with_noise(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        self.posterior(x, cx).bound(self, x, eps, cx)
    }
}

impl Autoencoder for ConvVae {
    fn pixels(&self) -> usize {
        self.config.net.pixels()
    }
    fn likelihood(&self) -> Likelihood {
        self.config.likelihood
    }
    /// The mean of q(z|x).
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.posterior(x, cx).mu
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        let [c, h, w] = self.config.net.features();
        let features = self.config.net.act.apply(&self.features.forward(code, cx));
        self.decoder.forward(&features.reshape([code.dim(0), c, h, w]), cx)
    }
    /// The loss has the parts `reconstruction` and `kl`, as of a [`crate::Vae`].
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([x.dim(0), self.config.latent], cx);
        self.forward_with_noise(x, &eps, cx)
    }
}

impl Generative for ConvVae {
    /// N(0, 1).
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        Tensor::randn([n, self.config.latent], cx)
    }
}

impl Variational for ConvVae {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        let eps = Tensor::randn([k, x.dim(0), self.config.latent], cx);
        self.posterior(x, cx).draws(self, x, &eps, cx, |z, _| std_normal_log_prob(z).sum_dims([1]))
    }
}
