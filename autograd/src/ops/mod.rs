//! The operations: methods of [`crate::Tensor`], their kernels and their derivative rules, one file a family.
//!
//! Forward and rule stand side by side. Every operation also stands in the table (feature `table`), which is what tests it.

pub mod activation;
pub mod adaptive_pool;
pub mod attention;
pub mod binary;
pub mod conv;
pub mod conv1d;
pub mod conv3d;
pub mod dropout;
pub mod einsum;
pub mod index;
pub mod join;
pub mod log_sums;
pub mod loss;
pub mod matmul;
pub mod norm;
pub mod order;
pub mod packed;
pub mod pad;
pub mod pixel_shuffle;
pub mod pool;
pub mod pool1d;
pub mod pool3d;
pub mod power;
pub mod product;
pub mod recurrent;
pub mod reduce;
pub mod reparametrise;
pub mod resample;
pub mod rnn;
pub mod scalar;
pub mod select;
pub mod softmax;
pub mod triangle;
pub mod unary;
pub mod unpool;
pub mod vector_norm;
pub mod view;

use crate::layout::{Shape, checked_len};

/// The extents before, of, and after one axis: a tensor as `[outer, n, inner]`.
pub(crate) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// `shape` with the length of one axis replaced.
pub(crate) fn with_dim(shape: &[usize], axis: usize, n: usize) -> Shape {
    let mut out = Shape::from_slice(shape);
    out[axis] = n;
    out
}

/// `shape` without one axis.
pub(crate) fn without(shape: &[usize], axis: usize) -> Shape {
    let mut out = Shape::from_slice(shape);
    out.remove(axis);
    out
}

/// The number of elements of a shape that an operation is asked to make, or a panic that names it.
#[track_caller]
pub(crate) fn checked(op: &str, shape: &[usize]) -> usize {
    checked_len(shape).unwrap_or_else(|error| panic!("{op}: {error}"))
}

/// Checks an axis at the door of an operation.
#[track_caller]
pub(crate) fn check_axis(op: &str, axis: usize, shape: &[usize]) {
    assert!(axis < shape.len(), "{op}: axis {axis} of a tensor of shape {shape:?}, which has {} axes", shape.len());
}
