//! Packing: operands copied into the order in which the micro-kernel reads them.
//!
//! A block of A becomes lines: its rows one after another, [`LINE`] apart. The distance is a constant, so that the
//! micro-kernel addresses all rows of a tile from one register, and no multiple of a page, so that they do not contend
//! for the same sets of the cache. A block of B becomes panels as wide as a micro-tile, row after row; the last panel is
//! narrower where one register suffices.
//!
//! Packing reads any strides; transposing goes through [`super::transpose`].

use pulp::Simd;

use super::Mat;
use super::micro::{CACHE_LINE, TALLEST};
use super::transpose::square;
use crate::elem::Real;
use crate::lanes::prefetch;

/// Depth of a block at most.
pub(super) const KC: usize = 256;
/// Distance between the lines of a packed block of A.
pub(super) const LINE: usize = KC + 16;

/// Panels of B that are packed side by side: not more than a first-level cache has ways.
const TOGETHER: usize = 8;
/// Rows by which their sources are asked for ahead.
const ROWS_AHEAD: usize = 4;

/// Elements by which rows to transpose are asked for ahead.
const AHEAD: usize = 64;

/// Elements that a block of A of `rows` rows takes, packed.
pub(super) fn lines(rows: usize) -> usize {
    (rows + TALLEST) * LINE
}

/// Packs rows of a left operand into lines. Behind the last row follow rows of zeros, because a tile may be higher than
/// what is left.
#[inline(always)]
pub(super) fn pack_lines<S: Simd, T: Real, const TALL: usize>(a: Mat<'_, T>, out: &mut [T]) {
    let Mat { data, rows, cols, row_stride, col_stride } = a;
    assert!(cols <= KC, "gemm: a block of A is {cols} deep");
    if col_stride == 1 {
        for (i, line) in out.chunks_exact_mut(LINE).take(rows).enumerate() {
            line[..cols].copy_from_slice(&data[i * row_stride..][..cols]);
        }
    } else {
        transpose::<S, T>(a.t(), LINE, out);
    }
    for line in out[rows * LINE..].chunks_exact_mut(LINE).take(TALL) {
        line[..cols].fill(T::ZERO);
    }
}

/// Packs a right operand into panels of the tile's width, zeros behind the last column.
#[inline(always)]
pub(super) fn pack_panels<S: Simd, T: Real, const NW: usize, const NN: usize>(b: Mat<'_, T>, out: &mut [T]) {
    let Mat { data, rows: depth, cols, row_stride, col_stride } = b;
    let wide = NW * T::lanes::<S>();
    let mut whole = 0;
    if col_stride == 1 {
        // Row by row, since memory is fastest in long lines: each row is dealt out to several panels, few enough to be
        // written side by side in the sets of a first-level cache.
        whole = cols / wide * wide;
        for from in (0..whole).step_by(TOGETHER * wide) {
            let held = (TOGETHER * wide).min(whole - from);
            let panels = &mut out[from * depth..][..held * depth];
            for p in 0..depth {
                let row = &data[p * row_stride + from..];
                for at in (0..held).step_by(CACHE_LINE / size_of::<T>()) {
                    prefetch(row.as_ptr().wrapping_add(ROWS_AHEAD.wrapping_mul(row_stride).wrapping_add(at)));
                }
                let row = T::split::<S>(&row[..held]).0.as_chunks::<NW>().0;
                for (x, panel) in row.iter().zip(panels.chunks_exact_mut(depth * wide)) {
                    T::split_mut::<S>(&mut panel[p * wide..][..wide]).0.iter_mut().zip(x).for_each(|(to, &x)| *to = x);
                }
            }
        }
    }
    let mut j = whole;
    while j < cols {
        let width = panel_width::<S, T, NW, NN>(cols - j);
        let held = width.min(cols - j);
        let panel = &mut out[j * depth..(j + width) * depth];
        if held < width {
            panel.fill(T::ZERO);
        }
        if col_stride == 1 {
            for (p, to) in panel.chunks_exact_mut(width).enumerate() {
                to[..held].copy_from_slice(&data[p * row_stride + j..][..held]);
            }
        } else {
            transpose::<S, T>(b.block(0, j, depth, held).t(), width, panel);
        }
        j += width;
    }
}

/// The width of the next panel when `left` columns are left.
#[inline(always)]
pub(super) fn panel_width<S: Simd, T: Real, const NW: usize, const NN: usize>(left: usize) -> usize {
    let lanes = T::lanes::<S>();
    if left <= lanes {
        lanes
    } else if left <= NN * lanes {
        NN * lanes
    } else {
        NW * lanes
    }
}

/// `out[j·stride + i] = m[i, j]`.
#[inline(always)]
pub(super) fn transpose<S: Simd, T: Real>(m: Mat<'_, T>, stride: usize, out: &mut [T]) {
    let side = match m.rows.min(m.cols) {
        _ if m.col_stride != 1 => 1,
        16.. => 16,
        8.. => 8,
        _ => 1,
    };
    match side {
        16 => squares::<S, T, 16>(m, stride, out),
        8 => squares::<S, T, 8>(m, stride, out),
        _ => {
            for j in 0..m.cols {
                for i in 0..m.rows {
                    out[j * stride + i] = m.data[i * m.row_stride + j * m.col_stride];
                }
            }
        }
    }
}

/// [`transpose`] of contiguous rows, at least `SIDE` each way, in squares; the last ones reach back over those before.
#[inline(always)]
fn squares<S: Simd, T: Real, const SIDE: usize>(m: Mat<'_, T>, stride: usize, out: &mut [T]) {
    let starts = |n: usize| (0..n / SIDE).map(|i| i * SIDE).chain((!n.is_multiple_of(SIDE)).then(|| n - SIDE));
    // Along the rows: few lines of memory at once, each to its end.
    for i in starts(m.rows) {
        for j in starts(m.cols) {
            for r in i..i + SIDE {
                prefetch(m.data.as_ptr().wrapping_add(r * m.row_stride + j + AHEAD));
            }
            square::<S, T, SIDE>(&m.data[i * m.row_stride + j..], m.row_stride, &mut out[j * stride + i..], stride);
        }
    }
}
