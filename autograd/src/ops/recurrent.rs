//! LSTM and GRU layers over a whole sequence: fused scans with composite twins.
//!
//! The input projections of all steps are one `linear` made by the caller; a scan adds the recurrent part. Everything is
//! time-major, `[seq, batch, ·]`; gate order is PyTorch's.

use etude_kernels::recurrent::{self as kernel, Scan};

use crate::alloc;
use crate::dtype::Float;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

/// Inputs: projections `[seq, batch, 4·hidden]`, w_hh, h0, c0. Output: the states h of all steps and, behind them, the
/// last c, as `[seq + 1, batch, hidden]`.
struct Lstm<T: Float> {
    shape: Scan,
    /// The activated gates of all steps.
    gates: Tensor<T>,
    /// The states c of all steps.
    cells: Tensor<T>,
}

impl<T: Float> Op<T> for Lstm<T> {
    fn name(&self) -> &'static str {
        "lstm_scan"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let s = &self.shape;
        let state = s.batch * s.hidden;
        let (w_hh, h0, c0, y) = (cx.input(1), cx.input(2), cx.input(3), cx.output());
        let mut dgates = alloc::scratch(self.gates.len());
        let mut dw = alloc::scratch(w_hh.len());
        let (mut dh0, mut dc0) = (alloc::scratch(state), alloc::scratch(state));
        let (g, y) = (g.data(), y.data());
        let (dh, dc_last) = g.split_at(s.seq * state);
        kernel::lstm_backward(
            s,
            &self.gates.data(),
            &w_hh.data(),
            &h0.data(),
            &c0.data(),
            &y[..s.seq * state],
            &self.cells.data(),
            dh,
            Some(dc_last),
            &mut dgates,
            &mut dw,
            &mut dh0,
            &mut dc0,
        );
        let like = |i: usize, buf| Some(Tensor::from_buf(buf, cx.input_shape(i)));
        vec![like(0, dgates), like(1, dw), like(2, dh0), like(3, dc0)]
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn flops(&self, _: &[&[usize]], _: &[usize]) -> u64 {
        recurrent_products(&self.shape, 4)
    }
    fn composite(&self, x: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(lstm_composite(&x[0], &x[1], &x[2], &x[3]))
    }
}

/// Step by step: i, f, o = σ(p + h·w_hhᵀ), g = tanh(p + h·w_hhᵀ), c ← f⊙c + i⊙g, h ← o⊙tanh c.
///
/// Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000.
pub(crate) fn lstm_composite<T: Float>(p: &Tensor<T>, w_hh: &Tensor<T>, h0: &Tensor<T>, c0: &Tensor<T>) -> Tensor<T> {
    let (mut states, c) = lstm_steps(p, w_hh, None, h0, c0);
    states.push(c);
    Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)
}

/// The states h after each step, each multiplied by w_hrᵀ if there is one, and the last c.
fn lstm_steps<T: Float>(
    p: &Tensor<T>,
    w_hh: &Tensor<T>,
    w_hr: Option<&Tensor<T>>,
    h0: &Tensor<T>,
    c0: &Tensor<T>,
) -> (Vec<Tensor<T>>, Tensor<T>) {
    let (mut h, mut c) = (h0.clone(), c0.clone());
    let mut states = Vec::new();
    for t in 0..p.shape()[0] {
        let gates = (p.select(0, t) + h.linear(w_hh, None)).chunk(1, 4);
        c = gates[1].sigmoid() * &c + gates[0].sigmoid() * gates[2].tanh();
        h = gates[3].sigmoid() * c.tanh();
        if let Some(w_hr) = w_hr {
            h = h.linear(w_hr, None);
        }
        states.push(h.clone());
    }
    (states, c)
}

/// Inputs: projections `[seq, batch, 3·hidden]`, w_hh, b_hh, h0. Output: the states of all steps.
struct Gru<T: Float> {
    shape: Scan,
    /// The activated gates of all steps.
    gates: Tensor<T>,
    /// The recurrent part of n before it meets r.
    qn: Tensor<T>,
}

