//! Fused scans of LSTM and GRU layers over a whole sequence, forwards and backwards.
//!
//! Everything is time-major: [seq, batch, ·]. The input projections x·W_ihᵀ + biases of all steps are one product, made
//! by the caller; a scan adds the recurrent part, h·W_hhᵀ, step by step. Rows of the batch do not interact, so a thread
//! takes some rows through all steps and never waits for another. The gradient of W_hh is one product over all steps at
//! the end.
//!
//! Gate order, and where the biases go, are PyTorch's: i, f, g, o for the LSTM, r, z, n for the GRU. States, and
//! gradients that pass from step to step, decay geometrically: subnormal values are set to 0.

mod gru;
mod lstm;
#[cfg(test)]
mod tests;

use crate::door;
use crate::elem::Real;
use crate::gemm::{self, Accumulate, Mat};
use crate::lanes::F;
use crate::stamp::stamp;

/// The sizes of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Number of steps.
    pub seq: usize,
    /// Number of sequences.
    pub batch: usize,
    /// Size of the state.
    pub hidden: usize,
}

impl Scan {
    /// Elements of the state of the whole batch.
    fn state(&self) -> usize {
        self.batch * self.hidden
    }

    /// Sequences that one thread takes through all steps: enough that reading the recurrent weights, once a step, takes
    /// less time than multiplying by them. Rows do not interact, so that the cut changes no bit.
    fn rows(&self) -> usize {
        self.batch.div_ceil(2).clamp(8, 32)
    }

    /// Checks lengths once, at the door: name, length, and the sizes whose product it must be.
    fn check(&self, kernel: &str, lengths: &[(&str, usize, &[usize])]) {
        for (name, len, sizes) in lengths {
            let expected = &door::product(kernel, sizes);
            assert_eq!(len, expected, "{kernel}: {name} has {len} elements instead of {expected} for {self:?}");
        }
    }
}

stamp! {
    Scans: Real = [f32, f64];
    /// An LSTM layer over a sequence (Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000):
    ///
    /// i, f, o = σ(p + h′·W_hhᵀ), g = tanh(p + h′·W_hhᵀ), c = f⊙c′ + i⊙g, h = o⊙tanh c,
    ///
    /// where p is the step's input projection and h′, c′ the state before the step. `gates` [seq, batch, 4·hidden] holds p
    /// (all biases included) on entry and the activated i, f, g, o on return; `w_hh` is [4·hidden, hidden]; `h0`, `c0`
    /// [batch, hidden]; `h`, `c` [seq, batch, hidden] receive the states of all steps.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn lstm_forward(
        shape: &Scan, gates: &mut [T], w_hh: &[T], h0: &[T], c0: &[T], h: &mut [T], c: &mut [T]
    ) = lstm::forward;
    /// The gradient of [`lstm_forward`], from its `gates`, `h`, `c` on return.
    ///
    /// `dh` [seq, batch, hidden] is the gradient with respect to all of h, `dc_last` [batch, hidden] with respect to the
    /// last c (none: 0). `dgates` [seq, batch, 4·hidden] receives the gradient with respect to the input projections, from
    /// which those of x, W_ih and the biases follow by ordinary products; `dw_hh`, `dh0`, `dc0` receive theirs. With
    /// δh = dh + (next step's) dgates·W_hh and δc carried likewise:
    ///
    /// do = δh⊙tanh c⊙o(1−o), δc += δh⊙o⊙(1−tanh² c), di = δc⊙g⊙i(1−i), df = δc⊙c′⊙f(1−f), dg = δc⊙i⊙(1−g²), δc′ = δc⊙f.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn lstm_backward(
        shape: &Scan, gates: &[T], w_hh: &[T], h0: &[T], c0: &[T], h: &[T], c: &[T], dh: &[T], dc_last: Option<&[T]>,
        dgates: &mut [T], dw_hh: &mut [T], dh0: &mut [T], dc0: &mut [T],
    ) = lstm::backward;
    /// A GRU layer over a sequence (Cho et al. 2014 in PyTorch's variant, where r multiplies after the product):
    ///
    /// q = h′·W_hhᵀ + b_hh, r, z = σ(p + q), n = tanh(p_n + r⊙q_n), h = (1−z)⊙n + z⊙h′.
    ///
    /// `gates` [seq, batch, 3·hidden] holds the input projections p (with b_ih) on entry and r, z, n on return; `w_hh` is
    /// [3·hidden, hidden], `b_hh` [3·hidden] (none: 0); `h` receives the states of all steps and `qn` [seq, batch, hidden]
    /// the q_n that the gradient needs.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn gru_forward(
        shape: &Scan, gates: &mut [T], w_hh: &[T], b_hh: Option<&[T]>, h0: &[T], h: &mut [T], qn: &mut [T]
    ) = gru::forward;
    /// The gradient of [`gru_forward`], from its `gates`, `h`, `qn` on return.
    ///
    /// `dh` is the gradient with respect to all of h; `dgates` receives that of the input projections, `dw_hh`, `db_hh`,
    /// `dh0` theirs. With δh as for the LSTM:
    ///
    /// dn = δh⊙(1−z)⊙(1−n²), dz = δh⊙(h′−n)⊙z(1−z), dr = dn⊙q_n⊙r(1−r), dq = (dr, dz, dn⊙r), δh′ = δh⊙z + dq·W_hh.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn gru_backward(
        shape: &Scan, gates: &[T], w_hh: &[T], h0: &[T], h: &[T], qn: &[T], dh: &[T],
        dgates: &mut [T], dw_hh: &mut [T], db_hh: &mut [T], dh0: &mut [T],
    ) = gru::backward;
}

/// Lanes smaller than the smallest normal number become 0.
#[inline(always)]
fn flush<S: pulp::Simd, T: Real>(x: F<S, T>) -> F<S, T> {
    x.abs().lt(x.lit(T::MIN_POSITIVE.to_f64())).select(x.lit(0.0), x)
}

/// Σ over steps and rows of dqᵀ·h′, with h′ = h0 before the first step: the gradient of W_hh.
fn weight_gradient<T: Real>(shape: &Scan, dq: &[T], h0: &[T], h: &[T], dw_hh: &mut [T]) {
    let Scan { seq, batch, hidden } = *shape;
    let width = dw_hh.len() / hidden.max(1);
    if seq == 0 {
        return dw_hh.fill(T::ZERO);
    }
    let (first, rest) = dq.split_at(batch * width);
    let h0 = Mat::row_major(h0, batch, hidden);
    gemm::matmul(dw_hh, Mat::row_major(first, batch, width).t(), h0, Accumulate::No);
    let steps = (seq - 1) * batch;
    let before = Mat::row_major(&h[..steps * hidden], steps, hidden);
    gemm::matmul(dw_hh, Mat::row_major(rest, steps, width).t(), before, Accumulate::Yes);
}
