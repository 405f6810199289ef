//! Matrix products C = A·B and C += A·B of strided operands.
//!
//! One door, [`matmul`], for f32 and f64. C is cut into tiles that run in parallel, each on one thread. An element of C is
//! one chain of fused multiplications along k, cut at depths that depend on k alone: its bits depend on its row of A, its
//! column of B and the instruction set, not on the other rows and columns, the layout or the threads. (Sums of 8192 terms
//! and more into few elements are cut once more, see `parts_of_k`.)

mod amx;
mod gather;
mod micro;
mod pack;
pub(crate) mod packed;
mod places;
mod plan;
mod product;
mod row;
mod small;
#[cfg(test)]
mod tests;
mod tile;
mod transpose;
#[cfg(feature = "yardstick")]
mod yardstick;

use crate::buf::Buf;
use crate::door;
use crate::elem::Real;
use crate::isa::{self, Isa};
use crate::par;
use crate::stamp::stamp;
use amx::Permission;
pub use amx::TileUnit;
pub(crate) use amx::present as tiles_present;
pub(crate) use gather::{Left, SLACK, gather_dots};
pub(crate) use places::{BEYOND, Places, Run, pack_rows, padded, pixel_sums, place_product, transposed};
use plan::Plan;
pub(crate) use product::Packed;
pub(crate) use small::{Band, Blocks, slack};
pub(crate) use tile::Tile;
#[cfg(feature = "yardstick")]
pub use yardstick::yardstick;

