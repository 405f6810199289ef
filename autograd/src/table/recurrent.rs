//! Recurrent layers over sequences.

use super::elementwise::sigmoid;
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::recurrent;
use crate::tensor::Tensor;

/// Input projections, w_hh, and states; `gates` times the hidden size. Values are kept small: gates that saturate have
/// gradients below the resolution of a central difference.
fn scan_case(draw: &mut Draw<'_>, gates: usize) -> Case {
    let (seq, batch, hidden) = (draw.positive(4), draw.dim(3), draw.positive(3));
    let small = |case: Case, shape: &[usize]| case.input_in(shape, -1.0, 1.0, &[]);
    let case = small(Case::new(draw), &[seq, batch, gates * hidden]);
    small(case, &[gates * hidden, hidden])
}

/// The states of one sequence, plainly: every number by itself. All h, time first, then the last c.
fn lstm_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    lstm_states(&x[0], &x[1], None, &x[2], &x[3])
}

/// The same with every h multiplied by the matrix `r`.
fn lstm_states(p: &Array, w: &Array, r: Option<&Array>, h0: &Array, c0: &Array) -> Vec<f64> {
    let (seq, batch, n, size) = (p.shape[0], p.shape[1], c0.shape[1], h0.shape[1]);
    let mut states = Array::from_fn(&[seq, batch, size], |_| 0.0);
    let mut cells = c0.clone();
    for b in 0..batch {
        let mut h: Vec<f64> = (0..size).map(|j| h0.at(&[b, j])).collect();
        for t in 0..seq {
            let mut shown = vec![0.0; n];
            for (j, shown) in shown.iter_mut().enumerate() {
                let gate =
                    |k: usize| p.at(&[t, b, k * n + j]) + (0..size).map(|i| w.at(&[k * n + j, i]) * h[i]).sum::<f64>();
                let c = &mut cells.data[b * n + j];
                *c = sigmoid(gate(1)) * *c + sigmoid(gate(0)) * gate(2).tanh();
                *shown = sigmoid(gate(3)) * c.tanh();
            }
            h = match r {
                Some(r) => (0..size).map(|i| (0..n).map(|j| r.at(&[i, j]) * shown[j]).sum()).collect(),
                None => shown,
            };
            let row = (t * batch + b) * size;
            states.data[row..row + size].copy_from_slice(&h);
        }
    }
    [states.data, cells.data].concat()
}

fn gru_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    let (p, w, bias, h0) = (&x[0], &x[1], &x[2], &x[3]);
    let (seq, batch, n) = (p.shape[0], p.shape[1], w.shape[1]);
    let mut out = Array::from_fn(&[seq, batch, n], |_| 0.0);
    for b in 0..batch {
        let mut h: Vec<f64> = (0..n).map(|j| h0.at(&[b, j])).collect();
        for t in 0..seq {
            let last = h.clone();
            for j in 0..n {
                let q = |k: usize| (0..n).map(|i| w.at(&[k * n + j, i]) * last[i]).sum::<f64>() + bias.data[k * n + j];
                let input = |k: usize| p.at(&[t, b, k * n + j]);
                let (r, z) = (sigmoid(input(0) + q(0)), sigmoid(input(1) + q(1)));
                h[j] = (1.0 - z) * (input(2) + r * q(2)).tanh() + z * last[j];
                out.data[(t * batch + b) * n + j] = h[j];
            }
        }
    }
    out.data
}

/// h ← f(p + h·w_hhᵀ), plainly.
fn rnn_reference(p: &Array, w: &Array, h0: &Array, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let (batch, n) = (p.shape[1], p.shape[2]);
    let mut h = h0.clone();
    let mut out = Vec::new();
    for t in 0..p.shape[0] {
        let last = h;
        h = Array::from_fn(&[batch, n], |i| {
            f(p.at(&[t, i[0], i[1]]) + (0..n).map(|k| w.at(&[i[1], k]) * last.at(&[i[0], k])).sum::<f64>())
        });
        out.extend(&h.data);
    }
    out
}

