//! The GRU scan; formulas at [`super::gru_forward`] and [`super::gru_backward`].

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
    b_hh: Option<&[T]>,
    h0: &[T],
    h: &mut [T],
    qn: &mut [T],
) {
    let Scan { seq, batch, hidden } = *shape;
    shape.check(
        "recurrent::gru_forward",
        &[
            ("gates", gates.len(), &[3, seq, batch, hidden]),
            ("w_hh", w_hh.len(), &[3, hidden, hidden]),
            ("b_hh", b_hh.map_or(3 * hidden, <[T]>::len), &[3, hidden]),
            ("h0", h0.len(), &[batch, hidden]),
            ("h", h.len(), &[seq, batch, hidden]),
            ("qn", qn.len(), &[seq, batch, hidden]),
        ],
    );
    let state = shape.state();
    if seq * state == 0 {
        return;
    }
    let isa = isa::current();
    let weights = Packed::new(isa, Mat::row_major(w_hh, 3 * hidden, hidden).t());
    let bias = b_hh.map_or_else(|| Buf::filled(3 * hidden, T::ZERO), Buf::copy_of);
    let chunk = shape.rows() * hidden;
    let gates = Tile::whole(gates, seq, 3 * state).split(seq, 3 * chunk);
    let h = Tile::whole(h, seq, state).split(seq, chunk);
    let qn = Tile::whole(qn, seq, state).split(seq, chunk);
    let mut parts: Vec<_> = gates.into_iter().zip(h).zip(qn).collect();
    par::chunks_mut(&mut parts, 1, |i, part| {
        let ((gates, h), qn) = &mut part[0];
        let mut last = Buf::copy_of(&h0[i * chunk..][..h.cols()]);
        let mut q = Buf::scratch(3 * last.len());
        for t in 0..seq {
            q.chunks_exact_mut(3 * hidden).for_each(|q| q.copy_from_slice(&bias));
            weights.matmul(&mut q, Mat::row_major(&last, last.len() / hidden, hidden), Accumulate::Yes);
            isa.run_on::<T, _>(Step { hidden, gates: gates.row_mut(t), q: &q, h: &mut last, qn: qn.row_mut(t) });
            h.row_mut(t).copy_from_slice(&last);
        }
    });
}

/// One step of some rows: activates the gates and moves the state on.
struct Step<'a, T> {
    hidden: usize,
    gates: &'a mut [T],
    q: &'a [T],
    h: &'a mut [T],
    qn: &'a mut [T],
}

