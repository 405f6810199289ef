//! Entries of the op table for [`crate::linalg`].

use etude_autograd::table::{Array, Case, Draw, Entry, Tolerance};
use etude_autograd::{Float, Tensor, entry};

use crate::linalg;

/// One or two square matrices, or none, of up to three rows.
fn matrices(draw: &mut Draw<'_>) -> Case {
    let (batch, n) = (draw.dim(2), draw.int(1, 3));
    Case::new(draw).input_in(&[batch, n, n], -1.0, 1.0, &[])
}

/// M + 4·1, whose diagonal outweighs the rest.
fn regular<T: Float>(m: &Tensor<T>) -> Tensor<T> {
    m + Tensor::<T>::eye(m.dim(1)).affine(4.0, 0.0)
}

/// M·Mᵀ + 1, which is positive definite.
fn positive<T: Float>(m: &Tensor<T>) -> Tensor<T> {
    m.matmul(&m.t()) + Tensor::<T>::eye(m.dim(1))
}

type Rows = Vec<Vec<f64>>;

/// The same matrices, plainly.
fn plain(x: &Array, of: impl Fn(&Rows) -> Rows) -> Vec<Rows> {
    let (batch, n) = (x.shape[0], x.shape[1]);
    let matrix = |b: usize| (0..n).map(|i| (0..n).map(|j| x.at(&[b, i, j])).collect()).collect::<Rows>();
    (0..batch).map(|b| of(&matrix(b))).collect()
}

fn plain_regular(m: &Rows) -> Rows {
    let at = |i: usize, j: usize| m[i][j] + if i == j { 4.0 } else { 0.0 };
    (0..m.len()).map(|i| (0..m.len()).map(|j| at(i, j)).collect()).collect()
}

fn plain_positive(m: &Rows) -> Rows {
    let dot = |i: usize, j: usize| m[i].iter().zip(&m[j]).map(|(a, b)| a * b).sum::<f64>();
    (0..m.len()).map(|i| (0..m.len()).map(|j| dot(i, j) + if i == j { 1.0 } else { 0.0 }).collect()).collect()
}

/// Without row `i` and column `j`.
fn minor(a: &Rows, i: usize, j: usize) -> Rows {
    let row = |row: &Vec<f64>| row.iter().enumerate().filter(|(c, _)| *c != j).map(|(_, &v)| v).collect();
    a.iter().enumerate().filter(|(r, _)| *r != i).map(|(_, r)| row(r)).collect()
}

/// Laplace's expansion along the first row.
fn det(a: &Rows) -> f64 {
    if a.is_empty() {
        return 1.0;
    }
    (0..a.len()).map(|j| if j.is_multiple_of(2) { 1.0 } else { -1.0 } * a[0][j] * det(&minor(a, 0, j))).sum()
}

/// Cramer's rule.
fn inverse(a: &Rows) -> Rows {
    let sign = |i: usize, j: usize| if (i + j).is_multiple_of(2) { 1.0 } else { -1.0 };
    let cofactor = |i: usize, j: usize| sign(i, j) * det(&minor(a, j, i)) / det(a);
    (0..a.len()).map(|i| (0..a.len()).map(|j| cofactor(i, j)).collect()).collect()
}

/// From the determinants of the leading minors: Gantmacher, *The Theory of Matrices*, chapter II, §4.
fn cholesky(a: &Rows) -> Rows {
    let n = a.len();
    // Rows 0 to j − 1 and row i, of columns 0 to j.
    let bordered = |i: usize, j: usize| -> f64 { det(&(0..j).chain([i]).map(|r| a[r][..=j].to_vec()).collect()) };
    let leading = |j: usize| if j == 0 { 1.0 } else { bordered(j - 1, j - 1) };
    let at = |i: usize, j: usize| if j > i { 0.0 } else { bordered(i, j) / (leading(j) * leading(j + 1)).sqrt() };
    (0..n).map(|i| (0..n).map(|j| at(i, j)).collect()).collect()
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("linalg::inverse", "A⁻¹", matrices, |case, x| linalg::inverse(&regular(&x[0])).expect("regular"),
            |_, x| plain(&x[0], |m| inverse(&plain_regular(m))).concat().concat(), tolerance: loose, propagates_nan: false),
        entry!("linalg::solve", "A⁻¹·B", |draw| {
            let case = matrices(draw);
            let (batch, n) = (case.inputs[0].shape[0], case.inputs[0].shape[1]);
            let m = draw.int(1, 3);
            case.input(&[batch, n, m])
        }, |case, x| linalg::solve(&regular(&x[0]), &x[1]).expect("regular"), |_, x| {
            let inverses = plain(&x[0], |m| inverse(&plain_regular(m)));
            let n = x[0].shape[1];
            Array::from_fn(&x[1].shape, |i| (0..n).map(|k| inverses[i[0]][i[1]][k] * x[1].at(&[i[0], k, i[2]])).sum()).data
        }, tolerance: loose, propagates_nan: false),
        entry!("linalg::log_det", "ln |det A|", matrices, |case, x| linalg::log_det(&regular(&x[0])).expect("regular"),
            |_, x| plain(&x[0], |m| vec![vec![det(&plain_regular(m)).abs().ln()]]).concat().concat(), tolerance: loose, propagates_nan: false),
        entry!("linalg::cholesky", "L·Lᵀ = A", matrices, |case, x| linalg::cholesky(&positive(&x[0])).expect("positive definite"),
            |_, x| plain(&x[0], |m| cholesky(&plain_positive(m))).concat().concat(), tolerance: loose, propagates_nan: false),
    ]
}
