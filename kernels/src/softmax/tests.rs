//! Every function against its definition in f64, on every instruction set and number of threads.

use super::*;
use crate::isa::Isa;
use crate::rng::Rng;

const ROWS: usize = 3;

fn widths() -> Vec<usize> {
    (1..=34).chain([63, 64, 65, 127, 1000, 1021]).collect()
}

fn data(len: usize, scale: f32, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.normal() as f32 * scale).collect()
}

/// log_softmax of a row in f64.
fn defined(x: &[f32]) -> Vec<f64> {
    let m = x.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(f64::from(x)));
    let lse = m + x.iter().map(|&x| (f64::from(x) - m).exp()).sum::<f64>().ln();
    x.iter().map(|&x| f64::from(x) - lse).collect()
}

/// `got` within `ulps` half-units of f32 of what `want` says, and with an absolute floor of one for each.
fn assert_close(got: &[f32], want: impl IntoIterator<Item = f64>, units: f64, floor: f64, what: &str) {
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        let bound = units * f64::from(f32::EPSILON) * (want.abs() + floor);
        assert!((f64::from(got) - want).abs() <= bound, "{what}, element {i}: {got} instead of {want}");
    }
}

#[test]
fn functions_are_their_definitions() {
    for n in widths() {
        for scale in [1.0, 30.0] {
            let (x, g) = (data(ROWS * n, scale, 1), data(ROWS * n, 1.0, 2));
            let targets: Vec<i64> = (0..ROWS).map(|r| (r * 7 % n) as i64).collect();
            let logs: Vec<f64> = x.chunks(n).flat_map(defined).collect();
            // An argument of size |x − m| ≤ 8·scale is rounded once, which e^ turns into a relative error.
            let units = 2.0 + 8.0 * f64::from(scale);
            for isa in Isa::available() {
                let what = format!("{n} of scale {scale} on {isa}");
                let mut out = vec![f32::NAN; x.len()];
                let mut row = vec![f32::NAN; ROWS];
                isa::with(isa, || {
                    softmax(&x, ROWS, n, &mut out);
                    assert_close(&out, logs.iter().map(|l| l.exp()), units, 1e-30, &format!("softmax {what}"));
                    log_softmax(&x, ROWS, n, &mut out);
                    assert_close(&out, logs.clone(), 2.0, 8.0 * f64::from(scale), &format!("log_softmax {what}"));
                    logsumexp(&x, ROWS, n, &mut row);
                    let lse = (0..ROWS).map(|r| f64::from(x[r * n]) - logs[r * n]);
                    assert_close(&row, lse, 2.0, 8.0 * f64::from(scale), &format!("logsumexp {what}"));
                    cross_entropy(&x, &targets, ROWS, n, &mut row);
                    let losses = (0..ROWS).map(|r| -logs[r * n + targets[r] as usize]);
                    assert_close(&row, losses, 2.0, 8.0 * f64::from(scale), &format!("cross_entropy {what}"));
                    cross_entropy_grad(&x, &targets, &g[..ROWS], ROWS, n, &mut out);
                    let want = (0..x.len()).map(|i| {
                        let hit = f64::from(u8::from(targets[i / n] as usize == i % n));
                        f64::from(g[i / n]) * (logs[i].exp() - hit)
                    });
                    assert_close(&out, want, units, 2.0, &format!("cross_entropy_grad {what}"));
                });
            }
        }
    }
}

#[test]
fn gradients_are_their_formulas() {
    for n in widths() {
        let (x, g) = (data(ROWS * n, 2.0, 3), data(ROWS * n, 1.0, 4));
        let (mut y, mut l) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        softmax(&x, ROWS, n, &mut y);
        log_softmax(&x, ROWS, n, &mut l);
        let wide = |v: &[f32], i: usize| f64::from(v[i]);
        let row_sum = |r: usize, f: &dyn Fn(usize) -> f64| (r * n..(r + 1) * n).map(f).sum::<f64>();
        for isa in Isa::available() {
            let mut out = vec![f32::NAN; x.len()];
            isa::with(isa, || softmax_grad(&y, &g, ROWS, n, &mut out));
            let want = (0..x.len()).map(|i| {
                let dot = row_sum(i / n, &|k| wide(&g, k) * wide(&y, k));
                wide(&y, i) * (wide(&g, i) - dot)
            });
            assert_close(&out, want, 4.0, 1.0, &format!("softmax_grad {n} on {isa}"));
            isa::with(isa, || log_softmax_grad(&l, &g, ROWS, n, &mut out));
            let want = (0..x.len()).map(|i| wide(&g, i) - wide(&l, i).exp() * row_sum(i / n, &|k| wide(&g, k)));
            assert_close(&out, want, 8.0, 4.0, &format!("log_softmax_grad {n} on {isa}"));
        }
    }
}

#[test]
fn infinite_and_missing_numbers_are_pytorchs() {
    const INF: f32 = f32::INFINITY;
    for isa in Isa::available() {
        isa::with(isa, || {
            for n in [1, 2, 16, 17, 40] {
                let none = vec![-INF; n];
                let mut out = vec![0.0; n];
                softmax(&none, 1, n, &mut out);
                assert!(out.iter().all(|y| y.is_nan()), "softmax of −∞ on {isa}: {out:?}");
                log_softmax(&none, 1, n, &mut out);
                assert!(out.iter().all(|y| y.is_nan()), "log_softmax of −∞ on {isa}: {out:?}");
                let mut one = [0.0];
                logsumexp(&none, 1, n, &mut one);
                assert_eq!(one, [-INF]);
                let mut x = vec![0.0; n];
                x[n - 1] = INF;
                logsumexp(&x, 1, n, &mut one);
                assert_eq!(one, [INF]);
                x[n - 1] = f32::NAN;
                softmax(&x, 1, n, &mut out);
                assert!(out.iter().all(|y| y.is_nan()), "softmax with NaN on {isa}: {out:?}");
                // Masked entries get no weight at all.
                x.fill(-INF);
                x[n / 2] = 3.0;
                softmax(&x, 1, n, &mut out);
                assert!(out.iter().enumerate().all(|(i, &y)| y == f32::from(u8::from(i == n / 2))), "{out:?}");
            }
        });
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (rows, n) = (301, 211);
    let x = data(rows * n, 3.0, 5);
    let targets: Vec<i64> = (0..rows).map(|r| (r % n) as i64).collect();
    let run = |threads| {
        par::with_threads(threads, || {
            let [mut y, mut d, mut c] = [(); 3].map(|()| vec![0.0; x.len()]);
            let mut losses = vec![0.0; rows];
            softmax(&x, rows, n, &mut y);
            softmax_grad(&y, &x, rows, n, &mut d);
            cross_entropy(&x, &targets, rows, n, &mut losses);
            cross_entropy_grad(&x, &targets, &losses, rows, n, &mut c);
            (y, d, c, losses)
        })
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}
