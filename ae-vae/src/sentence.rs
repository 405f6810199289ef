//! A variational autoencoder of sentences.
//!
//! Bowman, Vilnis, Vinyals, Dai, Jozefowicz & Bengio 2016, *Generating Sentences from a Continuous Space*, arXiv:1511.06349:
//! a recurrent encoder whose last state gives q(z|x), and a recurrent decoder that is told z and the word before. Such a
//! decoder can do without z, and then does (section 3.1): so a share of the words that it is told is dropped (word dropout),
//! and the divergence is warmed up with [`crate::KlWeight`].

use etude_autograd::{Tensor, no_grad};
use etude_nn::{ConfigError, Ctx, Embedding, Gru, Layer, Linear, Sampler, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::Output;
use crate::error::Error;
use crate::gaussian::Gaussian;
use crate::loss::Loss;
use crate::net::LOGVAR_LIMIT;

/// The sizes of a [`Sentence`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentenceConfig {
    /// Number of words (or characters): 0 to `words` − 1.
    pub words: usize,
    /// Size of a word's vector.
    pub embed: usize,
    /// Units of both recurrent nets.
    pub hidden: usize,
    /// Size of the code z.
    pub latent: usize,
    /// The share of words that the decoder is not told while training.
    pub word_drop: f64,
}

impl Default for SentenceConfig {
    /// For characters: 128 of them, 256 units, 16 latent variables, every third one dropped.
    fn default() -> Self {
        SentenceConfig { words: 128, embed: 32, hidden: 256, latent: 16, word_drop: 0.33 }
    }
}

impl SentenceConfig {
    /// Sizes must be at least 1, the share in [0, 1].
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [("words", self.words), ("embed", self.embed), ("hidden", self.hidden), ("latent", self.latent)];
        for (field, value) in sizes {
            ConfigError::check(value > 0, "SentenceConfig", field, value, "at least 1")?;
        }
        let good = (0.0..=1.0).contains(&self.word_drop);
        ConfigError::check(good, "SentenceConfig", "word_drop", self.word_drop, "0 to 1")
    }
}

/// Sentences of a batch, checked and laid out for a [`Sentence`] autoencoder.
#[derive(Clone, Debug)]
pub struct Sentences {
    /// Words with the end behind them, then whatever fits: `[longest + 1, batch]`.
    words: Tensor<i64>,
    /// Words of each with its end.
    lengths: Vec<usize>,
}

impl Sentences {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Never: a batch without a sentence is refused.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }
}

/// A variational autoencoder of sequences of words, with the verbs of [`crate::Autoencoder`].
///
/// ```
/// use etude_ae_vae::{Sentence, SentenceConfig};
/// use etude_nn::{Ctx, Sampler};
///
/// let mut cx = Ctx::train(0);
/// let model = Sentence::new(SentenceConfig { words: 26, ..SentenceConfig::default() }, &mut cx)?;
/// let batch = model.batch(&[vec![7, 4, 11, 11, 14], vec![24, 14]])?;
/// let loss = model.forward(&batch, &mut cx).loss.total();
/// let new = model.sample(3, 20, &Sampler::greedy(), &mut cx);
/// assert_eq!(new.len(), 3);
/// # Ok::<(), etude_ae_vae::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sentence {
    config: SentenceConfig,
    /// Three rows more than there are words: the beginning, the end, and a word that is not told.
    embed: Embedding,
    encoder: Gru,
    mu: Linear,
    logvar: Linear,
    start: Linear,
    decoder: Gru,
    head: Linear,
}
module!(Sentence { embed, encoder, mu, logvar, start, decoder, head; config });

