//! Reductions over the middle axis of [outer, n, inner].
//!
//! Sums and products are pairwise: leaves of a fixed number of registers, joined in a binary tree whose shape depends on
//! n alone. The error of a sum is O(ε log n), and a block of 2ᵏ leaves is a subtree, so that blocks may be reduced on any
//! thread and joined afterwards with the same result (Higham, *Accuracy and Stability*, 2nd ed., §4.2).

mod arg;
mod fold;
#[cfg(test)]
mod tests;

use crate::door;
use crate::elem::Real;
use crate::isa;
use crate::par;
use crate::stamp::stamp;
use fold::{Columns, Finite, Fold, Rows, Squares, Tree};

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

stamp! {
    Reductions: Real = [f32, f64];
    /// Reduces `x`, seen as [outer, n, inner], to `out`, [outer, inner].
    ///
    /// # Panics
    /// If a length is not what the shape says.
    pub fn reduce(op: Reduce, x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) = reduce_of;
    /// The first index of the largest element along the middle axis; NaN counts as larger than all.
    ///
    /// # Panics
    /// If a length is not what the shape says, or there is nothing to choose from.
    pub fn argmax(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) = arg::argmax_of;
    /// The first index of the smallest element along the middle axis; NaN counts as smaller than all.
    ///
    /// # Panics
    /// If a length is not what the shape says, or there is nothing to choose from.
    pub fn argmin(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) = arg::argmin_of;
    /// Σ x.
    pub fn sum(x: &[T]) -> T = sum_of;
    /// Σ x², in f64.
    pub fn sum_squares(x: &[T]) -> f64 = sum_squares_of;
    /// Running sums along the middle axis.
    ///
    /// # Panics
    /// If a length is not what the shape says.
    pub fn cumsum(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) = arg::cumsum_of;
    /// Whether no element is NaN or infinite.
    pub fn is_finite(x: &[T]) -> bool = is_finite_of;
}

/// Elements of a block that one thread reduces: 2ᵏ leaves on every instruction set.
const BLOCK: usize = 64 << 10;

fn reduce_of<T: Real>(op: Reduce, x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    assert_eq!(x.len(), door::product("reduce", &[outer, n, inner]), "reduce: x is not [{outer}, {n}, {inner}]");
    assert_eq!(out.len(), door::product("reduce", &[outer, inner]), "reduce: out is not [{outer}, {inner}]");
    match op {
        Reduce::Sum => fold(fold::Sum, x, n, inner, out),
        Reduce::Max => fold(fold::Max, x, n, inner, out),
        Reduce::Min => fold(fold::Min, x, n, inner, out),
        Reduce::Prod => fold(fold::Prod, x, n, inner, out),
    }
}

fn fold<L: Fold, T: Real>(lane: L, x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if n == 0 {
        return out.fill(lane.start());
    }
    let isa = isa::current();
    let width = n * inner;
    if width >= 2 * BLOCK {
        for (x, out) in x.chunks(width).zip(out.chunks_mut(inner)) {
            if inner == 1 {
                out[0] = whole(lane, x);
            } else {
                tall(lane, x, inner, out);
            }
        }
        return;
    }
    // Many small ones: a fixed number of them is a block.
    let each = (BLOCK / width).max(1);
    par::chunks_mut(out, each * inner, |i, out| {
        let x = &x[i * each * width..][..out.len() * n];
        if inner == 1 {
            isa.run_on::<T, _>(Rows { lane, x, n, out });
        } else {
            for (x, out) in x.chunks(width).zip(out.chunks_mut(inner)) {
                isa.run_on::<T, _>(Columns { lane, x, inner, from: 0, out });
            }
        }
    });
}

/// One long row.
fn whole<L: Fold, T: Real>(lane: L, x: &[T]) -> T {
    let isa = isa::current();
    let block = |x: &[T]| {
        let mut out = [lane.start()];
        isa.run_on::<T, _>(Rows { lane, x, n: x.len(), out: &mut out });
        out[0]
    };
    if x.len() <= BLOCK {
        return block(x);
    }
    let parts = par::map(x.len().div_ceil(BLOCK), |i| block(&x[i * BLOCK..x.len().min((i + 1) * BLOCK)]));
    let mut tree = Tree::new(|a, b| lane.join(a, b));
    parts.into_iter().for_each(|part| tree.push(part));
    tree.finish(lane.start())
}

/// Columns that are worth splitting among threads, and how many one takes: 4 KiB of every row.
const WIDE: usize = 4096;
const COLUMNS: usize = 1024;

/// One matrix [n, inner] that is larger than a block: groups of columns, or blocks of 2ᵏ leaves of rows, whose results
/// are the rows of a smaller matrix.
fn tall<L: Fold, T: Real>(lane: L, x: &[T], inner: usize, out: &mut [T]) {
    let isa = isa::current();
    if inner >= WIDE {
        // Enough columns for the threads: no partial results.
        return par::chunks_mut(out, COLUMNS, |i, out| {
            isa.run_on::<T, _>(Columns { lane, x, inner, from: i * COLUMNS, out })
        });
    }
    let rows = (BLOCK / inner).next_power_of_two().max(fold::LEAF_ROWS);
    let mut parts = vec![lane.start(); x.len().div_ceil(rows * inner) * inner];
    par::chunks_mut(&mut parts, inner, |i, part| {
        let x = &x[i * rows * inner..x.len().min((i + 1) * rows * inner)];
        isa.run_on::<T, _>(Columns { lane, x, inner, from: 0, out: part });
    });
    isa.run_on::<T, _>(Columns { lane, x: &parts, inner, from: 0, out });
}

fn sum_of<T: Real>(x: &[T]) -> T {
    if x.is_empty() { T::ZERO } else { whole(fold::Sum, x) }
}

fn sum_squares_of<T: Real>(x: &[T]) -> f64 {
    let isa = isa::current();
    let parts =
        par::map(x.len().div_ceil(BLOCK), |i| isa.run_on::<T, _>(Squares(&x[i * BLOCK..x.len().min((i + 1) * BLOCK)])));
    let mut tree = Tree::new(|a: f64, b| a + b);
    parts.into_iter().for_each(|part| tree.push(part));
    tree.finish(0.0)
}

fn is_finite_of<T: Real>(x: &[T]) -> bool {
    // 0·x is 0 for a finite x and NaN for the others, and so is the sum.
    x.is_empty() || whole(Finite, x) == Finite.start::<T>()
}
