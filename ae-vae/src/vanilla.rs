//! The plain autoencoder: a symmetric net with a bottleneck.
//!
//! Hinton & Salakhutdinov 2006, *Reducing the dimensionality of data with neural networks*, Science 313: the cross-entropy
//! of pixels as probabilities, −Σ pᵢ ln p̂ᵢ − Σ (1 − pᵢ) ln(1 − p̂ᵢ) (supplement), trained from random weights throughout.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, Layer, Linear, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, layers, trunk};
use crate::error::Error;

/// The sizes of a [`Vanilla`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VanillaConfig {
    /// Pixels of an image.
    pub input: usize,
    /// Hidden layers of the encoder, outermost first; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Size of the code.
    pub code: usize,
}

impl Default for VanillaConfig {
    /// 784-256-64-16, for MNIST.
    fn default() -> Self {
        VanillaConfig { input: 784, hidden: vec![256, 64], code: 16 }
    }
}

impl VanillaConfig {
    /// Every size must be at least 1.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good, field, value: String| ConfigError::check(good, "VanillaConfig", field, value, "at least 1");
        check(self.input > 0, "input", self.input.to_string())?;
        check(!self.hidden.contains(&0), "hidden", format!("{:?}", self.hidden))?;
        check(self.code > 0, "code", self.code.to_string())
    }

    fn encoder_sizes(&self) -> Vec<usize> {
        [&[self.input], &self.hidden[..], &[self.code]].concat()
    }
}

/// Encoder and decoder of linear maps with ReLU between them; the code itself is linear.
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
        let sizes = config.encoder_sizes();
        let encoder = layers(&sizes, cx);
        let decoder = layers(&sizes.into_iter().rev().collect::<Vec<_>>(), cx);
        Ok(Vanilla { config, encoder, decoder })
    }

    /// The sizes.
    pub fn config(&self) -> &VanillaConfig {
        &self.config
    }

    /// The reconstruction's cross-entropy in nats an image, mean over the batch.
    pub fn loss(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.loss_against(x, x, cx)
    }

    /// The same with another image to reconstruct than the one that is seen: see [`crate::Denoising`].
    pub(crate) fn loss_against(&self, seen: &Tensor, target: &Tensor, cx: &mut Ctx) -> Tensor {
        let code = self.encode(seen, cx);
        self.decode(&code, cx).bce_with_logits(target).sum_dims([1]).mean()
    }
}

/// ReLU after every map but the last.
fn forward(layers: &[Linear], x: &Tensor, cx: &mut Ctx) -> Tensor {
    let (last, before) = layers.split_last().expect("an encoder has an input and a code");
    let x = trunk(before, Act::Relu, x, cx);
    last.forward(&x, cx)
}

impl Autoencoder for Vanilla {
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        forward(&self.encoder, x, cx)
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        forward(&self.decoder, code, cx)
    }
}
