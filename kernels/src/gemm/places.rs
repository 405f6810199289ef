//! Products with one operand that is read where it lies, row by row: convolutions whose channels lie side by side.
//!
//! A pixel of an image with the channels last is a run of numbers, and so are the pixels beside it: the patch of an output
//! pixel is a few runs at a place of its own, and every output pixel has the same runs relative to its place. So rows of
//! the left operand need no packing, and a tile of the result may hold any pixels, whatever their rows and images.
//!
//! All run on the calling thread.

use pulp::Simd;

use super::micro::{OnTiles, Strip, Tiled, WIDEST, accumulate, micro_kernel, next_height, store, tiled};
use super::pack::{panel_width, transpose};
use super::{Mat, Tile};
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::LaneReal;

/// Elements beyond the last of a left operand of [`pixel_sums`] that it may read (and not use).
pub(crate) const BEYOND: usize = WIDEST;

/// Columns for which [`pack_rows`] needs space, for `cols` columns.
pub(crate) fn padded(cols: usize) -> usize {
    cols + WIDEST
}

/// `out[j·stride + i] = m[i, j]`.
pub(crate) fn transposed<T: Real>(isa: Isa, m: Mat<'_, T>, stride: usize, out: &mut [T]) {
    isa.run_on::<T, _>(OnTiles(Transpose { m, stride, out }));
}

struct Transpose<'a, T> {
    m: Mat<'a, T>,
    stride: usize,
    out: &'a mut [T],
}

tiled! {
    impl<T: Real> Tiled for Transpose<'_, T> {
        fn run(self, _) {
            transpose::<S, T>(self.m, self.stride, self.out);
        }
    }
}

/// Packs a right operand, whose row p is `x[starts[p]..][..cols]`, into panels as wide as micro-tiles.
pub(crate) fn pack_rows<T: Real>(isa: Isa, x: &[T], starts: &[usize], cols: usize, out: &mut [T]) {
    isa.run_on::<T, _>(OnTiles(PackRows { x, starts, cols, out }));
}

struct PackRows<'a, T> {
    x: &'a [T],
    starts: &'a [usize],
    cols: usize,
    out: &'a mut [T],
}

tiled! {
    impl<T: Real> Tiled for PackRows<'_, T> {
        fn run(self, _) {
            let depth = self.starts.len();
            let mut j = 0;
            while j < self.cols {
                let width = panel_width::<S, T, NW, NN>(self.cols - j);
                let held = width.min(self.cols - j);
                let panel = self.out[j * depth..(j + width) * depth].chunks_exact_mut(width);
                for (to, &start) in panel.zip(self.starts) {
                    let from = &self.x[start + j..][..held];
                    if held < width {
                        to[..held].copy_from_slice(from);
                        to[held..].fill(T::ZERO);
                    } else {
                        T::split_mut::<S>(to).0.iter_mut().zip(T::split::<S>(from).0).for_each(|(to, &x)| *to = x);
                    }
                }
                j += width;
            }
        }
    }
}

/// A product that is computed tile by tile.
trait Tiles {
    /// Rows and columns of the result.
    fn size(&self) -> [usize; 2];

    /// The tile of MR rows and NV registers of columns at (i, j); it may be higher and wider than what is left.
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, i: usize, j: usize);
}

/// All tiles: panels of columns, the narrow one last; in each, strips of rows.
#[inline(always)]
fn walk<
    T: Real,
    S: Simd,
    W: Tiles,
    const W0: usize,
    const W1: usize,
    const W2: usize,
    const NW: usize,
    const N0: usize,
    const N1: usize,
    const N2: usize,
    const NN: usize,
>(
    work: &mut W,
    simd: S,
) {
    let cols = work.size()[1];
    let mut j = 0;
    while j < cols {
        let width = panel_width::<S, T, NW, NN>(cols - j);
        if width == NW * T::lanes::<S>() {
            strips::<S, W, W0, W1, W2, NW>(work, simd, j);
        } else if const { NN == 1 } || width == T::lanes::<S>() {
            strips::<S, W, N0, N1, N2, 1>(work, simd, j);
        } else {
            strips::<S, W, N0, N1, N2, NN>(work, simd, j);
        }
        j += width;
    }
}

/// The strips of one panel.
#[inline(always)]
fn strips<S: Simd, W: Tiles, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(
    work: &mut W,
    simd: S,
    j: usize,
) {
    let rows = work.size()[0];
    let mut i = 0;
    while i < rows {
        let height = next_height::<TALL, MIDDLE, LOW>(rows - i);
        if const { LOW < TALL } && height == LOW {
            work.tile::<S, LOW, NV>(simd, i, j);
        } else if const { MIDDLE < TALL } && height == MIDDLE {
            work.tile::<S, MIDDLE, NV>(simd, i, j);
        } else {
            work.tile::<S, TALL, NV>(simd, i, j);
        }
        i += height;
    }
}

