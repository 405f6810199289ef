//! Linear algebra with derivatives: inverse, solution, logarithm of the determinant, Cholesky factor. Feature `linalg`.
//!
//! The factorisations are faer's, in f64 whatever the precision of the tensors, on one thread: matrices here are
//! covariances and Jacobians, of tens of rows. The rules are tensor operations and these functions again, so every order
//! of derivative exists. faer's solvers are only given finite numbers, since non-finite input has made linear-algebra
//! libraries hang.

use std::fmt;

use etude_autograd::{Float, Op, Saves, Tensor, Vjp};
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;

/// Why a matrix has no inverse or no factor. The number says which matrix of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinalgError {
    /// An element is NaN or infinite.
    NotFinite(usize),
    /// The matrix has no inverse.
    Singular(usize),
    /// The matrix is not positive definite.
    NotPositiveDefinite(usize),
}

impl fmt::Display for LinalgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinalgError::NotFinite(i) => write!(f, "matrix {i} holds NaN or an infinity"),
            LinalgError::Singular(i) => write!(f, "matrix {i} is singular"),
            LinalgError::NotPositiveDefinite(i) => write!(f, "matrix {i} is not positive definite"),
        }
    }
}

impl std::error::Error for LinalgError {}

/// The length of the last two axes.
#[track_caller]
fn square<T: Float>(op: &str, a: &Tensor<T>) -> usize {
    let s = a.shape();
    assert!(s.len() >= 2 && s[s.len() - 2] == s[s.len() - 1], "{op}: {s:?} are no square matrices");
    s[s.len() - 1]
}

/// `f` of every square matrix of the last two axes; the results one after another.
fn each<T: Float>(
    a: &Tensor<T>,
    n: usize,
    f: impl Fn(usize, Mat<f64>) -> Result<Mat<f64>, LinalgError>,
) -> Result<Vec<T>, LinalgError> {
    let mut out = Vec::new();
    for (i, data) in a.to_vec().chunks_exact((n * n).max(1)).enumerate() {
        let matrix = Mat::from_fn(n, n, |r, c| data[r * n + c].to_f64());
        if !matrix.is_all_finite() {
            return Err(LinalgError::NotFinite(i));
        }
        let y = f(i, matrix)?;
        out.extend((0..y.nrows() * y.ncols()).map(|at| T::from_f64(y[(at / y.ncols(), at % y.ncols())])));
    }
    Ok(out)
}

/// A⁻¹.
struct Inverse;

impl<T: Float> Op<T> for Inverse {
    fn name(&self) -> &'static str {
        "inverse"
    }
    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let y = cx.output().t();
        vec![Some(-y.matmul(g).matmul(&y))]
    }
}

/// A⁻¹ of square matrices `[…, n, n]`. The derivative is −A⁻ᵀ·G·A⁻ᵀ.
///
/// # Errors
/// Names the first matrix that is singular or not finite.
///
/// # Panics
/// If the last two axes differ.
#[track_caller]
pub fn inverse<T: Float>(a: &Tensor<T>) -> Result<Tensor<T>, LinalgError> {
    let n = square("inverse", a);
    let y = each(a, n, |i, matrix| {
        let y = matrix.partial_piv_lu().inverse();
        if y.is_all_finite() { Ok(y) } else { Err(LinalgError::Singular(i)) }
    })?;
    Ok(Tensor::record(Inverse, &[a], Tensor::from_vec(y, a.shape())))
}

/// A⁻¹·B of square matrices `[…, n, n]` and right sides `[…, n, m]`, whose axes in front broadcast.
///
/// # Errors
/// Names the first matrix that is singular or not finite.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn solve<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> Result<Tensor<T>, LinalgError> {
    let n = square("solve", a);
    assert!(b.rank() >= 2 && b.dim(b.rank() - 2) == n, "solve: {:?} and right sides {:?}", a.shape(), b.shape());
    Ok(inverse(a)?.matmul(b))
}

/// ln |det A|.
struct LogDet<T: Float> {
    /// A⁻¹, for the rule without create-graph.
    inverse: Tensor<T>,
}

impl<T: Float> Op<T> for LogDet<T> {
    fn name(&self) -> &'static str {
        "log_det"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let inverse = if cx.create_graph() {
            inverse(&cx.input(0)).expect("the forward pass inverted the same matrix")
        } else {
            self.inverse.clone()
        };
        vec![Some(g.unsqueeze(g.rank()).unsqueeze(g.rank() + 1) * inverse.t())]
    }
}

/// ln |det A| of square matrices `[…, n, n]`: `[…]`. The derivative is A⁻ᵀ.
///
/// # Errors
/// Names the first matrix that is singular or not finite.
///
/// # Panics
/// If the last two axes differ.
#[track_caller]
pub fn log_det<T: Float>(a: &Tensor<T>) -> Result<Tensor<T>, LinalgError> {
    let n = square("log_det", a);
    let inverse = inverse(&a.detach())?;
    let outer = &a.shape()[..a.rank() - 2];
    let y = if n == 0 {
        // The determinant of nothing is 1.
        vec![T::ZERO; outer.iter().product()]
    } else {
        each(a, n, |_, matrix| {
            let lu = matrix.partial_piv_lu();
            let sum: f64 = (0..n).map(|i| lu.U()[(i, i)].abs().ln()).sum();
            Ok(Mat::from_fn(1, 1, |_, _| sum))
        })?
    };
    Ok(Tensor::record(LogDet { inverse }, &[a], Tensor::from_vec(y, outer)))
}

/// L with L·Lᵀ = A.
struct Cholesky;

impl<T: Float> Op<T> for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        // Murray 2016, arXiv:1602.07527, eq. (8): L⁻ᵀ·Φ(Lᵀ·G)·L⁻¹, made symmetric, where Φ halves the diagonal of the lower
        // triangle. Above the diagonal L is 0 whatever A is.
        let l = cx.output();
        let inverse = inverse(&l).expect("a Cholesky factor has a positive diagonal");
        let product = l.t().matmul(&g.tril(0));
        let phi = (product.tril(0) + product.tril(-1)).affine(0.5, 0.0);
        let s = inverse.t().matmul(&phi).matmul(&inverse);
        vec![Some((&s + s.t()).affine(0.5, 0.0))]
    }
}

/// The lower triangular L with L·Lᵀ = A of symmetric positive definite matrices `[…, n, n]`, of which the lower triangle is
/// read. The derivative is the symmetric one.
///
/// # Errors
/// Names the first matrix that is not positive definite or not finite.
///
/// # Panics
/// If the last two axes differ.
#[track_caller]
pub fn cholesky<T: Float>(a: &Tensor<T>) -> Result<Tensor<T>, LinalgError> {
    let n = square("cholesky", a);
    let y = each(a, n, |i, matrix| match matrix.llt(faer::Side::Lower) {
        Ok(llt) => Ok(Mat::from_fn(n, n, |r, c| if c <= r { llt.L()[(r, c)] } else { 0.0 })),
        Err(_) => Err(LinalgError::NotPositiveDefinite(i)),
    })?;
    Ok(Tensor::record(Cholesky, &[a], Tensor::from_vec(y, a.shape())))
}
