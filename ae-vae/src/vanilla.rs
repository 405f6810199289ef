//! The plain autoencoder: a symmetric net with a bottleneck.
//!
//! Hinton & Salakhutdinov 2006, *Reducing the dimensionality of data with neural networks*, Science 313: the cross-entropy
//! of pixels as probabilities, −Σ pᵢ ln p̂ᵢ − Σ (1 − pᵢ) ln(1 − p̂ᵢ) (supplement), trained from random weights throughout.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, Layer, Linear, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Output};
use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::loss::Loss;
use crate::net::{check_sizes, layers, trunk};

/// The sizes of a [`Vanilla`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VanillaConfig {
    /// Pixels of an image.
    pub input: usize,
    /// Hidden layers of the encoder, outermost first; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Size of the code.
    pub code: usize,
    /// The activation of hidden layers; the code itself is linear.
    pub act: Act,
    /// What the decoder's numbers mean.
    pub likelihood: Likelihood,
}

impl Default for VanillaConfig {
    /// 784-256-64-16, for MNIST.
    fn default() -> Self {
        VanillaConfig { input: 784, hidden: vec![256, 64], code: 16, act: Act::Relu, likelihood: Likelihood::Bernoulli }
    }
}

impl VanillaConfig {
    /// Every size must be at least 1.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_sizes("VanillaConfig", &[("input", self.input), ("code", self.code)], &self.hidden, false)?;
        self.likelihood.validate()
    }
}

/// Encoder and decoder of linear maps with an activation between them; the code itself is linear.
#[derive(Clone, Debug)]
pub struct Vanilla {
    config: VanillaConfig,
    encoder: Vec<Linear>,
    decoder: Vec<Linear>,
}
module!(Vanilla { encoder, decoder; config });

impl Vanilla {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: VanillaConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let mut sizes = [&[config.input], &config.hidden[..], &[config.code]].concat();
        let encoder = layers(&sizes, cx);
        sizes[0] *= config.likelihood.numbers();
        let decoder = layers(&sizes.into_iter().rev().collect::<Vec<_>>(), cx);
        Ok(Vanilla { config, encoder, decoder })
    }

    /// The sizes.
    pub fn config(&self) -> &VanillaConfig {
        &self.config
    }

    /// A pass that sees one image and is to give another: see [`crate::Denoising`].
    pub(crate) fn forward_to(&self, seen: &Tensor, target: &Tensor, cx: &mut Ctx) -> Output {
        let code = self.encode(seen, cx);
        self.output(code, target, cx)
    }

    /// Decodes a code and holds the result against the images.
    pub(crate) fn output(&self, code: Tensor, target: &Tensor, cx: &mut Ctx) -> Output {
        let decoded = self.decode(&code, cx);
        let loss = Loss::new("reconstruction", self.config.likelihood.nll(&decoded, target));
        Output { decoded, code, loss }
    }

    /// The activation after every map but the last.
    fn run(&self, layers: &[Linear], x: &Tensor, cx: &mut Ctx) -> Tensor {
        let (last, before) = layers.split_last().expect("an encoder has an input and a code");
        let x = trunk(before, self.config.act, x, cx);
        last.forward(&x, cx)
    }
}

impl Autoencoder for Vanilla {
    fn pixels(&self) -> usize {
        self.config.input
    }
    fn likelihood(&self) -> Likelihood {
        self.config.likelihood
    }
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.run(&self.encoder, x, cx)
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.run(&self.decoder, code, cx)
    }
    /// The loss has one part, `reconstruction`.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        self.forward_to(x, x, cx)
    }
}
