//! Matrix products C = A·B and C += A·B of strided operands.
//!
//! One door, [`matmul`], for f32 and f64. C is cut into tiles by its shape alone and the tiles run in parallel, each by
//! one serial engine, so the bits of a result depend on shape, strides and instruction set, never on threads.

mod engine;
mod gather;
mod micro;
mod packed;
#[cfg(test)]
mod tests;
#[cfg(feature = "yardstick")]
mod yardstick;

use crate::elem::Real;
use crate::isa::{self, Isa};
use crate::par;
use crate::stamp::stamp;
pub(crate) use engine::Tile;
pub(crate) use gather::{Left, SLACK, gather_dots, gather_rows_product};
pub(crate) use packed::Packed;
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
        assert_eq!(data.len(), rows * cols, "gemm: a {rows} × {cols} matrix over {} elements", data.len());
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
            let last = (rows - 1) * row_stride + (cols - 1) * col_stride;
            let len = data.len();
            assert!(last < len, "gemm: {rows} × {cols} with strides ({row_stride}, {col_stride}) over {len} elements");
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
    assert_eq!(k, b.rows, "gemm: inner dimensions differ: [{m}, {k}] × [{}, {n}]", b.rows);
    assert_eq!(c.len(), m * n, "gemm: C has {} elements for [{m}, {n}]", c.len());
    a.check();
    b.check();
    if c.is_empty() {
        return;
    }
    if k == 0 {
        if accumulate == Accumulate::No {
            c.fill(T::ZERO);
        }
        return;
    }
    let isa = isa::current();
    let mut tiles = Tile::whole(c, m, n).split(128, 512);
    par::chunks_mut(&mut tiles, 1, |_, tile| {
        let tile = &mut tile[0];
        let a = a.block(tile.row(), 0, tile.rows(), k);
        let b = b.block(0, tile.col(), k, tile.cols());
        serial(isa, tile, a, b, accumulate);
    });
}

fn batched_any<T: Real>(c: &mut [T], batch: usize, a: &Mats<'_, T>, b: &Mats<'_, T>, accumulate: Accumulate) {
    if batch == 0 || c.is_empty() {
        return;
    }
    let size = c.len() / batch;
    assert_eq!(c.len(), batch * size, "gemm::batched: C has {} elements for {batch} matrices", c.len());
    let isa = isa::current();
    par::chunks_mut(c, size, |i, c| isa::with(isa, || matmul_any(c, a(i), b(i), accumulate)));
}

/// One tile of C on this thread.
fn serial<T: Real>(isa: Isa, c: &mut Tile<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, accumulate: Accumulate) {
    if Isa::available().last() == Some(&isa) {
        return engine::gemm(c, a, b, accumulate);
    }
    packed::gemm(isa, c, a, b, accumulate);
}
