//! Products and running products along an axis.
//!
//! Both multiply pairs of halves, log₂ n times. No step divides, so the derivatives are right where factors are 0, at
//! every order.

use super::check_axis;
use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// The product of each row along `axis`, which stays with length 1; 1 of an empty row.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn prod_keep(&self, axis: usize) -> Self {
        check_axis("prod_keep", axis, self.shape());
        let mut y = self.clone();
        while y.dim(axis) > 1 {
            let n = y.dim(axis);
            let half = n / 2;
            let pairs = y.narrow(axis, 0, half) * y.narrow(axis, half, half);
            y = if n.is_multiple_of(2) { pairs } else { Tensor::concat(&[&pairs, &y.narrow(axis, n - 1, 1)], axis) };
        }
        if y.dim(axis) == 1 {
            return y;
        }
        // A sum over nothing plus 1: the result stays tied to its input.
        self.sum_keep([axis]).affine(1.0, 1.0)
    }

    /// The product of each row along `axis`, which disappears; 1 of an empty row.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn prod(&self, axis: usize) -> Self {
        check_axis("prod", axis, self.shape());
        self.prod_keep(axis).squeeze(axis)
    }

    /// Running products along `axis`.
    ///
    /// Hillis & Steele 1986, *Data Parallel Algorithms*: after the step of distance d each element is the product of the
    /// 2d elements that end with it.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn cumprod(&self, axis: usize) -> Self {
        check_axis("cumprod", axis, self.shape());
        let n = self.dim(axis);
        let mut y = self.clone();
        let mut distance = 1;
        while distance < n {
            let rest = n - distance;
            let products = y.narrow(axis, distance, rest) * y.narrow(axis, 0, rest);
            y = Tensor::concat(&[&y.narrow(axis, 0, distance), &products], axis);
            distance *= 2;
        }
        y
    }
}
