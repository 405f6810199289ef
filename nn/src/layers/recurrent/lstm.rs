//! Long short-term memory.

use etude_autograd::Tensor;

use super::lengths::{Lengths, OPEN};
use super::{Stack, Weights, stacked};
use crate::ctx::Ctx;
use crate::layers::Dropout;
use crate::module;

/// Long short-term memory: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000. Gates i, f, g, o.
#[derive(Clone, Debug)]
pub struct Lstm {
    stack: Stack,
}
module!(Lstm { stack as "" });

/// The state between two steps.
#[derive(Clone, Debug)]
pub struct LstmState {
    /// The output, `[layers·directions, batch, size]`, where size is hidden unless it is projected; `[batch, hidden]` of an
    /// [`LstmCell`](super::LstmCell).
    pub h: Tensor,
    /// The cell, `[layers·directions, batch, hidden]`, or `[batch, hidden]`.
    pub c: Tensor,
}

impl LstmState {
    /// The same values without their history: where a truncated gradient ends.
    pub fn detach(&self) -> Self {
        LstmState { h: self.h.detach(), c: self.c.detach() }
    }
}

impl Lstm {
    /// `layers` layers of `hidden` units.
    ///
    /// # Panics
    /// If `hidden` or `layers` is 0.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, layers: usize, cx: &mut Ctx) -> Self {
        Lstm { stack: Stack::new("Lstm", 4, inputs, hidden, layers, cx) }
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

    /// The same with outputs and states h of `size` numbers, by a matrix behind each layer (`proj_size` in PyTorch), with new
    /// weights: Sak, Senior & Beaufays 2014, arXiv:1402.1128, section 2.2.
    ///
    /// # Panics
    /// If `size` is 0 or not below the number of units.
    #[track_caller]
    pub fn projected(mut self, size: usize, cx: &mut Ctx) -> Self {
        let hidden = self.stack.hidden;
        assert!(
            (1..hidden).contains(&size),
            "Lstm: a projection of {hidden} units to {size}: expected 1 to {}",
            hidden - 1
        );
        self.stack = self.stack.projected(size, cx);
        self
    }

    /// The number of units.
    pub fn hidden(&self) -> usize {
        self.stack.hidden
    }

    /// The state before the first step of `batch` sequences.
    pub fn zero_state(&self, batch: usize) -> LstmState {
        let h = self.stack.zero_state(batch);
        LstmState { c: Tensor::zeros([h.dim(0), batch, self.hidden()]), h }
    }

    /// The outputs of the last layer at every step, `[sequence, batch, directions·size]`, and the state after the last step.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, state: &LstmState, cx: &mut Ctx) -> (Tensor, LstmState) {
        self.run(x, None, state, cx)
    }

    /// As [`Lstm::forward`] for sequences of these lengths, padded at their ends: outputs behind an end are 0, and the state
    /// is that after each sequence's own last step.
    ///
    /// # Panics
    /// If the shapes do not fit, or a length is 0 or beyond the last step.
    #[track_caller]
    pub fn forward_lengths(
        &self,
        x: &Tensor,
        lengths: &[usize],
        state: &LstmState,
        cx: &mut Ctx,
    ) -> (Tensor, LstmState) {
        self.run(x, Some(&Lengths::new("Lstm", lengths, x)), state, cx)
    }

    #[track_caller]
    fn run(&self, x: &Tensor, lengths: Option<&Lengths>, state: &LstmState, cx: &mut Ctx) -> (Tensor, LstmState) {
        let (mut h, mut c) = (Vec::new(), Vec::new());
        let states = [(&state.h, self.stack.size()), (&state.c, self.hidden())];
        let y = self.stack.run("Lstm", x, lengths, &states, cx, |i, weights, x, cx| {
            let before = (&state.h.select(0, i), &state.c.select(0, i));
            let (y, last_h, last_c) = layer(weights, x, lengths, before, cx);
            h.push(last_h);
            c.push(last_c);
            y
        });
        (y, LstmState { h: stacked(&h), c: stacked(&c) })
    }
}

/// One layer over all steps: the outputs, and the last h and c.
#[track_caller]
pub(super) fn layer(
    w: &Weights,
    x: &Tensor,
    lengths: Option<&Lengths>,
    (h0, c0): (&Tensor, &Tensor),
    cx: &Ctx,
) -> (Tensor, Tensor, Tensor) {
    let inputs = w.project(x, cx);
    // Behind an end the cell is kept and nothing is written to it or shown: outputs are 0.
    let inputs = lengths.map_or(inputs.clone(), |lengths| lengths.hold(&inputs, [-OPEN, OPEN, 0.0, -OPEN]));
    let (y, c) = match &w.hr {
        Some(hr) => inputs.lstm_scan_projected(&cx.get(&w.hh), &cx.get(hr), h0, c0),
        None => inputs.lstm_scan(&cx.get(&w.hh), h0, c0),
    };
    let h = lengths.map_or_else(|| y.select(0, y.dim(0) - 1), |lengths| lengths.last(&y));
    (y, h, c)
}
