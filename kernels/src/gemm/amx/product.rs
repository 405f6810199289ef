//! The loops around the tiles, and how they are shared between threads.

use super::split::{Side, Strays, pack, words};
use super::tiles::{Panels, SIDE, block};
use crate::buf::Buf;
use crate::gemm::{Mat, Tile};
use crate::par;

/// Depth of a block of k at most: a panel of it takes 64 KiB, a few of which stay in a second-level cache.
const KC: usize = 512;
/// Rows of A in a block: half a second-level cache of 1–2 MiB.
const MC: usize = 256;
/// Columns of B in a block.
const NC: usize = 2048;
/// Columns of B in a block that few rows of A pass.
const NARROW: usize = 128;
/// Multiplications that one thread does alone.
const ALONE: usize = 1 << 21;

/// The depth of the blocks of k: equal ones, whole steps. It depends on k alone.
fn even_depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(KC).max(1)).next_multiple_of(SIDE)
}

/// C = A·B or C += A·B, from `parts` bf16 parts of each element; k > 0.
pub(super) fn product(parts: usize, c: &mut [f32], a: Mat<'_, f32>, b: Mat<'_, f32>, add: bool) {
    let (m, n) = (a.rows, b.cols);
    // A few microseconds of work are not worth a second thread.
    let threads = if m * n * a.cols <= ALONE { 1 } else { par::threads() };
    let strays = if threads == 1 {
        let mut strays = [Strays::new(), Strays::new()];
        serial(parts, &mut Tile::whole(c, m, n), a, b, add, &mut strays);
        vec![strays]
    } else if m >= 2 * MC && n >= 256 {
        together(parts, c, a, b, add, threads)
    } else {
        apart(parts, c, a, b, add, threads)
    };
    if strays.iter().flatten().any(|found| !found.is_empty()) {
        add_strays(c, a, b, strays);
    }
}

/// One tile of C on this thread.
fn serial(parts: usize, c: &mut Tile<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, add: bool, strays: &mut [Strays; 2]) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let depth = even_depth(k);
    let (row, col) = (c.row(), c.col());
    // If all rows are one block, A is packed once, and a block of B small enough to be near when it is used.
    let wide = if m <= MC { NARROW } else { NC };
    let mut packed_a = Buf::scratch(words(MC.min(m), depth.min(k), parts));
    let mut packed_b = Buf::scratch(words(wide.min(n), depth.min(k), parts));
    for p in (0..k).step_by(depth) {
        let deep = depth.min(k - p);
        for j in (0..n).step_by(wide) {
            let cols = wide.min(n - j);
            pack(Side::Right, parts, b.block(p, j, deep, cols).t(), &mut packed_b, (col + j, p), &mut strays[1]);
            for i in (0..m).step_by(MC) {
                let rows = MC.min(m - i);
                if m > MC || j == 0 {
                    pack(Side::Left, parts, a.block(i, p, rows, deep), &mut packed_a, (row + i, p), &mut strays[0]);
                }
                let panels = Panels { a: &packed_a, b: &packed_b, steps: deep.div_ceil(SIDE), parts };
                block(c, [i, j], [rows, cols], panels, add || p > 0);
            }
        }
    }
}

/// A tile of C for each thread, which packs all that it needs: for operands so small that reading what another core has
/// just written would take longer than packing it twice.
fn apart(parts: usize, c: &mut [f32], a: Mat<'_, f32>, b: Mat<'_, f32>, add: bool, threads: usize) -> Vec<[Strays; 2]> {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    // The side whose cut leaves less to pack twice.
    let share = |side: usize| side.div_ceil(threads).next_multiple_of(SIDE);
    let (rows, cols) = if m >= n { (share(m), n) } else { (m, share(n)) };
    let tiles = Tile::whole(c, m, n).split(rows, cols);
    let mut tasks: Vec<_> = tiles.into_iter().map(|tile| (tile, [Strays::new(), Strays::new()])).collect();
    par::chunks_mut(&mut tasks, 1, |_, task| {
        let (tile, strays) = &mut task[0];
        let a = a.block(tile.row(), 0, tile.rows(), k);
        let b = b.block(0, tile.col(), k, tile.cols());
        serial(parts, tile, a, b, add, strays);
    });
    tasks.into_iter().map(|task| task.1).collect()
}