/// A read-only matrix in a slice: element (i, j) is `data[i·row_stride + j·col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    /// The elements; element (0, 0) is the first.
    pub data: &'a [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance between neighbours in a column.
    pub row_stride: usize,
    /// Distance between neighbours in a row.
    pub col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// A matrix with any strides (0 repeats a row or a column).
    ///
    /// # Panics
    /// If the last element lies outside of `data`.
    pub fn new(data: &'a [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        let mat = Mat { data, rows, cols, row_stride, col_stride };
        mat.check();
        mat
    }

    /// A matrix whose rows follow each other.
    ///
    /// # Panics
    /// If `data` has not `rows × cols` elements.
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        let len = door::product("gemm", &[rows, cols]);
        assert_eq!(data.len(), len, "gemm: a {rows} × {cols} matrix over {} elements", data.len());
        Mat { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without moving data.
    pub fn t(self) -> Self {
        let Mat { data, rows, cols, row_stride, col_stride } = self;
        Mat { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// `rows` × `cols` elements from element (i, j) on.
    pub(crate) fn block(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        let data = &self.data[i * self.row_stride + j * self.col_stride..];
        Mat { data, rows, cols, row_stride: self.row_stride, col_stride: self.col_stride }
    }

    /// Panics unless every element lies in `data`.
    fn check(&self) {
        let Mat { data, rows, cols, row_stride, col_stride } = self;
        if *rows > 0 && *cols > 0 {
            let along = |n: &usize, stride: &usize| (n - 1).checked_mul(*stride);
            let last = along(rows, row_stride).and_then(|down| down.checked_add(along(cols, col_stride)?));
            let (inside, len) = (last.is_some_and(|last| last < data.len()), data.len());
            assert!(inside, "gemm: {rows} × {cols} with strides ({row_stride}, {col_stride}) over {len} elements");
        }
    }
}

/// Whether a product replaces C or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// C = A·B.
    No,
    /// C = C + A·B.
    Yes,
}

/// The matrices of a batch, by number.
pub type Mats<'a, T> = dyn Fn(usize) -> Mat<'a, T> + Sync + 'a;

stamp! {
    Products: Real = [f32, f64];
    /// C = A·B or C += A·B, with C row-major [a.rows, b.cols].
    ///
    /// # Panics
    /// If inner dimensions differ, `c` has another length, or an operand leaves its data.
    pub fn matmul(c: &mut [T], a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate) = matmul_any;
    /// `batch` products of equal shapes: `c[i] = a(i)·b(i)`, the results one after another in `c`.
    ///
    /// # Panics
    /// As [`matmul`], or if the shapes differ within the batch.
    pub fn batched(c: &mut [T], batch: usize, a: &Mats<'_, T>, b: &Mats<'_, T>, accumulate: Accumulate) = batched_any;
}

fn matmul_any<T: Real>(c: &mut [T], a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    check(c.len(), &a, &b);
    if c.is_empty() {
        return;
    }
    if T::on_tiles(Permission::current(), c, a, b, accumulate) {
        return;
    }
    let isa = isa::current();
    let plan = Plan::new(isa, &a, &b);
    let parts = parts_of_k(m, k, n);
    if parts > 1 {
        return split_k(isa, c, a, b, accumulate, plan, parts);
    }
    let (rows, cols) = tile(m, k, n, b.col_stride == 1, par::threads());
    if (rows, cols) == (m, n) {
        return whole(isa, c, a, b, accumulate, plan);
    }
    let mut tiles = Tile::whole(c, m, n).split(rows, cols);
    par::chunks_mut(&mut tiles, 1, |_, tile| {
        let tile = &mut tile[0];
        let a = a.block(tile.row(), 0, tile.rows(), k);
        let b = b.block(0, tile.col(), k, tile.cols());
        serial(isa, tile, a, b, accumulate, plan);
    });
}

/// Rows and columns of the tiles of C: halves the longer side until there are enough tiles, because the operands of a
/// square tile are read (and packed) the fewest times. The cut changes no bit, so it may depend on the threads.
fn tile(m: usize, k: usize, n: usize, runs_along_rows: bool, threads: usize) -> (usize, usize) {
    if threads == 1 {
        return (m, n);
    }
    // Reading an element of a thin product's larger operand takes as long as some 16 multiplications.
    let work = m * n * k + 16 * k * (m + n);
    // 2 tiles from 2²³ multiplications (about 100 µs) on, twice as many for each doubling of all sides: the more there
    // is to do, the larger a tile can be.
    let wanted = 1 << (work.max(1).ilog2().saturating_sub(20) / 3);
    // Each tile packs its operands for itself; two tiles a thread are enough to even out who is late.
    let wanted = (2 * threads).min(wanted);
    // A strip of few rows of B in long lines is read in long lines.
    let least_cols = if m < 8 && runs_along_rows { 2048 } else { 64 };
    let (mut rows, mut cols) = (m, n);
    while m.div_ceil(rows) * n.div_ceil(cols) < wanted {
        if rows > 8 && (rows >= cols || cols <= least_cols) {
            rows = rows.div_ceil(2).next_multiple_of(8);
        } else if cols > least_cols {
            cols = cols.div_ceil(2).next_multiple_of(64);
        } else {
            break;
        }
    }
    (rows.min(m), cols.min(n))
}

/// Parts into which a sum is cut at most, and matrices that are tasks enough.
const TASKS: usize = 8;

/// Into how many parts the sum is cut: several for a small C over a long k, which has no tiles to give to threads.
fn parts_of_k(m: usize, k: usize, n: usize) -> usize {
    if m * n <= 1 << 16 && m.min(n) > 1 { (k / 4096).clamp(1, TASKS) } else { 1 }
}

/// Products of parts of k, added in their order.
fn split_k<T: Real>(
    isa: Isa,
    c: &mut [T],
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    accumulate: Accumulate,
    plan: Plan,
    parts: usize,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let depth = k.div_ceil(parts);
    let sums = par::map(k.div_ceil(depth), |part| {
        let (from, depth) = (part * depth, depth.min(k - part * depth));
        let mut sum = Buf::scratch(m * n);
        let (a, b) = (a.block(0, from, m, depth), b.block(from, 0, depth, n));
        serial(isa, &mut Tile::whole(&mut sum, m, n), a, b, Accumulate::No, plan);
        sum
    });
    if accumulate == Accumulate::No {
        c.fill(T::ZERO);
    }
    for sum in &sums {
        c.iter_mut().zip(sum.iter()).for_each(|(c, &s)| *c += s);
    }
}

fn batched_any<T: Real>(c: &mut [T], batch: usize, a: &Mats<'_, T>, b: &Mats<'_, T>, accumulate: Accumulate) {
    if batch == 0 || c.is_empty() {
        return;
    }
    let size = c.len() / batch;
    assert_eq!(c.len(), batch * size, "gemm::batched: C has {} elements for {batch} matrices", c.len());
    if batch < TASKS {
        c.chunks_exact_mut(size).enumerate().for_each(|(i, c)| matmul_any(c, a(i), b(i), accumulate));
        return;
    }
    // Matrices enough: each is one tile, and a thread takes several small ones.
    let (isa, permission) = (isa::current(), Permission::current());
    let plan = Plan::new(isa, &a(0), &b(0));
    let each = ((1 << 20) / (size * a(0).cols).max(1)).clamp(1, batch.div_ceil(TASKS));
    par::chunks_mut(c, each * size, |block, c| {
        for (i, c) in c.chunks_exact_mut(size).enumerate() {
            let (a, b) = (a(block * each + i), b(block * each + i));
            check(c.len(), &a, &b);
            if T::on_tiles(permission, c, a, b, accumulate) {
                continue;
            }
            whole(isa, c, a, b, accumulate, plan);
        }
    });
}

/// Panics unless the operands fit each other, C and their data.
fn check<T>(c: usize, a: &Mat<'_, T>, b: &Mat<'_, T>) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "gemm: inner dimensions differ: [{m}, {k}] × [{}, {n}]", b.rows);
    assert_eq!(c, door::product("gemm", &[m, n]), "gemm: C has {c} elements for [{m}, {n}]");
    a.check();
    b.check();
}

/// All of C on this thread.
fn whole<T: Real>(isa: Isa, c: &mut [T], a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate, plan: Plan) {
    if a.cols > 0 {
        serial(isa, &mut Tile::whole(c, a.rows, b.cols), a, b, accumulate, plan);
    } else if accumulate == Accumulate::No {
        c.fill(T::ZERO);
    }
}

/// One tile of C on this thread; k > 0.
fn serial<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate, plan: Plan) {
    let add = accumulate == Accumulate::Yes;
    // A row of f64, which checks gradients, goes the general way to the same bits: less code to compile.
    let row = const { T::F32 } && a.rows == 1;
    if row && b.col_stride == 1 {
        return row::row_of_rows(isa, c, a, b, add);
    }
    let done = if row && b.row_stride == 1 { row::whole(b.cols) } else { 0 };
    if done > 0 {
        row::row(isa, c, a, b, add);
    }
    if done < b.cols {
        product::product(isa, c, done, a, b.block(0, done, b.rows, b.cols - done), add, plan);
    }
}
