//! Weights as functions of other parameters: weight normalisation and spectral normalisation.
//!
//! Both see a weight `[out, …]` as a matrix of `out` rows, as PyTorch does for linear layers and convolutions.

use super::check_axis;
use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// w = g·v/‖v‖ for every row of v, this tensor: lengths g, `[out]` or `[out, 1, …]`, apart from directions.
    ///
    /// Salimans & Kingma 2016, arXiv:1602.07868, eq. (2). A row of zeros has no direction, and gives NaN.
    ///
    /// # Panics
    /// If there is no axis, or the number of lengths differs.
    #[track_caller]
    pub fn weight_norm(&self, g: &Tensor<T>) -> Self {
        check_axis("weight_norm", 0, self.shape());
        let rows = self.dim(0);
        assert!(g.len() == rows, "weight_norm: lengths {:?} for weights {:?}", g.shape(), self.shape());
        let v = self.reshape([rows, self.shape()[1..].iter().product()]);
        let scale = g.reshape([rows]) / v.norm_l2(1);
        (v * scale.unsqueeze(1)).reshape(self.shape())
    }

    /// W/σ with σ = uᵀ·W·v, of rows u and columns v that [`Tensor::power_iteration`] found, and that are constants.
    ///
    /// Miyato et al. 2018, arXiv:1802.05957, eq. (8) and (9).
    ///
    /// # Panics
    /// If there is no axis, or u or v does not fit.
    #[track_caller]
    pub fn spectral_norm(&self, u: &Tensor<T>, v: &Tensor<T>) -> Self {
        let w = self.as_matrix("spectral_norm", u, v);
        let sigma = (w.matmul(&v.detach().unsqueeze(1)).squeeze(1) * u.detach()).sum();
        self / sigma
    }

    /// Better estimates of the first singular vectors of a weight: `steps` times v = Wᵀ·u/‖Wᵀ·u‖, u = W·v/‖W·v‖, from u
    /// `[out]` and v `[the rest]`. Without gradient.
    ///
    /// Miyato et al. 2018, arXiv:1802.05957, algorithm 1. A vector shorter than 10⁻¹² is divided by that, as PyTorch has it.
    ///
    /// # Panics
    /// If there is no axis, or u or v does not fit.
    #[track_caller]
    pub fn power_iteration(&self, u: &Tensor<T>, v: &Tensor<T>, steps: usize) -> (Self, Self) {
        let w = self.detach().as_matrix("power_iteration", u, v);
        let unit = |x: Tensor<T>| &x / x.norm_l2(0).clamp(1e-12, f64::INFINITY);
        let times = |w: &Tensor<T>, x: &Tensor<T>| unit(w.matmul(&x.unsqueeze(1)).squeeze(1));
        let (mut u, mut v) = (u.detach(), v.detach());
        for _ in 0..steps {
            v = times(&w.t(), &u);
            u = times(&w, &v);
        }
        (u, v)
    }

    #[track_caller]
    fn as_matrix(&self, op: &str, u: &Tensor<T>, v: &Tensor<T>) -> Self {
        check_axis(op, 0, self.shape());
        let (rows, cols) = (self.dim(0), self.shape()[1..].iter().product());
        let fits = u.shape() == [rows] && v.shape() == [cols];
        assert!(fits, "{op}: vectors {:?} and {:?} for weights {:?}", u.shape(), v.shape(), self.shape());
        self.reshape([rows, cols])
    }
}
