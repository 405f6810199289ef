//! The micro-kernel: a tile of C that stays in registers, and the panels that it reads.
//!
//! An instruction set is four constants ([`Tiled`]): how many rows a tile has (three heights; the lower ones take what is
//! left at the bottom) and how many registers a row. They fill the registers with accumulators, less those for a row of
//! B and an element of A.

use pulp::{Simd, WithSimd};

use super::{Mat, Tile};
use crate::elem::Real;
use crate::lanes::{F, LaneReal};

/// Work that is compiled for the micro-tile of an instruction set.
pub(super) trait Tiled {
    /// Runs with tiles of `TALL`, `MIDDLE` or `LOW` rows of `NV` registers.
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(self, simd: S);
}

/// Chooses the constants.
pub(super) struct OnTiles<W>(pub(super) W);

impl<W: Tiled> WithSimd for OnTiles<W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Accumulators + row of B + element of A: 28 + 2 + 1 of 32 registers, 12 + 2 + 1 of 16, 24 + 3 + 1 of 32, and on
        // one lane what the compiler can still pair.
        if const { S::F32_LANES == 16 } {
            self.0.run::<S, 14, 8, 4, 2>(simd);
        } else if const { S::F32_LANES == 8 } {
            self.0.run::<S, 6, 4, 2, 2>(simd);
        } else if const { S::F32_LANES == 4 } {
            self.0.run::<S, 8, 4, 2, 3>(simd);
        } else {
            self.0.run::<S, 4, 2, 1, 4>(simd);
        }
    }
}

/// The tallest tile of any instruction set.
pub(super) const TALLEST: usize = 14;
/// The widest tile of any instruction set, in elements.
pub(super) const WIDEST: usize = 32;

/// The height of the last panel, which holds `left` rows.
#[inline(always)]
pub(super) fn last_height<const TALL: usize, const MIDDLE: usize, const LOW: usize>(left: usize) -> usize {
    if left <= LOW {
        LOW
    } else if left <= MIDDLE {
        MIDDLE
    } else {
        TALL
    }
}

/// MR rows × NV registers of A·B: `a` gives MR elements and `b` NV registers for each step along k.
#[inline(always)]
pub(super) fn micro_kernel<'a, S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    a: &[[T; MR]],
    b: impl Iterator<Item = &'a [T::V<S>; NV]>,
) -> [[T::V<S>; NV]; MR]
where
    T::V<S>: 'a,
{
    let mut sums = [[T::splat(simd, T::ZERO); NV]; MR];
    for (a, b) in a.iter().zip(b) {
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = T::splat(simd, a);
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum = T::fma(simd, a, b, *sum);
            }
        }
    }
    sums
}

/// Adds to `sums` what [`micro_kernel`] gives, with the rows of A where they lie.
#[inline(always)]
pub(super) fn micro_kernel_rows<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    a: [&[T]; MR],
    b: &[[T::V<S>; NV]],
    mut sums: [[T::V<S>; NV]; MR],
) -> [[T::V<S>; NV]; MR] {
    // Equal lengths, known here, keep bounds checks out of the loop.
    let a = a.map(|row| &row[..b.len()]);
    for (p, b) in b.iter().enumerate() {
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = T::splat(simd, a[p]);
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum = T::fma(simd, a, b, *sum);
            }
        }
    }
    sums
}

/// Writes or adds the part of a micro-tile that lies in C, at `(row, column)`, with at most `rows` rows.
#[inline(always)]
pub(super) fn store<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    c: &mut Tile<'_, T>,
    (row, col): (usize, usize),
    rows: usize,
    sums: [[T::V<S>; NV]; MR],
    add: bool,
) {
    let width = NV * T::lanes::<S>();
    let cols = width.min(c.cols() - col);
    if rows < MR || cols < width {
        return edge(simd, c, (row, col), (rows.min(MR), cols), &sums, add);
    }
    for (r, sums) in sums.into_iter().enumerate() {
        let c = T::split_mut::<S>(&mut c.row_mut(row + r)[col..col + width]).0;
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if add { <T as LaneReal>::add(simd, *c, sum) } else { sum };
        }
    }
}

/// [`store`] for a tile over the end of C.
#[inline(never)]
fn edge<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    c: &mut Tile<'_, T>,
    at: (usize, usize),
    (rows, cols): (usize, usize),
    sums: &[[T::V<S>; NV]; MR],
    add: bool,
) {
    for (r, sums) in sums.iter().enumerate().take(rows) {
        let row = &mut c.row_mut(at.0 + r)[at.1..at.1 + cols];
        for (c, &sum) in row.chunks_mut(T::lanes::<S>()).zip(sums) {
            let sum = F::<S, T>::wrap(simd, sum);
            let sum = if add { F::load(simd, c) + sum } else { sum };
            sum.store(c);
        }
    }
}

/// Side of the squares in which packing transposes.
const SQUARE: usize = 16;

/// `out[p·width + i] = m[i, p]`, zeros for i ≥ m.rows: one panel, of the rows of `m`.
#[inline(always)]
pub(super) fn pack<T: Real>(m: Mat<'_, T>, width: usize, out: &mut [T]) {
    let Mat { data, rows, cols, row_stride, col_stride } = m;
    if row_stride == 1 {
        for (p, out) in out.chunks_exact_mut(width).enumerate() {
            out[..rows].copy_from_slice(&data[p * col_stride..][..rows]);
            out[rows..].fill(T::ZERO);
        }
        return;
    }
    if rows < width {
        out.fill(T::ZERO);
    }
    let squares = if col_stride == 1 { cols / SQUARE * SQUARE } else { 0 };
    for p in (0..squares).step_by(SQUARE) {
        for i in (0..rows).step_by(SQUARE) {
            let height = SQUARE.min(rows - i);
            let mut square = [[T::ZERO; SQUARE]; SQUARE];
            for (r, line) in square.iter_mut().take(height).enumerate() {
                line.copy_from_slice(&data[(i + r) * row_stride + p..][..SQUARE]);
            }
            for q in 0..SQUARE {
                let line: [T; SQUARE] = std::array::from_fn(|r| square[r][q]);
                out[(p + q) * width + i..][..height].copy_from_slice(&line[..height]);
            }
        }
    }
    for p in squares..cols {
        for i in 0..rows {
            out[p * width + i] = data[i * row_stride + p * col_stride];
        }
    }
}

/// Packs the rows of a left operand into panels of the tiles' heights; the last may need up to TALL − 1 rows more.
pub(super) struct PackA<'a, T> {
    pub(super) a: Mat<'a, T>,
    pub(super) out: &'a mut [T],
}

impl<T: Real> Tiled for PackA<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(self, _: S) {
        let Mat { rows, cols, .. } = self.a;
        for i in (0..rows).step_by(TALL) {
            let held = TALL.min(rows - i);
            let height = last_height::<TALL, MIDDLE, LOW>(held);
            pack(self.a.block(i, 0, held, cols), height, &mut self.out[i * cols..(i + height) * cols]);
        }
    }
}

/// Packs a right operand into panels of the tile's width.
pub(super) struct PackB<'a, T> {
    pub(super) b: Mat<'a, T>,
    pub(super) out: &'a mut [T],
}

impl<T: Real> Tiled for PackB<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(self, _: S) {
        let width = NV * T::lanes::<S>();
        let panels = self.out.chunks_exact_mut((self.b.rows * width).max(1));
        for (panel, j) in panels.zip((0..self.b.cols).step_by(width)) {
            let cols = width.min(self.b.cols - j);
            pack(self.b.block(0, j, self.b.rows, cols).t(), width, panel);
        }
    }
}
