//! The context of a forward pass: mode, random numbers, substitute parameters.

use std::collections::HashMap;

use etude_autograd::{LeafId, Tensor};
use etude_kernels::rng::Rng;

use crate::param::{Param, Weight};

/// Whether layers such as dropout and batch normalisation behave as in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout drops; batch normalisation uses and records the batch's statistics.
    Train,
    /// Deterministic; running statistics.
    Eval,
}

/// What every `forward` takes: nothing of it can be left behind in a module.
#[derive(Clone, Debug)]
pub struct Ctx {
    mode: Mode,
    /// The random numbers of dropout, sampling and initialisation.
    pub rng: Rng,
    overlay: HashMap<LeafId, Tensor>,
}

impl Ctx {
    /// A context for training whose random numbers are a function of `seed`.
    pub fn train(seed: u64) -> Self {
        Ctx { mode: Mode::Train, rng: Rng::new(seed), overlay: HashMap::new() }
    }

    /// A context for evaluation.
    pub fn eval_with_seed(seed: u64) -> Self {
        Ctx { mode: Mode::Eval, ..Ctx::train(seed) }
    }

    /// An evaluating copy with random numbers of its own, so that evaluation does not move the training's.
    pub fn eval(&self) -> Self {
        let state = self.rng.state();
        let rng = Rng::with_stream(state.seed ^ 0x9e37_79b9_7f4a_7c15, state.stream);
        Ctx { mode: Mode::Eval, rng, overlay: self.overlay.clone() }
    }

    /// The mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the mode is [`Mode::Train`].
    pub fn is_train(&self) -> bool {
        self.mode == Mode::Train
    }

    /// The value of a parameter in this context: its substitute if there is one.
    ///
    /// # Panics
    /// If it is packed.
    #[track_caller]
    pub fn get(&self, param: &Param) -> Tensor {
        if self.overlay.is_empty() {
            return param.get();
        }
        self.overlay.get(&param.id()).cloned().unwrap_or_else(|| param.get())
    }

    /// x·Wᵀ + b over the last axis, with a weight `[out, in]` that may be packed.
    ///
    /// # Panics
    /// If the shapes do not fit, or a packed weight would have to be differentiated.
    #[track_caller]
    pub fn linear(&self, x: &Tensor, weight: &Param, bias: Option<&Param>) -> Tensor {
        let bias = bias.map(|b| self.get(b));
        match self.weight(weight) {
            Weight::Tensor(w) => x.linear(&w, bias.as_ref()),
            Weight::Packed(w) => x.linear_packed(&w, bias.as_ref()),
        }
    }

    /// Rows of a table `[n, dim]` that may be packed.
    ///
    /// # Panics
    /// If an id has no row, or a packed table would have to be differentiated.
    #[track_caller]
    pub fn embedding(&self, table: &Param, ids: &Tensor<i64>) -> Tensor {
        match self.weight(table) {
            Weight::Tensor(table) => table.embedding(ids),
            Weight::Packed(table) => Tensor::embedding_packed(&table, ids),
        }
    }

    fn weight(&self, param: &Param) -> Weight {
        match self.overlay.get(&param.id()) {
            Some(value) => Weight::Tensor(value.clone()),
            None => param.weight(),
        }
    }

    /// A copy in which `values` stand for the parameters with those identities: adapted weights (MAML), averages (EMA).
    /// The parameters themselves are not touched, and the substitutes may carry a graph.
    pub fn with_params(&self, values: impl IntoIterator<Item = (LeafId, Tensor)>) -> Self {
        let mut cx = self.clone();
        cx.overlay.extend(values);
        cx
    }
}

impl AsMut<Rng> for Ctx {
    fn as_mut(&mut self) -> &mut Rng {
        &mut self.rng
    }
}
