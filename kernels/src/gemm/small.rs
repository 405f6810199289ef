//! Products of blocks that lie in the caches, on the calling thread, within a larger kernel.
//!
//! Nothing is packed: the kernel keeps its blocks in scratch with [`SLACK`] elements behind them, so that a micro-tile may
//! read beyond the last row and column; what it computes there is not stored. Where one side is a band of a triangle
//! ([`Band`]), tiles leave out what the band does not hold.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::amx::Permission;
use super::micro::{OnTiles, Strip, TALLEST, Tiled, WIDEST, micro_kernel, next_height, store, tiled};
use super::pack::panel_width;
use super::transpose::{SIDE, square};
use super::{Accumulate, Mat, Tile};
use crate::elem::Real;
use crate::isa::{self, Isa};

/// Elements that a buffer must hold behind a block whose lines are `line` long.
pub(crate) fn slack(line: usize) -> usize {
    TALLEST * line + WIDEST
}

/// Which part of a product there is, with an offset o of the diagonal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Band {
    /// Elements (i, j) of C are wanted where i ≤ j + o; the others may be left as they are.
    Wanted(isize),
    /// Elements (i, p) of A are 0 where p > i + o.
    Lower(isize),
    /// Elements (i, p) of A are 0 where i > p + o.
    Upper(isize),
}

impl Band {
    /// Rows of C that a panel of columns wants.
    #[inline(always)]
    fn rows(self, cols: Range<usize>, rows: usize) -> usize {
        match self {
            Band::Wanted(o) => cols.end.saturating_add_signed(o).min(rows),
            Band::Lower(_) | Band::Upper(_) => rows,
        }
    }

    /// The steps along k at which a strip of rows of A is not 0.
    #[inline(always)]
    fn depth(self, rows: Range<usize>, depth: usize) -> Range<usize> {
        match self {
            Band::Lower(o) => 0..rows.end.saturating_add_signed(o).min(depth),
            Band::Upper(o) => rows.start.saturating_add_signed(-o).min(depth)..depth,
            Band::Wanted(_) => 0..depth,
        }
    }
}

/// How products of blocks are computed: read once at a kernel's door and passed to its workers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// The instruction set.
    pub(crate) isa: Isa,
    permission: Permission,
}

impl Blocks {
    /// For a kernel entered now.
    pub(crate) fn current() -> Self {
        Blocks { isa: isa::current(), permission: Permission::current() }
    }

    /// C = A·B or C += A·B, with C row-major `[a.rows, b.cols]`, contiguous rows of B, and contiguous rows or columns of A.
    ///
    /// # Panics
    /// If the operands do not fit, or have no slack.
    pub(crate) fn product<T: Real>(
        self,
        c: &mut [T],
        a: Mat<'_, T>,
        b: Mat<'_, T>,
        accumulate: Accumulate,
        band: Band,
    ) {
        let (rows, k, depth, cols) = (a.rows, a.cols, b.rows, b.cols);
        assert!(k == depth && b.col_stride == 1, "gemm: blocks of [{rows}, {k}] and [{depth}, {cols}] do not fit");
        assert!(a.col_stride == 1 || a.row_stride == 1, "gemm: neither rows nor columns of a block are contiguous");
        if T::on_tiles(self.permission, c, a, b, accumulate) {
            return;
        }
        let c = Tile::whole(c, a.rows, b.cols);
        self.isa.run_on::<T, _>(OnTiles(Product { c, a, b, add: accumulate == Accumulate::Yes, band }));
    }

    /// `to[j·to_stride + i] = from[i·from_stride + j]` for all i < `rows` and j < `cols`, both whole squares of [`SIDE`].
    pub(crate) fn transpose<T: Real>(
        self,
        from: &[T],
        from_stride: usize,
        [rows, cols]: [usize; 2],
        to: &mut [T],
        to_stride: usize,
    ) {
        assert!(rows.is_multiple_of(SIDE) && cols.is_multiple_of(SIDE), "gemm: {rows} × {cols} in squares of {SIDE}");
        self.isa.run_on::<T, _>(Transpose { from, from_stride, rows, cols, to, to_stride });
    }
}

