//! Products with one operand gathered: its rows are runs of one buffer, each with an offset of its own.
//!
//! This is a convolution without its matrix of patches. Row (channel, tap) of that matrix is the channel's padded plane,
//! shifted by the tap: the micro-kernel reads it where it lies. Only the other operand is packed.
//!
//! All run on the calling thread.

use pulp::{Simd, WithSimd};

use super::micro::{OnTiles, Strip, TALLEST, Tiled, WIDEST, micro_kernel_gathered, next_height, store, tiled};
use super::pack::{KC, LINE, lines, pack_lines, panel_width};
use super::{Mat, Tile};
use crate::buf::Buf;
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::F;

/// Elements that a gathered buffer must hold beyond the last that a product needs.
pub(crate) const SLACK: usize = WIDEST;

/// Registers of a piece of a single row: as many sums at once as a multiplication takes to end.
const ALONE: usize = 8;

/// A left operand A with contiguous rows, read where it lies.
pub(crate) struct Left<'a, T: Real> {
    isa: Isa,
    a: Mat<'a, T>,
    /// Rows in whole tiles; the others are in `lines`, for each block of k, because a tile may be higher than what is left.
    whole: usize,
    lines: Buf<T>,
}

impl<'a, T: Real> Left<'a, T> {
    /// Prepares `a` for products on `isa`.
    pub(crate) fn new(isa: Isa, a: Mat<'a, T>) -> Self {
        a.check();
        assert!(a.col_stride == 1, "gemm: a gathered product needs contiguous rows of A");
        let mut whole = 0;
        let mut lines = Buf::scratch(lines(TALLEST) * a.cols.div_ceil(KC));
        isa.run_on::<T, _>(OnTiles(PackRest { a, whole: &mut whole, lines: &mut lines }));
        Left { isa, a, whole, lines }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.a.rows
    }

    /// `c[i, j] = Σ_p a[i, p] · x[offsets[p] + j]`, with `c` row-major.
    pub(crate) fn gather_product(&self, c: &mut [T], x: &[T], offsets: &[usize]) {
        let Mat { rows, cols: k, .. } = self.a;
        assert_eq!(offsets.len(), k, "gemm: {} gathered rows for k = {k}", offsets.len());
        if k == 0 {
            c.fill(T::ZERO);
        }
        let cols = c.len() / rows;
        let mut c = Tile::whole(c, rows, cols);
        for (p, (offsets, lines)) in offsets.chunks(KC).zip(self.lines.chunks_exact(lines(TALLEST))).enumerate() {
            let a = self.a.block(0, p * KC, rows, offsets.len());
            let block = GatheredB { c: &mut c, a, whole: self.whole, lines, x, offsets, add: p > 0 };
            self.isa.run_on::<T, _>(OnTiles(block));
        }
    }
}

struct PackRest<'a, T> {
    a: Mat<'a, T>,
    /// Set to the rows in whole tiles.
    whole: &'a mut usize,
    lines: &'a mut [T],
}

tiled! {
    impl<T: Real> Tiled for PackRest<'_, T> {
        fn run(self, _) {
            let whole = self.a.rows / N0 * N0;
            *self.whole = whole;
            let rest = self.a.rows - whole;
            if rest == 0 {
                return;
            }
            let blocks = self.lines.chunks_exact_mut(lines(TALLEST));
            for (p, out) in (0..self.a.cols).step_by(KC).zip(blocks) {
                pack_lines::<S, T, N0>(self.a.block(whole, p, rest, KC.min(self.a.cols - p)), out);
            }
        }
    }
}

/// One block of k of a product with gathered rows of B.
struct GatheredB<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    a: Mat<'a, T>,
    whole: usize,
    lines: &'a [T],
    x: &'a [T],
    offsets: &'a [usize],
    add: bool,
}

