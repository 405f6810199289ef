//! Tiles of C that threads write at once.
//!
//! They need `unsafe`: rows of two tiles of C interleave in memory, which slices cannot say.

use std::marker::PhantomData;
use std::ops::Range;

use crate::lanes::prefetch;

/// An exclusive rectangle of a row-major matrix.
///
/// Invariant: `start` points to `rows` runs of `cols` elements, `stride` apart, inside one slice borrowed for `'a`, and
/// no other tile or reference reaches these runs.
pub(crate) struct Tile<'a, T> {
    start: *mut T,
    rows: usize,
    cols: usize,
    stride: usize,
    /// Where the tile lies in its matrix.
    at: (usize, usize),
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: a tile is an exclusive borrow of its elements (see the invariant), as `&mut [T]` is.
unsafe impl<T: Send> Send for Tile<'_, T> {}

impl<'a, T> Tile<'a, T> {
    /// All of `c`, of `rows × cols` elements.
    pub(crate) fn whole(c: &'a mut [T], rows: usize, cols: usize) -> Self {
        assert_eq!(Some(c.len()), rows.checked_mul(cols), "gemm: a tile of {rows} × {cols} over {} elements", c.len());
        Tile { start: c.as_mut_ptr(), rows, cols, stride: cols, at: (0, 0), lifetime: PhantomData }
    }

    /// Cuts the tile into tiles of `rows × cols`, smaller at the ends, row by row.
    pub(crate) fn split(self, rows: usize, cols: usize) -> Vec<Tile<'a, T>> {
        let mut tiles = Vec::with_capacity(self.rows.div_ceil(rows) * self.cols.div_ceil(cols));
        for i in (0..self.rows).step_by(rows) {
            for j in (0..self.cols).step_by(cols) {
                tiles.push(Tile {
                    // `wrapping_add` is enough: the pointer stays in the slice, since i < self.rows and j < self.cols.
                    start: self.start.wrapping_add(i * self.stride + j),
                    rows: rows.min(self.rows - i),
                    cols: cols.min(self.cols - j),
                    stride: self.stride,
                    at: (self.at.0 + i, self.at.1 + j),
                    lifetime: PhantomData,
                });
            }
        }
        tiles
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The row of the matrix at which the tile begins.
    pub(crate) fn row(&self) -> usize {
        self.at.0
    }

    /// The column of the matrix at which the tile begins.
    pub(crate) fn col(&self) -> usize {
        self.at.1
    }

    /// Asks for the line that holds element (i, j), to be written soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, i: usize, j: usize) {
        prefetch(self.start.wrapping_add(i * self.stride + j));
    }

    /// The first element, and the distance between rows: for the tile unit, which works on several rows at once.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub(crate) fn start_mut(&mut self) -> (*mut T, usize) {
        (self.start, self.stride)
    }

    /// Row `i` of the tile.
    #[inline(always)]
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "gemm: row {i} of a tile of {}", self.rows);
        // SAFETY: i < rows (checked above), so the run lies in the slice and is this tile's alone (invariant); the
        // exclusive borrow of `self` keeps it single.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(i * self.stride), self.cols) }
    }

    /// Some rows of a tile that is as wide as its matrix.
    pub(crate) fn rows_mut(&mut self, rows: Range<usize>) -> Option<&mut [T]> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "gemm: rows {rows:?} of a tile of {}", self.rows);
        // SAFETY: rows as wide as their distance lie in the slice without gaps and are this tile's alone (invariant); the
        // exclusive borrow of `self` keeps them single.
        (self.cols == self.stride).then(|| unsafe {
            std::slice::from_raw_parts_mut(self.start.add(rows.start * self.stride), rows.len() * self.stride)
        })
    }
}
