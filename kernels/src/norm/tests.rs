//! Forward against the definitions in f64, backward against finite differences in f64, f32 against f64 on every
//! instruction set, and equal bits on any number of threads.

use super::*;
use crate::elem::Real;
use crate::isa::{self, Isa};
use crate::par;
use crate::rng::Rng;

fn data<T: Real>(len: usize, mean: f64, seed: u64) -> Vec<T> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| T::from_f64(f64::from((mean + rng.normal()) as f32))).collect()
}

/// The elements of x that share statistics with element i, and the index of its weight.
#[derive(Clone, Copy, Debug)]
enum Group {
    Layer {
        rows: usize,
        n: usize,
    },
    /// As a layer, without its mean; no bias.
    Rms {
        rows: usize,
        n: usize,
    },
    Batch {
        batch: usize,
        channels: usize,
        inner: usize,
    },
}

use Group::{Batch, Layer, Rms};

impl Group {
    fn len(self) -> usize {
        match self {
            Layer { rows, n } | Rms { rows, n } => rows * n,
            Batch { batch, channels, inner } => batch * channels * inner,
        }
    }
    fn is_rms(self) -> bool {
        matches!(self, Rms { .. })
    }
    fn weights(self) -> usize {
        match self {
            Layer { n, .. } | Rms { n, .. } => n,
            Batch { channels, .. } => channels,
        }
    }
    fn groups(self) -> usize {
        match self {
            Layer { rows, .. } | Rms { rows, .. } => rows,
            Batch { channels, .. } => channels,
        }
    }
    fn weight_and_group(self, i: usize) -> (usize, usize) {
        match self {
            Layer { n, .. } | Rms { n, .. } => (i % n, i / n),
            Batch { channels, inner, .. } => (i / inner % channels, i / inner % channels),
        }
    }
    /// The textbook's output.
    fn defined(self, x: &[f64], w: &[f64], b: &[f64], eps: f64) -> Vec<f64> {
        let mut members = vec![Vec::new(); self.groups()];
        (0..x.len()).for_each(|i| members[self.weight_and_group(i).1].push(x[i]));
        let stats: Vec<(f64, f64)> = members
            .iter()
            .map(|m| {
                let mean = if self.is_rms() { 0.0 } else { m.iter().sum::<f64>() / m.len() as f64 };
                (mean, m.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / m.len() as f64)
            })
            .collect();
        (0..x.len())
            .map(|i| {
                let (k, group) = self.weight_and_group(i);
                let (mean, var) = stats[group];
                (x[i] - mean) / (var + eps).sqrt() * w[k] + if self.is_rms() { 0.0 } else { b[k] }
            })
            .collect()
    }
    /// The kernel's output and its two statistics.
    fn forward<T: Real>(self, x: &[T], w: Option<&[T]>, b: Option<&[T]>, eps: f64) -> [Vec<T>; 3] {
        let mut out = vec![T::NAN; x.len()];
        let [mut s, mut t] = [(); 2].map(|()| vec![T::NAN; self.groups()]);
        match self {
            Layer { rows, n } => layer_norm(x, w, b, eps, rows, n, &mut out, &mut s, &mut t),
            Rms { rows, n } => {
                s.fill(T::ZERO);
                rms_norm(x, w, eps, rows, n, &mut out, &mut t);
            }
            Batch { batch, channels, inner } => {
                batch_norm(x, w, b, eps, batch, channels, inner, &mut out, &mut s, &mut t);
            }
        }
        [out, s, t]
    }
    /// dx, dw, db.
    fn backward<T: Real>(self, x: &[T], w: Option<&[T]>, eps: f64, g: &[T]) -> [Vec<T>; 3] {
        let [_, s, t] = self.forward(x, w, None, eps);
        let mut dx = vec![T::NAN; x.len()];
        let [mut dw, mut db] = [(); 2].map(|()| vec![T::NAN; self.weights()]);
        match self {
            Layer { rows, n } => {
                layer_norm_grad(x, w, &s, &t, g, rows, n, &mut dx, Some(&mut dw), Some(&mut db));
            }
            Rms { rows, n } => {
                db.fill(T::ZERO);
                rms_norm_grad(x, w, &t, g, rows, n, &mut dx, Some(&mut dw));
            }
            Batch { batch, channels, inner } => {
                let (dw, db) = (Some(&mut dw[..]), Some(&mut db[..]));
                batch_norm_grad(x, w, &s, &t, eps, g, batch, channels, inner, &mut dx, dw, db);
            }
        }
        [dx, dw, db]
    }
}

fn groups() -> Vec<Group> {
    let lengths = (1..=18).chain([31, 32, 33, 65, 127, 130]);
    let mut all: Vec<Group> = lengths.flat_map(|n| [Layer { rows: 3, n }, Rms { rows: 3, n }]).collect();
    for inner in [1, 2, 7, 15, 16, 17, 33, 100] {
        for channels in [1, 3, 17] {
            all.push(Batch { batch: 5, channels, inner });
        }
    }
    all
}

fn assert_close<T: Real>(got: &[T], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let bound = tolerance * (1.0 + want.abs());
        assert!((got.to_f64() - want).abs() <= bound, "{what}, element {i}: {got} instead of {want}");
    }
}

