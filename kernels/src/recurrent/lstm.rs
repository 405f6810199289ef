//! The LSTM scan; formulas at [`super::lstm_forward`] and [`super::lstm_backward`].

use pulp::{Simd, WithSimd};

use super::{Scan, flush, weight_gradient};
use crate::buf::Buf;
use crate::elem::Real;
use crate::ew::sigmoid;
use crate::gemm::{Accumulate, Mat, Packed, Tile};
use crate::isa;
use crate::lanes::F;
use crate::par;

pub(super) fn forward<T: Real>(
    shape: &Scan,
    gates: &mut [T],
    w_hh: &[T],
    h0: &[T],
    c0: &[T],
    h: &mut [T],
    c: &mut [T],
) {
    let Scan { seq, batch, hidden } = *shape;
    shape.check(
        "recurrent::lstm_forward",
        &[
            ("gates", gates.len(), &[4, seq, batch, hidden]),
            ("w_hh", w_hh.len(), &[4, hidden, hidden]),
            ("h0", h0.len(), &[batch, hidden]),
            ("c0", c0.len(), &[batch, hidden]),
            ("h", h.len(), &[seq, batch, hidden]),
            ("c", c.len(), &[seq, batch, hidden]),
        ],
    );
    let state = shape.state();
    if seq * state == 0 {
        return;
    }
    let isa = isa::current();
    let weights = Packed::new(isa, Mat::row_major(w_hh, 4 * hidden, hidden).t());
    let rows = shape.rows();
    let gates = Tile::whole(gates, seq, 4 * state).split(seq, rows * 4 * hidden);
    let h = Tile::whole(h, seq, state).split(seq, rows * hidden);
    let c = Tile::whole(c, seq, state).split(seq, rows * hidden);
    let mut parts: Vec<_> = gates.into_iter().zip(h).zip(c).collect();
    debug_assert_eq!(parts.len(), batch.div_ceil(rows));
    par::chunks_mut(&mut parts, 1, |i, part| {
        let ((gates, h), c) = &mut part[0];
        let from = i * rows * hidden;
        let mut last_h = Buf::copy_of(&h0[from..from + h.cols()]);
        let mut last_c = Buf::copy_of(&c0[from..from + h.cols()]);
        for t in 0..seq {
            let gates = gates.row_mut(t);
            let rows = last_h.len() / hidden;
            weights.matmul(gates, Mat::row_major(&last_h, rows, hidden), Accumulate::Yes);
            isa.run_on::<T, _>(Step { hidden, gates, c: &mut last_c, h: &mut last_h });
            h.row_mut(t).copy_from_slice(&last_h);
            c.row_mut(t).copy_from_slice(&last_c);
        }
    });
}

/// One step of some rows: activates the gates and moves the state on.
struct Step<'a, T> {
    hidden: usize,
    gates: &'a mut [T],
    c: &'a mut [T],
    h: &'a mut [T],
}

