//! The library's own product: packed operands and one micro-kernel over lanes.
//!
//! The loops are those of Goto & van de Geijn 2008 (*Anatomy of High-Performance Matrix Multiplication*) as BLIS orders
//! them (Van Zee & van de Geijn 2015, fig. 1): blocks of [`KC`] along k; B packed into panels as wide as a micro-tile; A
//! packed into panels as high; a micro-tile of C stays in registers for a whole block of k. An instruction set is two
//! constants: rows of a micro-tile and registers a row ([`micro_kernel`]).
//!
//! Packing reads any strides. Rows and columns beyond the matrix are packed as zeros, computed and not stored.

use pulp::{Simd, WithSimd};

use super::{Accumulate, Mat, Tile};
use crate::buf::Buf;
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::{F, LaneReal};

/// Depth of a block: a panel of B, KC × 32 × 4 bytes, fills a first-level cache of 32 KiB.
pub(super) const KC: usize = 256;
/// Rows of A that are packed at once, a multiple of every micro-tile's height; with KC, 168 KiB of a second-level cache.
const MC: usize = 168;

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
        let padded = padded(isa, b);
        let mut data = Buf::scratch(b.rows * padded);
        for (p, data) in data.chunks_mut((KC * padded).max(1)).enumerate() {
            let depth = KC.min(b.rows - p * KC);
            isa.run(PackB { b: b.block(p * KC, 0, depth, b.cols), out: data });
        }
        Packed { isa, k: b.rows, n: b.cols, data, padded }
    }

    /// C = A·B or C += A·B on this thread, with `c` row-major.
    pub(crate) fn matmul(&self, c: &mut [T], a: Mat<'_, T>, accumulate: Accumulate) {
        a.check();
        assert_eq!(a.cols, self.k, "gemm: inner dimensions differ: {} ≠ {}", a.cols, self.k);
        let mut c = Tile::whole(c, a.rows, self.n);
        if self.k == 0 && accumulate == Accumulate::No {
            (0..c.rows()).for_each(|i| c.row_mut(i).fill(T::ZERO));
        }
        for (p, b) in self.data.chunks((KC * self.padded).max(1)).enumerate() {
            let depth = KC.min(self.k - p * KC);
            let accumulate = if p > 0 { Accumulate::Yes } else { accumulate };
            block_product(self.isa, &mut c, a.block(0, p * KC, a.rows, depth), b, accumulate);
        }
    }
}

/// One tile of C on this thread; k > 0.
pub(super) fn gemm<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate) {
    let padded = padded(isa, b);
    let mut packed = Buf::scratch(KC.min(b.rows) * padded);
    for p in (0..b.rows).step_by(KC) {
        let depth = KC.min(b.rows - p);
        let packed = &mut packed[..depth * padded];
        isa.run(PackB { b: b.block(p, 0, depth, b.cols), out: packed });
        let accumulate = if p > 0 { Accumulate::Yes } else { accumulate };
        block_product(isa, c, a.block(0, p, a.rows, depth), packed, accumulate);
    }
}

/// The columns of `b` in whole panels.
fn padded<T: Real>(isa: Isa, b: Mat<'_, T>) -> usize {
    b.cols.next_multiple_of(isa.run(Width(std::marker::PhantomData::<T>)))
}

/// The product of one block of k, with B packed.
fn block_product<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: &[T], accumulate: Accumulate) {
    let mut scratch = Buf::scratch(MC.min(a.rows.next_multiple_of(SLACK)) * a.cols);
    for row in (0..a.rows).step_by(MC) {
        let a = a.block(row, 0, MC.min(a.rows - row), a.cols);
        isa.run(Rows { c, row, a, scratch: &mut scratch, b, accumulate });
    }
}

/// The most rows that the last panel of A may have more than the matrix, rounded up: the tallest micro-tile.
const SLACK: usize = 14;

/// Registers in a row of a micro-tile on `S`.
const fn registers<S: Simd>() -> usize {
    match S::F32_LANES {
        16 | 8 => 2,
        4 => 3,
        _ => 4,
    }
}

/// The width of a panel of B.
struct Width<T>(std::marker::PhantomData<T>);

impl<T: Real> WithSimd for Width<T> {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        registers::<S>() * T::lanes::<S>()
    }
}

