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

    /// The sizes.
    pub fn config(&self) -> &CodePriorConfig {
        &self.config
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

    /// Goes through the positions of `n` pictures in order: `choose` is given the logits of their words at each, `[n, words]`,
    /// says which words stand there, and these are what the next position is told. Gives all of them, `[n, positions]`.
    ///
    /// So are pictures drawn ([`CodePrior::sample`]), and so are words written to a file and read back by an entropy coder:
    /// writer and reader must see the same bits of every probability, and do if both come this way with the same `n`, on the
    /// same instruction set. That [`CodePrior::forward`] sees whole pictures at once is faster and rounds otherwise.
    ///
    /// All `n` go together, and memory grows with `n`: their logits are `n` times as many numbers as there are words.
    ///
    /// # Errors
    /// If `n` is 0, or `choose` fails, or gives another number of words than `n` or one that is not in the codebook.
    pub fn follow<E: From<Error>>(
        &self,
        n: usize,
        cx: &mut Ctx,
        mut choose: impl FnMut(&Tensor, &mut Ctx) -> Result<Vec<i64>, E>,
    ) -> Result<Tensor<i64>, E> {
        ConfigError::check(n > 0, "CodePrior", "n", n, "at least 1").map_err(Error::from)?;
        let CodePriorConfig { words, positions, .. } = self.config;
        let mut state = self.gru.zero_state(n);
        let mut last = Tensor::from_vec(vec![words as i64; n], [1, n]);
        let mut all = Vec::new();
        for position in 0..positions {
            let (logits, next) = no_grad(|| self.run(&last, position, &state, cx));
            let chosen = choose(&logits.flatten(0..2), cx)?;
            if chosen.len() != n {
                return Err(Error::Width { what: "CodePrior::follow", found: vec![1, chosen.len()], width: n }.into());
            }
            last = Tensor::from_vec(chosen, [1, n]);
            check_words(&last, words)?;
            all.push(last.clone());
            state = next;
        }
        let all: Vec<&Tensor<i64>> = all.iter().collect();
        Ok(Tensor::concat_ids(&all, 0).transpose(0, 1).contiguous())
    }

    /// The words of `n` new pictures, `[n, positions]`, each drawn by `sampler`.
    ///
    /// # Errors
    /// If `n` is 0.
    pub fn sample(&self, n: usize, sampler: &Sampler, cx: &mut Ctx) -> Result<Tensor<i64>, Error> {
        let words = self.config.words;
        let draw = |row: &[f32], cx: &mut Ctx| sampler.draw(row, cx) as i64;
        self.follow(n, cx, |logits, cx| Ok(logits.to_vec().chunks_exact(words).map(|row| draw(row, cx)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    fn small(cx: &mut Ctx) -> CodePrior {
        let config = CodePriorConfig { words: 5, positions: 6, embed: 3, hidden: 4 };
        CodePrior::new(config, cx).expect("valid")
    }

    fn words(n: usize) -> Tensor<i64> {
        let mut rng = Rng::new(1);
        Tensor::from_vec((0..6 * n).map(|_| rng.below(5) as i64).collect(), [n, 6])
    }

    #[test]
    fn position_by_position_the_probabilities_are_those_of_the_whole() {
        let mut cx = Ctx::eval_with_seed(0);
        let (prior, words) = (small(&mut cx), words(7));
        let each = prior.forward(&words, &mut cx).expect("fits").each().to_vec();
        let mut nats = vec![0.0; 7];
        let mut position = 0;
        let seen = prior.follow::<Error>(7, &mut cx, |logits, _| {
            let here = words.narrow(1, position, 1).flatten(..);
            position += 1;
            let paid = logits.cross_entropy_each(&here).to_vec();
            nats.iter_mut().zip(paid).for_each(|(sum, nats)| *sum += nats);
            Ok(here.to_vec())
        });
        assert_eq!(seen.expect("fits").to_vec(), words.to_vec());
        for (whole, step) in each.iter().zip(nats) {
            assert!((whole - step).abs() < 1e-4, "{whole} and {step}");
        }
    }

    #[test]
    fn who_goes_the_same_way_twice_sees_the_same_bits() {
        let mut cx = Ctx::eval_with_seed(0);
        let (prior, words) = (small(&mut cx), words(7));
        let mut seen = [Vec::new(), Vec::new()];
        for seen in &mut seen {
            let mut position = 0;
            let followed = prior.follow::<Error>(7, &mut cx, |logits, _| {
                seen.extend(logits.to_vec().into_iter().map(f32::to_bits));
                position += 1;
                Ok(words.narrow(1, position - 1, 1).flatten(..).to_vec())
            });
            followed.expect("fits");
        }
        assert_eq!(seen[0], seen[1]);
    }

    #[test]
    fn words_that_do_not_fit_are_named() {
        let mut cx = Ctx::eval_with_seed(0);
        let prior = small(&mut cx);
        let follow =
            |n, words: Vec<i64>| prior.follow::<Error>(n, &mut Ctx::eval_with_seed(0), |_, _| Ok(words.clone()));
        assert!(matches!(follow(0, vec![]), Err(Error::Config(e)) if e.field == "n"));
        assert!(matches!(follow(2, vec![1]), Err(Error::Width { width: 2, .. })));
        assert!(matches!(follow(2, vec![1, 5]), Err(Error::Word { at: 1, word: 5, words: 5 })));
    }
}
