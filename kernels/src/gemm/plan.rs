//! What a product packs and in which blocks it passes over its operands.
//!
//! No choice made here changes a bit of the result: an element of C is always the same chain over k, cut at depths that
//! depend on k alone. So sizes of caches stand here and nowhere else.

use super::Mat;
use crate::elem::Real;
use crate::isa::Isa;

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Whether blocks of A are packed.
    pub(super) pack_a: bool,
    /// Whether blocks of B are packed.
    pub(super) pack_b: bool,
    /// Rows of a block of A, a multiple of the heights of tiles.
    pub(super) rows: usize,
    /// Columns of a block of B.
    pub(super) columns: usize,
}

impl Plan {
    /// The plan for A·B.
    pub(super) fn new<T: Real>(isa: Isa, a: &Mat<'_, T>, b: &Mat<'_, T>) -> Plan {
        if has_wide_panels::<T>(isa) { Plan::wide(a, b) } else { Plan::slim(a, b) }
    }

    /// For panels of 64 columns: a strip of A stays in the first-level cache while panels of B pass from a second-level
    /// cache of 1 or 2 MiB.
    fn wide<T>(a: &Mat<'_, T>, b: &Mat<'_, T>) -> Plan {
        /// Rows of A from which packing B pays, if B does not stay in a second-level cache by itself.
        const OFTEN: usize = 192;
        /// Elements of B that stay there.
        const LARGE: usize = 1 << 18;
        /// Columns of a block of B that few rows of A pass: packed, it is still in the nearest caches when they do.
        const NARROW: usize = 256;
        /// Columns of a block of B that many rows of A pass: with the depth of a block, 1 MiB of a second-level cache.
        const WIDE: usize = 1024;
        let (m, k, n) = (a.rows, a.cols, b.cols);
        // A panel of B is read once for every strip of A.
        let pack_b = b.col_stride != 1 || (m >= OFTEN && k * n >= LARGE);
        let columns = match pack_b {
            false => n.max(1),
            true if m < OFTEN => NARROW,
            true => WIDE,
        };
        Plan { pack_a: pack_left(true, a, n), pack_b, rows: 96, columns }
    }

    /// For panels of 12 or 16 columns: a panel of B takes half of a first-level cache of 32 KiB and stays there while the
    /// strips of a block of A pass from a second-level cache of 512 KiB.
    fn slim<T>(a: &Mat<'_, T>, b: &Mat<'_, T>) -> Plan {
        /// Rows of a block of A: with the depth of a block, 192 KiB of a second-level cache.
        const ROWS: usize = 192;
        /// Rows of A that pass B so few times that packing it takes longer.
        const FEW: usize = 12;
        /// Elements of B that stay in the nearest caches wherever they lie.
        const NEAR: usize = 1 << 14;
        /// Columns of a block of B that one block of A passes: in the second-level cache beside it.
        const NARROW: usize = 256;
        /// Columns of a block of B that several blocks of A pass: 2 MiB of a third-level cache.
        const WIDE: usize = 2048;
        let (m, k, n) = (a.rows, a.cols, b.cols);
        let pack_b = b.col_stride != 1 || (m > FEW && k * n > NEAR);
        let columns = match pack_b {
            false => n.max(1),
            true if m <= ROWS => NARROW,
            true => WIDE,
        };
        Plan { pack_a: a.col_stride != 1 || (pack_b && pack_left(false, a, n)), pack_b, rows: ROWS, columns }
    }
}

/// Whether a product of `a` with a packed B of `n` columns packs blocks of `a`.
pub(super) fn packs_left<T: Real>(isa: Isa, a: &Mat<'_, T>, n: usize) -> bool {
    pack_left(has_wide_panels::<T>(isa), a, n)
}

/// Whether panels are wider than half of a first-level cache.
fn has_wide_panels<T: Real>(isa: Isa) -> bool {
    match isa {
        // f64 takes AVX2's registers ([`Isa::run_on`]).
        Isa::Avx512 | Isa::Amx => T::F32,
        Isa::Scalar | Isa::Avx2 | Isa::Neon => false,
    }
}

fn pack_left<T>(wide_panels: bool, a: &Mat<'_, T>, n: usize) -> bool {
    /// Columns of B from which packing rows of A pays that pass a panel from the second-level cache: where they lie, a
    /// row of memory apart, they contend for sets of the caches.
    const BROAD: usize = 256;
    // The columns of a transposed A lie a row of memory apart. A strip that stays in the first-level cache while B passes
    // is read where it lies.
    a.col_stride != 1 || (!wide_panels && n >= BROAD)
}
