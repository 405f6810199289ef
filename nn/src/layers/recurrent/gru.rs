//! Gated recurrent units.

use etude_autograd::Tensor;

use super::lengths::{Lengths, OPEN};
use super::{Stack, Weights, stacked};
use crate::ctx::Ctx;
use crate::layers::Dropout;
use crate::module;

/// Gated recurrent units: Cho et al. 2014, arXiv:1406.1078. Gates r, z, n.
///
/// PyTorch's variant: r multiplies h·W_hnᵀ + b_hn, not h. h′ = (1 − z)⊙n + z⊙h.
#[derive(Clone, Debug)]
pub struct Gru {
    stack: Stack,
}
module!(Gru { stack as "" });

impl Gru {
    /// `layers` layers of `hidden` units.
    ///
    /// # Panics
    /// If `hidden` or `layers` is 0.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, layers: usize, cx: &mut Ctx) -> Self {
        Gru { stack: Stack::new("Gru", 3, inputs, hidden, layers, cx) }
    }

    /// The same with dropout between layers.
    ///
    /// # Panics
    /// If `p` is not in [0, 1].
    #[track_caller]
    pub fn dropout(mut self, p: f64) -> Self {
        self.stack.dropout = Dropout::new(p);
        self
    }

    /// The same in both directions, with new weights: outputs `[sequence, batch, 2·hidden]`.
    pub fn bidirectional(mut self, cx: &mut Ctx) -> Self {
        self.stack = self.stack.bidirectional(cx);
        self
    }

    /// The same without biases.
    pub fn no_bias(mut self) -> Self {
        self.stack = self.stack.no_bias();
        self
    }

    /// The number of units.
    pub fn hidden(&self) -> usize {
        self.stack.hidden
    }

    /// The state before the first step of `batch` sequences, `[layers·directions, batch, hidden]`.
    pub fn zero_state(&self, batch: usize) -> Tensor {
        self.stack.zero_state(batch)
    }

    /// The outputs of the last layer at every step, `[sequence, batch, hidden]`, and the state after the last step.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        self.run(x, None, state, cx)
    }

    /// As [`Gru::forward`] for sequences of these lengths, padded at their ends: outputs behind an end are 0, and the state
    /// is that after each sequence's own last step.
    ///
    /// # Panics
    /// If the shapes do not fit, or a length is 0 or beyond the last step.
    #[track_caller]
    pub fn forward_lengths(&self, x: &Tensor, lengths: &[usize], state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let lengths = Lengths::new("Gru", lengths, x);
        let (y, state) = self.run(x, Some(&lengths), state, cx);
        (lengths.clear(&y), state)
    }

    #[track_caller]
    fn run(&self, x: &Tensor, lengths: Option<&Lengths>, state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let mut last = Vec::new();
        let y = self.stack.run("Gru", x, lengths, &[(state, self.hidden())], cx, |i, weights, x, cx| {
            let (y, h) = layer(weights, x, lengths, &state.select(0, i), cx);
            last.push(h);
            y
        });
        (y, stacked(&last))
    }
}

/// One layer over all steps: the outputs, and the last one.
#[track_caller]
pub(super) fn layer(w: &Weights, x: &Tensor, lengths: Option<&Lengths>, h0: &Tensor, cx: &Ctx) -> (Tensor, Tensor) {
    // r multiplies the state's bias too, so that the two stay apart.
    let [bias_ih, bias_hh] = match &w.bias {
        Some([ih, hh]) => [Some(cx.get(ih)), Some(cx.get(hh))],
        None => [None, None],
    };
    let inputs = x.linear(&cx.get(&w.ih), bias_ih.as_ref());
    // The state is kept, and the candidate is 0 so that nothing is rounded.
    let inputs = lengths.map_or(inputs.clone(), |lengths| lengths.hold(&inputs, [-OPEN, OPEN, 0.0]));
    let bias_hh = bias_hh.unwrap_or_else(|| Tensor::zeros([inputs.dim(2)]));
    let y = inputs.gru_scan(&cx.get(&w.hh), &bias_hh, h0);
    let h = y.select(0, y.dim(0) - 1);
    (y, h)
}
