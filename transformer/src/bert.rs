//! BERT: a bidirectional encoder, and sentence vectors from it.
//!
//! Devlin et al. 2019, arXiv:1810.04805, §3: token, position and segment embeddings, then the encoder of Vaswani et al. 2017,
//! arXiv:1706.03762, §3.1, whose norms follow the residual additions. Sentence vectors are the mean over the tokens, scaled
//! to length 1: Reimers & Gurevych 2019, arXiv:1908.10084, §3. Parameter names are those of Hugging Face's `BertModel`
//! without its pooler, so that the weights of MiniLM (Wang et al. 2020, arXiv:2002.10957) load.

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, Embedding, Layer, LayerNorm, Linear, Mask, init, module};
use serde::{Deserialize, Serialize};

use crate::block::{STD, linear};
use crate::error::Error;

/// The sizes of a [`Bert`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Number of distinct tokens.
    pub vocab: usize,
    /// How many tokens the model can see.
    pub context: usize,
    /// Size of the residual stream.
    pub dim: usize,
    /// Attention heads; must divide `dim`.
    pub heads: usize,
    /// Units of the two-layer net of a layer.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
}

impl Default for BertConfig {
    /// MiniLM-L6-H384 with BERT's uncased vocabulary.
    fn default() -> Self {
        BertConfig { vocab: 30_522, context: 512, dim: 384, heads: 12, hidden: 1536, layers: 6 }
    }
}

impl BertConfig {
    /// Sizes must be at least 1, the heads must divide the width.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocab", self.vocab),
            ("context", self.context),
            ("dim", self.dim),
            ("heads", self.heads),
            ("hidden", self.hidden),
            ("layers", self.layers),
        ];
        for (field, value) in sizes {
            ConfigError::check(value > 0, "BertConfig", field, value, "at least 1")?;
        }
        let divides = self.dim.is_multiple_of(self.heads);
        ConfigError::check(divides, "BertConfig", "heads", self.heads, &format!("a divisor of dim = {}", self.dim))
    }
}

/// The encoder.
#[derive(Clone, Debug)]
pub struct Bert {
    config: BertConfig,
    embeddings: Embeddings,
    encoder: Encoder,
}
module!(Bert { embeddings, encoder; config });

#[derive(Clone, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    norm: LayerNorm,
}
module!(Embeddings { word_embeddings, position_embeddings, token_type_embeddings, norm as "LayerNorm" });

#[derive(Clone, Debug)]
struct Encoder {
    layer: Vec<EncoderLayer>,
}
module!(Encoder { layer });

#[derive(Clone, Debug)]
struct EncoderLayer {
    attention: Attention,
    intermediate: Intermediate,
    output: Output,
}
module!(EncoderLayer { attention, intermediate, output });

#[derive(Clone, Debug)]
struct Attention {
    own: SelfAttention,
    output: Output,
}
module!(Attention { own as "self", output });

#[derive(Clone, Debug)]
struct SelfAttention {
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
}
module!(SelfAttention { query, key, value; heads });

#[derive(Clone, Debug)]
struct Intermediate {
    dense: Linear,
}
module!(Intermediate { dense });

/// A linear map, added to the residual path, and the norm behind.
#[derive(Clone, Debug)]
struct Output {
    dense: Linear,
    norm: LayerNorm,
}
module!(Output { dense, norm as "LayerNorm" });

/// BERT's ε is smaller than that of other models.
fn norm(dim: usize) -> LayerNorm {
    LayerNorm { eps: 1e-12, ..LayerNorm::new(dim) }
}

