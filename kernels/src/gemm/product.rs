//! One tile of C on one thread.
//!
//! The loops are those of Goto & van de Geijn 2008 (*Anatomy of High-Performance Matrix Multiplication*) as BLIS orders
//! them (Van Zee & van de Geijn 2015, fig. 1), with the roles of A and B exchanged because C is row-major: blocks of
//! columns, of k, of rows; then strips of A, each of which stays in the first-level cache while the panels of B pass from
//! the second, or panels of B, which stay while the strips pass, where a panel is small enough ([`stays`]). An operand is
//! packed where packing pays, and read where it lies where it does not ([`Plan`]).

use std::ops::Range;

use pulp::Simd;

use super::micro::{CACHE_LINE, OnTiles, Strip, Tiled, WIDEST, micro_kernel, next_height, store, tiled};
use super::pack::{KC, LINE, lines, pack_lines, pack_panels};
use super::plan::{Plan, packs_left};
use super::{Accumulate, Mat, Tile};
use crate::buf::Buf;
use crate::elem::Real;
use crate::isa::Isa;

/// The depth of the blocks of k: equal ones, since a short last block would move C as often for less.
///
/// It depends on k alone, so that an element of C has the same bits in every product of its row and column.
pub(super) fn even_depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(KC).max(1)).max(1)
}

/// C = A·B or C += A·B, into C from column `from` on; k > 0.
pub(super) fn product<T: Real>(
    isa: Isa,
    c: &mut Tile<'_, T>,
    from: usize,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    add: bool,
    plan: Plan,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let depth = even_depth(k);
    let panels = Buf::scratch(depth * (if plan.pack_b { plan.columns.min(n) } else { 0 } + WIDEST));
    let packed = Buf::scratch(lines(if plan.pack_a || !T::F32 { plan.rows.min(m) } else { 0 }));
    isa.run_on::<T, _>(OnTiles(Product { c, from, a, b, add, plan, panels, lines: packed }));
}

/// A right operand B, packed once and used for several products.
pub(crate) struct Packed<T: Real> {
    isa: Isa,
    k: usize,
    n: usize,
    /// For each block of k, its panels.
    data: Buf<T>,
    /// `n` rounded up to whole panels.
    padded: usize,
}

impl<T: Real> Packed<T> {
    /// Packs `b` for products on `isa`.
    pub(crate) fn new(isa: Isa, b: Mat<'_, T>) -> Self {
        b.check();
        let padded = b.cols + WIDEST;
        let mut data = Buf::scratch(b.rows * padded);
        isa.run_on::<T, _>(OnTiles(PackAll { b, padded, data: &mut data }));
        Packed { isa, k: b.rows, n: b.cols, data, padded }
    }

    /// C = A·B or C += A·B on this thread, with `c` row-major.
    pub(crate) fn matmul(&self, c: &mut [T], a: Mat<'_, T>, accumulate: Accumulate) {
        a.check();
        assert_eq!(a.cols, self.k, "gemm: inner dimensions differ: {} ≠ {}", a.cols, self.k);
        if self.k == 0 && accumulate == Accumulate::No {
            c.fill(T::ZERO);
        }
        let c = &mut Tile::whole(c, a.rows, self.n);
        let pack = packs_left(self.isa, &a, self.n);
        let lines = Buf::scratch(lines(if pack || !T::F32 { a.rows } else { 0 }));
        self.isa.run_on::<T, _>(OnTiles(WithPacked { c, a, b: self, add: accumulate == Accumulate::Yes, pack, lines }));
    }
}

struct PackAll<'a, T> {
    b: Mat<'a, T>,
    padded: usize,
    data: &'a mut [T],
}

tiled! {
    impl<T: Real> Tiled for PackAll<'_, T> {
        fn run(self, _) {
            let most = even_depth(self.b.rows);
            for (p, data) in self.data.chunks_mut((most * self.padded).max(1)).enumerate() {
                let depth = most.min(self.b.rows - p * most);
                pack_panels::<S, T, NW, NN>(self.b.block(p * most, 0, depth, self.b.cols), data);
            }
        }
    }
}

struct WithPacked<'a, 'c, T: Real> {
    c: &'a mut Tile<'c, T>,
    a: Mat<'a, T>,
    b: &'a Packed<T>,
    add: bool,
    pack: bool,
    lines: Buf<T>,
}

