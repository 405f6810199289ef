//! Reductions over axes: sums, means, variances, extrema, norms, cumulative sums.

use etude_kernels::Buf;
use etude_kernels::reduce::{self, Reduce};

use super::{around, check_axis, with_dim, without};
use crate::alloc;
use crate::dtype::Float;
use crate::layout::Shape;
use crate::node::{Op, Saves, Vjp};
use crate::observe;
use crate::tensor::Tensor;

/// The sum over some axes, kept with length 1.
struct Sum;

impl<T: Float> Op<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(g.expand(cx.input_shape(0)))]
    }
}

/// Sorted, distinct axes, or a panic that names the operation.
#[track_caller]
fn sorted_axes(op: &str, axes: &[usize], shape: &[usize]) -> Shape {
    let mut sorted = Shape::from_slice(axes);
    sorted.sort_unstable();
    for &axis in &sorted {
        check_axis(op, axis, shape);
    }
    assert!(sorted.windows(2).all(|w| w[0] != w[1]), "{op}: an axis of shape {shape:?} stands twice in {axes:?}");
    sorted
}

fn dropped(shape: &[usize], axes: &[usize]) -> Shape {
    (0..shape.len()).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect()
}

impl<T: Float> Tensor<T> {
    /// The sum over `axes`, which stay with length 1.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn sum_keep(&self, axes: impl AsRef<[usize]>) -> Self {
        self.sum_over("sum_keep", axes.as_ref())
    }

    /// The sum, for the operation `op`.
    #[track_caller]
    fn sum_over(&self, op: &str, axes: &[usize]) -> Self {
        let axes = sorted_axes(op, axes, self.shape());
        if axes.is_empty() {
            return self.clone();
        }
        // Neighbouring axes are summed as one; the innermost group first, so that the most is gone after the first pass.
        let mut shape = Shape::from_slice(self.shape());
        let mut current: Option<Buf<T>> = None;
        let mut end = axes.len();
        while end > 0 {
            let mut start = end - 1;
            while start > 0 && axes[start - 1] + 1 == axes[start] {
                start -= 1;
            }
            let (first, last) = (axes[start], axes[end - 1]);
            let outer: usize = shape[..first].iter().product();
            let n: usize = shape[first..=last].iter().product();
            let inner: usize = shape[last + 1..].iter().product();
            let mut out = alloc::scratch(outer * inner);
            match &current {
                Some(x) => reduce::reduce(Reduce::Sum, x, outer, n, inner, &mut out),
                None => reduce::reduce(Reduce::Sum, &self.data(), outer, n, inner, &mut out),
            }
            shape[first..=last].fill(1);
            current = Some(out);
            end = start;
        }
        let out = current.expect("at least one axis was summed");
        Tensor::record(Sum, &[self], Tensor::from_buf(out, &shape))
    }

    /// The sum over `axes`, which disappear.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn sum_dims(&self, axes: impl AsRef<[usize]>) -> Self {
        let axes = axes.as_ref();
        self.sum_over("sum_dims", axes).reshape(dropped(self.shape(), axes))
    }

    /// The sum of all elements, without axes.
    pub fn sum(&self) -> Self {
        let all: Shape = (0..self.rank()).collect();
        self.sum_dims(all)
    }

    /// The mean over `axes`, which stay with length 1.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn mean_keep(&self, axes: impl AsRef<[usize]>) -> Self {
        self.mean_over("mean_keep", axes.as_ref())
    }

    /// The mean, for the operation `op`.
    #[track_caller]
    pub(super) fn mean_over(&self, op: &str, axes: &[usize]) -> Self {
        let sum = self.sum_over(op, axes);
        let n: usize = axes.iter().map(|&a| self.shape()[a]).product();
        sum.affine(1.0 / n as f64, 0.0)
    }

    /// The mean over `axes`, which disappear.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn mean_dims(&self, axes: impl AsRef<[usize]>) -> Self {
        let axes = axes.as_ref();
        self.mean_over("mean_dims", axes).reshape(dropped(self.shape(), axes))
    }

    /// The mean of all elements, without axes; NaN if there are none.
    pub fn mean(&self) -> Self {
        let all: Shape = (0..self.rank()).collect();
        self.mean_dims(all)
    }

    /// The biased variance (divided by n) over `axes`, which stay with length 1.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn var_keep(&self, axes: impl AsRef<[usize]>) -> Self {
        self.var_over("var_keep", axes.as_ref())
    }

    /// The biased variance, for the operation `op`.
    #[track_caller]
    fn var_over(&self, op: &str, axes: &[usize]) -> Self {
        self.centred(op, axes).square().mean_keep(axes)
    }

    /// x − μ, for the operation `op`: 0 where all elements are equal, though the mean of a long row is not exactly theirs.
    #[track_caller]
    pub(super) fn centred(&self, op: &str, axes: &[usize]) -> Self {
        let once = self - self.mean_over(op, axes);
        // The correction is constant: the mean of what is centred has no derivative. Divided, since n·(1/n) may not be 1.
        let n: usize = axes.iter().map(|&a| self.shape()[a]).product();
        &once - once.detach().sum_over(op, axes) / Tensor::scalar(T::from_f64(n as f64))
    }

    /// The biased variance (divided by n) over `axes`, which disappear.
    ///
    /// # Panics
    /// If there is no such axis, or one stands twice.
    #[track_caller]
    pub fn var_dims(&self, axes: impl AsRef<[usize]>) -> Self {
        let axes = axes.as_ref();
        self.var_over("var_dims", axes).reshape(dropped(self.shape(), axes))
    }

    /// Where the largest element of each row along `axis` is: the first of equal ones; NaN counts as largest.
    ///
    /// # Panics
    /// If there is no such axis, or it is empty.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Tensor<i64> {
        self.arg("argmax", axis, reduce::argmax)
    }

    /// Where the smallest element of each row along `axis` is: the first of equal ones; NaN counts as smallest.
    ///
    /// # Panics
    /// If there is no such axis, or it is empty.
    #[track_caller]
    pub fn argmin(&self, axis: usize) -> Tensor<i64> {
        self.arg("argmin", axis, reduce::argmin)
    }

    #[track_caller]
    fn arg(&self, op: &'static str, axis: usize, kernel: fn(&[T], usize, usize, usize, &mut [i64])) -> Tensor<i64> {
        check_axis(op, axis, self.shape());
        let (outer, n, inner) = around(self.shape(), axis);
        assert!(n > 0 || outer * inner == 0, "{op}: axis {axis} of {:?} is empty", self.shape());
        let mut out = alloc::scratch(outer * inner);
        if n > 0 {
            kernel(&self.data(), outer, n, inner, &mut out);
        }
        observe::computed(op, self.len() * size_of::<T>() + out.len() * size_of::<i64>());
        Tensor::from_buf(out, &without(self.shape(), axis))
    }

    /// The largest element of each row along `axis`, which stays with length 1. The gradient goes to the position that
    /// [`Tensor::argmax`] names.
    ///
    /// # Panics
    /// If there is no such axis, or it is empty.
    #[track_caller]
    pub fn max_keep(&self, axis: usize) -> Self {
        self.largest("max_keep", axis)
    }

    #[track_caller]
    fn largest(&self, op: &'static str, axis: usize) -> Self {
        self.gather(axis, &self.arg(op, axis, reduce::argmax).unsqueeze(axis))
    }

    /// The largest element of each row along `axis`, which disappears.
    ///
    /// # Panics
    /// If there is no such axis, or it is empty.
    #[track_caller]
    pub fn max(&self, axis: usize) -> Self {
        self.largest("max", axis).squeeze(axis)
    }

    /// The smallest element of each row along `axis`, which disappears.
    ///
    /// # Panics
    /// If there is no such axis, or it is empty.
    #[track_caller]
    pub fn min(&self, axis: usize) -> Self {
        self.gather(axis, &self.arg("min", axis, reduce::argmin).unsqueeze(axis)).squeeze(axis)
    }
}

