//! Scans against a plain transcription of their equations, and gradients against central differences.

use proptest::prelude::*;

use super::*;
use crate::isa::{self, Isa};
use crate::par;
use crate::rng::Rng;

fn random(rng: &mut Rng, len: usize, scale: f64) -> Vec<f64> {
    (0..len).map(|_| scale * rng.normal()).collect()
}

fn round<T: Real>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&v| T::from_f64(v)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A layer's inputs, in f64.
#[derive(Clone)]
struct Layer {
    shape: Scan,
    /// Gates of the cell: 4 for the LSTM, 3 for the GRU.
    gates: usize,
    projections: Vec<f64>,
    w_hh: Vec<f64>,
    /// The GRU's b_hh.
    bias: Vec<f64>,
    h0: Vec<f64>,
    c0: Vec<f64>,
}

impl Layer {
    fn new(shape: Scan, gates: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let Scan { seq, batch, hidden } = shape;
        Layer {
            shape,
            gates,
            projections: random(&mut rng, seq * batch * gates * hidden, 1.0),
            w_hh: random(&mut rng, gates * hidden * hidden, 0.5),
            bias: random(&mut rng, gates * hidden, 0.5),
            h0: random(&mut rng, batch * hidden, 0.7),
            c0: random(&mut rng, batch * hidden, 0.7),
        }
    }

    /// Σ_k w_hh[gate·hidden + j, k] h[k].
    fn recurrent(&self, gate: usize, j: usize, h: &[f64]) -> f64 {
        let n = self.shape.hidden;
        h.iter().zip(&self.w_hh[(gate * n + j) * n..]).map(|(h, w)| h * w).sum()
    }

    /// All h and all c, step by step, as the equations say.
    fn reference(&self) -> (Vec<f64>, Vec<f64>) {
        let Scan { seq, batch, hidden: n } = self.shape;
        let (mut all_h, mut all_c) = (Vec::new(), Vec::new());
        let (mut h, mut c) = (self.h0.clone(), self.c0.clone());
        for t in 0..seq {
            let before = h.clone();
            for b in 0..batch {
                for j in 0..n {
                    let last = &before[b * n..(b + 1) * n];
                    let p = |gate: usize| self.projections[((t * batch + b) * self.gates + gate) * n + j];
                    let q = |gate: usize| self.recurrent(gate, j, last);
                    let at = b * n + j;
                    if self.gates == 4 {
                        let [i, f, o] = [0, 1, 3].map(|k| sigmoid(p(k) + q(k)));
                        c[at] = f * c[at] + i * (p(2) + q(2)).tanh();
                        h[at] = o * c[at].tanh();
                    } else {
                        let q = |gate: usize| q(gate) + self.bias[gate * n + j];
                        let [r, z] = [0, 1].map(|k| sigmoid(p(k) + q(k)));
                        h[at] = (1.0 - z) * (p(2) + r * q(2)).tanh() + z * last[j];
                    }
                }
            }
            all_h.extend(&h);
            all_c.extend(&c);
        }
        (all_h, all_c)
    }

    /// The kernel's h, c (or q_n) and activated gates.
    fn run<T: Real>(&self) -> [Vec<T>; 3] {
        let len = self.shape.seq * self.shape.state();
        let (mut h, mut c) = (vec![T::NAN; len], vec![T::NAN; len]);
        let mut gates = round::<T>(&self.projections);
        let [w, b, h0, c0] = [&self.w_hh, &self.bias, &self.h0, &self.c0].map(|x| round::<T>(x));
        if self.gates == 4 {
            lstm_forward(&self.shape, &mut gates, &w, &h0, &c0, &mut h, &mut c);
        } else {
            gru_forward(&self.shape, &mut gates, &w, Some(&b), &h0, &mut h, &mut c);
        }
        [h, c, gates]
    }

    /// A scalar of the layer: ⟨h, weights⟩ + ⟨last c, weights of c⟩ (LSTM).
    fn loss(&self, dh: &[f64], dc: &[f64]) -> f64 {
        let (h, c) = self.reference();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let last = c.len() - self.shape.state();
        dot(&h, dh) + if self.gates == 4 { dot(&c[last..], dc) } else { 0.0 }
    }

