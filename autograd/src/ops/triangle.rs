//! Triangles and diagonals of matrices.

use super::check_axis;
use crate::dtype::Float;
use crate::layout::Shape;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// The lower triangle of the last two axes: elements (i, j) with j ≤ i + `diagonal`, zeros above.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(&self, diagonal: i64) -> Self {
        self.triangle("tril", |above| above > diagonal)
    }

    /// The upper triangle of the last two axes: elements (i, j) with j ≥ i + `diagonal`, zeros below.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn triu(&self, diagonal: i64) -> Self {
        self.triangle("triu", |above| above < diagonal)
    }

    /// Zeros where `hidden` holds of j − i.
    #[track_caller]
    fn triangle(&self, op: &str, hidden: impl Fn(i64) -> bool) -> Self {
        let rank = self.rank();
        assert!(rank >= 2, "{op}: a tensor of shape {:?} has fewer than two axes", self.shape());
        let (rows, cols) = (self.dim(rank - 2), self.dim(rank - 1));
        let mask = (0..rows as i64).flat_map(|i| (0..cols as i64).map(move |j| j - i)).map(hidden).collect();
        self.masked_fill(&Tensor::from_vec(mask, [rows, cols]), T::ZERO)
    }

    /// The elements whose indices along axes `a` and `b` are equal, as a last axis; both disappear.
    ///
    /// # Panics
    /// If there are no two such axes.
    #[track_caller]
    pub fn diagonal(&self, a: usize, b: usize) -> Self {
        check_axis("diagonal", a, self.shape());
        check_axis("diagonal", b, self.shape());
        assert!(a != b, "diagonal: axis {a} of {:?} stands twice", self.shape());
        let (rows, cols) = (self.dim(a), self.dim(b));
        let mut order: Shape = (0..self.rank()).filter(|&i| i != a && i != b).collect();
        let last = order.len();
        order.extend([a, b]);
        let ids = (0..rows.min(cols)).map(|i| (i * (cols + 1)) as i64).collect();
        let ids = Tensor::from_vec(ids, [rows.min(cols)]);
        self.permute(order).flatten(last..last + 2).index_select(last, &ids)
    }
}