/// Strips of C for all threads, which pack B together.
fn together(
    parts: usize,
    c: &mut [f32],
    a: Mat<'_, f32>,
    b: Mat<'_, f32>,
    add: bool,
    threads: usize,
) -> Vec<[Strays; 2]> {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let depth = even_depth(k);
    // As many strips for each thread, none above a block of A.
    let strips = m.div_ceil(MC).next_multiple_of(threads);
    let rows = m.div_ceil(strips).next_multiple_of(SIDE);
    let mut strips = Tile::whole(c, m, n).split(rows, n);
    let mut packed_b = Buf::scratch(words(NC.min(n), depth.min(k), parts));
    let mut found = Vec::new();
    for j in (0..n).step_by(NC) {
        let cols = NC.min(n - j);
        for p in (0..k).step_by(depth) {
            let deep = depth.min(k - p);
            let each = cols.div_ceil(4 * threads).next_multiple_of(SIDE);
            let b = b.block(p, j, deep, cols);
            let mut pieces: Vec<_> = packed_b[..words(cols, deep, parts)]
                .chunks_mut(words(each, deep, parts))
                .map(|to| (to, Strays::new()))
                .collect();
            par::chunks_mut(&mut pieces, 1, |piece, to| {
                let (to, strays) = &mut to[0];
                let at = piece * each;
                pack(Side::Right, parts, b.block(0, at, deep, each.min(cols - at)).t(), to, (j + at, p), strays);
            });
            found.extend(pieces.into_iter().map(|piece| [Strays::new(), piece.1]));
            let mut tasks: Vec<_> = strips.iter_mut().map(|strip| (strip, Strays::new())).collect();
            par::chunks_mut(&mut tasks, 1, |_, task| {
                let (strip, strays) = &mut task[0];
                let (i, rows) = (strip.row(), strip.rows());
                let mut packed_a = Buf::scratch(words(rows, deep, parts));
                pack(Side::Left, parts, a.block(i, p, rows, deep), &mut packed_a, (i, p), strays);
                let panels = Panels { a: &packed_a, b: &packed_b, steps: deep.div_ceil(SIDE), parts };
                block(strip, [0, j], [rows, cols], panels, add || p > 0);
            });
            found.extend(tasks.into_iter().map(|task| [task.1, Strays::new()]));
        }
    }
    found
}

/// Adds the products of the elements that had no parts.
///
/// A product of two such elements is added twice; it is infinite or NaN, and so is C then.
fn add_strays(c: &mut [f32], a: Mat<'_, f32>, b: Mat<'_, f32>, found: Vec<[Strays; 2]>) {
    let n = b.cols;
    let [mut of_a, mut of_b] = [Strays::new(), Strays::new()];
    for [left, right] in found {
        of_a.extend(left);
        of_b.extend(right);
    }
    // An operand may have been packed more than once.
    for strays in [&mut of_a, &mut of_b] {
        strays.sort_unstable();
        strays.dedup();
    }
    for (i, p) in of_a {
        let x = a.data[i * a.row_stride + p * a.col_stride];
        for (j, c) in c[i * n..][..n].iter_mut().enumerate() {
            *c += x * b.data[p * b.row_stride + j * b.col_stride];
        }
    }
    for (j, p) in of_b {
        let y = b.data[p * b.row_stride + j * b.col_stride];
        for i in 0..a.rows {
            c[i * n + j] += a.data[i * a.row_stride + p * a.col_stride] * y;
        }
    }
}
