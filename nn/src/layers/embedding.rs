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
    /// The id that stands for nothing: its vector gets no gradient.
    pub padding_idx: Option<usize>,
}

impl Module for Embedding {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let Embedding { weight, padding_idx: _ } = self;
        visitor.weight("weight", weight);
    }
}

impl Embedding {
    /// Standard normal vectors.
    pub fn new(ids: usize, dim: usize, cx: &mut Ctx) -> Self {
        Self::from_weight(Tensor::randn([ids, dim], cx))
    }

    /// These vectors, `[ids, dim]`.
    pub fn from_weight(weight: Tensor) -> Self {
        Embedding { weight: Param::new(weight), padding_idx: None }
    }

    /// The same with an id that stands for nothing, as at the ends of short sentences: its vector becomes 0 and gets no
    /// gradient, so that no optimiser moves it.
    ///
    /// # Panics
    /// If the table has no such row.
    #[track_caller]
    pub fn padding_idx(self, id: usize) -> Self {
        let shape = self.weight.shape();
        assert!(id < shape[0], "Embedding: the padding is id {id} of a table {shape:?}");
        self.weight.update(|table| table[id * shape[1]..][..shape[1]].fill(0.0));
        Embedding { padding_idx: Some(id), ..self }
    }

    /// The vectors of `ids`, of any shape: `[…]` to `[…, dim]`.
    ///
    /// # Panics
    /// If an id has no row.
    #[track_caller]
    pub fn forward(&self, ids: &Tensor<i64>, cx: &mut Ctx) -> Tensor {
        let y = cx.embedding(&self.weight, ids);
        match self.padding_idx {
            // The same numbers; what stands for nothing has no way back to the table.
            Some(id) if y.is_tracked() => {
                let nothing = ids.to_vec().into_iter().map(|i| i == id as i64).collect();
                let nothing = Tensor::from_vec(nothing, ids.shape()).unsqueeze(ids.rank());
                Tensor::where_cond(&nothing, &y.detach(), &y)
            }
            _ => y,
        }
    }
}
