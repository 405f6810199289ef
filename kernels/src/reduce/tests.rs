//! Sums against f64 with the pairwise bound, everything else exactly, on every instruction set and number of threads.

use proptest::prelude::*;

use super::*;
use crate::isa::Isa;
use crate::rng::Rng;

fn normals(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.normal() as f32).collect()
}

/// Lengths around registers, accumulators, leaves and blocks, and primes.
fn lengths() -> Vec<usize> {
    let mut all: Vec<usize> = (0..=34).collect();
    all.extend([127, 128, 129, 255, 256, 257, 1000, 4095, 4096, 4097, 65_535, 65_536, 65_537, 200_003]);
    all
}

#[test]
fn sums_have_the_pairwise_error() {
    for n in lengths() {
        let x: Vec<f32> = normals(n, 1).iter().map(|x| x + 1.0).collect();
        let exact: f64 = x.iter().map(|&x| f64::from(x)).sum();
        let size: f64 = x.iter().map(|&x| f64::from(x).abs()).sum();
        let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        // 32 additions in an accumulator, 3 levels of accumulators, then one a level (Higham, §4.2, eq. 4.6).
        let levels = 35.0 + (n.max(2) as f64).log2();
        for isa in Isa::available() {
            let got = isa::with(isa, || f64::from(sum(&x)));
            let bound = levels * f64::from(f32::EPSILON) / 2.0 * size;
            assert!((got - exact).abs() <= bound, "{n} on {isa}: {got}, exactly {exact} ± {bound}");
            let got = isa::with(isa, || sum_squares(&x));
            // The reference is added one after another.
            assert!(
                (got - squares).abs() <= f64::EPSILON * n as f64 * squares,
                "Σx² of {n} on {isa}: {got}, exactly {squares}"
            );
        }
    }
}

#[test]
fn a_long_sum_of_equal_numbers_does_not_drift() {
    // One after another, 2²⁴ + 1 would stay 2²⁴.
    let x = vec![1f32; (1 << 24) + (1 << 20)];
    assert_eq!(sum(&x), x.len() as f32);
}

fn plain(op: Reduce, x: &[f32], n: usize, inner: usize, at: usize) -> f64 {
    let column = (0..n).map(|k| f64::from(x[(at / inner * n + k) * inner + at % inner]));
    match op {
        Reduce::Sum => column.sum(),
        Reduce::Prod => column.product(),
        Reduce::Max => column.fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
        Reduce::Min => column.fold(f64::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
    }
}

fn check(outer: usize, n: usize, inner: usize, nan: Option<usize>) {
    let mut x = normals(outer * n * inner, 2);
    if let Some(at) = nan.filter(|_| !x.is_empty()) {
        let len = x.len();
        x[at % len] = f32::NAN;
    }
    for isa in Isa::available() {
        for op in [Reduce::Sum, Reduce::Max, Reduce::Min, Reduce::Prod] {
            let mut out = vec![7.0; outer * inner];
            isa::with(isa, || reduce(op, &x, outer, n, inner, &mut out));
            for (at, &got) in out.iter().enumerate() {
                let want = plain(op, &x, n, inner, at);
                let close = (f64::from(got) - want).abs() <= 1e-5 * (n as f64).sqrt() * (1.0 + want.abs());
                let same = f64::from(got) == want || (got.is_nan() && want.is_nan());
                let exact = matches!(op, Reduce::Max | Reduce::Min);
                assert!(same || (close && !exact), "{op:?} of [{outer}, {n}, {inner}] on {isa}: {got}, not {want}");
            }
        }
        for (largest, find) in [(true, argmax as fn(&[f32], _, _, _, &mut [i64])), (false, argmin)] {
            if n == 0 {
                continue;
            }
            let mut out = vec![-1; outer * inner];
            isa::with(isa, || find(&x, outer, n, inner, &mut out));
            for (at, &got) in out.iter().enumerate() {
                let best = plain(if largest { Reduce::Max } else { Reduce::Min }, &x, n, inner, at);
                let column = |k: usize| f64::from(x[(at / inner * n + k) * inner + at % inner]);
                let first = (0..n).find(|&k| column(k) == best || (column(k).is_nan() && best.is_nan()));
                assert_eq!(Some(got as usize), first, "[{outer}, {n}, {inner}] on {isa}");
            }
        }
    }
}

#[test]
fn edges_of_registers_leaves_and_blocks() {
    for n in lengths().into_iter().filter(|n| *n < 5000) {
        check(3, n, 1, None);
        check(1, n, 1, Some(n / 2));
    }
    for inner in [2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130] {
        for n in [0, 1, 2, 31, 32, 33, 65, 100] {
            check(2, n, inner, Some(n));
        }
    }
    check(1, 40_000, 5, None);
    check(2, 700, 301, Some(12_345));
    check(1, 200_003, 1, Some(200_002));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_shape(outer in 0usize..5, n in 0usize..70, inner in 0usize..40, nan in prop::option::of(any::<usize>())) {
        check(outer, n, inner, nan);
    }

    #[test]
    fn running_sums_are_prefixes(outer in 0usize..4, n in 0usize..40, inner in 0usize..9) {
        let x = normals(outer * n * inner, 3);
        let mut out = vec![0.0; x.len()];
        cumsum(&x, outer, n, inner, &mut out);
        for (at, &got) in out.iter().enumerate() {
            let (k, i) = (at / inner % n, at % inner);
            let first = at - k * inner - i;
            let exact: f64 = (0..=k).map(|k| f64::from(x[first + k * inner + i])).sum();
            prop_assert_eq!(got, exact as f32);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let x = normals(400_009, 4);
    let run = |threads| {
        par::with_threads(threads, || {
            let [mut columns, mut rows, mut flat] = [(); 3].map(|()| vec![0f32; 400]);
            reduce(Reduce::Sum, &x[..400_000], 1, 1000, 400, &mut columns);
            reduce(Reduce::Sum, &x[..400_000], 400, 1000, 1, &mut rows);
            reduce(Reduce::Sum, &x[..400_000], 1, 100_000, 4, &mut flat[..4]);
            (sum(&x), sum_squares(&x), columns, rows, flat)
        })
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn one_bad_element_is_found() {
    for isa in Isa::available() {
        isa::with(isa, || {
            for n in lengths() {
                let mut x = normals(n, 5);
                assert!(is_finite(&x), "{n} on {isa}");
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    for at in [0, n / 2, n.saturating_sub(1)].into_iter().filter(|&at| at < n) {
                        let good = std::mem::replace(&mut x[at], bad);
                        assert!(!is_finite(&x), "{bad} at {at} of {n} on {isa}");
                        x[at] = good;
                    }
                }
            }
        });
    }
}

#[test]
fn extrema_of_rows_with_signed_zeros_and_infinities() {
    let x = [f32::NEG_INFINITY, -0.0, 0.0, f32::INFINITY];
    let mut out = [0.0];
    reduce(Reduce::Max, &x, 1, 4, 1, &mut out);
    assert_eq!(out, [f32::INFINITY]);
    let mut index = [0];
    argmax(&[1.0, f32::NAN, 3.0, f32::NAN], 1, 4, 1, &mut index);
    assert_eq!(index, [1], "the first NaN");
    argmax(&[2.0, 3.0, 3.0], 1, 3, 1, &mut index);
    assert_eq!(index, [1], "the first of ties");
}
