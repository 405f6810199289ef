//! Recurrent layers over whole sequences.
//!
//! Time comes first: `[sequence, batch, features]`, so that one step of all sequences lies together;
//! [`time_major`] and [`batch_major`] convert. States are `[layers, batch, hidden]`, go in and come out, and are detached
//! by the caller where a truncated gradient ends.
//! Parameters are PyTorch's: `weight_ih_l0` `[gates·hidden, in]`, `weight_hh_l0` `[gates·hidden, hidden]`, `bias_ih_l0`,
//! `bias_hh_l0`, then the same with `l1` and so on; all uniform in ±1/√hidden. Several layers are stacked, with dropout
//! between them.
//!
//! A bidirectional layer reads the sequence in both directions, with parameters of their own (`weight_ih_l0_reverse` …).
//! Outputs of both stand side by side, `[sequence, batch, 2·hidden]`; the states are `[2·layers, batch, hidden]`, each layer
//! first forwards, then backwards.
//!
//! Sequences of different lengths go through `forward_lengths`, padded at their ends with any finite numbers: outputs behind
//! an end are 0, and the state is that after each sequence's own last step, as with PyTorch's packed sequences.
//!
//! Single steps are [`LstmCell`], [`GruCell`] and [`RnnCell`]: the same layers without time.
//!
//! An LSTM's outputs can be narrower than its cells: [`Lstm::projected`], with `weight_hr_l0` `[size, hidden]` and so on.

mod cell;
mod gru;
mod lengths;
mod lstm;
mod rnn;

use etude_autograd::Tensor;

pub use cell::{GruCell, LstmCell, RnnCell};
pub use gru::Gru;
pub use lstm::{Lstm, LstmState};
pub use rnn::{Nonlinearity, Rnn};

use self::lengths::Lengths;
use super::{Dropout, Layer};
use crate::ctx::Ctx;
use crate::init;
use crate::module::{Module, Visitor};
use crate::param::Param;

/// `[batch, sequence, …]` to `[sequence, batch, …]`.
///
/// # Panics
/// If there are fewer than two axes.
#[track_caller]
pub fn time_major(x: &Tensor) -> Tensor {
    x.transpose(0, 1)
}

/// `[sequence, batch, …]` to `[batch, sequence, …]`.
///
/// # Panics
/// If there are fewer than two axes.
#[track_caller]
pub fn batch_major(x: &Tensor) -> Tensor {
    x.transpose(0, 1)
}

/// The parameters of one layer in one direction.
#[derive(Clone, Debug)]
struct Weights {
    ih: Param,
    hh: Param,
    /// Beside the inputs and beside the state.
    bias: Option<[Param; 2]>,
    /// From the units to the state, of a projected LSTM.
    hr: Option<Param>,
}

impl Weights {
    /// Drawn, `gates·hidden` rows each: for inputs of this width and states of `projected` numbers, or else of one a unit.
    fn new(gates: usize, inputs: usize, hidden: usize, projected: Option<usize>, cx: &mut Ctx) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut param = |shape: &[usize]| Param::new(init::uniform(shape, bound, cx));
        Weights {
            ih: param(&[gates * hidden, inputs]),
            hh: param(&[gates * hidden, projected.unwrap_or(hidden)]),
            bias: Some([(); 2].map(|()| param(&[gates * hidden]))),
            hr: projected.map(|size| param(&[size, hidden])),
        }
    }

    /// Under PyTorch's names and this ending.
    fn visit(&self, ending: &str, visitor: &mut Visitor<'_>) {
        let Weights { ih, hh, bias, hr } = self;
        let mut child = |kind: &str, p: &Param| visitor.child(&format!("{kind}{ending}"), p);
        child("weight_ih", ih);
        child("weight_hh", hh);
        if let Some([bias_ih, bias_hh]) = bias {
            child("bias_ih", bias_ih);
            child("bias_hh", bias_hh);
        }
        if let Some(hr) = hr {
            child("weight_hr", hr);
        }
    }

    /// The input projections of all steps with both biases, which meet in the same sum: one addition for the sequence.
    #[track_caller]
    fn project(&self, x: &Tensor, cx: &Ctx) -> Tensor {
        let bias = self.bias.as_ref().map(|[ih, hh]| cx.get(ih) + cx.get(hh));
        x.linear(&cx.get(&self.ih), bias.as_ref())
    }
}

