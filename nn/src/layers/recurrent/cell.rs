//! Recurrent layers a step at a time: for programs that make the next input from the last output.
//!
//! Parameters are PyTorch's: `weight_ih` `[gates·hidden, in]`, `weight_hh` `[gates·hidden, hidden]`, `bias_ih`, `bias_hh`,
//! all uniform in ±1/√hidden. A step is a layer over a sequence of one.

use etude_autograd::Tensor;

use super::rnn::Nonlinearity;
use super::{LstmState, Weights, gru, lstm, rnn};
use crate::ctx::Ctx;
use crate::module;
use crate::module::{Module, Visitor};

/// What the three have in common.
#[derive(Clone, Debug)]
struct Cell {
    weights: Weights,
    inputs: usize,
    hidden: usize,
}

impl Cell {
    #[track_caller]
    fn new(name: &str, gates: usize, inputs: usize, hidden: usize, cx: &mut Ctx) -> Self {
        assert!(hidden > 0, "{name}: expected at least one unit");
        Cell { weights: Weights::new(gates, inputs, hidden, None, cx), inputs, hidden }
    }

    fn no_bias(mut self) -> Self {
        self.weights.bias = None;
        self
    }

    /// `x` as a sequence of one step, and the states, zeros where there is none.
    #[track_caller]
    fn step<const N: usize>(&self, name: &str, x: &Tensor, states: [Option<&Tensor>; N]) -> (Tensor, [Tensor; N]) {
        let fits = x.rank() == 2 && x.dim(1) == self.inputs;
        assert!(fits, "{name}: x {:?} is not [batch, {}]", x.shape(), self.inputs);
        let expected = [x.dim(0), self.hidden];
        let states = states.map(|state| state.cloned().unwrap_or_else(|| Tensor::zeros(expected)));
        for state in &states {
            assert!(state.shape() == expected, "{name}: the state is {:?}, expected {expected:?}", state.shape());
        }
        (x.unsqueeze(0), states)
    }
}

impl Module for Cell {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.weights.visit("", visitor);
    }
}

/// One step of an [`Lstm`](super::Lstm): PyTorch's `LSTMCell`.
///
/// ```
/// use etude_autograd::Tensor;
/// use etude_nn::{Ctx, LstmCell};
///
/// let mut cx = Ctx::train(0);
/// let cell = LstmCell::new(4, 8, &mut cx);
/// let mut state = None;
/// for x in [Tensor::ones([2, 4]), Tensor::zeros([2, 4])] {
///     state = Some(cell.forward(&x, state.as_ref(), &mut cx));
/// }
/// assert_eq!(state.map(|state| state.h.shape().to_vec()), Some(vec![2, 8]));
/// ```
#[derive(Clone, Debug)]
pub struct LstmCell {
    cell: Cell,
}
module!(LstmCell { cell as "" });

impl LstmCell {
    /// Of so many units, with biases.
    ///
    /// # Panics
    /// If `hidden` is 0.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, cx: &mut Ctx) -> Self {
        LstmCell { cell: Cell::new("LstmCell", 4, inputs, hidden, cx) }
    }

    /// The same without biases.
    pub fn no_bias(self) -> Self {
        LstmCell { cell: self.cell.no_bias() }
    }

    /// The number of units.
    pub fn hidden(&self) -> usize {
        self.cell.hidden
    }

    /// The state `[batch, hidden]` after a step with input `[batch, in]`, from zeros where there is none; h is the output.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, state: Option<&LstmState>, cx: &mut Ctx) -> LstmState {
        let states = [state.map(|state| &state.h), state.map(|state| &state.c)];
        let (x, [h, c]) = self.cell.step("LstmCell", x, states);
        let (_, h, c) = lstm::layer(&self.cell.weights, &x, None, (&h, &c), cx);
        LstmState { h, c }
    }
}

/// One step of a [`Gru`](super::Gru): PyTorch's `GRUCell`.
#[derive(Clone, Debug)]
pub struct GruCell {
    cell: Cell,
}
module!(GruCell { cell as "" });

impl GruCell {
    /// Of so many units, with biases.
    ///
    /// # Panics
    /// If `hidden` is 0.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, cx: &mut Ctx) -> Self {
        GruCell { cell: Cell::new("GruCell", 3, inputs, hidden, cx) }
    }

    /// The same without biases.
    pub fn no_bias(self) -> Self {
        GruCell { cell: self.cell.no_bias() }
    }

    /// The number of units.
    pub fn hidden(&self) -> usize {
        self.cell.hidden
    }

    /// The state `[batch, hidden]` after a step with input `[batch, in]`, from zeros where there is none; it is the output.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, state: Option<&Tensor>, cx: &mut Ctx) -> Tensor {
        let (x, [h]) = self.cell.step("GruCell", x, [state]);
        gru::layer(&self.cell.weights, &x, None, &h, cx).1
    }
}

/// One step of an [`Rnn`](super::Rnn): PyTorch's `RNNCell`.
#[derive(Clone, Debug)]
pub struct RnnCell {
    cell: Cell,
    nonlinearity: Nonlinearity,
}
module!(RnnCell { cell as ""; nonlinearity });

impl RnnCell {
    /// Of so many units with tanh, with biases.
    ///
    /// # Panics
    /// If `hidden` is 0.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, cx: &mut Ctx) -> Self {
        RnnCell { cell: Cell::new("RnnCell", 1, inputs, hidden, cx), nonlinearity: Nonlinearity::Tanh }
    }

    /// The same with another nonlinearity.
    pub fn nonlinearity(self, nonlinearity: Nonlinearity) -> Self {
        RnnCell { nonlinearity, ..self }
    }

    /// The same without biases.
    pub fn no_bias(self) -> Self {
        RnnCell { cell: self.cell.no_bias(), ..self }
    }

    /// The number of units.
    pub fn hidden(&self) -> usize {
        self.cell.hidden
    }

    /// The state `[batch, hidden]` after a step with input `[batch, in]`, from zeros where there is none; it is the output.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, state: Option<&Tensor>, cx: &mut Ctx) -> Tensor {
        let (x, [h]) = self.cell.step("RnnCell", x, [state]);
        rnn::layer(&self.cell.weights, &x, None, &h, self.nonlinearity, cx).1
    }
}