impl<T: Float> Op<T> for Gru<T> {
    fn name(&self) -> &'static str {
        "gru_scan"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let s = &self.shape;
        let (w_hh, h0, h) = (cx.input(1), cx.input(3), cx.output());
        let mut dgates = alloc::scratch(self.gates.len());
        let mut dw = alloc::scratch(w_hh.len());
        let mut db = alloc::scratch(3 * s.hidden);
        let mut dh0 = alloc::scratch(h0.len());
        kernel::gru_backward(
            s,
            &self.gates.data(),
            &w_hh.data(),
            &h0.data(),
            &h.data(),
            &self.qn.data(),
            &g.data(),
            &mut dgates,
            &mut dw,
            &mut db,
            &mut dh0,
        );
        let like = |i: usize, buf| Some(Tensor::from_buf(buf, cx.input_shape(i)));
        vec![like(0, dgates), like(1, dw), like(2, db), like(3, dh0)]
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn flops(&self, _: &[&[usize]], _: &[usize]) -> u64 {
        recurrent_products(&self.shape, 3)
    }
    fn composite(&self, x: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(gru_composite(&x[0], &x[1], &x[2], &x[3]))
    }
}

/// Step by step: q = h·w_hhᵀ + b_hh, r, z = σ(p + q), n = tanh(p + r⊙q), h ← (1 − z)⊙n + z⊙h.
///
/// Cho et al. 2014, arXiv:1406.1078, in PyTorch's variant, where r multiplies after the product.
pub(crate) fn gru_composite<T: Float>(p: &Tensor<T>, w_hh: &Tensor<T>, b_hh: &Tensor<T>, h0: &Tensor<T>) -> Tensor<T> {
    let mut h = h0.clone();
    let mut states = Vec::new();
    for t in 0..p.shape()[0] {
        let (p, q) = (p.select(0, t).chunk(1, 3), h.linear(w_hh, Some(b_hh)).chunk(1, 3));
        let (r, z) = ((&p[0] + &q[0]).sigmoid(), (&p[1] + &q[1]).sigmoid());
        let n = (&p[2] + r * &q[2]).tanh();
        h = &n + z * (&h - &n);
        states.push(h.clone());
    }
    Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)
}

/// Of the products with `w_hh` at all steps.
fn recurrent_products(s: &Scan, gates: usize) -> u64 {
    2 * [s.seq, s.batch, s.hidden, gates * s.hidden].map(|n| n as u64).iter().product::<u64>()
}

/// The sizes of a scan, or a panic that names what does not fit.
#[track_caller]
fn scan_shape<T: Float>(op: &str, gates: usize, p: &Tensor<T>, w_hh: &Tensor<T>, states: &[&Tensor<T>]) -> Scan {
    let (x, w) = (p.shape(), w_hh.shape());
    assert!(x.len() == 3 && x[0] > 0, "{op}: projections {x:?} are not [seq, batch, {gates}·hidden] with a step");
    let hidden = x[2] / gates;
    assert!(x[2] == gates * hidden && w == [gates * hidden, hidden], "{op}: projections {x:?} and w_hh {w:?} differ");
    for state in states {
        let s = state.shape();
        assert!(s == [x[1], hidden], "{op}: a state has shape {s:?}, projections {x:?} ask for [{}, {hidden}]", x[1]);
    }
    Scan { seq: x[0], batch: x[1], hidden }
}

impl<T: Float> Tensor<T> {
    /// An LSTM layer over a sequence, given the input projections x·w_ihᵀ + b_ih + b_hh as `[seq, batch, 4·hidden]` in the
    /// gate order i, f, g, o, and `w_hh` as `[4·hidden, hidden]`. Returns the states h of all steps, `[seq, batch, hidden]`,
    /// and the last c, `[batch, hidden]`.
    ///
    /// # Panics
    /// If a shape does not fit, or there is no step.
    #[track_caller]
    pub fn lstm_scan(&self, w_hh: &Tensor<T>, h0: &Tensor<T>, c0: &Tensor<T>) -> (Self, Self) {
        let shape = scan_shape("lstm_scan", 4, self, w_hh, &[h0, c0]);
        let state = shape.batch * shape.hidden;
        let mut gates = alloc::copy_of(&self.data());
        let mut cells = alloc::scratch(shape.seq * state);
        let mut out = alloc::scratch((shape.seq + 1) * state);
        let (h, last) = out.split_at_mut(shape.seq * state);
        kernel::lstm_forward(&shape, &mut gates, &w_hh.data(), &h0.data(), &c0.data(), h, &mut cells);
        last.copy_from_slice(&cells[(shape.seq - 1) * state..]);
        let op = Lstm {
            shape,
            gates: Tensor::from_buf(gates, self.shape()),
            cells: Tensor::from_buf(cells, &[shape.seq, shape.batch, shape.hidden]),
        };
        let y = Tensor::from_buf(out, &[shape.seq + 1, shape.batch, shape.hidden]);
        let y = Tensor::record(op, &[self, w_hh, h0, c0], y);
        (y.narrow(0, 0, shape.seq), y.select(0, shape.seq))
    }

