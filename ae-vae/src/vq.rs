//! The vector-quantised autoencoder: codes are small pictures of words from a codebook.
//!
//! Van den Oord, Vinyals & Kavukcuoglu 2017, *Neural Discrete Representation Learning*, arXiv:1711.00937: each position of
//! the encoder's features is replaced by the nearest vector of the codebook (eq. 2), the gradient goes straight through, and
//! the encoder pays β‖z_e − sg[e]‖² for being far from it (eq. 3, last term). Moving averages take the place of the
//! codebook's own loss (appendix A.1), so that nothing of it is trained.
//!
//! The prior over the words of a picture is a model of its own, trained afterwards: [`crate::CodePrior`].

use etude_autograd::{Conv2dArgs, Tensor, no_grad};
use etude_nn::{ConfigError, Conv2d, Ctx, Layer, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Output};
use crate::codebook::Codebook;
use crate::conv_net::{ConvDecoder, ConvEncoder, PictureConfig};
use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::loss::Loss;

/// The sizes of a [`Vq`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VqConfig {
    /// The pictures and the convolutions.
    pub net: PictureConfig,
    /// K, the number of words.
    pub codes: usize,
    /// D, the size of a word's vector.
    pub dim: usize,
    /// β, the weight of the distance from the codebook, in nats.
    pub commitment: f64,
    /// γ, the decay of the codebook's moving averages.
    pub decay: f64,
    /// A word is replaced when fewer positions of a batch than this chose it, averaged over batches; 0 for never. It is a
    /// count: were all words chosen equally often, each would have images · positions / `codes` of a batch, 38 of 100 images
    /// with the default sizes, and a word is worth keeping far below that. Of small batches and large codebooks choose it
    /// below that number, or words are replaced all the time.
    pub alive: f64,
    /// What the decoder's numbers mean.
    pub likelihood: Likelihood,
}

impl Default for VqConfig {
    /// 28 × 28 pixels to 7 × 7 words of 128, β = 0.25 and γ = 0.99 as in the paper.
    fn default() -> Self {
        VqConfig {
            net: PictureConfig::default(),
            codes: 128,
            dim: 16,
            commitment: 0.25,
            decay: 0.99,
            alive: 1.0,
            likelihood: Likelihood::Bernoulli,
        }
    }
}

impl VqConfig {
    /// Sizes must be at least 1, weights not negative, the decay in [0, 1).
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        for (field, value) in [("codes", self.codes), ("dim", self.dim)] {
            ConfigError::check(value > 0, "VqConfig", field, value, "at least 1")?;
        }
        for (field, value) in [("commitment", self.commitment), ("alive", self.alive)] {
            let good = value >= 0.0 && value.is_finite();
            ConfigError::check(good, "VqConfig", field, value, "a finite number from 0")?;
        }
        let good = (0.0..1.0).contains(&self.decay);
        ConfigError::check(good, "VqConfig", "decay", self.decay, "from 0, less than 1")?;
        self.likelihood.validate()
    }
}

/// The vector-quantised autoencoder. Its code is the chosen vectors, `[batch, dim·height·width]`.
#[derive(Clone, Debug)]
pub struct Vq {
    config: VqConfig,
    encoder: ConvEncoder,
    to_code: Conv2d,
    codebook: Codebook,
    from_code: Conv2d,
    decoder: ConvDecoder,
}
module!(Vq { encoder as "", to_code, codebook, from_code, decoder as ""; config });