/// Packs `b` into panels.
struct PackB<'a, T> {
    b: Mat<'a, T>,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for PackB<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = registers::<S>() * T::lanes::<S>();
        let panels = self.out.chunks_exact_mut((self.b.rows * width).max(1));
        for (panel, j) in panels.zip((0..self.b.cols).step_by(width)) {
            let cols = width.min(self.b.cols - j);
            pack(self.b.block(0, j, self.b.rows, cols).t(), width, panel);
        }
    }
}

/// Side of the squares in which packing transposes.
const SQUARE: usize = 16;

/// `out[p·width + i] = m[i, p]`, zeros for i ≥ m.rows: one panel, of the rows of `m`.
#[inline(always)]
fn pack<T: Real>(m: Mat<'_, T>, width: usize, out: &mut [T]) {
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

/// Up to MC rows of C: packs A and runs over the micro-tiles.
struct Rows<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    row: usize,
    a: Mat<'a, T>,
    scratch: &'a mut [T],
    b: &'a [T],
    accumulate: Accumulate,
}

impl<T: Real> WithSimd for Rows<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Rows and registers of the micro-tile: as many accumulators as registers allow, less those for a row of B and an
        // element of A. Lower tiles take what is left at the bottom.
        if const { S::F32_LANES == 16 } {
            self.run::<S, 14, 8, 4, 2>(simd);
        } else if const { S::F32_LANES == 8 } {
            self.run::<S, 6, 4, 2, 2>(simd);
        } else if const { S::F32_LANES == 4 } {
            self.run::<S, 8, 4, 2, 3>(simd);
        } else {
            self.run::<S, 4, 2, 1, 4>(simd);
        }
    }
}

impl<T: Real> Rows<'_, '_, T> {
    /// Panels of `TALL` rows, the last by the lowest of the three that holds it.
    #[inline(always)]
    fn run<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(mut self, simd: S) {
        let (depth, rows) = (self.a.cols, self.a.rows);
        let full = rows / TALL * TALL;
        let left = rows - full;
        let last = [LOW, MIDDLE, TALL].into_iter().find(|&height| left <= height).unwrap_or(TALL);
        for i in (0..rows).step_by(TALL) {
            let height = if i < full { TALL } else { last };
            let panel = &mut self.scratch[i * depth..(i + height) * depth];
            pack(self.a.block(i, 0, height.min(rows - i), depth), height, panel);
        }
        let width = NV * T::lanes::<S>();
        for (b, j) in self.b.chunks_exact(depth * width).zip((0..self.c.cols()).step_by(width)) {
            let b = T::split::<S>(b).0.as_chunks::<NV>().0;
            for i in (0..full).step_by(TALL) {
                self.tile::<S, TALL, NV>(simd, b, i, j);
            }
            if left == 0 {
                continue;
            }
            match last {
                h if h == LOW => self.tile::<S, LOW, NV>(simd, b, full, j),
                h if h == MIDDLE => self.tile::<S, MIDDLE, NV>(simd, b, full, j),
                _ => self.tile::<S, TALL, NV>(simd, b, full, j),
            }
        }
    }

    /// The micro-tile at row `i`, column `j`.
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, b: &[[T::V<S>; NV]], i: usize, j: usize) {
        let depth = self.a.cols;
        let a = self.scratch[i * depth..(i + MR) * depth].as_chunks::<MR>().0;
        let sums = micro_kernel::<S, T, MR, NV>(simd, a, b);
        let (rows, cols) = (MR.min(self.a.rows - i), (NV * T::lanes::<S>()).min(self.c.cols() - j));
        let add = self.accumulate == Accumulate::Yes;
        if (rows, cols) == (MR, NV * T::lanes::<S>()) {
            for (r, sums) in sums.into_iter().enumerate() {
                let c = T::split_mut::<S>(&mut self.c.row_mut(self.row + i + r)[j..j + cols]).0;
                for (c, sum) in c.iter_mut().zip(sums) {
                    *c = if add { <T as LaneReal>::add(simd, *c, sum) } else { sum };
                }
            }
            return;
        }
        edge(simd, self.c, (self.row + i, j), (rows, cols), &sums, add);
    }
}

/// Stores the part of a micro-tile that lies in C.
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

/// MR rows × NV registers of A·B, from a panel of each.
#[inline(always)]
fn micro_kernel<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    a: &[[T; MR]],
    b: &[[T::V<S>; NV]],
) -> [[T::V<S>; NV]; MR] {
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