impl<T: Real> WithSimd for Step<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.hidden;
        let rows = self.gates.chunks_exact_mut(4 * n).zip(self.c.chunks_exact_mut(n)).zip(self.h.chunks_exact_mut(n));
        for ((gates, c), h) in rows {
            for from in (0..n).step_by(T::lanes::<S>()) {
                let at = from..n.min(from + T::lanes::<S>());
                let gate = |q: usize| q * n + at.start..q * n + at.end;
                let i = sigmoid(F::<S, T>::load(simd, &gates[gate(0)]));
                let f = sigmoid(F::<S, T>::load(simd, &gates[gate(1)]));
                let g = F::<S, T>::load(simd, &gates[gate(2)]).tanh();
                let o = sigmoid(F::<S, T>::load(simd, &gates[gate(3)]));
                let cell = flush(f.fma(F::<S, T>::load(simd, &c[at.clone()]), i * g));
                cell.store(&mut c[at.clone()]);
                flush(o * cell.tanh()).store(&mut h[at.clone()]);
                for (q, v) in [i, f, g, o].into_iter().enumerate() {
                    v.store(&mut gates[gate(q)]);
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn backward<T: Real>(
    shape: &Scan,
    gates: &[T],
    w_hh: &[T],
    h0: &[T],
    c0: &[T],
    h: &[T],
    c: &[T],
    dh: &[T],
    dc_last: Option<&[T]>,
    dgates: &mut [T],
    dw_hh: &mut [T],
    dh0: &mut [T],
    dc0: &mut [T],
) {
    let Scan { seq, batch, hidden } = *shape;
    shape.check(
        "recurrent::lstm_backward",
        &[
            ("gates", gates.len(), &[4, seq, batch, hidden]),
            ("w_hh", w_hh.len(), &[4, hidden, hidden]),
            ("h0", h0.len(), &[batch, hidden]),
            ("c0", c0.len(), &[batch, hidden]),
            ("h", h.len(), &[seq, batch, hidden]),
            ("c", c.len(), &[seq, batch, hidden]),
            ("dh", dh.len(), &[seq, batch, hidden]),
            ("dc_last", dc_last.map_or(dc0.len(), <[T]>::len), &[batch, hidden]),
            ("dgates", dgates.len(), &[gates.len()]),
            ("dw_hh", dw_hh.len(), &[w_hh.len()]),
            ("dh0", dh0.len(), &[batch, hidden]),
            ("dc0", dc0.len(), &[batch, hidden]),
        ],
    );
    let state = shape.state();
    dh0.fill(T::ZERO);
    match dc_last {
        Some(dc) => dc0.copy_from_slice(dc),
        None => dc0.fill(T::ZERO),
    }
    if seq * state > 0 {
        let saved = Saved { shape, gates, c0, c, dh };
        saved.scan(w_hh, dgates, dh0, dc0);
    }
    weight_gradient(shape, dgates, h0, h, dw_hh);
}

/// What the backward scan reads.
struct Saved<'a, T> {
    shape: &'a Scan,
    gates: &'a [T],
    c0: &'a [T],
    c: &'a [T],
    dh: &'a [T],
}

impl<T: Real> Saved<'_, T> {
    /// Runs the steps backwards; `carry_h` and `carry_c` are δh, δc after the last step on entry and before the first on
    /// return.
    fn scan(&self, w_hh: &[T], dgates: &mut [T], carry_h: &mut [T], carry_c: &mut [T]) {
        let Scan { seq, hidden, .. } = *self.shape;
        let (state, isa) = (self.shape.state(), isa::current());
        let weights = Packed::new(isa, Mat::row_major(w_hh, 4 * hidden, hidden));
        let chunk = self.shape.rows() * hidden;
        let dgates = Tile::whole(dgates, seq, 4 * state).split(seq, 4 * chunk);
        let carries = carry_h.chunks_mut(chunk).zip(carry_c.chunks_mut(chunk));
        let mut parts: Vec<_> = dgates.into_iter().zip(carries).collect();
        par::chunks_mut(&mut parts, 1, |i, part| {
            let (dgates, (carry_h, carry_c)) = &mut part[0];
            for t in (0..seq).rev() {
                let from = t * state + i * chunk;
                let at = from..from + carry_h.len();
                let before = if t == 0 { &self.c0[i * chunk..] } else { &self.c[from - state..] };
                let dgates = dgates.row_mut(t);
                isa.run_on::<T, _>(StepGrad {
                    hidden,
                    gates: &self.gates[4 * at.start..4 * at.end],
                    before: &before[..at.len()],
                    c: &self.c[at.clone()],
                    dh: &self.dh[at],
                    carry_h,
                    carry_c,
                    dgates,
                });
                let dgates = Mat::row_major(dgates, carry_h.len() / hidden, 4 * hidden);
                weights.matmul(carry_h, dgates, Accumulate::No);
            }
        });
    }
}

/// One step backwards of some rows.
struct StepGrad<'a, T> {
    hidden: usize,
    gates: &'a [T],
    before: &'a [T],
    c: &'a [T],
    dh: &'a [T],
    carry_h: &'a [T],
    carry_c: &'a mut [T],
    dgates: &'a mut [T],
}

impl<T: Real> WithSimd for StepGrad<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.hidden;
        for row in 0..self.c.len() / n {
            let gates = &self.gates[4 * row * n..][..4 * n];
            let dgates = &mut self.dgates[4 * row * n..][..4 * n];
            for from in (0..n).step_by(T::lanes::<S>()) {
                let width = T::lanes::<S>().min(n - from);
                let at = row * n + from..row * n + from + width;
                let load = |x: &[T]| F::<S, T>::load(simd, &x[at.clone()]);
                let [i, f, g, o] = [0, 1, 2, 3].map(|q| F::<S, T>::load(simd, &gates[q * n + from..][..width]));
                let tanh_c = load(self.c).tanh();
                let dh = load(self.dh) + load(self.carry_h);
                let dc = (dh * o).fma(1.0 - tanh_c * tanh_c, load(self.carry_c));
                let grads = [
                    dc * g * (i * (1.0 - i)),
                    dc * load(self.before) * (f * (1.0 - f)),
                    dc * i * (1.0 - g * g),
                    dh * tanh_c * (o * (1.0 - o)),
                ];
                for (q, v) in grads.into_iter().enumerate() {
                    flush(v).store(&mut dgates[q * n + from..][..width]);
                }
                flush(dc * f).store(&mut self.carry_c[at.clone()]);
            }
        }
    }
}