#[test]
fn outputs_are_the_definitions() {
    for group in groups() {
        // A mean of 100: one pass over Σx² would lose the variance in f32.
        for mean in [0.0, 100.0] {
            let x: Vec<f64> = data(group.len(), mean, 1);
            let (w, b) = (data::<f64>(group.weights(), 1.0, 2), data::<f64>(group.weights(), 0.0, 3));
            let want = group.defined(&x, &w, &b, 1e-5);
            let plain = group.defined(&x, &vec![1.0; w.len()], &vec![0.0; w.len()], 1e-5);
            assert_close(&group.forward(&x, Some(&w), Some(&b), 1e-5)[0], &want, 1e-11, &format!("{group:?}"));
            let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
            let (x, w, b) = (narrow(&x), narrow(&w), narrow(&b));
            for isa in Isa::available() {
                isa::with(isa, || {
                    let what = format!("{group:?} with mean {mean} on {isa}");
                    // The mean itself is rounded to f32: relative to a deviation of 1 that is mean · 2⁻²⁴, and more for
                    // tiny groups, whose deviation may be small.
                    let tolerance = if mean == 0.0 { 1e-5 } else { 2e-4 };
                    if group.len() / group.groups() > 4 {
                        assert_close(&group.forward(&x, Some(&w), Some(&b), 1e-5)[0], &want, tolerance, &what);
                        assert_close(&group.forward(&x, None, None, 1e-5)[0], &plain, tolerance, &what);
                    }
                });
            }
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    for group in groups().into_iter().filter(|group| group.len() < 300) {
        let eps = 0.1;
        let x: Vec<f64> = data(group.len(), 0.5, 4);
        let g: Vec<f64> = data(group.len(), 0.0, 5);
        let mut w: Vec<f64> = data(group.weights(), 1.0, 6);
        let [dx, dw, db] = group.backward(&x, Some(&w), eps, &g);
        let loss = |x: &[f64], w: &[f64]| -> f64 {
            let out = group.defined(x, w, &vec![0.0; w.len()], eps);
            out.iter().zip(&g).map(|(y, g)| y * g).sum()
        };
        let h = 1e-5;
        let slope = |v: &mut Vec<f64>, i: usize, f: &dyn Fn(&[f64]) -> f64| {
            let old = v[i];
            v[i] = old + h;
            let up = f(v);
            v[i] = old - h;
            let down = f(v);
            v[i] = old;
            (up - down) / (2.0 * h)
        };
        let mut moved = x.clone();
        let want: Vec<f64> = (0..x.len()).map(|i| slope(&mut moved, i, &|x| loss(x, &w))).collect();
        assert_close(&dx, &want, 1e-7, &format!("dx of {group:?}"));
        let fixed = w.clone();
        let want: Vec<f64> = (0..fixed.len()).map(|i| slope(&mut w, i, &|w| loss(&x, w))).collect();
        assert_close(&dw, &want, 1e-7, &format!("dw of {group:?}"));
        let mut want = vec![0.0; w.len()];
        if !group.is_rms() {
            (0..x.len()).for_each(|i| want[group.weight_and_group(i).0] += g[i]);
        }
        assert_close(&db, &want, 1e-12, &format!("db of {group:?}"));
    }
}

#[test]
fn f32_follows_f64_on_every_instruction_set() {
    for group in groups() {
        let (x, g): (Vec<f64>, Vec<f64>) = (data(group.len(), 0.5, 7), data(group.len(), 0.0, 8));
        let w: Vec<f64> = data(group.weights(), 1.0, 9);
        let want = group.backward(&x, Some(&w), 0.1, &g);
        let plain = group.backward(&x, None, 0.1, &g);
        let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let (x, g, w) = (narrow(&x), narrow(&g), narrow(&w));
        for isa in Isa::available() {
            isa::with(isa, || {
                let what = format!("{group:?} on {isa}");
                let got = group.backward(&x, Some(&w), 0.1, &g);
                got.iter().zip(&want).for_each(|(got, want)| assert_close(got, want, 3e-5, &what));
                let got = group.backward(&x, None, 0.1, &g);
                got.iter().zip(&plain).for_each(|(got, want)| assert_close(got, want, 3e-5, &what));
            });
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for group in [
        Layer { rows: 301, n: 257 },
        Rms { rows: 301, n: 257 },
        Batch { batch: 9, channels: 30, inner: 301 },
        Batch { batch: 500, channels: 203, inner: 1 },
    ] {
        let (x, g): (Vec<f32>, Vec<f32>) = (data(group.len(), 0.5, 10), data(group.len(), 0.0, 11));
        let run = |threads| {
            par::with_threads(threads, || (group.forward(&x, None, None, 0.1), group.backward(&x, None, 0.1, &g)))
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{group:?} on {threads} threads");
        }
    }
}

#[test]
fn constant_groups_and_nan() {
    let x = [3.0f32; 20];
    let [out, mean, rstd] = Layer { rows: 1, n: 20 }.forward(&x, None, None, 1e-5);
    assert_eq!((out[7], mean[0]), (0.0, 3.0));
    assert!((f64::from(rstd[0]) - 1e-5f64.powf(-0.5)).abs() < 1e-3);
    let mut y = x;
    y[19] = f32::NAN;
    for isa in Isa::available() {
        isa::with(isa, || {
            let [out, ..] = Layer { rows: 1, n: 20 }.forward(&y, None, None, 1e-5);
            assert!(out.iter().all(|v| v.is_nan()), "layer_norm with NaN on {isa}");
            let [out, ..] = Batch { batch: 2, channels: 2, inner: 5 }.forward(&y, None, None, 1e-5);
            assert!(out[5..10].iter().chain(&out[15..]).all(|v| v.is_nan()), "batch_norm with NaN on {isa}");
            assert!(out[..5].iter().chain(&out[10..15]).all(|v| *v == 0.0), "the other channel on {isa}");
        });
    }
}
