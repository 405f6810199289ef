//! Norms of any order and standard deviations: what comes down to a root, with a gradient of 0 at its origin.

use super::check_axis;
use crate::dtype::Float;
use crate::layout::Shape;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// ‖x‖ₚ = (Σ|x|ᵖ)^(1/p) of each row along `axis`, which disappears; the largest |x| for p = ∞. The squares of p = 2 have
    /// the range of the elements' type, other powers do not overflow. The gradient of a row of zeros is 0, and so is that of any
    /// zero for p < 1.
    ///
    /// # Panics
    /// If there is no such axis, `p` is not positive, or p = ∞ of an empty axis.
    #[track_caller]
    pub fn norm_lp(&self, p: f64, axis: usize) -> Self {
        check_axis("norm_lp", axis, self.shape());
        assert!(p > 0.0, "norm_lp: the order is {p}, expected more than 0");
        if p == 2.0 {
            return self.norm_l2(axis);
        }
        let x = self.abs();
        if p == f64::INFINITY {
            let rest = self.shape().iter().enumerate().any(|(i, &n)| i != axis && n == 0);
            assert!(self.dim(axis) > 0 || rest, "norm_lp: axis {axis} of {:?} is empty", self.shape());
            return x.max(axis);
        }
        if p == 1.0 || self.dim(axis) == 0 {
            return x.sum_dims([axis]);
        }
        // m·‖x/m‖ with m = max |x| as a constant: the same by homogeneity, and no power overflows. Rows of zeros become
        // rows of ones, then 0: they have no path to the input.
        let top = x.detach().max_keep(axis);
        let zero = top.eq_scalar(T::ZERO);
        let scale = top.masked_fill(&zero.or(&top.eq_scalar(T::INFINITY)), T::ONE);
        let flat = if p < 1.0 { x.eq_scalar(T::ZERO) } else { zero.clone() };
        let powers = (x / &scale).masked_fill(&flat, T::ONE).powf(p);
        // For p < 1 a power has no derivative at 0: such elements have no path either.
        let powers = if p < 1.0 { powers.masked_fill(&flat.and(&zero.not()), T::ZERO) } else { powers };
        let norm = powers.sum_keep([axis]).powf(1.0 / p) * scale;
        norm.masked_fill(&zero, T::ZERO).squeeze(axis)
    }

    /// The standard deviation √(Σ(x − μ)²/n) over `axes`, which disappear: the root of [`Tensor::var_dims`], with a
    /// gradient of 0 where all elements are equal.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn std_dims(&self, axes: impl AsRef<[usize]>) -> Self {
        let axes = axes.as_ref();
        let centred = self.centred("std_dims", axes);
        let kept: Shape = (0..self.rank()).filter(|i| !axes.contains(i)).collect();
        let count: usize = axes.iter().map(|&a| self.dim(a)).product();
        let mut shape: Shape = kept.iter().map(|&a| self.dim(a)).collect();
        shape.push(count);
        let order: Shape = kept.iter().chain(axes).copied().collect();
        let rows = centred.permute(order).reshape(&shape);
        rows.norm_l2(kept.len()).affine(1.0 / (count as f64).sqrt(), 0.0)
    }
}
