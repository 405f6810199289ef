//! A prior over the words of a [`crate::Vq`]'s pictures: one after another, each given those before it.
//!
//! Van den Oord et al. 2017, arXiv:1711.00937, section 3.3: "whilst training the VQ-VAE, the prior is kept constant and
//! uniform; after training, we fit an autoregressive distribution over z". Theirs is a PixelCNN; here a recurrent net reads
//! the positions row by row, as in van den Oord, Kalchbrenner & Kavukcuoglu 2016, arXiv:1601.06759, eq. (1).

use etude_autograd::{Tensor, no_grad};
use etude_nn::{ConfigError, Ctx, Embedding, Gru, Layer, Linear, Sampler, module};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::loss::Loss;
use crate::vq::check_words;

/// The sizes of a [`CodePrior`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodePriorConfig {
    /// The number of words.
    pub words: usize,
    /// Words in a picture.
    pub positions: usize,
    /// Size of a word's and a position's vector.
    pub embed: usize,
    /// Units of the recurrent net.
    pub hidden: usize,
}

impl Default for CodePriorConfig {
    /// 7 × 7 words of 128.
    fn default() -> Self {
        CodePriorConfig { words: 128, positions: 49, embed: 64, hidden: 256 }
    }
}

impl CodePriorConfig {
    /// Sizes must be at least 1.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes =
            [("words", self.words), ("positions", self.positions), ("embed", self.embed), ("hidden", self.hidden)];
        for (field, value) in sizes {
            ConfigError::check(value > 0, "CodePriorConfig", field, value, "at least 1")?;
        }
        Ok(())
    }
}

/// p(words) = Π p(wordᵢ | words before it).
#[derive(Clone, Debug)]
pub struct CodePrior {
    config: CodePriorConfig,
    /// One row more than there are words: what stands before the first.
    word: Embedding,
    position: Embedding,
    gru: Gru,
    head: Linear,
}
module!(CodePrior { word, position, gru, head; config });

impl CodePrior {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: CodePriorConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let CodePriorConfig { words, positions, embed, hidden } = config;
        Ok(CodePrior {
            word: Embedding::new(words + 1, embed, cx),
            position: Embedding::new(positions, embed, cx),
            gru: Gru::new(embed, hidden, 1, cx),
            head: Linear::new(hidden, words, cx),
            config,
        })
    }

    /// Logits of the words behind each of `before`, `[positions, batch]` from position `from` on, and the state after them.
    fn run(&self, before: &Tensor<i64>, from: usize, state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let (steps, batch) = (before.dim(0), before.dim(1));
        let places = (from..from + steps).flat_map(|p| std::iter::repeat_n(p as i64, batch)).collect();
        let places = Tensor::from_vec(places, [steps, batch]);
        let x = self.word.forward(before, cx) + self.position.forward(&places, cx);
        let (y, state) = self.gru.forward(&x, state, cx);
        (self.head.forward(&y, cx), state)
    }

    /// −ln p of every word of each picture, `[batch, positions]`, in one part, `words`.
    ///
    /// # Errors
    /// If there are no pictures, they have another number of words, or one is not in the codebook.
    pub fn forward(&self, words: &Tensor<i64>, cx: &mut Ctx) -> Result<Loss, Error> {
        let CodePriorConfig { words: codes, positions, .. } = self.config;
        if words.rank() != 2 || words.dim(1) != positions {
            return Err(Error::Width { what: "CodePrior", found: words.shape().to_vec(), width: positions });
        }
        if words.is_empty() {
            return Err(Error::Empty { what: "CodePrior" });
        }
        check_words(words, codes)?;
        let batch = words.dim(0);
        let first = Tensor::from_vec(vec![codes as i64; batch], [1, batch]);
        let targets = words.transpose(0, 1).contiguous();
        let before = Tensor::concat_ids(&[&first, &targets.narrow(0, 0, positions - 1)], 0);
        let (logits, _) = self.run(&before, 0, &self.gru.zero_state(batch), cx);
        let nats = logits.flatten(0..2).cross_entropy_each(&targets.flatten(..));
        Ok(Loss::new("words", nats.reshape([positions, batch]).t()))
    }

    /// The words of `n` new pictures, `[n, positions]`, each drawn by `sampler`.
    ///
    /// # Errors
    /// If `n` is 0.
    pub fn sample(&self, n: usize, sampler: &Sampler, cx: &mut Ctx) -> Result<Tensor<i64>, Error> {
        ConfigError::check(n > 0, "CodePrior::sample", "n", n, "at least 1")?;
        let CodePriorConfig { words, positions, .. } = self.config;
        let mut state = self.gru.zero_state(n);
        let mut last = Tensor::from_vec(vec![words as i64; n], [1, n]);
        let mut all = Vec::new();
        for position in 0..positions {
            let (logits, next) = no_grad(|| self.run(&last, position, &state, cx));
            let drawn: Vec<i64> = logits.to_vec().chunks_exact(words).map(|row| sampler.draw(row, cx) as i64).collect();
            last = Tensor::from_vec(drawn, [1, n]);
            all.push(last.clone());
            state = next;
        }
        let all: Vec<&Tensor<i64>> = all.iter().collect();
        Ok(Tensor::concat_ids(&all, 0).transpose(0, 1).contiguous())
    }
}
