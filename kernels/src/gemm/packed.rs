//! The library's own product: packed operands and one micro-kernel over lanes.
//!
//! The loops are those of Goto & van de Geijn 2008 (*Anatomy of High-Performance Matrix Multiplication*) as BLIS orders
//! them (Van Zee & van de Geijn 2015, fig. 1): blocks of [`KC`] along k; B packed into panels as wide as a micro-tile; A
//! packed into panels as high; a micro-tile of C stays in registers for a whole block of k.
//!
//! Packing reads any strides. Rows and columns beyond the matrix are packed as zeros, computed and not stored.

use pulp::Simd;

use super::micro::{OnTiles, PackA, PackB, TALLEST, Tiled, WIDEST, last_height, micro_kernel, store};
use super::{Accumulate, Mat, Tile};
use crate::buf::Buf;
use crate::elem::Real;
use crate::isa::Isa;

/// Depth of a block: a panel of B, KC × 32 × 4 bytes, fills a first-level cache of 32 KiB.
pub(super) const KC: usize = 256;
/// Rows of A that are packed at once, a multiple of every tall tile's height; with KC, 168 KiB of a second-level cache.
pub(super) const MC: usize = 168;

/// A right operand B, packed once and used for several products.
pub(crate) struct Packed<T: Real> {
    isa: Isa,
    k: usize,
    n: usize,
    /// For each block of k, for each panel of columns: depth × width elements.
    data: Buf<T>,
    /// `n` rounded up to whole panels.
    padded: usize,
}

impl<T: Real> Packed<T> {
    /// Packs `b` for products on `isa`.
    pub(crate) fn new(isa: Isa, b: Mat<'_, T>) -> Self {
        b.check();
        let padded = padded(b.cols);
        let mut data = Buf::scratch(b.rows * padded);
        for (p, data) in data.chunks_mut((KC * padded).max(1)).enumerate() {
            let depth = KC.min(b.rows - p * KC);
            isa.run(OnTiles(PackB { b: b.block(p * KC, 0, depth, b.cols), out: data }));
        }
        Packed { isa, k: b.rows, n: b.cols, data, padded }
    }

    /// C = A·B or C += A·B on this thread, with `c` row-major.
    pub(crate) fn matmul(&self, c: &mut [T], a: Mat<'_, T>, accumulate: Accumulate) {
        a.check();
        assert_eq!(a.cols, self.k, "gemm: inner dimensions differ: {} ≠ {}", a.cols, self.k);
        if self.k == 0 && accumulate == Accumulate::No {
            c.fill(T::ZERO);
        }
        let mut c = Tile::whole(c, a.rows, self.n);
        for (p, b) in self.data.chunks((KC * self.padded).max(1)).enumerate() {
            let depth = KC.min(self.k - p * KC);
            let accumulate = if p > 0 { Accumulate::Yes } else { accumulate };
            block_product(self.isa, &mut c, a.block(0, p * KC, a.rows, depth), b, accumulate);
        }
    }
}

/// One tile of C on this thread; k > 0.
pub(super) fn gemm<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate) {
    let padded = padded(b.cols);
    let mut packed = Buf::scratch(KC.min(b.rows) * padded);
    for p in (0..b.rows).step_by(KC) {
        let depth = KC.min(b.rows - p);
        let packed = &mut packed[..depth * padded];
        isa.run(OnTiles(PackB { b: b.block(p, 0, depth, b.cols), out: packed }));
        let accumulate = if p > 0 { Accumulate::Yes } else { accumulate };
        block_product(isa, c, a.block(0, p, a.rows, depth), packed, accumulate);
    }
}

/// At least `cols` in whole panels of any instruction set.
fn padded(cols: usize) -> usize {
    cols + WIDEST
}

/// The product of one block of k, with B packed.
fn block_product<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: &[T], accumulate: Accumulate) {
    let mut packed = Buf::scratch((MC.min(a.rows) + TALLEST) * a.cols);
    for row in (0..a.rows).step_by(MC) {
        let rows = MC.min(a.rows - row);
        isa.run(OnTiles(PackA { a: a.block(row, 0, rows, a.cols), out: &mut packed }));
        isa.run(OnTiles(Product { c, row, rows, depth: a.cols, a: &packed, b, add: accumulate == Accumulate::Yes }));
    }
}

/// Some rows of C from packed operands.
struct Product<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    row: usize,
    rows: usize,
    depth: usize,
    a: &'a [T],
    b: &'a [T],
    add: bool,
}

impl<T: Real> Tiled for Product<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(mut self, simd: S) {
        let width = NV * T::lanes::<S>();
        let full = self.rows / TALL * TALL;
        let left = self.rows - full;
        for (j, b) in (0..self.c.cols()).step_by(width).zip(self.b.chunks_exact(self.depth * width)) {
            for i in (0..full).step_by(TALL) {
                self.tile::<S, TALL, NV>(simd, b, i, j);
            }
            match last_height::<TALL, MIDDLE, LOW>(left) {
                _ if left == 0 => (),
                h if h == LOW => self.tile::<S, LOW, NV>(simd, b, full, j),
                h if h == MIDDLE => self.tile::<S, MIDDLE, NV>(simd, b, full, j),
                _ => self.tile::<S, TALL, NV>(simd, b, full, j),
            }
        }
    }
}

impl<T: Real> Product<'_, '_, T> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, b: &[T], i: usize, j: usize) {
        let a = self.a[i * self.depth..(i + MR) * self.depth].as_chunks::<MR>().0;
        let b = T::split::<S>(b).0.as_chunks::<NV>().0;
        let sums = micro_kernel::<S, T, MR, NV>(simd, a, b.iter());
        store(simd, self.c, (self.row + i, j), self.rows - i, sums, self.add);
    }
}
