//! Recurrent layers over whole sequences.
//!
//! Time comes first: `[sequence, batch, features]`, so that one step of all sequences lies together;
//! [`time_major`] and [`batch_major`] convert. States are `[layers, batch, hidden]`, go in and come out, and are detached
//! by the caller where a truncated gradient ends.
//! Parameters are PyTorch's: `weight_ih_l0` `[gates·hidden, in]`, `weight_hh_l0` `[gates·hidden, hidden]`, `bias_ih_l0`,
//! `bias_hh_l0`, then the same with `l1` and so on; all uniform in ±1/√hidden. Several layers are stacked, with dropout
//! between them.
//!
//! Sequences of different lengths go through `forward_lengths`, padded at their ends with any finite numbers: outputs behind
//! an end are 0, and the state is that after each sequence's own last step, as with PyTorch's packed sequences.

mod gru;
mod lengths;
mod lstm;
mod rnn;

use etude_autograd::Tensor;

pub use gru::Gru;
pub use lstm::{Lstm, LstmState};
pub use rnn::{Nonlinearity, Rnn};

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

/// The parameters of one layer.
#[derive(Clone, Debug)]
struct Weights {
    ih: Param,
    hh: Param,
    bias_ih: Param,
    bias_hh: Param,
}

/// The layers of a recurrent module, below their rule.
#[derive(Clone, Debug)]
struct Stack {
    layers: Vec<Weights>,
    inputs: usize,
    hidden: usize,
    dropout: Dropout,
}

impl Stack {
    /// `gates` blocks of `hidden` rows a layer.
    #[track_caller]
    fn new(name: &str, gates: usize, inputs: usize, hidden: usize, layers: usize, cx: &mut Ctx) -> Self {
        assert!(hidden > 0 && layers > 0, "{name}: {layers} layers of {hidden} units: expected at least one of each");
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut param = |shape: &[usize]| Param::new(init::uniform(shape, bound, cx));
        let layer = |i: usize| Weights {
            ih: param(&[gates * hidden, if i == 0 { inputs } else { hidden }]),
            hh: param(&[gates * hidden, hidden]),
            bias_ih: param(&[gates * hidden]),
            bias_hh: param(&[gates * hidden]),
        };
        Stack { layers: (0..layers).map(layer).collect(), inputs, hidden, dropout: Dropout::new(0.0) }
    }

    /// `[layers, batch, hidden]` of zeros.
    fn zero_state(&self, batch: usize) -> Tensor {
        Tensor::zeros([self.layers.len(), batch, self.hidden])
    }

    /// Takes `x` through all layers. `scan` gives the outputs of layer i for all steps.
    #[track_caller]
    fn run(
        &self,
        name: &str,
        x: &Tensor,
        states: &[&Tensor],
        cx: &mut Ctx,
        mut scan: impl FnMut(usize, &Weights, &Tensor, &Ctx) -> Tensor,
    ) -> Tensor {
        let fits = x.rank() == 3 && x.dim(0) > 0 && x.dim(2) == self.inputs;
        assert!(fits, "{name}: x {:?} is not [sequence ≥ 1, batch, {}]", x.shape(), self.inputs);
        for state in states {
            let expected = [self.layers.len(), x.dim(1), self.hidden];
            assert!(state.shape() == expected, "{name}: the state is {:?}, expected {expected:?}", state.shape());
        }
        let mut y = x.clone();
        for (i, weights) in self.layers.iter().enumerate() {
            if i > 0 {
                y = self.dropout.forward(&y, cx);
            }
            y = scan(i, weights, &y, cx);
        }
        y
    }
}

impl Module for Stack {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (i, w) in self.layers.iter().enumerate() {
            let Weights { ih, hh, bias_ih, bias_hh } = w;
            visitor.child(&format!("weight_ih_l{i}"), ih);
            visitor.child(&format!("weight_hh_l{i}"), hh);
            visitor.child(&format!("bias_ih_l{i}"), bias_ih);
            visitor.child(&format!("bias_hh_l{i}"), bias_hh);
        }
    }
}

/// The states of all layers as one tensor.
fn stacked(states: &[Tensor]) -> Tensor {
    Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)
}
