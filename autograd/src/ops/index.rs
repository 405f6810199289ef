//! Selection by integer indices, and the adjoints that add back.

use etude_kernels::index as kernel;

use super::{around, check_axis, checked, with_dim};
use crate::alloc;
use crate::dtype::{Dtype, Float};
use crate::layout::Shape;
use crate::node::{Op, Saves, Vjp};
use crate::observe;
use crate::tensor::Tensor;

/// Every index must name a position along one axis.
#[track_caller]
pub(super) fn check_ids(op: &str, ids: &[i64], shape: &[usize], axis: usize) {
    let n = shape[axis];
    if let Some(at) = ids.iter().position(|&i| i < 0 || i >= n as i64) {
        panic!("{op}: index {} at position {at} is outside 0..{n}, axis {axis} of shape {shape:?}", ids[at]);
    }
}

/// Whole slices along the first axis: x[ids].
struct SelectRows {
    ids: Tensor<i64>,
}
/// The adjoint: each row of the source added to row `ids` of zeros.
struct AddRows {
    ids: Tensor<i64>,
    rows: usize,
}

impl SelectRows {
    /// `x` as `[rows, …]`, the result as `ids.shape ++ […]`.
    fn apply<T: Float>(x: &Tensor<T>, ids: &Tensor<i64>) -> Tensor<T> {
        Tensor::record(SelectRows { ids: ids.clone() }, &[x], select_rows(x, ids))
    }
}

fn select_rows<T: Dtype>(x: &Tensor<T>, ids: &Tensor<i64>) -> Tensor<T> {
    let width: usize = x.shape()[1..].iter().product();
    let mut shape = Shape::from_slice(ids.shape());
    shape.extend_from_slice(&x.shape()[1..]);
    let mut out = alloc::scratch(shape.iter().product());
    kernel::gather_rows(&x.data(), width, &ids.data(), &mut out);
    Tensor::from_buf(out, &shape)
}

impl<T: Float> Op<T> for SelectRows {
    fn name(&self) -> &'static str {
        "select_rows"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(add_rows(g, &self.ids, cx.input_shape(0)[0]))]
    }
}

/// Slices `g`, of the shape `ids.shape ++ […]`, each added to the row of `[rows, …]` that its id names.
pub(super) fn add_rows<T: Float>(g: &Tensor<T>, ids: &Tensor<i64>, rows: usize) -> Tensor<T> {
    let mut shape = Shape::from_slice(&[rows]);
    shape.extend_from_slice(&g.shape()[ids.rank()..]);
    let mut out = alloc::filled(shape.iter().product(), T::ZERO);
    kernel::scatter_add_rows(&g.data(), shape[1..].iter().product(), &ids.data(), &mut out);
    Tensor::record(AddRows { ids: ids.clone(), rows }, &[g], Tensor::from_buf(out, &shape))
}

impl<T: Float> Op<T> for AddRows {
    fn name(&self) -> &'static str {
        "add_rows"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, _: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        debug_assert_eq!(g.shape()[0], self.rows);
        vec![Some(SelectRows::apply(g, &self.ids))]
    }
}

impl<T: Float> Tensor<T> {
    /// Rows of this table, `[n, dim]`: the result has the shape of `ids` with `dim` behind it.
    ///
    /// # Panics
    /// If the table has not two axes, or an index is outside it.
    #[track_caller]
    pub fn embedding(&self, ids: &Tensor<i64>) -> Self {
        assert!(self.rank() == 2, "embedding: the table has shape {:?}, not [n, dim]", self.shape());
        check_ids("embedding", &ids.data(), self.shape(), 0);
        SelectRows::apply(self, ids)
    }

    /// The positions `ids` (one axis) of `axis`.
    ///
    /// # Panics
    /// If there is no such axis, `ids` has not one axis, or an index is outside.
    #[track_caller]
    pub fn index_select(&self, axis: usize, ids: &Tensor<i64>) -> Self {
        check_axis("index_select", axis, self.shape());
        assert!(ids.rank() == 1, "index_select: the indices have shape {:?}, not one axis", ids.shape());
        check_ids("index_select", &ids.data(), self.shape(), axis);
        if axis == 0 {
            return SelectRows::apply(self, ids);
        }
        SelectRows::apply(&self.transpose(0, axis), ids).transpose(0, axis)
    }
}

