//! Arithmetic of two operands with broadcasting.

use super::compare::zip;
use crate::elem::Real;
use crate::strided::Strided;

/// An arithmetic operation of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
    /// The larger; NaN if either is NaN.
    Max,
    /// The smaller; NaN if either is NaN.
    Min,
}

/// out = a ∘ b, both broadcast to `shape`.
#[track_caller]
pub fn binary<T: Real>(op: Binary, a: Strided<T>, b: Strided<T>, shape: &[usize], out: &mut [T]) {
    match op {
        Binary::Add => zip(a, b, shape, out, |a, b| a + b),
        Binary::Sub => zip(a, b, shape, out, |a, b| a - b),
        Binary::Mul => zip(a, b, shape, out, |a, b| a * b),
        Binary::Div => zip(a, b, shape, out, |a, b| a / b),
        Binary::Max => zip(a, b, shape, out, |a, b| if a.is_nan() || a > b { a } else { b }),
        Binary::Min => zip(a, b, shape, out, |a, b| if a.is_nan() || a < b { a } else { b }),
    }
}

/// acc += x.
#[track_caller]
pub fn add_assign<T: Real>(acc: &mut [T], x: &[T]) {
    axpy(T::ONE, x, acc);
}

/// y += alpha · x.
#[track_caller]
pub fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "axpy: x and y differ in length");
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}