/// Numbers of a row of A that lie side by side, and the rows of B that they meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    /// Pixels from the place of the row to its first.
    pub(crate) offset: usize,
    /// How many pixels it has.
    pub(crate) pixels: usize,
    /// Pixels of the runs before it.
    pub(crate) before: usize,
}

/// A left operand whose row i is, for each run, `run.pixels` pixels of `channels` numbers of `x` from pixel
/// `rows[i].0 + run.offset` on. Its product goes to row `rows[i].1` of C.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) channels: usize,
    pub(crate) rows: &'a [(usize, usize)],
    pub(crate) runs: &'a [Run],
}

/// C = A·B or C += A·B, where C has `cols` columns. B is packed run by run ([`pack_rows`]), each in [`padded`] columns.
pub(crate) fn place_product<T: Real>(isa: Isa, c: &mut [T], cols: usize, a: Places<'_, T>, b: &[T], add: bool) {
    isa.run_on::<T, _>(OnTiles(PlaceProduct { c, cols, a, b, add }));
}

struct PlaceProduct<'a, T> {
    c: &'a mut [T],
    cols: usize,
    a: Places<'a, T>,
    b: &'a [T],
    add: bool,
}

tiled! {
    impl<T: Real> Tiled for PlaceProduct<'_, T> {
        fn run(mut self, simd) {
            walk::<T, S, Self, W0, W1, W2, NW, N0, N1, N2, NN>(&mut self, simd);
        }
    }
}

impl<T: Real> Tiles for PlaceProduct<'_, T> {
    #[inline(always)]
    fn size(&self) -> [usize; 2] {
        [self.a.rows.len(), self.cols]
    }

    /// A tile higher than what is left repeats the last row and does not store it.
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, i: usize, j: usize) {
        let (width, Places { x, channels, runs, rows }) = (NV * T::lanes::<S>(), self.a);
        let rows = &rows[i..];
        let places: [usize; MR] = std::array::from_fn(|r| rows[r.min(rows.len() - 1)].0 * channels);
        let mut sums = [[T::splat(simd, T::ZERO); NV]; MR];
        for run in runs {
            let depth = run.pixels * channels;
            let places = places.map(|place| place + run.offset * channels);
            let b = &self.b[run.before * channels * padded(self.cols) + j * depth..][..width * depth];
            sums = accumulate::<S, T, MR, NV>(simd, x, places, b, depth, sums);
        }
        let held = width.min(self.cols - j);
        for (sums, &(_, row)) in sums.iter().zip(rows) {
            let c = &mut self.c[row * self.cols + j..][..held];
            if held < width {
                let mut line = [T::ZERO; WIDEST];
                T::split_mut::<S>(&mut line[..width]).0.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum);
                c.iter_mut().zip(line).for_each(|(c, sum)| *c = if self.add { *c + sum } else { sum });
            } else {
                for (c, &sum) in T::split_mut::<S>(c).0.iter_mut().zip(sums) {
                    *c = if self.add { <T as LaneReal>::add(simd, *c, sum) } else { sum };
                }
            }
        }
    }
}

/// `c[i, j] += Σ_p x[p·pitch + i] · b[p, j]` for `depth` pixels p; `b` is packed ([`pack_rows`]). It may
/// read [`BEYOND`] elements of `x` behind the last row.
pub(crate) fn pixel_sums<T: Real>(isa: Isa, c: &mut Tile<'_, T>, x: &[T], pitch: usize, b: &[T], depth: usize) {
    isa.run_on::<T, _>(OnTiles(PixelSums { c, x, pitch, b, depth }));
}

struct PixelSums<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    x: &'a [T],
    pitch: usize,
    b: &'a [T],
    depth: usize,
}

tiled! {
    impl<T: Real> Tiled for PixelSums<'_, '_, T> {
        fn run(mut self, simd) {
            walk::<T, S, Self, W0, W1, W2, NW, N0, N1, N2, NN>(&mut self, simd);
        }
    }
}

impl<T: Real> Tiles for PixelSums<'_, '_, T> {
    #[inline(always)]
    fn size(&self) -> [usize; 2] {
        [self.c.rows(), self.c.cols()]
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, i: usize, j: usize) {
        let a = Strip { data: &self.x[i..], row: 1, col: self.pitch };
        let b = Strip { data: &self.b[j * self.depth..], row: NV * T::lanes::<S>(), col: 1 };
        let sums = micro_kernel::<S, T, MR, NV>(simd, a, b, self.depth);
        store(simd, self.c, (i, j), self.c.rows() - i, sums, true);
    }
}
