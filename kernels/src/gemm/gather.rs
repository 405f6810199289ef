//! Products with one operand gathered: its rows are runs of one buffer, each with an offset of its own.
//!
//! This is a convolution without its matrix of patches. Row (channel, tap) of that matrix is the channel's padded plane,
//! shifted by the tap: the micro-kernel reads it where it lies. Only the other operand is packed.
//!
//! All run on the calling thread.

use pulp::{Simd, WithSimd};

use super::micro::{OnTiles, Strip, Tiled, WIDEST, micro_kernel_gathered, micro_kernel_rows, next_height, store};
use super::pack::{KC, LINE, lines, pack_lines, pack_panels, panel_width};
use super::{Mat, Tile};
use crate::buf::Buf;
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::F;

/// Elements that a gathered buffer must hold beyond the last that a product needs.
pub(crate) const SLACK: usize = WIDEST;

/// A left operand A, packed once and used for several products.
pub(crate) struct Left<T: Real> {
    isa: Isa,
    rows: usize,
    k: usize,
    /// For each block of k, the lines of all rows.
    data: Buf<T>,
}

impl<T: Real> Left<T> {
    /// Packs `a` for products on `isa`.
    pub(crate) fn new(isa: Isa, a: Mat<'_, T>) -> Self {
        a.check();
        let mut data = Buf::scratch(lines(a.rows) * a.cols.div_ceil(KC));
        isa.run(OnTiles(PackAll { a, data: &mut data }));
        Left { isa, rows: a.rows, k: a.cols, data }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// `c[i, j] = Σ_p a[i, p] · x[offsets[p] + j]`, with `c` row-major.
    pub(crate) fn gather_product(&self, c: &mut [T], x: &[T], offsets: &[usize]) {
        assert_eq!(offsets.len(), self.k, "gemm: {} gathered rows for k = {}", offsets.len(), self.k);
        if self.k == 0 {
            c.fill(T::ZERO);
        }
        let cols = c.len() / self.rows;
        let mut c = Tile::whole(c, self.rows, cols);
        for (p, (offsets, a)) in offsets.chunks(KC).zip(self.data.chunks_exact(lines(self.rows))).enumerate() {
            self.isa.run(OnTiles(GatheredB { c: &mut c, a, x, offsets, add: p > 0 }));
        }
    }
}

struct PackAll<'a, T> {
    a: Mat<'a, T>,
    data: &'a mut [T],
}

impl<T: Real> Tiled for PackAll<'_, T> {
    #[inline(always)]
    fn run<
        S: Simd,
        const W0: usize,
        const W1: usize,
        const W2: usize,
        const NW: usize,
        const N0: usize,
        const N1: usize,
        const N2: usize,
        const NN: usize,
    >(
        self,
        _: S,
    ) {
        let blocks = self.data.chunks_exact_mut(lines(self.a.rows));
        for (p, out) in (0..self.a.cols).step_by(KC).zip(blocks) {
            pack_lines::<S, T, N0>(self.a.block(0, p, self.a.rows, KC.min(self.a.cols - p)), out);
        }
    }
}

/// One block of k of a product with gathered rows of B.
struct GatheredB<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    a: &'a [T],
    x: &'a [T],
    offsets: &'a [usize],
    add: bool,
}

impl<T: Real> Tiled for GatheredB<'_, '_, T> {
    #[inline(always)]
    fn run<
        S: Simd,
        const W0: usize,
        const W1: usize,
        const W2: usize,
        const NW: usize,
        const N0: usize,
        const N1: usize,
        const N2: usize,
        const NN: usize,
    >(
        mut self,
        simd: S,
    ) {
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
            match next_height::<TALL, MIDDLE, LOW>(rows - i) {
                h if h == LOW => self.tile::<S, LOW, NV>(simd, i, j),
                h if h == MIDDLE => self.tile::<S, MIDDLE, NV>(simd, i, j),
                _ => self.tile::<S, TALL, NV>(simd, i, j),
            }
            i += next_height::<TALL, MIDDLE, LOW>(rows - i);
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, i: usize, j: usize) {
        let a = Strip { data: &self.a[i * LINE..], row: LINE, col: 1 };
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

impl<T: Real> Tiled for PackRight<'_, T> {
    #[inline(always)]
    fn run<
        S: Simd,
        const W0: usize,
        const W1: usize,
        const W2: usize,
        const NW: usize,
        const N0: usize,
        const N1: usize,
        const N2: usize,
        const NN: usize,
    >(
        self,
        _: S,
    ) {
        pack_panels::<S, T, NW, NN>(self.b, self.out);
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

impl<T: Real> Tiled for GatheredA<'_, '_, T> {
    #[inline(always)]
    fn run<
        S: Simd,
        const W0: usize,
        const W1: usize,
        const W2: usize,
        const NW: usize,
        const N0: usize,
        const N1: usize,
        const N2: usize,
        const NN: usize,
    >(
        mut self,
        simd: S,
    ) {
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
