//! Least squares and small symmetric inverses, through faer.
//!
//! faer's solvers are only given finite numbers (non-finite input has made linear-algebra libraries hang); every door here
//! checks first and answers `None`.

use faer::prelude::*;

/// Solution of min ‖y − Xβ‖².
#[derive(Clone, Debug)]
pub(crate) struct LeastSquares {
    pub(crate) beta: Vec<f64>,
    /// (XᵀX)⁻¹, row by row.
    pub(crate) inverse_gram: Vec<f64>,
    /// y − Xβ.
    pub(crate) residuals: Vec<f64>,
    /// ‖y − Xβ‖².
    pub(crate) rss: f64,
    /// log |R_jj| of X = QR: the sum over the first m is half the log determinant of the Gram matrix of the first m columns.
    pub(crate) log_diagonal: Vec<f64>,
}

/// A column whose part orthogonal to the earlier ones is smaller than this share of it adds nothing.
const COLLINEAR: f64 = 1e-9;

/// First column that is a linear combination of the earlier ones, by Gram–Schmidt with one repetition.
pub(crate) fn collinear_column(columns: &[Vec<f64>]) -> Option<usize> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let mut rest = column.clone();
        for _ in 0..2 {
            for b in &basis {
                let c = dot(&rest, b);
                rest.iter_mut().zip(b).for_each(|(r, b)| *r -= c * b);
            }
        }
        let (norm, size) = (dot(&rest, &rest).sqrt(), dot(column, column).sqrt());
        // Written so that a zero column, for which both are zero, fails too.
        if !(norm > COLLINEAR * size) {
            return Some(index);
        }
        rest.iter_mut().for_each(|r| *r /= norm);
        basis.push(rest);
    }
    None
}

/// Least squares by Householder QR. `None` if something is not finite or the columns are numerically dependent.
pub(crate) fn least_squares(columns: &[Vec<f64>], y: &[f64]) -> Option<LeastSquares> {
    let (n, k) = (y.len(), columns.len());
    let finite = columns.iter().flatten().chain(y).all(|x| x.is_finite());
    if !finite || n < k {
        return None;
    }
    if k == 0 {
        let (residuals, rss) = (y.to_vec(), dot(y, y));
        return Some(LeastSquares { beta: vec![], inverse_gram: vec![], residuals, rss, log_diagonal: vec![] });
    }
    // Columns of unit length: the scale of a regressor does not decide what counts as dependent.
    let scale: Vec<f64> = columns.iter().map(|c| dot(c, c).sqrt()).collect();
    if scale.contains(&0.0) {
        return None;
    }
    let qr = Mat::from_fn(n, k, |i, j| columns[j][i] / scale[j]).qr();
    let r = qr.thin_R();
    if (0..k).any(|j| r[(j, j)].abs() < COLLINEAR) {
        return None;
    }
    let solution = qr.solve_lstsq(Mat::from_fn(n, 1, |i, _| y[i]));
    let beta: Vec<f64> = (0..k).map(|j| solution[(j, 0)] / scale[j]).collect();
    let mut residuals = y.to_vec();
    for (column, b) in columns.iter().zip(&beta) {
        residuals.iter_mut().zip(column).for_each(|(e, x)| *e -= b * x);
    }
    // (XᵀX)⁻¹ = R⁻¹R⁻ᵀ.
    let mut inverse = Mat::<f64>::identity(k, k);
    faer::linalg::triangular_solve::solve_upper_triangular_in_place(r, inverse.as_mut(), Par::Seq);
    let gram =
        |i: usize, j: usize| (0..k).map(|l| inverse[(i, l)] * inverse[(j, l)]).sum::<f64>() / (scale[i] * scale[j]);
    let inverse_gram = (0..k * k).map(|ij| gram(ij / k, ij % k)).collect();
    let rss = dot(&residuals, &residuals);
    let log_diagonal = (0..k).map(|j| r[(j, j)].abs().ln() + scale[j].ln()).collect();
    Some(LeastSquares { beta, inverse_gram, residuals, rss, log_diagonal })
}

/// Inverse of a symmetric positive definite matrix, row by row; `None` if it is not.
pub(crate) fn inverse_positive_definite(a: &[f64], k: usize) -> Option<Vec<f64>> {
    if a.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let matrix = Mat::from_fn(k, k, |i, j| 0.5 * (a[i * k + j] + a[j * k + i]));
    let inverse = matrix.llt(faer::Side::Lower).ok()?.solve(Mat::<f64>::identity(k, k));
    let out: Vec<f64> = (0..k * k).map(|ij| inverse[(ij / k, ij % k)]).collect();
    out.iter().all(|x| x.is_finite()).then_some(out)
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub(crate) fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_points() {
        // y = 2 + 3t exactly; XᵀX = [[4, 6], [6, 14]], inverse [[0.7, −0.3], [−0.3, 0.2]].
        let t = vec![0.0, 1.0, 2.0, 3.0];
        let y: Vec<f64> = t.iter().map(|t| 2.0 + 3.0 * t).collect();
        let fit = least_squares(&[vec![1.0; 4], t], &y).expect("independent");
        for (got, want) in fit.beta.iter().chain(&fit.inverse_gram).zip([2.0, 3.0, 0.7, -0.3, -0.3, 0.2]) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        assert!(fit.rss < 1e-24);
        // det XᵀX = 4·14 − 6·6 = 20, of the first column alone 4.
        assert!((2.0 * fit.log_diagonal.iter().sum::<f64>() - 20f64.ln()).abs() < 1e-12);
        assert!((2.0 * fit.log_diagonal[0] - 4f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn dependent_and_infinite_columns_are_refused() {
        let (a, b) = (vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 1.0, 1.0, 1.0]);
        let sum: Vec<f64> = a.iter().zip(&b).map(|(x, y)| 2.0 * x - y).collect();
        let y = [1.0, 0.0, 2.0, 5.0];
        assert_eq!(collinear_column(&[a.clone(), b.clone(), sum.clone()]), Some(2));
        assert!(least_squares(&[a.clone(), b, sum], &y).is_none());
        assert!(least_squares(&[vec![1.0, f64::INFINITY, 0.0, 1.0]], &y).is_none());
        assert_eq!(collinear_column(&[a, vec![0.0; 4]]), Some(1));
    }

    #[test]
    fn an_indefinite_matrix_has_no_inverse_here() {
        assert!(inverse_positive_definite(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
