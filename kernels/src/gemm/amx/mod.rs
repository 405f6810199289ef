//! Products of f32 matrices on the tile unit (AMX), from bf16 parts: what [`crate::precision`] allows.
//!
//! Loops as in [`super::product`], with blocks for larger operands: columns of C, k, packing B, rows of C, packing A,
//! then 32 × 32 blocks of C in tiles. Each element of C is the same chain of operations wherever it lies, cut along k at
//! depths that depend on k alone: so C may be cut for any number of threads without changing a bit.
//!
//! The unit takes subnormal numbers (of operands, of their parts and of sums) as zeros: an element below 2⁻¹¹⁸ loses its
//! lower part, one below 2⁻¹²⁶ all of itself. Infinities, NaN and what would round to infinity in bf16 are left out of
//! the tiles, and their products added in f32. A sum of finite terms that overflows ends as an infinity or NaN.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod product;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod split;
#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;

use super::{Accumulate, Mat};
use crate::isa::{self, Isa};
use crate::precision::{self, Precision};

/// Whether this process may use the tile unit; it asks the system at the first call.
pub(crate) fn present() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static PRESENT: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *PRESENT.get_or_init(tiles::detect)
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// What a product entered now may do on the tile unit, read once at a door and passed to workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    /// bf16 parts of an element; 0: none, the unit may not be used.
    parts: usize,
}

impl Permission {
    /// That of the scope.
    pub(super) fn current() -> Permission {
        let parts = match precision::current() {
            Precision::F32 => 0,
            Precision::High => 2,
            Precision::Bf16 => 1,
        };
        Permission { parts: if parts > 0 && isa::current() == Isa::Amx { parts } else { 0 } }
    }
}

/// Element types whose products the tile unit may take over.
#[doc(hidden)]
pub trait TileUnit: Sized {
    /// Computes C = A·B or C += A·B, if it is allowed, possible and worth it; the operands have been checked.
    #[allow(private_interfaces)]
    fn on_tiles(_: Permission, _: &mut [Self], _: Mat<'_, Self>, _: Mat<'_, Self>, _: Accumulate) -> bool {
        false
    }
}

impl TileUnit for f64 {}

impl TileUnit for f32 {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[allow(private_interfaces)]
    fn on_tiles(
        permission: Permission,
        c: &mut [f32],
        a: Mat<'_, f32>,
        b: Mat<'_, f32>,
        accumulate: Accumulate,
    ) -> bool {
        let worth = permission.parts > 0 && worth(permission.parts, a.rows, a.cols, b.cols);
        if worth {
            product::product(permission.parts, c, a, b, accumulate == Accumulate::Yes);
        }
        worth
    }
}

/// Whether the unit is faster than the f32 kernel: tiles are 32 wide in every direction and cost the same when half empty,
/// and operands must be split before they are multiplied. Sums of a few terms stay exact, see [`Precision::High`].
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn worth(parts: usize, m: usize, k: usize, n: usize) -> bool {
    let thinnest = if parts == 1 { 16 } else { 32 };
    m.min(n) >= thinnest && k >= 32 && m * n * k >= 1 << 17
}
