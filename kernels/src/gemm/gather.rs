//! Products with one operand gathered: its rows are runs of one buffer, each with an offset of its own.
//!
//! This is a convolution without its matrix of patches. Row (channel, tap) of that matrix is the channel's padded plane,
//! shifted by the tap: the micro-kernel reads it where it lies. Only the other operand is packed.
//!
//! All run on the calling thread.

use pulp::{Simd, WithSimd};

use super::micro::{
    OnTiles, Strip, TALLEST, Tiled, WIDEST, micro_kernel_gathered, micro_kernel_rows, next_height, store, tiled,
};
use super::pack::{KC, LINE, lines, pack_lines, pack_panels, panel_width};
use super::{Mat, Tile};
use crate::buf::Buf;
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::F;

/// Elements that a gathered buffer must hold beyond the last that a product needs.
pub(crate) const SLACK: usize = WIDEST;

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
        let whole = a.rows / TALLEST * TALLEST;
        let mut lines = Buf::scratch(lines(a.rows - whole) * a.cols.div_ceil(KC));
        isa.run(OnTiles(PackRest { a, whole, lines: &mut lines }));
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
        for (p, (offsets, lines)) in
            offsets.chunks(KC).zip(self.lines.chunks_exact(lines(rows - self.whole))).enumerate()
        {
            let a = self.a.block(0, p * KC, rows, offsets.len());
            let block = GatheredB { c: &mut c, a, whole: self.whole, lines, x, offsets, add: p > 0 };
            self.isa.run(OnTiles(block));
        }
    }
}

struct PackRest<'a, T> {
    a: Mat<'a, T>,
    whole: usize,
    lines: &'a mut [T],
}

tiled! {
    impl<T: Real> Tiled for PackRest<'_, T> {
        fn run(self, _) {
            let rest = self.a.rows - self.whole;
            if rest == 0 {
                return;
            }
            let blocks = self.lines.chunks_exact_mut(lines(rest));
            for (p, out) in (0..self.a.cols).step_by(KC).zip(blocks) {
                pack_lines::<S, T, N0>(self.a.block(self.whole, p, rest, KC.min(self.a.cols - p)), out);
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
            while j < cols {
                let width = panel_width::<S, T, NW, NN>(cols - j);
                if width == NW * lanes {
                    self.rows::<S, W0, W1, W2, NW>(simd, j);
                } else if width == lanes {
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
            if height == LOW {
                self.tile::<S, LOW, NV>(simd, strip, i, j);
            } else if height == MIDDLE {
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

/// `c[p, o] += Σ_i Σ_q x[i·stride + offsets[p] + q] · b[i][q, o]`, with `c` row-major: a product for each of several
/// buffers `stride` apart, summed while a tile of C is in registers.
pub(crate) fn gather_rows_product<T: Real>(
    isa: Isa,
    c: &mut [T],
    x: &[T],
    stride: usize,
    offsets: &[usize],
    b: &[Mat<'_, T>],
) {
    let Some(&Mat { rows, cols, .. }) = b.first() else { return };
    let mut c = Tile::whole(c, offsets.len(), cols);
    let mut packed = Buf::scratch(b.len() * KC.min(rows) * (cols + WIDEST));
    for q in (0..rows).step_by(KC) {
        let depth = KC.min(rows - q);
        let each = depth * (cols + WIDEST);
        for (b, packed) in b.iter().zip(packed.chunks_exact_mut(each)) {
            isa.run(OnTiles(PackRight { b: b.block(q, 0, depth, cols), out: packed }));
        }
        isa.run(OnTiles(GatheredA { c: &mut c, x: &x[q..], stride, offsets, depth, b: &packed[..b.len() * each] }));
    }
}

struct PackRight<'a, T> {
    b: Mat<'a, T>,
    out: &'a mut [T],
}

tiled! {
    impl<T: Real> Tiled for PackRight<'_, T> {
        fn run(self, _) {
            pack_panels::<S, T, NW, NN>(self.b, self.out);
        }
    }
}

/// One block of k of a product with gathered rows of A.
struct GatheredA<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    x: &'a [T],
    stride: usize,
    offsets: &'a [usize],
    depth: usize,
    b: &'a [T],
}

tiled! {
    impl<T: Real> Tiled for GatheredA<'_, '_, T> {
        fn run(mut self, simd) {
            let mut j = 0;
            while j < self.c.cols() {
                let width = panel_width::<S, T, NW, NN>(self.c.cols() - j);
                if width == NW * T::lanes::<S>() {
                    self.panel::<S, W0, NW>(simd, j);
                } else if width == T::lanes::<S>() {
                    self.panel::<S, N0, 1>(simd, j);
                } else {
                    self.panel::<S, N0, NN>(simd, j);
                }
                j += width;
            }
        }
    }
}

impl<T: Real> GatheredA<'_, '_, T> {
    #[inline(always)]
    fn panel<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, j: usize) {
        let each = self.depth * (self.c.cols() + WIDEST);
        for (i, offsets) in self.offsets.chunks(MR).enumerate() {
            let mut sums = [[T::splat(simd, T::ZERO); NV]; MR];
            for (at, b) in self.b.chunks_exact(each).enumerate() {
                let b = &b[j * self.depth..][..NV * T::lanes::<S>() * self.depth];
                let b = T::split::<S>(b).0.as_chunks::<NV>().0;
                let x = &self.x[at * self.stride..];
                // The rows that a last panel lacks repeat its first; they are computed and not stored.
                let a: [&[T]; MR] = std::array::from_fn(|r| &x[*offsets.get(r).unwrap_or(&offsets[0])..][..self.depth]);
                sums = micro_kernel_rows::<S, T, MR, NV>(simd, a, b, sums);
            }
            store(simd, self.c, (i * MR, j), offsets.len(), sums, true);
        }
    }
}

/// `c[o, p] += Σ_q g[o, q] · x[offsets[p] + q]` for few rows `o`, by dot products; `c` is row-major.
pub(crate) fn gather_dots<T: Real>(isa: Isa, c: &mut [T], g: &[T], depth: usize, x: &[T], offsets: &[usize]) {
    isa.run(Dots { c, g, depth, x, offsets });
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
