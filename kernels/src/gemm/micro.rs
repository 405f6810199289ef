//! The micro-kernel: a tile of C that stays in registers for a whole block of k.
//!
//! An instruction set is a few constants ([`Tiled`]): how many rows a tile has (three heights; the lower ones take what is
//! left at the bottom) and how many registers a row. They fill the registers with accumulators, less those for a row of
//! B and an element of A.
//!
//! Each element of C is one chain of fused multiplications in the order of k, whatever the height and width of its tile
//! and wherever its operands lie: so work may be cut anywhere in C without changing a bit.

use pulp::{Simd, WithSimd};

use super::Tile;
use crate::elem::Real;
use crate::lanes::{LaneReal, prefetch};

/// Work that is compiled for the micro-tiles of an instruction set.
pub(super) trait Tiled {
    /// Whether the elements are f32.
    const F32: bool;

    /// Runs with wide tiles of `NW` registers a row and `W0`, `W1` or `W2` rows; where at most `NN` registers of columns are
    /// left, with narrow tiles of `NN` registers, or of one, and `N0`, `N1` or `N2` rows.
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
        simd: S,
    );
}

/// Writes the list of constants once: `tiled! { impl<T: Real> Tiled for Work<'_, T> { fn run(self, simd) { … } } }`, whose
/// body may name `S` and the constants.
macro_rules! tiled {
    (impl<T: Real> Tiled for $work:ty { fn run($($this:ident)+, $simd:pat_param) $body:block }) => {
        impl<T: Real> Tiled for $work {
            const F32: bool = T::F32;
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
            >($($this)+, $simd: S) $body
        }
    };
}
pub(super) use tiled;

/// Chooses the constants.
pub(super) struct OnTiles<W>(pub(super) W);

impl<W: Tiled> WithSimd for OnTiles<W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Accumulators + a row of B + an element of A: 24 + 4 + 1 and 28 + 2 + 1 of 32 registers, 12 + 2 + 1 of 16,
        // 24 + 3 + 1 of 32. Wide tiles load less for each product. f64, which checks gradients, and single lanes need not
        // be fast, and have tiles of one height: less code to compile.
        if const { S::F32_LANES == 1 || !W::F32 } {
            self.0.run::<S, 4, 4, 4, 2, 4, 4, 4, 1>(simd);
        } else if const { S::F32_LANES == 16 } {
            self.0.run::<S, 6, 4, 2, 4, 14, 8, 4, 2>(simd);
        } else if const { S::F32_LANES == 8 } {
            self.0.run::<S, 6, 4, 2, 2, 6, 4, 2, 1>(simd);
        } else {
            self.0.run::<S, 8, 4, 2, 3, 8, 4, 2, 1>(simd);
        }
    }
}

/// Steps along k by which rows of B are asked for ahead: B passes from the second-level cache.
const AHEAD: usize = 10;

/// Steps along k in a round of the micro-kernel's loop.
const ROUND: usize = 4;

/// Bytes that a prefetch brings.
pub(super) const CACHE_LINE: usize = 64;

/// The tallest tile of any instruction set.
pub(super) const TALLEST: usize = 14;
/// The widest tile of any instruction set, in elements.
pub(super) const WIDEST: usize = 64;

/// The height of the next panel when `left` rows are left; the last panel may be higher than what is left.
#[inline(always)]
pub(super) fn next_height<const TALL: usize, const MIDDLE: usize, const LOW: usize>(left: usize) -> usize {
    if left <= LOW {
        LOW
    } else if left <= MIDDLE || (left > TALL && left <= 2 * MIDDLE) {
        MIDDLE
    } else {
        TALL
    }
}

/// One operand of the micro-kernel, in a slice. A: element (i, p) at `i·row + p·col`. B: row p at `p·row`, contiguous.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a, T> {
    pub(super) data: &'a [T],
    pub(super) row: usize,
    pub(super) col: usize,
}

