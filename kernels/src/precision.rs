//! How exactly products of f32 matrices are computed: a choice by scope.
//!
//! [`Precision::F32`] is the default. The two others are *permissions*, not orders: they allow the tile unit (AMX) to
//! multiply bf16 parts of the operands with sums in f32. Where the machine has none, where [`crate::isa`] is forced below
//! it, where a product is too small to gain, and for f64, the exact-width kernel runs, which is at least as accurate.
//!
//! A kernel reads [`current`] at its entry and passes the value to its workers, so that a scope set by the caller holds
//! on every thread. Splitting: Henry, Tang & Heinecke 2019, *Leveraging the bfloat16 Artificial Intelligence Datatype For
//! Higher-Precision Computations* (arXiv 1904.06376).

use std::cell::Cell;

use crate::scoped;
use std::fmt;

/// What a product of f32 matrices may be computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Precision {
    /// Every product and sum in f32.
    #[default]
    F32,
    /// Each f32 as the sum of two bf16 parts, three of the four products of parts, sums in f32. The error of an element
    /// of A·B is below 2⁻¹⁶·Σ|a||b| when its terms err independently (products so short that they might not, below 32
    /// terms, stay in f32), and at most 2⁻¹⁵·Σ|a||b| when every term errs the same way, besides that of the f32 sum.
    High,
    /// Operands rounded to bf16 (8 bits of significand), sums in f32: the error is at most 2⁻⁷·Σ|a||b|.
    Bf16,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::High, Precision::Bf16];

    /// The name in options and files: `f32`, `high`, `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::High => "high",
            Precision::Bf16 => "bf16",
        }
    }

    /// The precision of that name.
    pub fn from_name(name: &str) -> Option<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == name)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::F32) };
}

/// The precision that a product entered now would use: that of the innermost [`with`], else [`Precision::F32`].
#[inline]
pub fn current() -> Precision {
    CURRENT.get()
}

/// Runs `f` with `precision` allowed on this thread, and on the workers of the kernels that `f` calls.
pub fn with<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    scoped::with(&CURRENT, precision, f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_restore() {
        assert_eq!(current(), Precision::default());
        for outer in Precision::ALL {
            with(outer, || {
                for inner in Precision::ALL {
                    with(inner, || assert_eq!(current(), inner));
                    assert_eq!(current(), outer);
                }
            });
        }
        assert_eq!(current(), Precision::F32);
    }

    #[test]
    fn a_scope_ends_with_a_panic_too() {
        let _ = std::panic::catch_unwind(|| with(Precision::Bf16, || panic!("expected")));
        assert_eq!(current(), Precision::F32);
    }

    #[test]
    fn names_are_read_back() {
        assert!(Precision::ALL.into_iter().all(|p| Precision::from_name(p.name()) == Some(p)));
        assert_eq!(Precision::from_name("half"), None);
    }
}
