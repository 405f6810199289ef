//! What a product packs and in which blocks it passes over its operands.
//!
//! No choice made here changes a bit of the result: an element of C is always the same chain over k, cut at depths that
//! depend on k alone.

use super::Mat;

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Whether blocks of A are packed.
    pub(super) pack_a: bool,
    /// Whether blocks of B are packed.
    pub(super) pack_b: bool,
    /// Columns of a block of B.
    pub(super) columns: usize,
}

impl Plan {
    /// The plan for A·B.
    pub(super) fn new<T>(a: &Mat<'_, T>, b: &Mat<'_, T>) -> Plan {
        let (m, k, n) = (a.rows, a.cols, b.cols);
        // A panel of B is read once for every strip of A.
        let pack_b = b.col_stride != 1 || (m >= OFTEN && k * n >= LARGE);
        let columns = match pack_b {
            false => n.max(1),
            true if m < OFTEN => NARROW,
            true => WIDE,
        };
        // Rows of A are read where they lie: a strip stays in the first-level cache while B passes. Its columns lie a row
        // of memory apart, so they are packed.
        Plan { pack_a: a.col_stride != 1, pack_b, columns }
    }
}

/// Rows of A from which packing B pays, if B does not stay in a second-level cache by itself.
const OFTEN: usize = 192;
/// Elements of B that stay there.
const LARGE: usize = 1 << 18;
/// Columns of a block of B that few rows of A pass: packed, it is still in the nearest caches when they do.
const NARROW: usize = 256;
/// Columns of a block of B that many rows of A pass: with the depth of a block, 1 MiB of a second-level cache.
const WIDE: usize = 1024;