/// The layers of a recurrent module, below their rule.
#[derive(Clone, Debug)]
struct Stack {
    /// Layer by layer, each in every direction.
    scans: Vec<Weights>,
    /// 1, or 2: backwards as well.
    directions: usize,
    gates: usize,
    inputs: usize,
    hidden: usize,
    /// The width of the state where a matrix projects it.
    projected: Option<usize>,
    dropout: Dropout,
}

impl Stack {
    /// `gates` blocks of `hidden` rows a layer.
    #[track_caller]
    fn new(name: &str, gates: usize, inputs: usize, hidden: usize, layers: usize, cx: &mut Ctx) -> Self {
        assert!(hidden > 0 && layers > 0, "{name}: {layers} layers of {hidden} units: expected at least one of each");
        let (directions, dropout) = (1, Dropout::new(0.0));
        let empty = Stack { scans: vec![], directions, gates, inputs, hidden, projected: None, dropout };
        empty.drawn(layers, cx)
    }

    /// The same with new weights for so many layers.
    fn drawn(self, layers: usize, cx: &mut Ctx) -> Self {
        let Stack { directions, gates, inputs, hidden, projected, .. } = self;
        let size = self.size();
        let scan = |i: usize| {
            let inputs = if i < directions { inputs } else { directions * size };
            Weights::new(gates, inputs, hidden, projected, cx)
        };
        Stack { scans: (0..layers * directions).map(scan).collect(), ..self }
    }

    /// The same after a change that asks for weights of other shapes: all are drawn again.
    fn redrawn(self, change: impl FnOnce(Self) -> Self, cx: &mut Ctx) -> Self {
        let (layers, bias) = (self.scans.len() / self.directions, self.scans.iter().any(|w| w.bias.is_some()));
        let new = change(self).drawn(layers, cx);
        if bias { new } else { new.no_bias() }
    }

    fn bidirectional(self, cx: &mut Ctx) -> Self {
        self.redrawn(|stack| Stack { directions: 2, ..stack }, cx)
    }

    fn projected(self, size: usize, cx: &mut Ctx) -> Self {
        self.redrawn(|stack| Stack { projected: Some(size), ..stack }, cx)
    }

    /// The width of the state and of the outputs in one direction.
    fn size(&self) -> usize {
        self.projected.unwrap_or(self.hidden)
    }

    fn no_bias(mut self) -> Self {
        self.scans.iter_mut().for_each(|weights| weights.bias = None);
        self
    }

    /// `[layers·directions, batch, size]` of zeros.
    fn zero_state(&self, batch: usize) -> Tensor {
        Tensor::zeros([self.scans.len(), batch, self.size()])
    }

    /// Takes `x` through all layers, from states of these widths. `scan` gives the outputs of the i-th scan for all steps, in
    /// the order in which it reads them.
    #[track_caller]
    fn run(
        &self,
        name: &str,
        x: &Tensor,
        lengths: Option<&Lengths>,
        states: &[(&Tensor, usize)],
        cx: &mut Ctx,
        mut scan: impl FnMut(usize, &Weights, &Tensor, &Ctx) -> Tensor,
    ) -> Tensor {
        let fits = x.rank() == 3 && x.dim(0) > 0 && x.dim(2) == self.inputs;
        assert!(fits, "{name}: x {:?} is not [sequence ≥ 1, batch, {}]", x.shape(), self.inputs);
        for (state, size) in states {
            let expected = [self.scans.len(), x.dim(1), *size];
            assert!(state.shape() == expected, "{name}: the state is {:?}, expected {expected:?}", state.shape());
        }
        let backwards = |x: &Tensor| lengths.map_or_else(|| x.flip(0), |lengths| lengths.reverse(x));
        let mut y = x.clone();
        for (layer, directions) in self.scans.chunks(self.directions).enumerate() {
            if layer > 0 {
                y = self.dropout.forward(&y, cx);
            }
            let first = layer * self.directions;
            let forth = scan(first, &directions[0], &y, cx);
            y = match directions.get(1) {
                None => forth,
                Some(weights) => {
                    let back = backwards(&scan(first + 1, weights, &backwards(&y), cx));
                    Tensor::concat(&[&forth, &back], 2)
                }
            };
        }
        y
    }
}

impl Module for Stack {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (i, weights) in self.scans.iter().enumerate() {
            let way = if i % self.directions == 1 { "_reverse" } else { "" };
            weights.visit(&format!("_l{}{way}", i / self.directions), visitor);
        }
    }
}

/// The states of all scans as one tensor.
fn stacked(states: &[Tensor]) -> Tensor {
    Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)
}
