//! Products with one operand gathered: its rows are runs of one buffer, each with an offset of its own.
//!
//! This is a convolution without its matrix of patches. Row (channel, tap) of that matrix is the channel's padded plane,
//! shifted by the tap: the micro-kernel reads it where it lies. Only the other operand is packed.
//!
//! All run on the calling thread.

use pulp::{Simd, WithSimd};

use super::micro::{
    OnTiles, PackA, PackB, TALLEST, Tiled, WIDEST, last_height, micro_kernel, micro_kernel_rows, store,
};
use super::packed::KC;
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
    /// For each block of k, the panels of all rows.
    data: Buf<T>,
}

impl<T: Real> Left<T> {
    /// Packs `a` for products on `isa`.
    pub(crate) fn new(isa: Isa, a: Mat<'_, T>) -> Self {
        a.check();
        let padded = a.rows + TALLEST;
        let mut data = Buf::scratch(padded * a.cols);
        for p in (0..a.cols).step_by(KC) {
            let depth = KC.min(a.cols - p);
            let out = &mut data[p * padded..(p + depth) * padded];
            isa.run(OnTiles(PackA { a: a.block(0, p, a.rows, depth), out }));
        }
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
        for (p, offsets) in offsets.chunks(KC).enumerate() {
            let a = &self.data[p * KC * (self.rows + TALLEST)..];
            self.isa.run(OnTiles(GatheredB { c: &mut c, a, x, offsets, add: p > 0 }));
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
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(mut self, simd: S) {
        let rows = self.c.rows();
        let full = rows / TALL * TALL;
        for j in (0..self.c.cols()).step_by(NV * T::lanes::<S>()) {
            for i in (0..full).step_by(TALL) {
                self.tile::<S, TALL, NV>(simd, i, j);
            }
            match last_height::<TALL, MIDDLE, LOW>(rows - full) {
                _ if rows == full => (),
                h if h == LOW => self.tile::<S, LOW, NV>(simd, full, j),
                h if h == MIDDLE => self.tile::<S, MIDDLE, NV>(simd, full, j),
                _ => self.tile::<S, TALL, NV>(simd, full, j),
            }
        }
    }
}

impl<T: Real> GatheredB<'_, '_, T> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, i: usize, j: usize) {
        let depth = self.offsets.len();
        let a = self.a[i * depth..(i + MR) * depth].as_chunks::<MR>().0;
        let width = NV * T::lanes::<S>();
        let x = &self.x[j..];
        let b = self.offsets.iter().map(|&offset| &T::split::<S>(&x[offset..offset + width]).0.as_chunks::<NV>().0[0]);
        let sums = micro_kernel::<S, T, MR, NV>(simd, a, b);
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
            isa.run(OnTiles(PackB { b: b.block(q, 0, depth, cols), out: packed }));
        }
        isa.run(OnTiles(GatheredA { c: &mut c, x: &x[q..], stride, offsets, depth, b: &packed[..b.len() * each] }));
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
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(self, simd: S) {
        let width = NV * T::lanes::<S>();
        let each = self.depth * (self.c.cols() + WIDEST);
        for (panel, j) in (0..self.c.cols()).step_by(width).enumerate() {
            for (i, offsets) in self.offsets.chunks(TALL).enumerate() {
                let mut sums = [[T::splat(simd, T::ZERO); NV]; TALL];
                for (at, b) in self.b.chunks_exact(each).enumerate() {
                    let b = &b[panel * width * self.depth..][..width * self.depth];
                    let b = T::split::<S>(b).0.as_chunks::<NV>().0;
                    let x = &self.x[at * self.stride..];
                    // The rows that a last panel lacks repeat its first; they are computed and not stored.
                    let a: [&[T]; TALL] =
                        std::array::from_fn(|r| &x[*offsets.get(r).unwrap_or(&offsets[0])..][..self.depth]);
                    sums = micro_kernel_rows::<S, T, TALL, NV>(simd, a, b, sums);
                }
                store(simd, self.c, (i * TALL, j), offsets.len(), sums, true);
            }
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