/// √Σx² along one axis, kept with length 1.
struct NormL2 {
    axis: usize,
}

impl<T: Float> Op<T> for NormL2 {
    fn name(&self) -> &'static str {
        "norm_l2"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        // x / ‖x‖, and 0 at the origin: the subgradient of least norm. Dividing by ∞ there keeps NaN out of every order.
        let x = cx.input(0);
        let norm = if cx.create_graph() { x.square().sum_keep([self.axis]) } else { squares(&x, self.axis) };
        let at_origin = norm.eq_scalar(T::ZERO);
        let safe = norm.masked_fill(&at_origin, T::INFINITY).sqrt();
        vec![Some(x * (g / safe))]
    }
}

fn squares<T: Float>(x: &Tensor<T>, axis: usize) -> Tensor<T> {
    x.detach().square().sum_keep([axis])
}

impl<T: Float> Tensor<T> {
    /// ‖x‖ = √Σx² of each row along `axis`, which disappears. The gradient at 0 is 0.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn norm_l2(&self, axis: usize) -> Self {
        check_axis("norm_l2", axis, self.shape());
        let y = squares(self, axis).sqrt();
        Tensor::record(NormL2 { axis }, &[self], y).squeeze(axis)
    }
}

/// Running sums along one axis.
struct Cumsum {
    axis: usize,
}

impl<T: Float> Op<T> for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, _: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(g.flip(self.axis).cumsum(self.axis).flip(self.axis))]
    }
}

impl<T: Float> Tensor<T> {
    /// Running sums along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn cumsum(&self, axis: usize) -> Self {
        check_axis("cumsum", axis, self.shape());
        let (outer, n, inner) = around(self.shape(), axis);
        let mut out = alloc::scratch(self.len());
        reduce::cumsum(&self.data(), outer, n, inner, &mut out);
        Tensor::record(Cumsum { axis }, &[self], Tensor::from_buf(out, self.shape()))
    }
}

/// ln Σ eˣ along the last axis, kept with length 1.
struct LogSumExp;

impl<T: Float> Op<T> for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let x = cx.input(0);
        vec![Some(g * x.softmax(x.rank() - 1))]
    }
}

impl<T: Float> Tensor<T> {
    /// ln Σ eˣ of each row along `axis`, which disappears; without overflow.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn logsumexp(&self, axis: usize) -> Self {
        check_axis("logsumexp", axis, self.shape());
        let last = self.rank() - 1;
        if axis != last {
            return self.transpose(axis, last).logsumexp(last).unsqueeze(last).transpose(axis, last).squeeze(axis);
        }
        let (rows, n, _) = around(self.shape(), last);
        let mut out = alloc::scratch(rows);
        etude_kernels::softmax::logsumexp(&self.data(), rows, n, &mut out);
        let y = Tensor::from_buf(out, &with_dim(self.shape(), last, 1));
        Tensor::record(LogSumExp, &[self], y).squeeze(last)
    }
}
