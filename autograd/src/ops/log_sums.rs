//! Sums of exponentials that stay logarithms: of two tensors, and running ones along an axis.

use super::check_axis;
use crate::dtype::Float;
use crate::layout::broadcast_shapes;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// ln(eˣ + eʸ), element by element, without overflow. Beside a term of ∞ gradients are NaN.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn logaddexp(&self, y: &Tensor<T>) -> Self {
        let Some(shape) = broadcast_shapes(self.shape(), y.shape()) else {
            panic!("logaddexp: shapes do not broadcast: {:?} and {:?}", self.shape(), y.shape())
        };
        Tensor::stack(&[&self.expand(&shape), &y.expand(&shape)], shape.len()).logsumexp(shape.len())
    }

    /// Running ln Σ eˣ along `axis`, without overflow.
    ///
    /// By doubling as [`Tensor::cumprod`]: no term is subtracted again, so small ones are not lost behind large ones. A term
    /// of −∞ adds nothing to a sum and gets no gradient from it, not even where the sum is −∞ and PyTorch's is NaN; only the
    /// first term, which is its own sum, gets that one's.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn logcumsumexp(&self, axis: usize) -> Self {
        check_axis("logcumsumexp", axis, self.shape());
        let n = self.dim(axis);
        let mut y = self.clone();
        let mut distance = 1;
        while distance < n {
            let rest = n - distance;
            let sums = add_logarithms(&y.narrow(axis, distance, rest), &y.narrow(axis, 0, rest));
            y = Tensor::concat(&[&y.narrow(axis, 0, distance), &sums], axis);
            distance *= 2;
        }
        y
    }
}

/// [`Tensor::logaddexp`] whose gradient is 0 rather than NaN where both are −∞.
fn add_logarithms<T: Float>(x: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
    let nothing = x.eq_scalar(T::NEG_INFINITY).and(&y.eq_scalar(T::NEG_INFINITY));
    if !nothing.to_vec().contains(&true) {
        return x.logaddexp(y);
    }
    // Filled before and after: no −∞ meets the derivative's quotient, and no gradient comes back from what is filled.
    x.masked_fill(&nothing, T::ZERO).logaddexp(&y.masked_fill(&nothing, T::ZERO)).masked_fill(&nothing, T::NEG_INFINITY)
}
