//! GPT: a decoder-only language model.
//!
//! Radford et al. 2019, §2.3: token and position embeddings, pre-norm blocks, a final norm, and a head that shares the token
//! embedding (Press & Wolf 2017, arXiv:1608.05859). Parameter names are GPT-2's (`wte`, `wpe`, `h.0.…`, `ln_f`).

use etude_autograd::{Tensor, no_grad};
use etude_nn::{Act, ConfigError, Ctx, Dropout, Embedding, Layer, LayerNorm, PromptError, Sampler, init, module};
use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockSize, STD};
use crate::cache::KvCache;
use crate::error::Error;

/// The sizes of a [`Gpt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GptConfig {
    /// Number of distinct tokens.
    pub vocab: usize,
    /// How many tokens the model can see.
    pub context: usize,
    /// Size of the residual stream.
    pub dim: usize,
    /// Attention heads; must divide `dim`.
    pub heads: usize,
    /// Blocks.
    pub layers: usize,
    /// Whether the linear maps of the blocks have a bias.
    pub bias: bool,
    /// The activation of the blocks' two-layer nets.
    pub act: Act,
    /// Share of activations dropped while training.
    pub dropout: f64,
}

impl Default for GptConfig {
    /// A small character model: 4 layers of 128, context 64; bias and activation as in GPT-2.
    fn default() -> Self {
        let (bias, act, dropout) = (true, Act::GeluTanh, 0.0);
        GptConfig { vocab: 128, context: 64, dim: 128, heads: 4, layers: 4, bias, act, dropout }
    }
}

impl GptConfig {
    /// The sizes of the smallest GPT-2, 124 million parameters: Radford et al. 2019, table 2.
    pub fn gpt2_small() -> Self {
        GptConfig { vocab: 50_257, context: 1024, dim: 768, heads: 12, layers: 12, ..GptConfig::default() }
    }

    /// Sizes must be at least 1, the heads must divide the width, dropout must be in [0, 1).
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocab", self.vocab),
            ("context", self.context),
            ("dim", self.dim),
            ("heads", self.heads),
            ("layers", self.layers),
        ];
        for (field, value) in sizes {
            ConfigError::check(value > 0, "GptConfig", field, value, "at least 1")?;
        }
        let divides = self.dim.is_multiple_of(self.heads);
        ConfigError::check(divides, "GptConfig", "heads", self.heads, &format!("a divisor of dim = {}", self.dim))?;
        let good = (0.0..1.0).contains(&self.dropout);
        ConfigError::check(good, "GptConfig", "dropout", self.dropout, "0 ≤ dropout < 1")
    }
}

/// The language model.
#[derive(Clone, Debug)]
pub struct Gpt {
    config: GptConfig,
    wte: Embedding,
    wpe: Embedding,
    drop: Dropout,
    h: Vec<Block>,
    ln_f: LayerNorm,
}
module!(Gpt { wte, wpe, h, ln_f; drop, config });

impl Gpt {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: GptConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let GptConfig { dim, heads, dropout, bias, act, .. } = config;
        let size = BlockSize { dim, heads, dropout, bias, act, residuals: 2 * config.layers };
        let table = |n, cx: &mut Ctx| Embedding::from_weight(init::normal([n, config.dim], STD, cx));
        Ok(Gpt {
            wte: table(config.vocab, cx),
            wpe: table(config.context, cx),
            drop: Dropout::new(config.dropout),
            h: (0..config.layers).map(|_| Block::new(&size, cx)).collect(),
            ln_f: LayerNorm::new(config.dim),
            config,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The logits of each next token, `[batch, tokens]` → `[batch, tokens, vocab]`.
    ///
    /// # Panics
    /// If there are more tokens than the context, or an id is outside the vocabulary.
    #[track_caller]
    pub fn forward(&self, ids: &Tensor<i64>, cx: &mut Ctx) -> Tensor {
        let x = self.run(ids, None, cx);
        self.head(&x, cx)
    }

    /// The residual stream behind the last block.
    #[track_caller]
    fn run(&self, ids: &Tensor<i64>, mut cache: Option<&mut KvCache>, cx: &mut Ctx) -> Tensor {
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        let (tokens, context) = (ids.dim(1), self.config.context);
        assert!(past + tokens <= context, "Gpt: {} tokens do not fit the context of {context}", past + tokens);
        let positions = Tensor::from_vec((past..past + tokens).map(|i| i as i64).collect(), [tokens]);
        let x = self.wte.forward(ids, cx) + self.wpe.forward(&positions, cx);
        let mut x = self.drop.forward(&x, cx);
        for (layer, block) in self.h.iter().enumerate() {
            x = block.forward(&x, cache.as_deref_mut().map(|cache| (cache, layer)), cx);
        }
        x
    }

    /// The logits from the residual stream.
    fn head(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let x = self.ln_f.forward(x, cx);
        cx.linear(&x, &self.wte.weight, None)
    }

    /// A cache that remembers nothing yet.
    pub fn kv_cache(&self) -> KvCache {
        KvCache::new(self.config.layers)
    }

    /// The logits of the token after `ids`, which follow those that the cache remembers; it remembers them too then.
    ///
    /// # Errors
    /// If there are no ids, one is outside the vocabulary, or they do not fit the context. The cache is not changed then.
    pub fn step(&self, ids: &[u32], cache: &mut KvCache, cx: &mut Ctx) -> Result<Vec<f32>, Error> {
        const WHAT: &str = "Gpt::step";
        PromptError::check(WHAT, ids, self.config.vocab)?;
        let (tokens, context) = (cache.len() + ids.len(), self.config.context);
        if tokens > context {
            return Err(Error::TooLong { what: WHAT, tokens, context });
        }
        // Only the last token's logits are wanted: with a large vocabulary the others would cost as much as the blocks.
        let logits = no_grad(|| {
            let x = self.run(&tensor(ids), Some(cache), cx);
            self.head(&x.select(1, ids.len() - 1), cx)
        });
        Ok(logits.to_vec())
    }

    /// Continues `prompt` by `n` tokens. Where the context is full, the older half is forgotten and the rest read again.
    ///
    /// # Errors
    /// If the prompt is empty or has an id outside the vocabulary.
    pub fn generate(&self, prompt: &[u32], n: usize, sampler: Sampler, cx: &mut Ctx) -> Result<Vec<u32>, Error> {
        PromptError::check("Gpt::generate", prompt, self.config.vocab)?;
        let context = self.config.context;
        let mut ids = prompt.to_vec();
        let mut cache = self.kv_cache();
        let mut fresh = ids.len().saturating_sub(context); // the first id that the cache has not seen
        for _ in 0..n {
            if cache.len() + ids.len() - fresh > context {
                cache.clear();
                fresh = ids.len() - context.div_ceil(2);
            }
            let logits = self.step(&ids[fresh..], &mut cache, cx)?;
            fresh = ids.len();
            ids.push(sampler.draw(&logits, cx) as u32);
        }
        Ok(ids)
    }
}

/// One sequence as `[1, tokens]`.
fn tensor(ids: &[u32]) -> Tensor<i64> {
    Tensor::from_vec(ids.iter().map(|&id| i64::from(id)).collect(), [1, ids.len()])
}