impl Tensor<i64> {
    /// Rows of integers: as the floats' `index_select` along axis 0.
    ///
    /// # Panics
    /// If an index is outside.
    #[track_caller]
    pub fn take_rows(&self, ids: &Tensor<i64>) -> Tensor<i64> {
        check_axis("take_rows", 0, self.shape());
        check_ids("take_rows", &ids.data(), self.shape(), 0);
        let rows = select_rows(self, ids);
        observe::computed("take_rows", 2 * rows.len() * size_of::<i64>());
        rows
    }

    /// A row of `n` zeros with a 1 at the index, for every index: the shape gains an axis of length `n`.
    ///
    /// # Panics
    /// If an index is outside 0..n.
    #[track_caller]
    pub fn one_hot<T: Float>(&self, n: usize) -> Tensor<T> {
        let ids = self.data();
        let mut shape = Shape::from_slice(self.shape());
        shape.push(n);
        check_ids("one_hot", &ids, &shape, self.rank());
        let mut out = alloc::filled(checked("one_hot", &shape), T::ZERO);
        ids.iter().enumerate().for_each(|(row, &i)| out[row * n + i as usize] = T::ONE);
        observe::computed("one_hot", self.len() * size_of::<i64>() + out.len() * size_of::<T>());
        Tensor::from_buf(out, &shape)
    }
}

/// y[.., j, ..] = x[.., ids[.., j, ..], ..] along one axis.
struct Gather {
    axis: usize,
    ids: Tensor<i64>,
}
/// x plus the source added at the same positions.
struct ScatterAdd {
    axis: usize,
    ids: Tensor<i64>,
}

impl<T: Float> Op<T> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(Tensor::zeros(cx.input_shape(0)).scatter_add(self.axis, &self.ids, g))]
    }
}

impl<T: Float> Op<T> for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(g.clone()), cx.when(1, || g.gather(self.axis, &self.ids))]
    }
}

/// The indices may differ from the tensor along `axis` only.
#[track_caller]
fn check_gather(op: &str, axis: usize, x: &[usize], ids: &Tensor<i64>) {
    check_axis(op, axis, x);
    let same = x.len() == ids.rank() && (0..x.len()).all(|i| i == axis || x[i] == ids.shape()[i]);
    assert!(same, "{op}: indices {:?} differ from {x:?} outside axis {axis}", ids.shape());
    check_ids(op, &ids.data(), x, axis);
}

impl<T: Float> Tensor<T> {
    /// `y[i][j][k] = x[i][ids[i][j][k]][k]` for `axis` 1, and so on: PyTorch's `gather`.
    ///
    /// # Panics
    /// If the shapes differ outside `axis`, or an index is outside.
    #[track_caller]
    pub fn gather(&self, axis: usize, ids: &Tensor<i64>) -> Self {
        check_gather("gather", axis, self.shape(), ids);
        let (outer, n, inner) = around(self.shape(), axis);
        let k = ids.shape()[axis];
        let mut out = alloc::scratch(outer * k * inner);
        kernel::gather(&self.data(), outer, n, inner, &ids.data(), k, &mut out);
        let y = Tensor::from_buf(out, &with_dim(self.shape(), axis, k));
        Tensor::record(Gather { axis, ids: ids.clone() }, &[self], y)
    }

    /// A copy with `src[i][j][k]` added to `[i][ids[i][j][k]][k]` for `axis` 1, and so on. Repeated indices add up.
    ///
    /// # Panics
    /// If the shapes differ outside `axis`, `src` and `ids` differ, or an index is outside.
    #[track_caller]
    pub fn scatter_add(&self, axis: usize, ids: &Tensor<i64>, src: &Tensor<T>) -> Self {
        check_gather("scatter_add", axis, self.shape(), ids);
        assert!(
            src.shape() == ids.shape(),
            "scatter_add: source {:?} and indices {:?} differ",
            src.shape(),
            ids.shape()
        );
        let (outer, n, inner) = around(self.shape(), axis);
        let mut out = alloc::copy_of(&self.data());
        kernel::scatter_add(&src.data(), outer, ids.shape()[axis], inner, &ids.data(), n, &mut out);
        let op = ScatterAdd { axis, ids: ids.clone() };
        Tensor::record(op, &[self, src], Tensor::from_buf(out, self.shape()))
    }
}