fn rnn_case(draw: &mut Draw<'_>) -> Case {
    let case = scan_case(draw, 1);
    let state = [case.inputs[0].shape[1], case.inputs[1].shape[1]];
    case.input_in(&state, -1.0, 1.0, &[])
}

/// Projections of a size that decides the sign of every sum, so that no sum comes near 0.
fn relu_case(draw: &mut Draw<'_>) -> Case {
    let mut case = rnn_case(draw);
    case.inputs[0].kinks = &[0.0];
    let bound = 0.3 / case.inputs[1].shape[1].max(1) as f64;
    (case.inputs[1].low, case.inputs[1].high) = (-bound, bound);
    case
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("lstm_scan", "an LSTM layer over a sequence: all h, then the last c", |draw| {
            let case = scan_case(draw, 4);
            let state = [case.inputs[0].shape[1], case.inputs[1].shape[1]];
            case.input_in(&state, -1.0, 1.0, &[]).input_in(&state, -1.0, 1.0, &[])
        }, |case, x| {
            let (h, c) = x[0].lstm_scan(&x[1], &x[2], &x[3]);
            Tensor::concat(&[&h, &c.unsqueeze(0)], 0)
        }, lstm_reference;
            composite: |case, x| recurrent::lstm_composite(&x[0], &x[1], &x[2], &x[3]), tolerance: loose),
        entry!("lstm_scan_projected", "an LSTM layer whose states are projected: all h, then the last c", |draw| {
            let (seq, batch, hidden, size) = (draw.positive(4), draw.dim(3), draw.positive(3), draw.positive(3));
            let small = |case: Case, shape: &[usize]| case.input_in(shape, -1.0, 1.0, &[]);
            let case = small(small(Case::new(draw), &[seq, batch, 4 * hidden]), &[4 * hidden, size]);
            small(small(small(case, &[size, hidden]), &[batch, size]), &[batch, hidden])
        }, |case, x| {
            let (h, c) = x[0].lstm_scan_projected(&x[1], &x[2], &x[3], &x[4]);
            Tensor::concat(&[&h.flatten_from(0), &c.flatten_from(0)], 0)
        }, |_, x| lstm_states(&x[0], &x[1], Some(&x[2]), &x[3], &x[4]), tolerance: loose),
        entry!("gru_scan", "a GRU layer over a sequence: all h", |draw| {
            let case = scan_case(draw, 3);
            let (batch, hidden) = (case.inputs[0].shape[1], case.inputs[1].shape[1]);
            case.input_in(&[3 * hidden], -1.0, 1.0, &[]).input_in(&[batch, hidden], -1.0, 1.0, &[])
        }, |case, x| x[0].gru_scan(&x[1], &x[2], &x[3]), gru_reference;
            composite: |case, x| recurrent::gru_composite(&x[0], &x[1], &x[2], &x[3]), tolerance: loose),
        entry!("rnn_scan", "h ← tanh(p + h·w_hhᵀ) over a sequence: all h", rnn_case,
            |case, x| x[0].rnn_scan(&x[1], &x[2], Tensor::tanh),
            |_, x| rnn_reference(&x[0], &x[1], &x[2], f64::tanh), tolerance: loose),
        entry!("rnn_scan_relu", "h ← max(p + h·w_hhᵀ, 0) over a sequence: all h", relu_case, |case, x| {
            let p = &x[0] + x[0].sign().affine(3.0, 0.0);
            p.rnn_scan(&x[1], &x[2], Tensor::relu)
        }, |_, x| {
            let p = Array { data: x[0].map(|v| v + 3.0 * v.signum()), ..x[0].clone() };
            rnn_reference(&p, &x[1], &x[2], |v| v.max(0.0))
        }, tolerance: loose),
    ]
}
