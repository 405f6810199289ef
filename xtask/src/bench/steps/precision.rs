//! The one place where `--precision` becomes the precision of matrix products.

use etude_kernels::precision;

use super::Precision;

/// Runs `f` with matrix products of this precision.
pub fn with<R>(accuracy: Precision, f: impl FnOnce() -> R) -> R {
    precision::with(kernels(accuracy), f)
}

/// The name on the command line and in the JSON.
pub fn name(accuracy: Precision) -> &'static str {
    kernels(accuracy).name()
}

fn kernels(accuracy: Precision) -> precision::Precision {
    match accuracy {
        Precision::F32 => precision::Precision::F32,
        Precision::High => precision::Precision::High,
        Precision::Bf16 => precision::Precision::Bf16,
    }
}
