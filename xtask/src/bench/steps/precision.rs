//! The one place where `--precision` becomes the precision of matrix products.

use anyhow::{Result, bail};

use super::Precision;

/// Runs `f` with matrix products of this precision.
pub fn with<R>(precision: Precision, f: impl FnOnce() -> Result<R>) -> Result<R> {
    match precision {
        Precision::F32 => f(),
        Precision::High | Precision::Bf16 => {
            bail!("--precision {}: the kernels compute in f32 only", name(precision))
        }
    }
}

/// The name on the command line and in the JSON.
pub fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::High => "high",
        Precision::Bf16 => "bf16",
    }
}
