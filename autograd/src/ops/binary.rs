//! Arithmetic of two tensors with broadcasting, and the operators.
//!
//! The rules give gradients of the output's shape; the engine sums them back to the inputs' shapes, because
//! [`Op::broadcasts`] says so here and nowhere else.

use std::ops::{Add, Div, Mul, Sub};

use etude_kernels::ew::{self, Binary};

use super::view::broadcast_strided;
use crate::alloc;
use crate::dtype::Float;
use crate::layout::broadcast_shapes;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

struct BinaryOp(Binary);

impl<T: Float> Op<T> for BinaryOp {
    fn name(&self) -> &'static str {
        name(self.0)
    }
    fn saves(&self) -> Saves {
        match self.0 {
            Binary::Add | Binary::Sub => Saves::NOTHING,
            Binary::Mul | Binary::Div | Binary::Max | Binary::Min | Binary::BceWithLogits => Saves::INPUTS,
        }
    }
    fn broadcasts(&self) -> bool {
        true
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        match self.0 {
            Binary::Add => vec![Some(g.clone()), Some(g.clone())],
            Binary::Sub => vec![Some(g.clone()), cx.when(1, || -g)],
            Binary::Mul => vec![cx.when(0, || g * cx.input(1)), cx.when(1, || g * cx.input(0))],
            Binary::Div => {
                let (a, b) = (cx.input(0), cx.input(1));
                // The square of b would leave the range long before the quotient does.
                vec![cx.when(0, || g / &b), cx.when(1, || -(g / &b) * (a / &b))]
            }
            // The larger (smaller) side takes the gradient; equal sides take half each, as PyTorch's do.
            Binary::Max | Binary::Min => {
                let (a, b) = (cx.input(0), cx.input(1));
                let first = if matches!(self.0, Binary::Max) { a.gt(&b) } else { a.lt(&b) };
                let share = first.to_float::<T>() + a.eq(&b).to_float::<T>().affine(0.5, 0.0);
                vec![cx.when(0, || g * &share), cx.when(1, || g * share.affine(-1.0, 1.0))]
            }
            Binary::BceWithLogits => {
                let (x, y) = (cx.input(0), cx.input(1));
                vec![cx.when(0, || g * (x.sigmoid() - y)), cx.when(1, || -(g * &x))]
            }
        }
    }
}

fn name(op: Binary) -> &'static str {
    match op {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Max => "maximum",
        Binary::Min => "minimum",
        Binary::BceWithLogits => "bce_with_logits",
    }
}

impl<T: Float> Tensor<T> {
    #[track_caller]
    pub(super) fn binary(&self, op: Binary, other: &Tensor<T>) -> Self {
        let Some(shape) = broadcast_shapes(self.shape(), other.shape()) else {
            panic!("{}: shapes do not broadcast: {:?} and {:?}", name(op), self.shape(), other.shape())
        };
        let fits = "the common shape was computed from both";
        let (a, b) = (self.layout().broadcast(&shape).expect(fits), other.layout().broadcast(&shape).expect(fits));
        let mut out = alloc::scratch(shape.iter().product());
        ew::binary(op, broadcast_strided(self, &a), broadcast_strided(other, &b), &shape, &mut out);
        Tensor::record(BinaryOp(op), &[self, other], Tensor::from_buf(out, &shape))
    }

    /// The larger of two elements; NaN if either is NaN. Equal elements share the gradient.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: &Tensor<T>) -> Self {
        self.binary(Binary::Max, other)
    }

    /// The smaller of two elements; NaN if either is NaN. Equal elements share the gradient.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: &Tensor<T>) -> Self {
        self.binary(Binary::Min, other)
    }
}

/// One operator for every way to hold two tensors, and for a scalar on either side.
macro_rules! operator {
    ($trait:ident, $method:ident, $op:expr, $right:expr, $left:expr) => {
        impl<T: Float> $trait<&Tensor<T>> for &Tensor<T> {
            type Output = Tensor<T>;
            #[track_caller]
            fn $method(self, other: &Tensor<T>) -> Tensor<T> {
                self.binary($op, other)
            }
        }
        impl<T: Float> $trait<Tensor<T>> for &Tensor<T> {
            type Output = Tensor<T>;
            #[track_caller]
            fn $method(self, other: Tensor<T>) -> Tensor<T> {
                self.binary($op, &other)
            }
        }
        impl<T: Float> $trait<&Tensor<T>> for Tensor<T> {
            type Output = Tensor<T>;
            #[track_caller]
            fn $method(self, other: &Tensor<T>) -> Tensor<T> {
                self.binary($op, other)
            }
        }
        impl<T: Float> $trait<Tensor<T>> for Tensor<T> {
            type Output = Tensor<T>;
            #[track_caller]
            fn $method(self, other: Tensor<T>) -> Tensor<T> {
                self.binary($op, &other)
            }
        }
        operator!(scalar f32, $trait, $method, $right, $left);
        operator!(scalar f64, $trait, $method, $right, $left);
    };
    (scalar $t:ident, $trait:ident, $method:ident, $right:expr, $left:expr) => {
        impl $trait<$t> for &Tensor<$t> {
            type Output = Tensor<$t>;
            fn $method(self, c: $t) -> Tensor<$t> {
                $right(self, f64::from(c))
            }
        }
        impl $trait<$t> for Tensor<$t> {
            type Output = Tensor<$t>;
            fn $method(self, c: $t) -> Tensor<$t> {
                $right(&self, f64::from(c))
            }
        }
        impl $trait<&Tensor<$t>> for $t {
            type Output = Tensor<$t>;
            fn $method(self, x: &Tensor<$t>) -> Tensor<$t> {
                $left(f64::from(self), x)
            }
        }
        impl $trait<Tensor<$t>> for $t {
            type Output = Tensor<$t>;
            fn $method(self, x: Tensor<$t>) -> Tensor<$t> {
                $left(f64::from(self), &x)
            }
        }
    };
}

operator!(Add, add, Binary::Add, |x: &Tensor<_>, c| x.affine(1.0, c), |c, x: &Tensor<_>| x.affine(1.0, c));
operator!(Sub, sub, Binary::Sub, |x: &Tensor<_>, c: f64| x.affine(1.0, -c), |c, x: &Tensor<_>| x.affine(-1.0, c));
operator!(Mul, mul, Binary::Mul, |x: &Tensor<_>, c| x.affine(c, 0.0), |c, x: &Tensor<_>| x.affine(c, 0.0));
operator!(Div, div, Binary::Div, |x: &Tensor<_>, c: f64| x.affine(1.0 / c, 0.0), |c, x: &Tensor<_>| x
    .recip()
    .affine(c, 0.0));
