//! Comparison and selection with broadcasting.

use crate::elem::Elem;
use crate::strided::Strided;

/// A comparison; every one but `Ne` is false for NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// a < b.
    Lt,
    /// a ≤ b.
    Le,
    /// a > b.
    Gt,
    /// a ≥ b.
    Ge,
    /// a = b.
    Eq,
    /// a ≠ b.
    Ne,
}

/// out = whether a ∘ b, both broadcast to `shape`.
#[track_caller]
pub fn compare<T: Elem>(op: Cmp, a: Strided<T>, b: Strided<T>, shape: &[usize], out: &mut [bool]) {
    match op {
        Cmp::Lt => zip(a, b, shape, out, |a, b| a < b),
        Cmp::Le => zip(a, b, shape, out, |a, b| a <= b),
        Cmp::Gt => zip(a, b, shape, out, |a, b| a > b),
        Cmp::Ge => zip(a, b, shape, out, |a, b| a >= b),
        Cmp::Eq => zip(a, b, shape, out, |a, b| a == b),
        Cmp::Ne => zip(a, b, shape, out, |a, b| a != b),
    }
}

/// out = a where the mask holds, else b; all broadcast to `shape`.
#[track_caller]
pub fn select<T: Elem>(mask: Strided<bool>, a: Strided<T>, b: Strided<T>, shape: &[usize], out: &mut [T]) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = if at(&mask, shape, i) { at(&a, shape, i) } else { at(&b, shape, i) };
    }
}

pub(super) fn zip<T: Elem, R>(a: Strided<T>, b: Strided<T>, shape: &[usize], out: &mut [R], f: impl Fn(T, T) -> R) {
    assert_eq!(out.len(), shape.iter().product::<usize>(), "out does not have the shape's length");
    for (i, out) in out.iter_mut().enumerate() {
        *out = f(at(&a, shape, i), at(&b, shape, i));
    }
}

fn at<T: Elem>(x: &Strided<T>, shape: &[usize], mut i: usize) -> T {
    let mut offset = x.offset;
    for (&n, &stride) in shape.iter().zip(x.strides).rev() {
        offset += i % n * stride;
        i /= n;
    }
    x.data[offset]
}