impl Bert {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: BertConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let BertConfig { vocab, context, dim, heads, hidden, layers } = config;
        let table = |n, cx: &mut Ctx| Embedding::from_weight(init::normal([n, dim], STD, cx));
        let embeddings = Embeddings {
            word_embeddings: table(vocab, cx),
            position_embeddings: table(context, cx),
            token_type_embeddings: table(2, cx),
            norm: norm(dim),
        };
        let map = |inputs, outputs, cx: &mut Ctx| linear(inputs, outputs, true, STD, cx);
        let layer = |_| EncoderLayer {
            attention: Attention {
                own: SelfAttention {
                    heads,
                    query: map(dim, dim, cx),
                    key: map(dim, dim, cx),
                    value: map(dim, dim, cx),
                },
                output: Output { dense: map(dim, dim, cx), norm: norm(dim) },
            },
            intermediate: Intermediate { dense: map(dim, hidden, cx) },
            output: Output { dense: map(hidden, dim, cx), norm: norm(dim) },
        };
        Ok(Bert { embeddings, encoder: Encoder { layer: (0..layers).map(layer).collect() }, config })
    }

    /// The sizes.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// A vector for each token, `[batch, tokens]` → `[batch, tokens, dim]`. `hidden`, `[batch, tokens]`, is true for padding,
    /// which nobody looks at.
    ///
    /// # Panics
    /// If there are more tokens than the context, an id is outside the vocabulary, or the shapes differ.
    #[track_caller]
    pub fn forward(&self, ids: &Tensor<i64>, hidden: Option<&Tensor<bool>>, cx: &mut Ctx) -> Tensor {
        let (tokens, context) = (ids.dim(1), self.config.context);
        assert!(tokens <= context, "Bert: {tokens} tokens do not fit the context of {context}");
        if let Some(hidden) = hidden {
            let (found, expected) = (hidden.shape(), ids.shape());
            assert!(found == expected, "Bert: the mask has shape {found:?}, the ids {expected:?}");
        }
        let Embeddings { word_embeddings, position_embeddings, token_type_embeddings, norm } = &self.embeddings;
        // One text: every token belongs to segment 0.
        let place = position_embeddings.forward(&Tensor::arange(tokens), cx)
            + token_type_embeddings.forward(&Tensor::from_slice(&[0], [1]), cx);
        let mut x = norm.forward(&(word_embeddings.forward(ids, cx) + place), cx);
        for layer in &self.encoder.layer {
            let y = layer.attention.own.forward(&x, Mask::padding(hidden), cx);
            x = layer.attention.output.forward(&y, &x, cx);
            let y = layer.intermediate.dense.forward(&x, cx).gelu();
            x = layer.output.forward(&y, &x, cx);
        }
        x
    }

    /// A vector of length 1 for each text, `[batch, dim]`: the mean over its tokens that are not hidden.
    ///
    /// # Panics
    /// As [`Bert::forward`].
    #[track_caller]
    pub fn embed(&self, ids: &Tensor<i64>, hidden: Option<&Tensor<bool>>, cx: &mut Ctx) -> Tensor {
        let x = self.forward(ids, hidden, cx);
        let mean = match hidden {
            None => x.mean_dims([1]),
            Some(hidden) => {
                let seen = hidden.not().to_float();
                (x * seen.unsqueeze(2)).sum_dims([1]) / seen.sum_keep([1])
            }
        };
        let length = mean.norm_l2(1).unsqueeze(1);
        mean / length
    }
}

impl SelfAttention {
    #[track_caller]
    fn forward(&self, x: &Tensor, mask: Mask<'_>, cx: &mut Ctx) -> Tensor {
        let (batch, tokens, dim) = (x.dim(0), x.dim(1), x.dim(2));
        let size = dim / self.heads;
        let heads =
            |map: &Linear, cx: &mut Ctx| map.forward(x, cx).reshape([batch, tokens, self.heads, size]).transpose(1, 2);
        let (q, k, v) = (heads(&self.query, cx), heads(&self.key, cx), heads(&self.value, cx));
        // Vaswani et al. 2017, eq. (1).
        let y = q.scaled_dot_product_attention(&k, &v, mask, None);
        y.transpose(1, 2).reshape([batch, tokens, dim])
    }
}

impl Output {
    #[track_caller]
    fn forward(&self, y: &Tensor, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.norm.forward(&(x + self.dense.forward(y, cx)), cx)
    }
}
