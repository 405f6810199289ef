//! The plain autoencoder with convolutions: [`crate::Vanilla`] for pictures.
//!
//! Masci, Meier, Cireşan & Schmidhuber 2011, *Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction*,
//! ICANN, section 3; with strides in the place of its pooling, a linear code, and trained as a whole.

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, Layer, Linear, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Output};
use crate::conv_net::{ConvDecoder, ConvEncoder, PictureConfig};
use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::loss::Loss;

/// The sizes of a [`Convolutional`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConvolutionalConfig {
    /// The pictures and the convolutions.
    pub net: PictureConfig,
    /// Size of the code.
    pub code: usize,
    /// What the decoder's numbers mean.
    pub likelihood: Likelihood,
}

impl Default for ConvolutionalConfig {
    /// 28 × 28 pixels to 16 numbers.
    fn default() -> Self {
        ConvolutionalConfig { net: PictureConfig::default(), code: 16, likelihood: Likelihood::Bernoulli }
    }
}

impl ConvolutionalConfig {
    /// Sizes must be at least 1, and the sides divisible.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        ConfigError::check(self.code > 0, "ConvolutionalConfig", "code", self.code, "at least 1")?;
        self.likelihood.validate()
    }
}

/// Convolutions to a linear code and back.
#[derive(Clone, Debug)]
pub struct Convolutional {
    config: ConvolutionalConfig,
    encoder: ConvEncoder,
    code: Linear,
    features: Linear,
    decoder: ConvDecoder,
}
module!(Convolutional { encoder as "", code, features, decoder as ""; config });

impl Convolutional {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: ConvolutionalConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let features: usize = config.net.features().iter().product();
        Ok(Convolutional {
            encoder: ConvEncoder::new(&config.net, cx),
            code: Linear::new(features, config.code, cx),
            features: Linear::new(config.code, features, cx),
            decoder: ConvDecoder::new(&config.net, config.likelihood.numbers(), cx),
            config,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &ConvolutionalConfig {
        &self.config
    }
}

impl Autoencoder for Convolutional {
    fn pixels(&self) -> usize {
        self.config.net.pixels()
    }
    fn likelihood(&self) -> Likelihood {
        self.config.likelihood
    }
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let features = self.encoder.forward(x, cx);
        self.code.forward(&features.flatten_from(1), cx)
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        let [c, h, w] = self.config.net.features();
        let features = self.config.net.act.apply(&self.features.forward(code, cx));
        self.decoder.forward(&features.reshape([code.dim(0), c, h, w]), cx)
    }
    /// The loss has one part, `reconstruction`.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let code = self.encode(x, cx);
        let decoded = self.decode(&code, cx);
        let loss = Loss::new("reconstruction", self.config.likelihood.nll(&decoded, x));
        Output { decoded, code, loss }
    }
}
