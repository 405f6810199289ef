//! Values that hold on one thread while a function runs: the mechanism of every scope of this crate and of autograd's.

use std::cell::Cell;
use std::thread::LocalKey;

/// Runs `f` while `cell` holds `value`, and puts back what it held, after a panic too.
#[inline]
pub fn with<T: Copy + 'static, R>(cell: &'static LocalKey<Cell<T>>, value: T, f: impl FnOnce() -> R) -> R {
    struct Restore<T: Copy + 'static>(&'static LocalKey<Cell<T>>, T);
    impl<T: Copy + 'static> Drop for Restore<T> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _restore = Restore(cell, cell.replace(value));
    f()
}
