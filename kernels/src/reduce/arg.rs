//! Indices of extrema, and running sums.

use super::{BLOCK, Reduce, reduce_of};
use crate::door;
use crate::elem::Real;
use crate::par;

pub(super) fn argmax_of<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    arg("argmax", Reduce::Max, x, outer, n, inner, out, |a, b| a > b);
}

pub(super) fn argmin_of<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    arg("argmin", Reduce::Min, x, outer, n, inner, out, |a, b| a < b);
}

#[allow(clippy::too_many_arguments)]
fn arg<T: Real>(
    name: &str,
    op: Reduce,
    x: &[T],
    outer: usize,
    n: usize,
    inner: usize,
    out: &mut [i64],
    better: impl Fn(T, T) -> bool + Sync,
) {
    assert!(n > 0 || out.is_empty(), "{name}: nothing to choose from");
    assert_eq!(x.len(), door::product(name, &[outer, n, inner]), "{name}: x is not [{outer}, {n}, {inner}]");
    assert_eq!(out.len(), door::product(name, &[outer, inner]), "{name}: out is not [{outer}, {inner}]");
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        // The extremum by registers, then the first place where it stands.
        let mut best = vec![T::ZERO; outer];
        reduce_of(op, x, outer, n, 1, &mut best);
        let each = (BLOCK / n).max(1);
        return par::chunks_mut(out, each, |i, out| {
            for (k, out) in out.iter_mut().enumerate() {
                let row = i * each + k;
                let (best, x) = (best[row], &x[row * n..][..n]);
                let found = x.iter().position(|&x| x == best || (x.is_nan() && best.is_nan()));
                *out = found.expect("an extremum is one of the elements") as i64;
            }
        });
    }
    let each = (BLOCK / (n * inner)).max(1);
    par::chunks_mut(out, each * inner, |i, out| {
        for (k, out) in out.chunks_mut(inner).enumerate() {
            let x = &x[(i * each + k) * n * inner..][..n * inner];
            let mut best = x[..inner].to_vec();
            out.fill(0);
            for (index, row) in x.chunks_exact(inner).enumerate().skip(1) {
                for ((best, out), &x) in best.iter_mut().zip(out.iter_mut()).zip(row) {
                    if better(x, *best) || (x.is_nan() && !best.is_nan()) {
                        (*best, *out) = (x, index as i64);
                    }
                }
            }
        }
    });
}

pub(super) fn cumsum_of<T: Real>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    assert_eq!(x.len(), door::product("cumsum", &[outer, n, inner]), "cumsum: x is not [{outer}, {n}, {inner}]");
    assert_eq!(out.len(), x.len(), "cumsum: out differs from x in length");
    if out.is_empty() {
        return;
    }
    let width = n * inner;
    let each = (BLOCK / width).max(1);
    par::chunks_mut(out, each * width, |i, out| {
        // In f64, so that a long f32 sum does not drift: every entry is a prefix of its own.
        let mut sums = vec![0.0; inner];
        for (at, out) in out.chunks_mut(inner).enumerate() {
            if at % n == 0 {
                sums.fill(0.0);
            }
            let x = &x[i * each * width + at * inner..][..inner];
            for ((sum, &x), out) in sums.iter_mut().zip(x).zip(out) {
                *sum += x.to_f64();
                *out = T::from_f64(*sum);
            }
        }
    });
}
