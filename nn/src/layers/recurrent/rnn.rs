//! The simple recurrent network.

use etude_autograd::Tensor;

use super::lengths::Lengths;
use super::{Stack, Weights, stacked};
use crate::ctx::Ctx;
use crate::layers::Dropout;
use crate::module;

/// What follows the sum in an [`Rnn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Nonlinearity {
    /// tanh.
    #[default]
    Tanh,
    /// max(0, x).
    Relu,
}

/// h′ = tanh(x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh): Elman 1990.
#[derive(Clone, Debug)]
pub struct Rnn {
    stack: Stack,
    nonlinearity: Nonlinearity,
}
module!(Rnn { stack as ""; nonlinearity });

impl Rnn {
    /// `layers` layers of `hidden` units with tanh.
    ///
    /// # Panics
    /// If `hidden` or `layers` is 0.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, layers: usize, cx: &mut Ctx) -> Self {
        Rnn { stack: Stack::new("Rnn", 1, inputs, hidden, layers, cx), nonlinearity: Nonlinearity::Tanh }
    }

    /// The same with another nonlinearity.
    pub fn nonlinearity(self, nonlinearity: Nonlinearity) -> Self {
        Rnn { nonlinearity, ..self }
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

    /// As [`Rnn::forward`] for sequences of these lengths, padded at their ends: outputs behind an end are 0, and the state
    /// is that after each sequence's own last step.
    ///
    /// # Panics
    /// If the shapes do not fit, or a length is 0 or beyond the last step.
    #[track_caller]
    pub fn forward_lengths(&self, x: &Tensor, lengths: &[usize], state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let lengths = Lengths::new("Rnn", lengths, x);
        let (y, state) = self.run(x, Some(&lengths), state, cx);
        (lengths.clear(&y), state)
    }

    #[track_caller]
    fn run(&self, x: &Tensor, lengths: Option<&Lengths>, state: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let mut last = Vec::new();
        let y = self.stack.run("Rnn", x, lengths, &[(state, self.hidden())], cx, |i, w, x, cx| {
            let (y, h) = layer(w, x, lengths, &state.select(0, i), self.nonlinearity, cx);
            last.push(h);
            y
        });
        (y, stacked(&last))
    }
}

/// One layer over all steps: the outputs, and the last one.
#[track_caller]
pub(super) fn layer(
    w: &Weights,
    x: &Tensor,
    lengths: Option<&Lengths>,
    h0: &Tensor,
    nonlinearity: Nonlinearity,
    cx: &Ctx,
) -> (Tensor, Tensor) {
    let inputs = w.project(x, cx);
    // Steps behind an end start afresh: −∞ but for a little gives −1 or 0 whatever the state, with a derivative of 0.
    let inputs = lengths.map_or(inputs.clone(), |lengths| lengths.hold(&inputs, [f32::MIN]));
    let y = match nonlinearity {
        Nonlinearity::Tanh => inputs.rnn_scan(&cx.get(&w.hh), h0, Tensor::tanh),
        Nonlinearity::Relu => inputs.rnn_scan(&cx.get(&w.hh), h0, Tensor::relu),
    };
    let h = lengths.map_or_else(|| y.select(0, y.dim(0) - 1), |lengths| lengths.last(&y));
    (y, h)
}