/// MR rows × NV registers of A·B over `depth` steps along k.
///
/// # Panics
/// If an operand leaves its slice.
#[inline(always)]
pub(super) fn micro_kernel<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    a: Strip<'_, T>,
    b: Strip<'_, T>,
    depth: usize,
) -> [[T::V<S>; NV]; MR] {
    let mut sums = [[T::splat(simd, T::ZERO); NV]; MR];
    if depth == 0 {
        return sums;
    }
    let (width, last) = (NV * T::lanes::<S>(), depth - 1);
    // Saturating: the stride of a single row may be anything.
    let furthest = (MR - 1).saturating_mul(a.row).saturating_add(last.saturating_mul(a.col));
    assert!(furthest < a.data.len(), "gemm: a left strip leaves its slice");
    let end = last.saturating_mul(b.row).saturating_add(width);
    assert!(end <= b.data.len(), "gemm: a right strip leaves its slice");
    let (mut from_a, mut from_b) = (a.data.as_ptr(), b.data.as_ptr());
    let mut left = depth;
    while left > 0 {
        // Several steps to a round, because the loop has little time for anything but its multiplications.
        let steps = if left >= ROUND { ROUND } else { 1 };
        // SAFETY: `left` ≥ `steps` steps from here on, so what they read lies in the slices (the assertions).
        sums = unsafe {
            if steps == ROUND {
                round::<S, T, MR, NV, ROUND>(simd, (from_a, a.row, a.col), (from_b, b.row), sums)
            } else {
                round::<S, T, MR, NV, 1>(simd, (from_a, a.row, a.col), (from_b, b.row), sums)
            }
        };
        left -= steps;
        // Wrapping: behind the last step the pointers may leave the slices; they are not read there.
        from_a = from_a.wrapping_add(steps * a.col);
        from_b = from_b.wrapping_add(steps * b.row);
    }
    sums
}

/// `N` steps along k.
///
/// # Safety
/// Element (i, u) of A lies at `a.0 + i·a.1 + u·a.2`, and NV registers of row u of B at `b.0 + u·b.1`, for i < MR, u < N.
#[inline(always)]
unsafe fn round<S: Simd, T: Real, const MR: usize, const NV: usize, const N: usize>(
    simd: S,
    a: (*const T, usize, usize),
    b: (*const T, usize),
    mut sums: [[T::V<S>; NV]; MR],
) -> [[T::V<S>; NV]; MR] {
    let width = NV * T::lanes::<S>();
    for u in 0..N {
        // SAFETY: the caller's promise.
        let b_row = unsafe { std::slice::from_raw_parts(b.0.add(u * b.1), width) };
        let b_row = T::split::<S>(b_row).0.as_chunks::<NV>().0[0];
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let x = T::splat(simd, unsafe { *a.0.add(i * a.1 + u * a.2) });
            for (sum, y) in sums.iter_mut().zip(b_row) {
                *sum = T::fma(simd, x, y, *sum);
            }
        }
        for v in (0..width).step_by(CACHE_LINE / size_of::<T>()) {
            prefetch(b.0.wrapping_add((AHEAD + u).wrapping_mul(b.1).wrapping_add(v)));
        }
    }
    sums
}

/// [`micro_kernel`] with row p of B at `x[offsets[p]..]`.
#[inline(always)]
pub(super) fn micro_kernel_gathered<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    a: Strip<'_, T>,
    x: &[T],
    offsets: &[usize],
) -> [[T::V<S>; NV]; MR] {
    let mut sums = [[T::splat(simd, T::ZERO); NV]; MR];
    let width = NV * T::lanes::<S>();
    let a: [&[T]; MR] = std::array::from_fn(|i| &a.data[i * a.row..][..offsets.len()]);
    for (p, &offset) in offsets.iter().enumerate() {
        let b = T::split::<S>(&x[offset..offset + width]).0.as_chunks::<NV>().0[0];
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = T::splat(simd, a[p]);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = T::fma(simd, a, b, *sum);
            }
        }
    }
    sums
}