impl Sentence {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: SentenceConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let SentenceConfig { words, embed, hidden, latent, .. } = config;
        Ok(Sentence {
            embed: Embedding::new(words + 3, embed, cx),
            encoder: Gru::new(embed, hidden, 1, cx),
            mu: Linear::new(hidden, latent, cx),
            logvar: Linear::new(hidden, latent, cx),
            start: Linear::new(latent, hidden, cx),
            decoder: Gru::new(embed + latent, hidden, 1, cx),
            head: Linear::new(hidden, words + 1, cx),
            config,
        })
    }

    /// The sizes and the share of words that are dropped.
    pub fn config(&self) -> &SentenceConfig {
        &self.config
    }

    /// The id of the end, which is also a class of the decoder.
    fn end(&self) -> i64 {
        self.config.words as i64
    }

    fn beginning(&self) -> i64 {
        self.config.words as i64 + 1
    }

    fn unknown(&self) -> i64 {
        self.config.words as i64 + 2
    }

    /// Sentences of words 0 to `words` − 1; a sentence may be empty.
    ///
    /// # Errors
    /// If there is no sentence, or a word that the model does not have.
    pub fn batch(&self, sentences: &[Vec<u32>]) -> Result<Sentences, Error> {
        self.check(sentences)?;
        let lengths: Vec<usize> = sentences.iter().map(|s| s.len() + 1).collect();
        let longest = lengths.iter().copied().max().expect("there is a sentence");
        let word = |t: usize, s: &Vec<u32>| s.get(t).map_or(self.end(), |&w| i64::from(w));
        let all = (0..longest).flat_map(|t| sentences.iter().map(move |s| word(t, s))).collect();
        Ok(Sentences { words: Tensor::from_vec(all, [longest, sentences.len()]), lengths })
    }

    /// What [`Sentence::batch`] refuses.
    pub(crate) fn check(&self, sentences: &[Vec<u32>]) -> Result<(), Error> {
        if sentences.is_empty() {
            return Err(Error::Empty { what: "Sentence::batch" });
        }
        let words = self.config.words;
        for sentence in sentences {
            if let Some(at) = sentence.iter().position(|&w| w as usize >= words) {
                return Err(Error::Word { at, word: i64::from(sentence[at]), words });
            }
        }
        Ok(())
    }

    /// q(z|x) of each sentence: mean and ln σ², `[batch, latent]` each.
    pub fn posterior(&self, batch: &Sentences, cx: &mut Ctx) -> Gaussian {
        let x = self.embed.forward(&batch.words, cx);
        let (_, state) = self.encoder.forward_lengths(&x, &batch.lengths, &self.encoder.zero_state(batch.len()), cx);
        let h = state.select(0, 0);
        let logvar = self.logvar.forward(&h, cx).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT);
        Gaussian { mu: self.mu.forward(&h, cx), logvar }
    }

    /// The mean of q(z|x), `[batch, latent]`.
    pub fn encode(&self, batch: &Sentences, cx: &mut Ctx) -> Tensor {
        self.posterior(batch, cx).mu
    }

    /// Encodes, samples z, decodes. `decoded` are logits of the words and the end, `[longest + 1, batch, words + 1]`; the loss
    /// has the parts `reconstruction`, −ln p of a sentence and its end, and `kl` of each latent variable.
    pub fn forward(&self, batch: &Sentences, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([batch.len(), self.config.latent], cx);
        let told = self.told(batch, cx);
        self.at(batch, &eps, &told, cx)
    }

    /// What the decoder is told: the beginning, then every word but the last, some of them dropped while training.
    pub(crate) fn told(&self, batch: &Sentences, cx: &mut Ctx) -> Tensor<i64> {
        let (steps, n) = (batch.words.dim(0), batch.len());
        let first = Tensor::from_vec(vec![self.beginning(); n], [1, n]);
        let told = Tensor::concat_ids(&[&first, &batch.words.narrow(0, 0, steps - 1)], 0);
        if !cx.is_train() || self.config.word_drop == 0.0 {
            return told;
        }
        let dropped = told.to_vec().into_iter().enumerate().map(|(i, word)| {
            let drop = i >= n && cx.rng.f64() < self.config.word_drop;
            if drop { self.unknown() } else { word }
        });
        Tensor::from_vec(dropped.collect(), [steps, n])
    }

    pub(crate) fn at(&self, batch: &Sentences, eps: &Tensor, told: &Tensor<i64>, cx: &mut Ctx) -> Output {
        let q = self.posterior(batch, cx);
        let code = q.at(eps);
        let (decoded, _) = self.run(told, &code, &self.first_state(&code, cx), cx);
        let (steps, n) = (batch.words.dim(0), batch.len());
        let each = decoded.flatten(0..2).cross_entropy_each(&batch.words.flatten(..)).reshape([steps, n]);
        let behind = (0..steps).flat_map(|t| batch.lengths.iter().map(move |&length| t >= length)).collect();
        let nats = each.masked_fill(&Tensor::from_vec(behind, [steps, n]), 0.0).sum_dims([0]);
        let loss = Loss::new("reconstruction", nats).with("kl", 1.0, q.kl_std_normal());
        Output { decoded, code, loss }
    }

    fn first_state(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.start.forward(code, cx).tanh().unsqueeze(0)
    }

    /// Logits behind each told word, and the state after them.
    fn run(&self, told: &Tensor<i64>, code: &Tensor, state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let z = code.unsqueeze(0).expand([told.dim(0), code.dim(0), code.dim(1)]);
        let x = Tensor::concat(&[&self.embed.forward(told, cx), &z], 2);
        let (y, state) = self.decoder.forward(&x, state, cx);
        (self.head.forward(&y, cx), state)
    }

    /// A sentence of at most `longest` words from each code, `[n, latent]`.
    ///
    /// # Panics
    /// If the codes have another size.
    #[track_caller]
    pub fn decode(&self, code: &Tensor, longest: usize, sampler: &Sampler, cx: &mut Ctx) -> Vec<Vec<u32>> {
        no_grad(|| {
            let n = code.dim(0);
            let mut sentences = vec![Vec::new(); n];
            let mut ended = vec![false; n];
            let mut told = Tensor::from_vec(vec![self.beginning(); n], [1, n]);
            let mut state = self.first_state(code, cx);
            for _ in 0..longest {
                let (logits, next) = self.run(&told, code, &state, cx);
                let drawn: Vec<usize> =
                    logits.to_vec().chunks_exact(self.config.words + 1).map(|row| sampler.draw(row, cx)).collect();
                for (i, &word) in drawn.iter().enumerate() {
                    ended[i] |= word == self.config.words;
                    if !ended[i] {
                        sentences[i].push(word as u32);
                    }
                }
                if ended.iter().all(|&ended| ended) {
                    break;
                }
                told = Tensor::from_vec(drawn.into_iter().map(|word| word as i64).collect(), [1, n]);
                state = next;
            }
            sentences
        })
    }

    /// Each sentence through the mean of its code and back, the most likely word at each place.
    pub fn reconstruct(&self, batch: &Sentences, cx: &mut Ctx) -> Vec<Vec<u32>> {
        let code = no_grad(|| self.encode(batch, cx));
        self.decode(&code, 2 * batch.words.dim(0), &Sampler::greedy(), cx)
    }

    /// `n` new sentences of at most `longest` words, from draws of N(0, 1).
    pub fn sample(&self, n: usize, longest: usize, sampler: &Sampler, cx: &mut Ctx) -> Vec<Vec<u32>> {
        let code = Tensor::randn([n, self.config.latent], cx);
        self.decode(&code, longest, sampler, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(word_drop: f64, cx: &mut Ctx) -> Sentence {
        let config = SentenceConfig { words: 5, embed: 4, hidden: 8, latent: 2, word_drop };
        Sentence::new(config, cx).expect("valid")
    }

    #[test]
    fn padding_changes_nothing() {
        let cx = &mut Ctx::train(0);
        let model = small(0.0, cx);
        let (short, long) = (vec![1, 2], vec![3, 4, 0, 1, 2, 2]);
        let alone = model.batch(std::slice::from_ref(&short)).expect("words of the model");
        let both = model.batch(&[short, long]).expect("words of the model");
        let eps: Tensor = Tensor::randn([2, 2], cx);
        let each = |batch: &Sentences, eps: &Tensor, cx: &mut Ctx| {
            let told = model.told(batch, cx);
            model.at(batch, eps, &told, cx).loss.each().to_vec()[0]
        };
        let (one, two) = (each(&alone, &eps.narrow(0, 0, 1), cx), each(&both, &eps, cx));
        assert!((one - two).abs() < 1e-5, "{one} alone, {two} beside a longer one");
    }

    #[test]
    fn as_many_words_are_dropped_as_asked_for_and_none_without_training() {
        let cx = &mut Ctx::train(0);
        let model = small(0.4, cx);
        let batch = model.batch(&vec![vec![1; 100]; 100]).expect("words of the model");
        let unknown = |told: Tensor<i64>| told.to_vec().iter().filter(|&&w| w == model.unknown()).count() as f64 / 1e4;
        // Standard error √(0.24/10⁴) = 0.005.
        assert!((unknown(model.told(&batch, cx)) - 0.4).abs() < 0.025);
        assert_eq!(unknown(model.told(&batch, &mut cx.eval())), 0.0);
    }

    #[test]
    fn bad_sentences_are_named() {
        let model = small(0.0, &mut Ctx::train(0));
        assert!(matches!(model.batch(&[]), Err(Error::Empty { .. })));
        assert!(matches!(model.batch(&[vec![1, 5]]), Err(Error::Word { at: 1, word: 5, words: 5 })));
        assert!(model.batch(&[vec![]]).is_ok());
        assert!(SentenceConfig { word_drop: 1.5, ..Default::default() }.validate().is_err());
    }
}
