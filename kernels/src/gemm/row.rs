//! One row times a matrix: a decoding step, a batch of one.
//!
//! It is bound by reading the matrix W once, in lines as long as can be. For x·Wᵀ with W in rows, packing would write and
//! read W again, so squares of it are transposed on the way, through a few lines of the first-level cache. For x·W the sums
//! of many columns stay in that cache, and rows of W are added to them, a few at once. The chains are those of the
//! micro-kernel: the result has the bits that this row would have in any other product.

use pulp::{Simd, WithSimd};

use super::product::even_depth;
use super::transpose::{SIDE, square};
use super::{Mat, Tile};
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::{LaneReal, prefetch};

/// Columns that [`row`] takes of `cols`.
pub(super) fn whole(cols: usize) -> usize {
    cols / SIDE * SIDE
}

/// The first [`whole`] columns of C = A·B or C += A·B, for one row and a B with contiguous columns; k > 0.
pub(super) fn row<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, add: bool) {
    assert!(a.rows == 1 && b.row_stride == 1, "gemm: one row and contiguous columns");
    isa.run_on::<T, _>(Row { c: c.row_mut(0), a, b, add });
}

struct Row<'a, T> {
    c: &'a mut [T],
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    add: bool,
}

/// C = A·B or C += A·B, for one row and a B with contiguous rows; k > 0.
pub(super) fn row_of_rows<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, add: bool) {
    assert!(a.rows == 1 && b.col_stride == 1, "gemm: one row and contiguous rows");
    isa.run_on::<T, _>(RowOfRows { c: c.row_mut(0), a, b, add });
}

struct RowOfRows<'a, T> {
    c: &'a mut [T],
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    add: bool,
}

/// Columns whose sums stay in the first-level cache.
const COLUMNS: usize = 2048;
/// Rows of B that are added at once: a register for each factor.
const ROWS: usize = 8;

impl<T: Real> WithSimd for RowOfRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let RowOfRows { c, a, b, add } = self;
        let (k, deepest) = (a.cols, even_depth(a.cols));
        let mut sums = [T::ZERO; COLUMNS];
        for (j, c) in c.chunks_mut(COLUMNS).enumerate() {
            let sums = &mut sums[..c.len()];
            for p in (0..k).step_by(deepest) {
                let end = k.min(p + deepest);
                sums.fill(T::ZERO);
                let mut q = p;
                while q < end {
                    let from = &b.data[q * b.row_stride + j * COLUMNS..];
                    let factor = |r: usize| a.data[(q + r) * a.col_stride];
                    if end - q >= ROWS {
                        add_rows::<S, T, ROWS>(simd, sums, factor, from, b.row_stride);
                        q += ROWS;
                    } else {
                        add_rows::<S, T, 1>(simd, sums, factor, from, b.row_stride);
                        q += 1;
                    }
                }
                if add || p > 0 {
                    c.iter_mut().zip(&*sums).for_each(|(c, &sum)| *c += sum);
                } else {
                    c.copy_from_slice(sums);
                }
            }
        }
    }
}

/// `sums[j] += factor(r) · rows[r·stride + j]` for r < N, one after another.
#[inline(always)]
fn add_rows<S: Simd, T: Real, const N: usize>(
    simd: S,
    sums: &mut [T],
    factor: impl Fn(usize) -> T,
    rows: &[T],
    stride: usize,
) {
    let factors: [T::V<S>; N] = std::array::from_fn(|r| T::splat(simd, factor(r)));
    let rows: [_; N] = std::array::from_fn(|r| T::split::<S>(&rows[r * stride..][..sums.len()]));
    let (body, tail) = T::split_mut::<S>(sums);
    let whole = rows.map(|row| &row.0[..body.len()]);
    for (j, sum) in body.iter_mut().enumerate() {
        for (row, factor) in whole.iter().zip(factors) {
            *sum = T::fma(simd, factor, row[j], *sum);
        }
    }
    let mut sum = T::load(simd, tail);
    for (row, factor) in rows.iter().zip(factors) {
        sum = T::fma(simd, factor, T::load(simd, row.1), sum);
    }
    T::store(simd, tail, sum);
}

/// Elements by which the columns are asked for ahead.
const AHEAD: usize = 64;

impl<T: Real> WithSimd for Row<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Row { c, a, b, add } = self;
        let (k, deepest) = (a.cols, even_depth(a.cols));
        for (j, c) in c.chunks_exact_mut(SIDE).enumerate() {
            let columns = &b.data[j * SIDE * b.col_stride..];
            for p in (0..k).step_by(deepest) {
                let depth = deepest.min(k - p);
                block(simd, a.block(0, p, 1, depth), &columns[p..], b.col_stride, add || p > 0, c);
            }
        }
    }
}

/// One block of k for [`SIDE`] columns.
#[inline(always)]
fn block<S: Simd, T: Real>(simd: S, a: Mat<'_, T>, columns: &[T], stride: usize, add: bool, c: &mut [T]) {
    let mut sums = [T::splat(simd, T::ZERO); SIDE];
    let mut lines = [[T::ZERO; SIDE]; SIDE];
    for q in (0..a.cols).step_by(SIDE) {
        let from = &columns[q..];
        let held = SIDE.min(a.cols - q);
        if held == SIDE {
            for i in 0..SIDE {
                prefetch(from.as_ptr().wrapping_add(i * stride + AHEAD));
            }
            square::<S, T, SIDE>(from, stride, lines.as_flattened_mut(), SIDE);
        } else {
            for (t, line) in lines.iter_mut().enumerate().take(held) {
                line.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * stride + t]);
            }
        }
        for (t, line) in lines.iter().enumerate().take(held) {
            let x = T::splat(simd, a.data[(q + t) * a.col_stride]);
            for (sum, &w) in sums.iter_mut().zip(T::split::<S>(line).0) {
                *sum = T::fma(simd, x, w, *sum);
            }
        }
    }
    for (c, &sum) in T::split_mut::<S>(c).0.iter_mut().zip(&sums) {
        *c = if add { <T as LaneReal>::add(simd, *c, sum) } else { sum };
    }
}