    /// [`Tensor::lstm_scan`] whose states are projected, h ← (o⊙tanh c)·w_hrᵀ: `w_hh` as `[4·hidden, size]`, `w_hr` as
    /// `[size, hidden]`, h0 as `[batch, size]`, c0 as `[batch, hidden]`. Returns the states h of all steps,
    /// `[seq, batch, size]`, and the last c. Step by step, of other operations.
    ///
    /// Sak, Senior & Beaufays 2014, arXiv:1402.1128, eqs. (6)–(7) without peepholes.
    ///
    /// # Panics
    /// If a shape does not fit, or there is no step.
    #[track_caller]
    pub fn lstm_scan_projected(
        &self,
        w_hh: &Tensor<T>,
        w_hr: &Tensor<T>,
        h0: &Tensor<T>,
        c0: &Tensor<T>,
    ) -> (Self, Self) {
        let (p, hh, hr) = (self.shape(), w_hh.shape(), w_hr.shape());
        let fits = p.len() == 3 && p[0] > 0 && hr.len() == 2 && p[2] == 4 * hr[1] && hh == [p[2], hr[0]];
        assert!(
            fits,
            "lstm_scan_projected: projections {p:?}, w_hh {hh:?} and w_hr {hr:?} are not [seq, batch, 4·hidden] with a \
             step, [4·hidden, size] and [size, hidden]"
        );
        let (h, c) = (h0.shape(), c0.shape());
        let [for_h, for_c] = [[p[1], hr[0]], [p[1], hr[1]]];
        assert!(
            h == for_h && c == for_c,
            "lstm_scan_projected: the states have shapes {h:?} and {c:?}, expected {for_h:?} and {for_c:?}"
        );
        let (states, c) = lstm_steps(self, w_hh, Some(w_hr), h0, c0);
        (Tensor::stack(&states.iter().collect::<Vec<_>>(), 0), c)
    }

    /// A GRU layer over a sequence, given the input projections x·w_ihᵀ + b_ih as `[seq, batch, 3·hidden]` in the gate
    /// order r, z, n, `w_hh` as `[3·hidden, hidden]` and `b_hh` as `[3·hidden]`. Returns the states of all steps.
    ///
    /// # Panics
    /// If a shape does not fit, or there is no step.
    #[track_caller]
    pub fn gru_scan(&self, w_hh: &Tensor<T>, b_hh: &Tensor<T>, h0: &Tensor<T>) -> Self {
        let shape = scan_shape("gru_scan", 3, self, w_hh, &[h0]);
        assert!(
            b_hh.shape() == [3 * shape.hidden],
            "gru_scan: b_hh has shape {:?}, expected [{}]",
            b_hh.shape(),
            3 * shape.hidden
        );
        let all = shape.seq * shape.batch * shape.hidden;
        let mut gates = alloc::copy_of(&self.data());
        let (mut h, mut qn) = (alloc::scratch(all), alloc::scratch(all));
        kernel::gru_forward(&shape, &mut gates, &w_hh.data(), Some(&b_hh.data()), &h0.data(), &mut h, &mut qn);
        let dims = [shape.seq, shape.batch, shape.hidden];
        let op = Gru { shape, gates: Tensor::from_buf(gates, self.shape()), qn: Tensor::from_buf(qn, &dims) };
        Tensor::record(op, &[self, w_hh, b_hh, h0], Tensor::from_buf(h, &dims))
    }
}
