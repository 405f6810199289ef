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

/// Runs `f` with recording on or off; a panic restores the outer setting too.
pub(crate) fn with_grad<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    scoped::with(&ENABLED, enabled, f)
}