/// Adds to `sums` the product of MR runs of A, one from each of `places` of `x` on, with `depth` packed rows of B.
///
/// # Panics
/// If an operand leaves its slice.
#[inline(always)]
pub(super) fn accumulate<S: Simd, T: Real, const MR: usize, const NV: usize>(
    simd: S,
    x: &[T],
    places: [usize; MR],
    b: &[T],
    depth: usize,
    mut sums: [[T::V<S>; NV]; MR],
) -> [[T::V<S>; NV]; MR] {
    let width = NV * T::lanes::<S>();
    let room = x.len().checked_sub(depth).expect("gemm: a run is longer than its slice");
    assert!(places.iter().all(|&place| place <= room), "gemm: a run leaves its slice");
    assert!(depth * width <= b.len(), "gemm: packed rows leave their slice");
    let a = places.map(|place| x.as_ptr().wrapping_add(place));
    let rounds = depth / ROUND * ROUND;
    for p in (0..rounds).step_by(ROUND) {
        // SAFETY: p + ROUND ≤ depth elements lie behind every place, and as many rows in `b` (the assertions).
        sums = unsafe { steps::<S, T, MR, NV, ROUND>(simd, a, b.as_ptr(), p, sums) };
    }
    for p in rounds..depth {
        // SAFETY: p + 1 ≤ depth elements lie behind every place, and as many rows in `b` (the assertions).
        sums = unsafe { steps::<S, T, MR, NV, 1>(simd, a, b.as_ptr(), p, sums) };
    }
    sums
}

/// `N` steps of [`accumulate`] from `p` on.
///
/// # Safety
/// p + N elements lie behind every pointer of `a`, and p + N rows of NV registers behind `b`.
#[inline(always)]
unsafe fn steps<S: Simd, T: Real, const MR: usize, const NV: usize, const N: usize>(
    simd: S,
    a: [*const T; MR],
    b: *const T,
    p: usize,
    mut sums: [[T::V<S>; NV]; MR],
) -> [[T::V<S>; NV]; MR] {
    let width = NV * T::lanes::<S>();
    let b = b.wrapping_add(p * width);
    for u in 0..N {
        // SAFETY: the caller's promise.
        let row = unsafe { std::slice::from_raw_parts(b.add(u * width), width) };
        let row = T::split::<S>(row).0.as_chunks::<NV>().0[0];
        for (sums, a) in sums.iter_mut().zip(a) {
            // SAFETY: the caller's promise.
            let x = T::splat(simd, unsafe { *a.add(p + u) });
            for (sum, y) in sums.iter_mut().zip(row) {
                *sum = T::fma(simd, x, y, *sum);
            }
        }
        for v in (0..width).step_by(CACHE_LINE / size_of::<T>()) {
            prefetch(b.wrapping_add((AHEAD + u) * width + v));
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
        let mut tile = [[T::ZERO; WIDEST]; MR];
        for (line, sums) in tile.iter_mut().zip(sums) {
            T::split_mut::<S>(&mut line[..width]).0.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum);
        }
        return edge(c, (row, col), cols, &tile[..rows.min(MR)], add);
    }
    for (r, sums) in sums.into_iter().enumerate() {
        let c = T::split_mut::<S>(&mut c.row_mut(row + r)[col..col + width]).0;
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if add { <T as LaneReal>::add(simd, *c, sum) } else { sum };
        }
    }
}

/// [`store`] for a tile over the end of C: element by element, away from the lanes.
#[inline(never)]
fn edge<T: Real>(c: &mut Tile<'_, T>, at: (usize, usize), cols: usize, tile: &[[T; WIDEST]], add: bool) {
    for (r, line) in tile.iter().enumerate() {
        let row = &mut c.row_mut(at.0 + r)[at.1..at.1 + cols];
        for (c, &sum) in row.iter_mut().zip(line) {
            *c = if add { *c + sum } else { sum };
        }
    }
}
