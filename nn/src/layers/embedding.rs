//! Vectors for ids.

use etude_autograd::Tensor;

use crate::ctx::Ctx;
use crate::module::{Module, Visitor};
use crate::param::Param;

/// A table of vectors, looked up by id.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// `[ids, dim]`; [`Module::pack`] packs it.
    pub weight: Param,
}

impl Module for Embedding {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let Embedding { weight } = self;
        visitor.weight("weight", weight);
    }
}

impl Embedding {
    /// Standard normal vectors.
    pub fn new(ids: usize, dim: usize, cx: &mut Ctx) -> Self {
        Embedding { weight: Param::new(Tensor::randn([ids, dim], cx)) }
    }

    /// The vectors of `ids`, of any shape: `[…]` to `[…, dim]`.
    ///
    /// # Panics
    /// If an id has no row.
    #[track_caller]
    pub fn forward(&self, ids: &Tensor<i64>, cx: &mut Ctx) -> Tensor {
        cx.embedding(&self.weight, ids)
    }
}
