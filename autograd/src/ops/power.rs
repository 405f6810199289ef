//! Functions of two tensors that no SIMD lane computes: powers and angles.

use super::scalar::map_pair;
use crate::dtype::Float;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

/// xʸ.
struct Pow;

impl<T: Float> Op<T> for Pow {
    fn name(&self) -> &'static str {
        "pow"
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn broadcasts(&self) -> bool {
        true
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let (x, y) = (cx.input(0), cx.input(1));
        // y·xʸ⁻¹; where both are 0 the exponent becomes 1, so that 0 times a finite number is left.
        let dx = cx.when(0, || {
            let both = x.eq_scalar(T::ZERO).and(&y.eq_scalar(T::ZERO));
            let exponent = Tensor::where_cond(&both, &Tensor::scalar(T::ONE), &y.affine(1.0, -1.0));
            g * (&y * x.pow(&exponent))
        });
        // xʸ·ln x; at x = 0 with y ≥ 0 the limit, 0.
        let dy = cx.when(1, || {
            let at_zero = x.eq_scalar(T::ZERO).and(&y.ge_scalar(T::ZERO));
            let ones = Tensor::scalar(T::ONE);
            g * (cx.output() * Tensor::where_cond(&at_zero, &ones, &x).ln())
        });
        vec![dx, dy]
    }
}

/// The angle of the point (x, y).
struct Atan2;

impl<T: Float> Op<T> for Atan2 {
    fn name(&self) -> &'static str {
        "atan2"
    }
    fn broadcasts(&self) -> bool {
        true
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let (y, x) = (cx.input(0), cx.input(1));
        let square = x.square() + y.square();
        // Dividing by ∞ at the origin keeps NaN out of every order.
        let over = g / square.masked_fill(&square.eq_scalar(T::ZERO), T::INFINITY);
        vec![cx.when(0, || &over * &x), cx.when(1, || -(&over * &y))]
    }
}

impl<T: Float> Tensor<T> {
    /// xʸ, element by element. The derivatives are y·xʸ⁻¹ and xʸ·ln x; at x = 0 the latter is 0 for y ≥ 0, and the former
    /// is 0 for y = 0. A negative x with a broken y gives NaN. For a constant exponent [`Tensor::powf`] is faster.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn pow(&self, y: &Tensor<T>) -> Self {
        Tensor::record(Pow, &[self, y], map_pair("pow", self, y, f64::powf))
    }

    /// The angle of the point (x, self) in (−π, π], element by element: arctan(self/x) in the right quadrant. The
    /// derivatives are x/(x² + y²) and −y/(x² + y²), and 0 at the origin.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn atan2(&self, x: &Tensor<T>) -> Self {
        Tensor::record(Atan2, &[self, x], map_pair("atan2", self, x, f64::atan2))
    }
}