tiled! {
    impl<T: Real> Tiled for WithPacked<'_, '_, T> {
        fn run(mut self, simd) {
            let Packed { k, n, ref data, padded, .. } = *self.b;
            let most = even_depth(k);
            for (p, panels) in data.chunks((most * padded).max(1)).enumerate() {
                let depth = most.min(k - p * most);
                let a = self.a.block(0, p * most, self.a.rows, depth);
                let a = left::<S, T, N0>(a, &mut self.lines, self.pack, false);
                let b = Right { in_place: None, panels, cols: n };
                simd.vectorize(OnTiles(Block { c: &mut *self.c, at: [0, 0], a, b, depth, add: self.add || p > 0 }));
            }
        }
    }
}

struct Product<'a, 'c, T: Real> {
    c: &'a mut Tile<'c, T>,
    from: usize,
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    add: bool,
    plan: Plan,
    panels: Buf<T>,
    lines: Buf<T>,
}

tiled! {
    impl<T: Real> Tiled for Product<'_, '_, T> {
        fn run(mut self, simd) {
            let (m, k, n) = (self.a.rows, self.a.cols, self.b.cols);
            let Plan { pack_a, pack_b, rows, columns } = self.plan;
            let deepest = even_depth(k);
            let (across, along) = (n.div_ceil(columns), k.div_ceil(deepest));
            for at in 0..across * along {
                // Where panels stay, a single block of A passes all columns, packed once.
                let (j, p) = if const { stays::<S, T>(NW) } { (at % across, at / across) } else { (at / along, at % along) };
                let (j, p) = (j * columns, p * deepest);
                let depth = deepest.min(k - p);
                let b = self.b.block(p, j, depth, columns.min(n - j));
                let b = right::<S, T, NW, NN>(b, &mut self.panels, pack_b);
                for i in (0..m).step_by(rows) {
                    let a = self.a.block(i, p, rows.min(m - i), depth);
                    let packed = const { stays::<S, T>(NW) } && j > 0 && m <= rows;
                    let a = left::<S, T, N0>(a, &mut self.lines, pack_a, packed);
                    let at = [i, self.from + j];
                    simd.vectorize(OnTiles(Block { c: &mut *self.c, at, a, b, depth, add: self.add || p > 0 }));
                }
            }
        }
    }
}

/// Whether a panel of `registers` a row, of full depth, stays in a first-level cache of 32 KiB while strips of A pass.
const fn stays<S: Simd, T: Real>(registers: usize) -> bool {
    registers * size_of::<T::V<S>>() * KC <= 16 << 10
}

/// A block of B: whole panels where they lie, if any, and packed panels for the columns behind them.
#[derive(Clone, Copy)]
struct Right<'a, T> {
    in_place: Option<Mat<'a, T>>,
    panels: &'a [T],
    cols: usize,
}

#[inline(always)]
fn right<'a, S: Simd, T: Real, const NW: usize, const NN: usize>(
    b: Mat<'a, T>,
    panels: &'a mut [T],
    pack: bool,
) -> Right<'a, T> {
    let width = NW * T::lanes::<S>();
    let whole = if pack || b.col_stride != 1 { 0 } else { b.cols / width * width };
    if whole < b.cols {
        pack_panels::<S, T, NW, NN>(b.block(0, whole, b.rows, b.cols - whole), panels);
    }
    Right { in_place: (whole > 0).then(|| b.block(0, 0, b.rows, whole)), panels, cols: b.cols }
}

/// A block of A: rows where they lie, if any, and packed lines for the rows behind them.
#[derive(Clone, Copy)]
struct Left<'a, T> {
    in_place: Option<Mat<'a, T>>,
    lines: &'a [T],
    rows: usize,
}

#[inline(always)]
fn left<'a, S: Simd, T: Real, const TALL: usize>(
    a: Mat<'a, T>,
    lines: &'a mut [T],
    pack: bool,
    packed: bool,
) -> Left<'a, T> {
    // The last rows are packed, because a tile may be higher than what is left; so are all rows of f64, which checks
    // gradients and need not be fast: a third of the code to compile.
    let whole = if pack || const { !T::F32 } { 0 } else { a.rows / TALL * TALL };
    if whole < a.rows && !packed {
        pack_lines::<S, T, TALL>(a.block(whole, 0, a.rows - whole, a.cols), lines);
    }
    Left { in_place: (whole > 0).then(|| a.block(0, 0, whole, a.cols)), lines, rows: a.rows }
}

