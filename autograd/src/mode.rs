//! Whether operations are recorded: a scoped, thread-local switch.

use std::cell::Cell;

use etude_kernels::scoped;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on tracked tensors are recorded on this thread.
pub fn is_grad_enabled() -> bool {
    ENABLED.get()
}

/// Runs `f` without recording: what it computes from tracked tensors is untracked.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    with_grad(false, f)
}

/// Runs `f` with recording, inside [`no_grad`] too: for values that are themselves made of derivatives, as a Jacobian's norm.
///
/// ```
/// use etude_autograd::{CreateGraph, Tensor, enable_grad, grad, no_grad};
///
/// let slope = no_grad(|| {
///     enable_grad(|| {
///         let x = Tensor::scalar(3.0f32).requires_grad();
///         let [slope] = grad(&x.square(), [&x], CreateGraph::No);
///         slope
///     })
/// });
/// assert_eq!(slope.item(), 6.0);
/// ```
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    with_grad(true, f)
}

/// Runs `f` with recording on or off; a panic restores the outer setting too.
pub(crate) fn with_grad<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    scoped::with(&ENABLED, enabled, f)
}