tiled! {
    impl<T: Real> Tiled for GatheredB<'_, '_, T> {
        fn run(mut self, simd) {
            let (lanes, cols) = (T::lanes::<S>(), self.c.cols());
            let mut j = 0;
            if self.c.rows() == 1 {
                // One row has registers for long pieces of it.
                while j + ALONE * lanes <= cols {
                    self.rows::<S, 1, 1, 1, ALONE>(simd, j);
                    j += ALONE * lanes;
                }
            }
            while j < cols {
                let width = panel_width::<S, T, NW, NN>(cols - j);
                if width == NW * lanes {
                    self.rows::<S, W0, W1, W2, NW>(simd, j);
                } else if const { NN == 1 } || width == lanes {
                    self.rows::<S, N0, N1, N2, 1>(simd, j);
                } else {
                    self.rows::<S, N0, N1, N2, NN>(simd, j);
                }
                j += width;
            }
        }
    }
}

impl<T: Real> GatheredB<'_, '_, T> {
    #[inline(always)]
    fn rows<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(
        &mut self,
        simd: S,
        j: usize,
    ) {
        let rows = self.c.rows();
        let mut i = 0;
        while i < rows {
            let (end, strip) = if i < self.whole {
                (self.whole, Strip { data: &self.a.data[i * self.a.row_stride..], row: self.a.row_stride, col: 1 })
            } else {
                (rows, Strip { data: &self.lines[(i - self.whole) * LINE..], row: LINE, col: 1 })
            };
            let height = next_height::<TALL, MIDDLE, LOW>(end - i);
            if const { LOW < TALL } && height == LOW {
                self.tile::<S, LOW, NV>(simd, strip, i, j);
            } else if const { MIDDLE < TALL } && height == MIDDLE {
                self.tile::<S, MIDDLE, NV>(simd, strip, i, j);
            } else {
                self.tile::<S, TALL, NV>(simd, strip, i, j);
            }
            i += height;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, a: Strip<'_, T>, i: usize, j: usize) {
        let sums = micro_kernel_gathered::<S, T, MR, NV>(simd, a, &self.x[j..], self.offsets);
        store(simd, self.c, (i, j), self.c.rows() - i, sums, self.add);
    }
}

/// `c[o, p] += Σ_q g[o, q] · x[offsets[p] + q]` for few rows `o`, by dot products; `c` is row-major.
pub(crate) fn gather_dots<T: Real>(isa: Isa, c: &mut [T], g: &[T], depth: usize, x: &[T], offsets: &[usize]) {
    isa.run_on::<T, _>(Dots { c, g, depth, x, offsets });
}

struct Dots<'a, T> {
    c: &'a mut [T],
    g: &'a [T],
    depth: usize,
    x: &'a [T],
    offsets: &'a [usize],
}

/// Dot products at once: one register of g serves all.
const AT_ONCE: usize = 8;

impl<T: Real> WithSimd for Dots<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.c.chunks_exact_mut(self.offsets.len()).zip(self.g.chunks_exact(self.depth));
        for (c, g) in rows {
            let (body, tail) = T::split::<S>(g);
            for (c, offsets) in c.chunks_mut(AT_ONCE).zip(self.offsets.chunks(AT_ONCE)) {
                let x: [&[T]; AT_ONCE] =
                    std::array::from_fn(|r| &self.x[*offsets.get(r).unwrap_or(&offsets[0])..][..self.depth]);
                let split = x.map(|x| T::split::<S>(x));
                let x = split.map(|x| &x.0[..body.len()]);
                let mut sums = [F::<S, T>::splat(simd, T::ZERO); AT_ONCE];
                for (q, &g) in body.iter().enumerate() {
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = F::wrap(simd, x[q]).fma(F::wrap(simd, g), *sum);
                    }
                }
                for ((c, sum), x) in c.iter_mut().zip(sums).zip(split) {
                    *c += F::load(simd, x.1).fma(F::load(simd, tail), sum).sum();
                }
            }
        }
    }
}
