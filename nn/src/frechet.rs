//! The Fréchet distance between two sets of features: how far generated data is from real data. Feature `linalg`.

use etude_autograd::Tensor;
use faer::{Mat, Side};

use crate::linalg::LinalgError;

/// ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) of the normal distributions with the means and covariances of two sets of features,
/// `[n, dim]` and `[m, dim]`: Heusel et al. 2017, arXiv:1706.08500, eq. (6). It is a distance in the features of some network,
/// which has to be named beside it.
///
/// In f64. (Σ₁Σ₂)^½ has the trace of (Σ₁^½Σ₂Σ₁^½)^½, which is symmetric, so that singular covariances do no harm; eigenvalues that
/// rounding made negative count as 0.
///
/// # Errors
/// If a feature is NaN or infinite; the number says of which set, 0 or 1.
///
/// # Panics
/// If the features have different sizes, or a set has fewer than two.
#[track_caller]
pub fn frechet_distance(a: &Tensor, b: &Tensor) -> Result<f64, LinalgError> {
    let fits = a.rank() == 2 && b.rank() == 2 && a.dim(1) == b.dim(1) && a.dim(0) > 1 && b.dim(0) > 1;
    assert!(fits, "frechet_distance: features {:?} and {:?}, expected [n ≥ 2, dim] both", a.shape(), b.shape());
    let (mean_a, cov_a) = moments(a).ok_or(LinalgError::NotFinite(0))?;
    let (mean_b, cov_b) = moments(b).ok_or(LinalgError::NotFinite(1))?;
    let apart: f64 = mean_a.iter().zip(&mean_b).map(|(a, b)| (a - b) * (a - b)).sum();
    let root = square_root(&cov_a).ok_or(LinalgError::NotFinite(0))?;
    let between = &root * &cov_b * &root;
    let cross: f64 = eigenvalues(&between).ok_or(LinalgError::NotFinite(1))?.iter().map(|v| v.max(0.0).sqrt()).sum();
    let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
    Ok((apart + trace(&cov_a) + trace(&cov_b) - 2.0 * cross).max(0.0))
}

/// Mean and unbiased covariance; `None` if an element is not finite.
fn moments(x: &Tensor) -> Option<(Vec<f64>, Mat<f64>)> {
    let (n, dim) = (x.dim(0), x.dim(1));
    let data: Vec<f64> = x.to_vec().into_iter().map(f64::from).collect();
    if data.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mean: Vec<f64> = (0..dim).map(|j| data.iter().skip(j).step_by(dim).sum::<f64>() / n as f64).collect();
    let centred = Mat::from_fn(n, dim, |i, j| data[i * dim + j] - mean[j]);
    let covariance = centred.transpose() * &centred;
    Some((mean, Mat::from_fn(dim, dim, |i, j| covariance[(i, j)] / (n - 1) as f64)))
}

fn square_root(m: &Mat<f64>) -> Option<Mat<f64>> {
    let eigen = m.self_adjoint_eigen(Side::Lower).ok()?;
    let (u, s) = (eigen.U(), eigen.S());
    let scaled = Mat::from_fn(m.nrows(), m.nrows(), |i, j| u[(i, j)] * s[j].max(0.0).sqrt());
    Some(scaled * u.transpose())
}

fn eigenvalues(m: &Mat<f64>) -> Option<Vec<f64>> {
    m.self_adjoint_eigenvalues(Side::Lower).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    fn normal(n: usize, dim: usize, rng: &mut Rng) -> Tensor {
        Tensor::randn([n, dim], rng)
    }

    #[test]
    fn independent_axes_have_the_closed_form() {
        // One axis at a time: (μ₁ − μ₂)² + (σ₁ − σ₂)². The sets are scaled copies of one, so that it holds of samples exactly.
        let x = normal(500, 1, &mut Rng::new(0));
        let mean_square = f64::from(x.square().mean().item());
        let mean = f64::from(x.mean().item());
        let found = frechet_distance(&x, &x.affine(3.0, 1.0)).expect("finite");
        let variance = (mean_square - mean * mean) * 500.0 / 499.0;
        let want = (2.0 * mean + 1.0).powi(2) + 4.0 * variance;
        assert!((found - want).abs() < 1e-3 * want, "{found} against {want}");
    }

    #[test]
    fn it_is_a_distance_that_rotations_of_both_leave_alone() {
        let mut rng = Rng::new(1);
        let (a, b) = (normal(300, 3, &mut rng), normal(400, 3, &mut rng) * 2.0f32 + 0.5f32);
        let mix = Tensor::from_slice(&[0.6f32, 0.8, 0.0, -0.8, 0.6, 0.0, 0.0, 0.0, 1.0], [3, 3]);
        let distance = |a: &Tensor, b: &Tensor| frechet_distance(a, b).expect("finite");
        let d = distance(&a, &b);
        assert!(distance(&a, &a) < 1e-6 && d > 1.0);
        assert!((distance(&b, &a) - d).abs() < 1e-6 * d);
        assert!((distance(&a.matmul(&mix), &b.matmul(&mix)) - d).abs() < 1e-3 * d);
    }

    #[test]
    fn correlated_features_differ_from_independent_ones_with_the_same_variances() {
        let x = normal(2000, 2, &mut Rng::new(2));
        let twice = Tensor::concat(&[&x.narrow(1, 0, 1), &x.narrow(1, 0, 1)], 1);
        // Σ₁ = I, Σ₂ = [1 1; 1 1] with eigenvalues 2 and 0: 2 + 2 − 2√2 = 1.172.
        let d = frechet_distance(&x, &twice).expect("finite");
        assert!((d - (4.0 - 8f64.sqrt())).abs() < 0.15, "{d}");
        assert_eq!(frechet_distance(&x, &(&twice * f32::NAN)).expect_err("NaN"), LinalgError::NotFinite(1));
    }
}
