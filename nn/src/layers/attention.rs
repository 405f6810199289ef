//! Multi-head attention.

use etude_autograd::{Mask, Tensor};

use super::{Dropout, Layer, Linear};
use crate::ctx::Ctx;
use crate::init;
use crate::module;
use crate::module::{Module, Visitor};
use crate::param::Param;

/// Scaled dot-product attention in several heads: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
///
/// Batch-first: `[batch, sequence, dim]`. Parameters and their names are those of PyTorch's `nn.MultiheadAttention`.
#[derive(Clone, Debug)]
pub struct MultiheadAttention {
    /// The projections of queries, keys and values.
    pub in_proj: InProj,
    /// `[3·dim]`, those of queries, keys and values one behind the other.
    pub in_proj_bias: Option<Param>,
    /// From the concatenated heads back to `dim`.
    pub out_proj: Linear,
    heads: usize,
    dropout: Dropout,
}
module!(MultiheadAttention { in_proj as "", in_proj_bias, out_proj; heads, dropout });

/// The input projections of a [`MultiheadAttention`], each to `dim` numbers.
#[derive(Clone, Debug)]
pub enum InProj {
    /// Of inputs of `dim` numbers each: `[3·dim, dim]`, one below the other (`in_proj_weight`).
    Joint(Param),
    /// `[dim, dim]`, `[dim, kdim]` and `[dim, vdim]` (`q_proj_weight`, `k_proj_weight`, `v_proj_weight`).
    Separate([Param; 3]),
}

impl Module for InProj {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        match self {
            InProj::Joint(all) => visitor.child("in_proj_weight", all),
            InProj::Separate([q, k, v]) => {
                visitor.child("q_proj_weight", q);
                visitor.child("k_proj_weight", k);
                visitor.child("v_proj_weight", v);
            }
        }
    }
}

impl InProj {
    /// The weights of queries, keys and values.
    fn weights(&self, cx: &Ctx) -> [Tensor; 3] {
        match self {
            InProj::Joint(all) => {
                let all = cx.get(all);
                let dim = all.dim(1);
                [0, 1, 2].map(|i| all.narrow(0, i * dim, dim))
            }
            InProj::Separate(each) => each.each_ref().map(|w| cx.get(w)),
        }
    }
}

impl MultiheadAttention {
    /// Input weights after Glorot, all biases 0.
    ///
    /// # Panics
    /// If `dim` is not a multiple of `heads`.
    #[track_caller]
    pub fn new(dim: usize, heads: usize, cx: &mut Ctx) -> Self {
        Self::with_inputs(dim, heads, dim, dim, cx)
    }

    /// The same for keys of `kdim` and values of `vdim` numbers, as where a decoder looks at an encoder of another width.
    ///
    /// # Panics
    /// If `dim` is not a multiple of `heads`.
    #[track_caller]
    pub fn with_inputs(dim: usize, heads: usize, kdim: usize, vdim: usize, cx: &mut Ctx) -> Self {
        assert!(
            heads > 0 && dim.is_multiple_of(heads),
            "MultiheadAttention: {dim} dimensions cannot be cut in {heads} heads"
        );
        let out_proj = Linear { bias: Some(Param::new(Tensor::zeros([dim]))), ..Linear::no_bias(dim, dim, cx) };
        let mut glorot = |shape| Param::new(init::xavier_uniform(shape, 1.0, cx));
        MultiheadAttention {
            in_proj: match [kdim, vdim] == [dim; 2] {
                true => InProj::Joint(glorot([3 * dim, dim])),
                false => InProj::Separate([dim, kdim, vdim].map(|inputs| glorot([dim, inputs]))),
            },
            in_proj_bias: Some(Param::new(Tensor::zeros([3 * dim]))),
            out_proj,
            heads,
            dropout: Dropout::new(0.0),
        }
    }

    /// The same without any bias.
    pub fn no_bias(self) -> Self {
        MultiheadAttention { in_proj_bias: None, out_proj: Linear { bias: None, ..self.out_proj }, ..self }
    }

    /// The same with dropout of attention weights.
    ///
    /// # Panics
    /// If `p` is not in [0, 1].
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        MultiheadAttention { dropout: Dropout::new(p), ..self }
    }

    /// What each query gathers: `[batch, queries, dim]`. A query that sees no key at all gathers zeros (NaN in PyTorch).
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, query: &Tensor, key: &Tensor, value: &Tensor, mask: Mask<'_>, cx: &mut Ctx) -> Tensor {
        if cx.is_train() && self.dropout.p() > 0.0 {
            // Weights that are dropped must be there.
            return self.forward_with_weights(query, key, value, mask, cx).0;
        }
        let [q, k, v] = self.project(query, key, value, mask, cx);
        self.join(&q.scaled_dot_product_attention(&k, &v, mask, None), cx)
    }

    /// As [`MultiheadAttention::forward`], and the attention weights `[batch, heads, queries, keys]`, as they are before
    /// dropout (PyTorch gives those after it).
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
        let [q, k, v] = self.project(query, key, value, mask, cx);
        let weights = q.attention_weights(&k, mask, None);
        let gathered = self.dropout.forward(&weights, cx).matmul(&v);
        (self.join(&gathered, cx), weights)
    }

    /// Queries, keys and values of every head, `[batch, heads, sequence, size]`.
    #[track_caller]
    fn project(&self, query: &Tensor, key: &Tensor, value: &Tensor, mask: Mask<'_>, cx: &Ctx) -> [Tensor; 3] {
        let weights = self.in_proj.weights(cx);
        let dim = weights[0].dim(0);
        for ((name, x), w) in [("query", query), ("key", key), ("value", value)].into_iter().zip(&weights) {
            let fits =
                x.rank() == 3 && x.dim(2) == w.dim(1) && x.dim(0) == query.dim(0) && x.dim(1) == side(name, query, key);
            assert!(
                fits,
                "MultiheadAttention: query {:?}, key {:?}, value {:?} are not [batch, sequence, {}]: see {name}",
                query.shape(),
                key.shape(),
                value.shape(),
                w.dim(1)
            );
        }
        if let Some(padding) = mask.padding {
            let (found, batch, keys) = (padding.shape(), key.dim(0), key.dim(1));
            assert!(
                found == [batch, keys],
                "MultiheadAttention: the padding mask has shape {found:?}, expected [{batch}, {keys}]"
            );
        }
        let bias = self.in_proj_bias.as_ref().map(|b| cx.get(b));
        [(0, query), (1, key), (2, value)].map(|(i, x)| {
            let bias = bias.as_ref().map(|b| b.narrow(0, i * dim, dim));
            let y = x.linear(&weights[i], bias.as_ref());
            y.reshape([x.dim(0), x.dim(1), self.heads, dim / self.heads]).transpose(1, 2)
        })
    }

    /// What the heads gathered, `[batch, heads, queries, size]`, side by side and projected back.
    fn join(&self, gathered: &Tensor, cx: &mut Ctx) -> Tensor {
        let joined = gathered.transpose(1, 2).flatten_from(2);
        self.out_proj.forward(&joined, cx)
    }
}

/// The expected sequence length of an operand.
fn side(name: &str, query: &Tensor, key: &Tensor) -> usize {
    if name == "query" { query.dim(1) } else { key.dim(1) }
}