struct Transpose<'a, T> {
    from: &'a [T],
    from_stride: usize,
    rows: usize,
    cols: usize,
    to: &'a mut [T],
    to_stride: usize,
}

impl<T: Real> WithSimd for Transpose<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for i in (0..self.rows).step_by(SIDE) {
            for j in (0..self.cols).step_by(SIDE) {
                let from = &self.from[i * self.from_stride + j..];
                square::<S, T, SIDE>(from, self.from_stride, &mut self.to[j * self.to_stride + i..], self.to_stride);
            }
        }
    }
}

struct Product<'a, T> {
    c: Tile<'a, T>,
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    add: bool,
    band: Band,
}

tiled! {
    impl<T: Real> Tiled for Product<'_, T> {
        fn run(mut self, simd) {
            let (lanes, cols) = (T::lanes::<S>(), self.b.cols);
            let mut j = 0;
            while j < cols {
                let width = panel_width::<S, T, NW, NN>(cols - j);
                if width == NW * lanes {
                    self.panel::<S, W0, W1, W2, NW>(simd, j);
                } else if const { NN == 1 } || width == lanes {
                    self.panel::<S, N0, N1, N2, 1>(simd, j);
                } else {
                    self.panel::<S, N0, N1, N2, NN>(simd, j);
                }
                j += width;
            }
        }
    }
}

impl<T: Real> Product<'_, T> {
    /// A panel of columns, which stays in the first-level cache while strips of A pass.
    #[inline(always)]
    fn panel<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(
        &mut self,
        simd: S,
        j: usize,
    ) {
        let Mat { data, row_stride, col_stride, .. } = self.a;
        // Equal code with one stride known: the micro-kernel then needs fewer registers for addresses.
        if const { !T::F32 } {
            // f64 checks gradients and need not be fast: less code to compile.
            let strip =
                |i, p| Strip { data: &data[i * row_stride + p * col_stride..], row: row_stride, col: col_stride };
            self.strips::<S, TALL, MIDDLE, LOW, NV>(simd, j, strip);
        } else if col_stride == 1 {
            let strip = |i, p| Strip { data: &data[i * row_stride + p..], row: row_stride, col: 1 };
            self.strips::<S, TALL, MIDDLE, LOW, NV>(simd, j, strip);
        } else {
            let strip = |i, p| Strip { data: &data[i + p * col_stride..], row: 1, col: col_stride };
            self.strips::<S, TALL, MIDDLE, LOW, NV>(simd, j, strip);
        }
    }

    #[inline(always)]
    fn strips<'s, S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(
        &mut self,
        simd: S,
        j: usize,
        strip: impl Fn(usize, usize) -> Strip<'s, T>,
    ) where
        T: 's,
    {
        let rows = self.band.rows(j..j + NV * T::lanes::<S>(), self.a.rows);
        let mut i = 0;
        while i < rows {
            let height = next_height::<TALL, MIDDLE, LOW>(rows - i);
            let depth = self.band.depth(i..i + height, self.a.cols);
            let a = strip(i, depth.start);
            if const { LOW < TALL } && height == LOW {
                self.tile::<S, LOW, NV>(simd, a, depth, i, j);
            } else if const { MIDDLE < TALL } && height == MIDDLE {
                self.tile::<S, MIDDLE, NV>(simd, a, depth, i, j);
            } else {
                self.tile::<S, TALL, NV>(simd, a, depth, i, j);
            }
            i += height;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        a: Strip<'_, T>,
        depth: Range<usize>,
        i: usize,
        j: usize,
    ) {
        let b = &self.b.data[depth.start * self.b.row_stride + j..];
        let b = Strip { data: b, row: self.b.row_stride, col: 1 };
        let sums = micro_kernel::<S, T, MR, NV>(simd, a, b, depth.len());
        store(simd, &mut self.c, (i, j), self.a.rows - i, sums, self.add);
    }
}