impl Vq {
    /// A model with random weights and words.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: VqConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let [features, ..] = config.net.features();
        Ok(Vq {
            encoder: ConvEncoder::new(&config.net, cx),
            to_code: Conv2d::new(features, config.dim, 1, Conv2dArgs::default(), cx),
            codebook: Codebook::new(config.codes, config.dim, config.decay, config.alive, cx),
            from_code: Conv2d::new(config.dim, features, 3, Conv2dArgs::new(1, 1), cx),
            decoder: ConvDecoder::new(&config.net, config.likelihood.numbers(), cx),
            config,
        })
    }

    /// The sizes and the settings of the codebook.
    pub fn config(&self) -> &VqConfig {
        &self.config
    }

    /// The number of words.
    pub fn codes(&self) -> usize {
        self.codebook.len()
    }

    /// Words in a picture: height times width of the features.
    pub fn positions(&self) -> usize {
        self.config.net.features()[1..].iter().product()
    }

    /// The words of each picture, row by row: `[batch, positions]`.
    pub fn words(&self, x: &Tensor, cx: &mut Ctx) -> Tensor<i64> {
        no_grad(|| {
            let rows = self.rows(&self.features(x, cx));
            self.codebook.nearest(&rows).reshape([x.dim(0), self.positions()])
        })
    }

    /// The pixels of pictures of words, `[batch, positions]` → `[batch, pixels]`: without a graph.
    ///
    /// # Errors
    /// If there are not [`Vq::positions`] words in each, or one is not in the codebook.
    pub fn picture(&self, words: &Tensor<i64>, cx: &mut Ctx) -> Result<Tensor, Error> {
        let positions = self.positions();
        if words.rank() != 2 || words.dim(1) != positions {
            return Err(Error::Width { what: "Vq::picture", found: words.shape().to_vec(), width: positions });
        }
        check_words(words, self.codes())?;
        Ok(no_grad(|| {
            let code = self.picture_of_rows(&self.codebook.look_up(words).flatten(0..2), words.dim(0));
            self.config.likelihood.mean(&self.decode(&code.flatten_from(1), cx))
        }))
    }

    /// What is to be quantised, `[batch, dim, height, width]`.
    fn features(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let features = self.encoder.forward(x, cx);
        self.to_code.forward(&features, cx)
    }

    /// `[batch, dim, height, width]` to `[batch·positions, dim]`.
    fn rows(&self, features: &Tensor) -> Tensor {
        features.permute([0, 2, 3, 1]).reshape([features.dim(0) * self.positions(), self.config.dim])
    }

    /// The way back.
    fn picture_of_rows(&self, rows: &Tensor, batch: usize) -> Tensor {
        let [_, h, w] = self.config.net.features();
        rows.reshape([batch, h, w, self.config.dim]).permute([0, 3, 1, 2])
    }
}

/// Words must be in the codebook.
pub(crate) fn check_words(words: &Tensor<i64>, codes: usize) -> Result<(), Error> {
    let at = words.to_vec().iter().position(|word| !(0..codes as i64).contains(word));
    match at {
        Some(at) => Err(Error::Word { at, word: words.to_vec()[at], words: codes }),
        None => Ok(()),
    }
}

impl Autoencoder for Vq {
    fn pixels(&self) -> usize {
        self.config.net.pixels()
    }
    fn likelihood(&self) -> Likelihood {
        self.config.likelihood
    }
    /// The chosen vectors.
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let words = self.words(x, cx);
        self.picture_of_rows(&self.codebook.look_up(&words).flatten(0..2), x.dim(0)).flatten_from(1)
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        let [_, h, w] = self.config.net.features();
        let chosen = code.reshape([code.dim(0), self.config.dim, h, w]);
        let features = self.config.net.act.apply(&self.from_code.forward(&chosen, cx));
        self.decoder.forward(&features, cx)
    }
    /// The loss has the parts `reconstruction` and `commitment`, `‖z_e − sg[e]‖²`. A training pass updates the codebook.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let features = self.features(x, cx);
        let rows = self.rows(&features);
        let ids = self.codebook.nearest(&rows);
        let chosen = self.codebook.look_up(&ids);
        let distance = (&rows - &chosen).square().reshape([x.dim(0), self.positions() * self.config.dim]);
        // The value of the chosen vectors with the gradient of the features.
        let through = &rows + (&chosen - &rows).detach();
        if cx.is_train() {
            self.codebook.update(&rows, &ids, &mut cx.rng);
        }
        let code = self.picture_of_rows(&through, x.dim(0)).flatten_from(1);
        let decoded = self.decode(&code, cx);
        let loss = Loss::new("reconstruction", self.config.likelihood.nll(&decoded, x));
        Output { decoded, code, loss: loss.with("commitment", self.config.commitment, distance) }
    }
}