    /// The kernel's gradients of [`Layer::loss`] with respect to projections, w_hh, bias (GRU), h0, c0 (LSTM).
    fn gradients(&self, dh: &[f64], dc: &[f64]) -> [Vec<f64>; 5] {
        let [h, c, gates] = self.run::<f64>();
        let mut d = [&self.projections, &self.w_hh, &self.bias, &self.h0, &self.c0].map(|x| vec![9.0; x.len()]);
        let [dgates, dw, db, dh0, dc0] = &mut d;
        if self.gates == 4 {
            let (h0, c0) = (&self.h0, &self.c0);
            lstm_backward(&self.shape, &gates, &self.w_hh, h0, c0, &h, &c, dh, Some(dc), dgates, dw, dh0, dc0);
        } else {
            gru_backward(&self.shape, &gates, &self.w_hh, &self.h0, &h, &c, dh, dgates, dw, db, dh0);
        }
        d
    }

    fn inputs(&mut self) -> [&mut Vec<f64>; 5] {
        [&mut self.projections, &mut self.w_hh, &mut self.bias, &mut self.h0, &mut self.c0]
    }
}

fn close<T: Real>(name: &str, got: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got.to_f64() - expected).abs();
        assert!(error <= tolerance, "{name}[{i}] is {got} instead of {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn scans_are_their_equations(seed: u64, seq in 0usize..6, batch in 1usize..20, hidden in 1usize..24, gru: bool) {
        let layer = Layer::new(Scan { seq, batch, hidden }, if gru { 3 } else { 4 }, seed);
        let (h, c) = layer.reference();
        for isa in Isa::available() {
            isa::with(isa, || {
                let [h64, c64, _] = layer.run::<f64>();
                close("h in f64", &h64, &h, 1e-12);
                // Few ε for each of ≤ 6 steps, whose errors the weights (≤ 24 of 0.5) can enlarge.
                let [h32, c32, _] = layer.run::<f32>();
                close("h in f32", &h32, &h, 2e-4);
                if !gru {
                    close("c in f64", &c64, &c, 1e-12);
                    close("c in f32", &c32, &c, 2e-4);
                }
            });
        }
    }

    #[test]
    fn gradients_are_central_differences(seed: u64, seq in 1usize..5, batch in 1usize..4, hidden in 1usize..6, gru: bool) {
        let shape = Scan { seq, batch, hidden };
        let layer = Layer::new(shape, if gru { 3 } else { 4 }, seed);
        let mut rng = Rng::with_stream(seed, 1);
        let (dh, dc) = (random(&mut rng, seq * shape.state(), 1.0), random(&mut rng, shape.state(), 1.0));
        let gradients = layer.gradients(&dh, &dc);
        for (which, gradient) in gradients.iter().enumerate() {
            // The LSTM has no second bias, the GRU no c.
            if which == if gru { 4 } else { 2 } {
                continue;
            }
            for (at, &derivative) in gradient.iter().enumerate() {
                // Step ∛ε: truncation and rounding are both about ε^(2/3) ≈ 4e-11, times derivatives of order 100.
                let step = 6e-6;
                let moved = |sign: f64| {
                    let mut layer = layer.clone();
                    layer.inputs()[which][at] += sign * step;
                    layer.loss(&dh, &dc)
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                prop_assert!(
                    (derivative - slope).abs() <= 1e-7 * (1.0 + slope.abs()),
                    "gradient {which}[{at}] is {derivative} instead of {slope}",
                );
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let shape = Scan { seq: 7, batch: 37, hidden: 40 };
    let mut rng = Rng::new(4);
    let (dh, dc) = (random(&mut rng, 7 * shape.state(), 1.0), random(&mut rng, shape.state(), 1.0));
    for gates in [3, 4] {
        let mut layer = Layer::new(shape, gates, 9);
        layer.w_hh.iter_mut().for_each(|w| *w *= 0.2);
        let run = |threads| par::with_threads(threads, || (layer.run::<f32>(), layer.gradients(&dh, &dc)));
        let one = run(1);
        assert!([2, 3, 8].into_iter().all(|threads| run(threads) == one), "{gates} gates");
    }
}

#[test]
fn a_decaying_state_becomes_zero_and_never_subnormal() {
    // f = σ(−3) ≈ 0.05, i ≈ 0: c shrinks by 20 a step and would be subnormal for six steps from step 29 on.
    let shape = Scan { seq: 60, batch: 1, hidden: 3 };
    let mut gates = [-60.0f32, -3.0, 0.0, 0.0].iter().flat_map(|&p| [p; 3]).collect::<Vec<_>>().repeat(60);
    let (mut h, mut c) = (vec![0f32; 180], vec![0f32; 180]);
    lstm_forward(&shape, &mut gates, &[0.0; 36], &[0.0; 3], &[1.0; 3], &mut h, &mut c);
    assert!(h.iter().chain(&c).all(|v| *v == 0.0 || v.is_normal()));
    assert!(c[0] > 0.0 && c[179] == 0.0);
}
