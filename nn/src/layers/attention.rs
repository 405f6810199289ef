//! Multi-head attention.

use etude_autograd::Tensor;

use super::{Dropout, Layer, Linear};
use crate::ctx::Ctx;
use crate::init;
use crate::module;
use crate::param::Param;

/// Which keys a query may look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mask<'a> {
    /// Query i sees keys 0 ..= i + (keys − queries): the last query sees all, the others no future.
    pub causal: bool,
    /// `[batch, keys]`, true for keys that nobody may see, such as padding.
    pub padding: Option<&'a Tensor<bool>>,
}

impl Mask<'_> {
    /// No query sees a key after itself.
    pub fn causal() -> Self {
        Mask { causal: true, padding: None }
    }

    /// True where a key must not be seen, for scores `[batch, heads, queries, keys]`.
    #[track_caller]
    fn hidden(&self, batch: usize, queries: usize, keys: usize) -> Option<Tensor<bool>> {
        let future = self.causal.then(|| {
            let future = |at: usize| (at % keys) + queries > (at / keys) + keys;
            Tensor::from_vec((0..queries * keys).map(future).collect(), [1, 1, queries, keys])
        });
        let padding = self.padding.map(|mask| {
            assert!(
                mask.shape() == [batch, keys],
                "MultiheadAttention: the padding mask has shape {:?}, expected [{batch}, {keys}]",
                mask.shape()
            );
            mask.reshape([batch, 1, 1, keys])
        });
        match (future, padding) {
            (Some(a), Some(b)) => Some(a.or(&b)),
            (a, b) => a.or(b),
        }
    }
}

/// Scaled dot-product attention in several heads: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
///
/// Batch-first: `[batch, sequence, dim]`. Parameters and their names are those of PyTorch's `nn.MultiheadAttention`.
#[derive(Clone, Debug)]
pub struct MultiheadAttention {
    /// `[3·dim, dim]`: the projections of queries, keys and values, one below the other.
    pub in_proj_weight: Param,
    /// `[3·dim]`.
    pub in_proj_bias: Param,
    /// From the concatenated heads back to `dim`.
    pub out_proj: Linear,
    heads: usize,
    dropout: Dropout,
}
module!(MultiheadAttention { in_proj_weight, in_proj_bias, out_proj; heads, dropout });

impl MultiheadAttention {
    /// Input weights after Glorot, all biases 0.
    ///
    /// # Panics
    /// If `dim` is not a multiple of `heads`.
    #[track_caller]
    pub fn new(dim: usize, heads: usize, cx: &mut Ctx) -> Self {
        assert!(
            heads > 0 && dim.is_multiple_of(heads),
            "MultiheadAttention: {dim} dimensions cannot be cut in {heads} heads"
        );
        let out_proj = Linear { bias: Some(Param::new(Tensor::zeros([dim]))), ..Linear::no_bias(dim, dim, cx) };
        MultiheadAttention {
            in_proj_weight: Param::new(init::xavier_uniform([3 * dim, dim], 1.0, cx)),
            in_proj_bias: Param::new(Tensor::zeros([3 * dim])),
            out_proj,
            heads,
            dropout: Dropout::new(0.0),
        }
    }

    /// The same with dropout of attention weights.
    ///
    /// # Panics
    /// If `p` is not in [0, 1].
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        MultiheadAttention { dropout: Dropout::new(p), ..self }
    }

    /// What each query gathers: `[batch, queries, dim]`. A query that sees no key at all gives NaN, as in PyTorch.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, query: &Tensor, key: &Tensor, value: &Tensor, mask: Mask<'_>, cx: &mut Ctx) -> Tensor {
        self.forward_with_weights(query, key, value, mask, cx).0
    }

    /// As [`MultiheadAttention::forward`], and the attention weights `[batch, heads, queries, keys]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward_with_weights(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: Mask<'_>,
        cx: &mut Ctx,
    ) -> (Tensor, Tensor) {
        let (w, b) = (cx.get(&self.in_proj_weight), cx.get(&self.in_proj_bias));
        let dim = w.dim(1);
        for (name, x) in [("query", query), ("key", key), ("value", value)] {
            let fits =
                x.rank() == 3 && x.dim(2) == dim && x.dim(0) == query.dim(0) && x.dim(1) == side(name, query, key);
            assert!(
                fits,
                "MultiheadAttention: query {:?}, key {:?}, value {:?} are not [batch, sequence, {dim}]: see {name}",
                query.shape(),
                key.shape(),
                value.shape()
            );
        }
        let project = |i: usize, x: &Tensor| {
            let y = x.linear(&w.narrow(0, i * dim, dim), Some(&b.narrow(0, i * dim, dim)));
            y.reshape([x.dim(0), x.dim(1), self.heads, dim / self.heads]).transpose(1, 2)
        };
        let (q, k, v) = (project(0, query), project(1, key), project(2, value));
        // Vaswani et al. 2017, eq. (1).
        let scale = ((dim / self.heads) as f64).sqrt().recip();
        let mut scores = q.affine(scale, 0.0).matmul(&k.transpose(2, 3));
        if let Some(hidden) = mask.hidden(query.dim(0), query.dim(1), key.dim(1)) {
            scores = scores.masked_fill(&hidden, f32::NEG_INFINITY);
        }
        let weights = scores.softmax(3);
        let gathered = self.dropout.forward(&weights, cx).matmul(&v).transpose(1, 2);
        let joined = gathered.reshape([query.dim(0), query.dim(1), dim]);
        (self.out_proj.forward(&joined, cx), weights)
    }
}

/// The expected sequence length of an operand.
fn side(name: &str, query: &Tensor, key: &Tensor) -> usize {
    if name == "query" { query.dim(1) } else { key.dim(1) }
}
