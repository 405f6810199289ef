//! Sorting and the largest elements: indices by comparison, values by `gather`, so that gradients find their way back.
//!
//! The order is total: NaN is larger than every number, as PyTorch has it, and the two zeros are equal. Equal elements
//! keep their order, ascending and descending.

use std::cmp::Ordering;

use super::check_axis;
use crate::dtype::Float;
use crate::observe;
use crate::tensor::Tensor;

fn compare<T: Float>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl<T: Float> Tensor<T> {
    /// Where the elements of each row along `axis` stand in it, in ascending or descending order. Indices have no gradient.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn argsort(&self, axis: usize, descending: bool) -> Tensor<i64> {
        self.ordered("argsort", axis, descending)
    }

    /// The indices, for the operation `op`.
    #[track_caller]
    fn ordered(&self, op: &'static str, axis: usize, descending: bool) -> Tensor<i64> {
        check_axis(op, axis, self.shape());
        observe::begins();
        let last = self.rank() - 1;
        let rows = self.detach().transpose(axis, last);
        let n = rows.dim(last);
        let data = rows.data();
        let mut ids = Vec::with_capacity(self.len());
        for row in data.chunks_exact(n.max(1)) {
            let from = ids.len();
            ids.extend(0..n as i64);
            let order = |&a: &i64, &b: &i64| compare(row[a as usize], row[b as usize]);
            if descending {
                ids[from..].sort_by(|a, b| order(b, a));
            } else {
                ids[from..].sort_by(order);
            }
        }
        observe::computed("argsort", self.len() * (size_of::<T>() + size_of::<i64>()));
        Tensor::from_vec(ids, rows.shape()).transpose(axis, last)
    }

    /// The elements of each row along `axis` in ascending or descending order, and where they stood. The gradient of a
    /// value goes to the place that it came from.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn sort(&self, axis: usize, descending: bool) -> (Self, Tensor<i64>) {
        let ids = self.ordered("sort", axis, descending);
        (self.gather(axis, &ids), ids)
    }

    /// The `k` largest elements of each row along `axis`, the largest first, and where they stood. Of equal elements the
    /// first are taken; the gradient of a value goes to the place that it came from.
    ///
    /// # Panics
    /// If there is no such axis, or it has fewer than `k` elements.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: usize) -> (Self, Tensor<i64>) {
        check_axis("topk", axis, self.shape());
        assert!(k <= self.dim(axis), "topk: the {k} largest along axis {axis} of {:?}", self.shape());
        let ids = self.argsort(axis, true).narrow(axis, 0, k);
        (self.gather(axis, &ids), ids)
    }
}
