//! Reductions over the middle axis of [outer, n, inner].

use crate::elem::Real;

/// A reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Σ x; 0 of nothing.
    Sum,
    /// The largest; NaN if any is NaN; −∞ of nothing.
    Max,
    /// The smallest; NaN if any is NaN; +∞ of nothing.
    Min,
    /// Π x; 1 of nothing.
    Prod,
}

/// Reduces `x`, seen as [outer, n, inner], to `out`, [outer, inner].
#[track_caller]
pub fn reduce<T: Real>(op: Reduce, x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    assert_eq!(x.len(), outer * n * inner, "reduce: x is not [{outer}, {n}, {inner}]");
    assert_eq!(out.len(), outer * inner, "reduce: out is not [{outer}, {inner}]");
    let (start, f): (T, fn(T, T) -> T) = match op {
        Reduce::Sum => (T::ZERO, |a, b| a + b),
        Reduce::Max => (T::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
        Reduce::Min => (T::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
        Reduce::Prod => (T::ONE, |a, b| a * b),
    };
    for o in 0..outer {
        for i in 0..inner {
            out[o * inner + i] = (0..n).fold(start, |a, k| f(a, x[(o * n + k) * inner + i]));
        }
    }
}

/// The first index of the largest element along the middle axis; NaN counts as larger than all.
#[track_caller]
pub fn argmax<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    arg(x, outer, n, inner, out, |a, b| a > b)
}

/// The first index of the smallest element along the middle axis; NaN counts as smaller than all.
#[track_caller]
pub fn argmin<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    arg(x, outer, n, inner, out, |a, b| a < b)
}

#[track_caller]
fn arg<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64], better: fn(T, T) -> bool) {
    assert!(n > 0, "argmax, argmin: nothing to choose from");
    assert_eq!(x.len(), outer * n * inner, "argmax, argmin: x is not [{outer}, {n}, {inner}]");
    assert_eq!(out.len(), outer * inner, "argmax, argmin: out is not [{outer}, {inner}]");
    for o in 0..outer {
        for i in 0..inner {
            let mut best = 0;
            for k in 1..n {
                let (a, b) = (x[(o * n + k) * inner + i], x[(o * n + best) * inner + i]);
                if !b.is_nan() && (a.is_nan() || better(a, b)) {
                    best = k;
                }
            }
            out[o * inner + i] = best as i64;
        }
    }
}

/// Σ x.
pub fn sum<T: Real>(x: &[T]) -> T {
    x.iter().copied().sum()
}

/// Σ x², accumulated in f64.
pub fn sum_squares<T: Real>(x: &[T]) -> f64 {
    x.iter().map(|x| x.to_f64() * x.to_f64()).sum()
}

/// Running sums along the middle axis.
#[track_caller]
pub fn cumsum<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    assert_eq!(x.len(), outer * n * inner, "cumsum: x is not [{outer}, {n}, {inner}]");
    assert_eq!(out.len(), x.len(), "cumsum: out differs from x in length");
    for o in 0..outer {
        for k in 0..n {
            for i in 0..inner {
                let at = (o * n + k) * inner + i;
                out[at] = if k == 0 { x[at] } else { out[at - inner] + x[at] };
            }
        }
    }
}

/// Whether no element is NaN or infinite.
pub fn is_finite<T: Real>(x: &[T]) -> bool {
    x.iter().all(|x| x.is_finite())
}
