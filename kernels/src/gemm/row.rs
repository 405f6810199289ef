//! One row times a transposed matrix: a decoding step, a batch of one.
//!
//! x·Wᵀ with W in rows is bound by reading W once. Packing would write and read it again, so squares of W are transposed
//! on the way, through a few lines of the first-level cache. The chains are those of the micro-kernel: the result has
//! the bits that this row would have in any other product.

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
    isa.run(Row { c: c.row_mut(0), a, b, add });
}

struct Row<'a, T> {
    c: &'a mut [T],
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    add: bool,
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
            square::<S, T>(from, stride, lines.as_flattened_mut(), SIDE);
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