/// A block of products and where it goes.
///
/// A function of its own, entered once a block: nearly all code of a product is here, compiled once for those that pack
/// both operands and those that have one packed.
struct Block<'a, 'c, T> {
    c: &'a mut Tile<'c, T>,
    at: [usize; 2],
    a: Left<'a, T>,
    b: Right<'a, T>,
    depth: usize,
    add: bool,
}

tiled! {
    impl<T: Real> Tiled for Block<'_, '_, T> {
        // All tiles of the block: the wide panels, then the narrow one that may be last.
        fn run(mut self, simd) {
            let (lanes, cols) = (T::lanes::<S>(), self.b.cols);
            let mut narrow = cols % (NW * lanes);
            if narrow > NN * lanes {
                narrow = 0;
            }
            let wide = cols - narrow;
            // One after another where a panel stays, else all of them for each strip.
            let at_once =
                if const { stays::<S, T>(NW) } && self.b.in_place.is_none() { NW * lanes } else { wide.max(1) };
            for j in (0..wide).step_by(at_once) {
                self.strips::<S, W0, W1, W2, NW>(simd, j..wide.min(j + at_once));
            }
            if const { NN > 1 } && narrow > lanes {
                self.strips::<S, N0, N1, N2, NN>(simd, wide..cols);
            } else if narrow > 0 {
                self.strips::<S, N0, N1, N2, 1>(simd, wide..cols);
            }
        }
    }
}

impl<T: Real> Block<'_, '_, T> {
    /// Strips of rows, each through all panels of `cols` while it stays in the first-level cache.
    #[inline(always)]
    fn strips<S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(
        &mut self,
        simd: S,
        cols: Range<usize>,
    ) {
        let a = self.a;
        let whole = a.in_place.map_or(0, |a| a.rows);
        // Equal code with one stride known: the micro-kernel then needs fewer registers for addresses.
        if const { T::F32 }
            && let Some(a) = a.in_place
        {
            let strip = |i| Strip { data: &a.data[i * a.row_stride..], row: a.row_stride, col: 1 };
            self.tiles::<S, TALL, MIDDLE, LOW, NV>(simd, 0..whole, strip, cols.clone());
        }
        let strip = |i| Strip { data: &a.lines[(i - whole) * LINE..], row: LINE, col: 1 };
        self.tiles::<S, TALL, MIDDLE, LOW, NV>(simd, whole..a.rows, strip, cols);
    }

    #[inline(always)]
    fn tiles<'s, S: Simd, const TALL: usize, const MIDDLE: usize, const LOW: usize, const NV: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        strip: impl Fn(usize) -> Strip<'s, T>,
        cols: Range<usize>,
    ) where
        T: 's,
    {
        let mut i = rows.start;
        while i < rows.end {
            let left = rows.end - i;
            let height = next_height::<TALL, MIDDLE, LOW>(left);
            if const { LOW < TALL } && height == LOW {
                self.line::<S, LOW, NV>(simd, strip(i), i, left, cols.clone());
            } else if const { MIDDLE < TALL } && height == MIDDLE {
                self.line::<S, MIDDLE, NV>(simd, strip(i), i, left, cols.clone());
            } else {
                self.line::<S, TALL, NV>(simd, strip(i), i, left, cols.clone());
            }
            i += height;
        }
    }

    /// One strip of rows through all panels of `cols`.
    #[inline(always)]
    fn line<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        a: Strip<'_, T>,
        i: usize,
        left: usize,
        cols: Range<usize>,
    ) {
        let b = self.b;
        let whole = b.in_place.map_or(0, |b| b.cols);
        let width = NV * T::lanes::<S>();
        for j in cols.step_by(width) {
            let strip = match b.in_place {
                Some(b) if j < whole => Strip { data: &b.data[j..], row: b.row_stride, col: 1 },
                _ => Strip { data: &b.panels[(j - whole) * self.depth..], row: width, col: 1 },
            };
            self.tile::<S, MR, NV>(simd, a, strip, [i, j], left);
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        a: Strip<'_, T>,
        b: Strip<'_, T>,
        [i, j]: [usize; 2],
        left: usize,
    ) {
        let (row, col) = (self.at[0] + i, self.at[1] + j);
        for r in 0..MR.min(left) {
            for v in (0..NV * T::lanes::<S>()).step_by(CACHE_LINE / size_of::<T>()) {
                self.c.prefetch(row + r, col + v);
            }
        }
        let sums = micro_kernel::<S, T, MR, NV>(simd, a, b, self.depth);
        store(simd, self.c, (row, col), left, sums, self.add);
    }
}
