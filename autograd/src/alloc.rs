//! Memory for the results of operations.
//!
//! As [`Buf`]'s own functions; taking it is also when an operation's time begins, for a profile.

use etude_kernels::{Buf, Elem};

use crate::observe;

/// Memory with any contents.
#[inline]
pub(crate) fn scratch<T: Elem>(len: usize) -> Buf<T> {
    observe::begins();
    Buf::scratch(len)
}

/// Every element `value`.
#[inline]
pub(crate) fn filled<T: Elem>(len: usize, value: T) -> Buf<T> {
    observe::begins();
    Buf::filled(len, value)
}

/// A copy of what `data` gives.
#[inline]
pub(crate) fn copy_of<T: Elem>(data: &[T]) -> Buf<T> {
    observe::begins();
    Buf::copy_of(data)
}