impl<T: Real> WithSimd for Step<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.hidden;
        let state = self.h.chunks_exact_mut(n).zip(self.qn.chunks_exact_mut(n));
        let rows = self.gates.chunks_exact_mut(3 * n).zip(self.q.chunks_exact(3 * n)).zip(state);
        for ((gates, q), (h, qn)) in rows {
            for from in (0..n).step_by(T::lanes::<S>()) {
                let at = from..n.min(from + T::lanes::<S>());
                let gate = |q: usize| q * n + at.start..q * n + at.end;
                let p = [0, 1, 2].map(|k| F::<S, T>::load(simd, &gates[gate(k)]));
                let q = [0, 1, 2].map(|k| F::<S, T>::load(simd, &q[gate(k)]));
                let (r, z) = (sigmoid(p[0] + q[0]), sigmoid(p[1] + q[1]));
                let candidate = r.fma(q[2], p[2]).tanh();
                // (1−z)⊙n + z⊙h′ = n + z⊙(h′−n)
                let last = F::<S, T>::load(simd, &h[at.clone()]);
                flush(z.fma(last - candidate, candidate)).store(&mut h[at.clone()]);
                q[2].store(&mut qn[at.clone()]);
                for (k, v) in [r, z, candidate].into_iter().enumerate() {
                    v.store(&mut gates[gate(k)]);
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
    h: &[T],
    qn: &[T],
    dh: &[T],
    dgates: &mut [T],
    dw_hh: &mut [T],
    db_hh: &mut [T],
    dh0: &mut [T],
) {
    let Scan { seq, batch, hidden } = *shape;
    shape.check(
        "recurrent::gru_backward",
        &[
            ("gates", gates.len(), &[3, seq, batch, hidden]),
            ("w_hh", w_hh.len(), &[3, hidden, hidden]),
            ("h0", h0.len(), &[batch, hidden]),
            ("h", h.len(), &[seq, batch, hidden]),
            ("qn", qn.len(), &[seq, batch, hidden]),
            ("dh", dh.len(), &[seq, batch, hidden]),
            ("dgates", dgates.len(), &[gates.len()]),
            ("dw_hh", dw_hh.len(), &[w_hh.len()]),
            ("db_hh", db_hh.len(), &[3, hidden]),
            ("dh0", dh0.len(), &[batch, hidden]),
        ],
    );
    let state = shape.state();
    dh0.fill(T::ZERO);
    let mut dq = Buf::scratch(dgates.len());
    if seq * state > 0 {
        Saved { shape, gates, h0, h, qn, dh }.scan(w_hh, dgates, &mut dq, dh0);
    }
    weight_gradient(shape, &dq, h0, h, dw_hh);
    db_hh.fill(T::ZERO);
    for row in dq.chunks_exact(3 * hidden.max(1)) {
        db_hh.iter_mut().zip(row).for_each(|(d, &q)| *d += q);
    }
}

/// What the backward scan reads.
struct Saved<'a, T> {
    shape: &'a Scan,
    gates: &'a [T],
    h0: &'a [T],
    h: &'a [T],
    qn: &'a [T],
    dh: &'a [T],
}

impl<T: Real> Saved<'_, T> {
    /// Runs the steps backwards; `carry` is δh after the last step on entry and before the first on return.
    fn scan(&self, w_hh: &[T], dgates: &mut [T], dq: &mut [T], carry: &mut [T]) {
        let Scan { seq, hidden, .. } = *self.shape;
        let (state, isa) = (self.shape.state(), isa::current());
        let weights = Packed::new(isa, Mat::row_major(w_hh, 3 * hidden, hidden));
        let chunk = self.shape.rows() * hidden;
        let dgates = Tile::whole(dgates, seq, 3 * state).split(seq, 3 * chunk);
        let dq = Tile::whole(dq, seq, 3 * state).split(seq, 3 * chunk);
        let mut parts: Vec<_> = dgates.into_iter().zip(dq).zip(carry.chunks_mut(chunk)).collect();
        par::chunks_mut(&mut parts, 1, |i, part| {
            let ((dgates, dq), carry) = &mut part[0];
            for t in (0..seq).rev() {
                let from = t * state + i * chunk;
                let at = from..from + carry.len();
                let before = if t == 0 { &self.h0[i * chunk..] } else { &self.h[from - state..] };
                let dq = dq.row_mut(t);
                isa.run_on::<T, _>(StepGrad {
                    hidden,
                    gates: &self.gates[3 * at.start..3 * at.end],
                    before: &before[..at.len()],
                    qn: &self.qn[at.clone()],
                    dh: &self.dh[at],
                    carry,
                    dgates: dgates.row_mut(t),
                    dq,
                });
                weights.matmul(carry, Mat::row_major(dq, carry.len() / hidden, 3 * hidden), Accumulate::Yes);
            }
        });
    }
}

/// One step backwards of some rows; leaves δh⊙z in `carry`.
struct StepGrad<'a, T> {
    hidden: usize,
    gates: &'a [T],
    before: &'a [T],
    qn: &'a [T],
    dh: &'a [T],
    carry: &'a mut [T],
    dgates: &'a mut [T],
    dq: &'a mut [T],
}

impl<T: Real> WithSimd for StepGrad<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.hidden;
        for row in 0..self.qn.len() / n {
            for from in (0..n).step_by(T::lanes::<S>()) {
                let width = T::lanes::<S>().min(n - from);
                let at = row * n + from..row * n + from + width;
                let gate = |k: usize| (3 * row + k) * n + from..(3 * row + k) * n + from + width;
                let load = |x: &[T]| F::<S, T>::load(simd, &x[at.clone()]);
                let [r, z, candidate] = [0, 1, 2].map(|k| F::<S, T>::load(simd, &self.gates[gate(k)]));
                let dh = load(self.dh) + load(self.carry);
                let dn = dh * (1.0 - z) * (1.0 - candidate * candidate);
                let dz = dh * (load(self.before) - candidate) * (z * (1.0 - z));
                let dr = dn * load(self.qn) * (r * (1.0 - r));
                for (k, v) in [dr, dz, dn].into_iter().enumerate() {
                    flush(v).store(&mut self.dgates[gate(k)]);
                }
                for (k, v) in [dr, dz, dn * r].into_iter().enumerate() {
                    flush(v).store(&mut self.dq[gate(k)]);
                }
                flush(dh * z).store(&mut self.carry[at.clone()]);
            }
        }
    }
}
