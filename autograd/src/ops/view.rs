//! Views: the same storage under another layout, in O(1), and their adjoints.
//!
//! They exist for every element type; only those of floats are recorded.

use std::ops::{Bound, RangeBounds};

use etude_kernels::strided::{self, Strided};

use super::{check_axis, checked, with_dim, without};
use crate::alloc;
use crate::dtype::{Dtype, Float};
use crate::layout::{Layout, Shape, contiguous_strides};
use crate::node::{Op, Saves, Vjp};
use crate::observe;
use crate::tensor::Tensor;

/// A recorded view. All are linear; none saves anything.
#[doc(hidden)]
pub enum View {
    Reshape,
    Permute(Shape),
    Narrow { axis: usize, start: usize },
    Expand,
}

impl<T: Float> Op<T> for View {
    fn name(&self) -> &'static str {
        match self {
            View::Reshape => "reshape",
            View::Permute(_) => "permute",
            View::Narrow { .. } => "narrow",
            View::Expand => "expand",
        }
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let shape = cx.input_shape(0);
        vec![Some(match self {
            View::Reshape => g.reshape(shape),
            View::Permute(axes) => {
                let mut inverse = axes.clone();
                axes.iter().enumerate().for_each(|(i, &a)| inverse[a] = i);
                g.permute(&inverse)
            }
            View::Narrow { axis, start } => g.pad_axis(*axis, *start, shape[*axis]),
            View::Expand => g.sum_to(shape),
        })]
    }
}

impl<T: Dtype> Tensor<T> {
    /// The same elements in row-major order under another shape; a copy only if the strides do not allow a view.
    ///
    /// # Panics
    /// If the numbers of elements differ.
    #[track_caller]
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Self {
        let shape = shape.as_ref();
        let len = checked("reshape", shape);
        assert!(len == self.len(), "reshape: {:?} has {} elements, {shape:?} has {len}", self.shape(), self.len());
        if shape == self.shape() {
            return self.clone();
        }
        if let Some(layout) = self.layout().reshape(shape) {
            return T::record_view(View::Reshape, self, self.view(layout));
        }
        observe::begins();
        let copy = self.copied().view(Layout::contiguous(shape));
        let y = T::record_view(View::Reshape, self, copy);
        observe::computed_unless_recorded("reshape", 2 * self.len() * size_of::<T>());
        y
    }

    /// Joins the axes of a range into one: `x.flatten(1..3)`.
    ///
    /// # Panics
    /// If the range is empty or reaches beyond the last axis.
    #[track_caller]
    pub fn flatten(&self, axes: impl RangeBounds<usize>) -> Self {
        let start = match axes.start_bound() {
            Bound::Included(&a) => a,
            Bound::Excluded(&a) => a + 1,
            Bound::Unbounded => 0,
        };
        let end = match axes.end_bound() {
            Bound::Included(&a) => a + 1,
            Bound::Excluded(&a) => a,
            Bound::Unbounded => self.rank(),
        };
        assert!(
            start < end && end <= self.rank(),
            "flatten: axes {start}..{end} of a tensor of shape {:?}",
            self.shape()
        );
        let mut shape = Shape::from_slice(&self.shape()[..start]);
        shape.push(self.shape()[start..end].iter().product());
        shape.extend_from_slice(&self.shape()[end..]);
        self.reshape(shape)
    }

    /// Joins all axes from `axis` on: `[n, c, h, w]` becomes `[n, c·h·w]` with `flatten_from(1)`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn flatten_from(&self, axis: usize) -> Self {
        if self.rank() == 0 && axis == 0 {
            return self.reshape([1]);
        }
        check_axis("flatten_from", axis, self.shape());
        self.flatten(axis..)
    }

    /// The axes in another order.
    ///
    /// # Panics
    /// If `axes` is not a permutation of `0..rank`.
    #[track_caller]
    pub fn permute(&self, axes: impl AsRef<[usize]>) -> Self {
        let axes = axes.as_ref();
        let mut sorted = Shape::from_slice(axes);
        sorted.sort_unstable();
        let all = sorted.iter().copied().eq(0..self.rank());
        assert!(all, "permute: {axes:?} is not an order of the {} axes of {:?}", self.rank(), self.shape());
        T::record_view(View::Permute(Shape::from_slice(axes)), self, self.view(self.layout().permute(axes)))
    }

    /// Two axes exchanged.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn transpose(&self, a: usize, b: usize) -> Self {
        check_axis("transpose", a, self.shape());
        check_axis("transpose", b, self.shape());
        let mut axes: Shape = (0..self.rank()).collect();
        axes.swap(a, b);
        self.permute(axes)
    }

    /// The last two axes exchanged.
    ///
    /// # Panics
    /// If there are fewer than two.
    #[track_caller]
    pub fn t(&self) -> Self {
        let rank = self.rank();
        assert!(rank >= 2, "t: a tensor of shape {:?} has fewer than two axes", self.shape());
        self.transpose(rank - 2, rank - 1)
    }

    /// A new axis of length 1 before `axis`.
    ///
    /// # Panics
    /// If `axis` is larger than the rank.
    #[track_caller]
    pub fn unsqueeze(&self, axis: usize) -> Self {
        let rank = self.rank();
        assert!(axis <= rank, "unsqueeze: axis {axis} of a tensor of shape {:?}, which has {rank} axes", self.shape());
        let mut shape = Shape::from_slice(self.shape());
        shape.insert(axis, 1);
        self.reshape(shape)
    }

    /// Without an axis of length 1.
    ///
    /// # Panics
    /// If the axis is longer.
    #[track_caller]
    pub fn squeeze(&self, axis: usize) -> Self {
        check_axis("squeeze", axis, self.shape());
        assert!(self.shape()[axis] == 1, "squeeze: axis {axis} of {:?} is not 1", self.shape());
        self.reshape(without(self.shape(), axis))
    }

    /// `len` positions of one axis, from `start` on.
    ///
    /// # Panics
    /// If they reach beyond its end.
    #[track_caller]
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Self {
        check_axis("narrow", axis, self.shape());
        let fits = start.checked_add(len).is_some_and(|end| end <= self.shape()[axis]);
        assert!(fits, "narrow: {start}..{start}+{len} of axis {axis} of {:?}", self.shape());
        if len == self.shape()[axis] {
            return self.clone();
        }
        T::record_view(View::Narrow { axis, start }, self, self.view(self.layout().narrow(axis, start, len)))
    }

    /// One position of an axis, which disappears.
    ///
    /// # Panics
    /// If there is no such position.
    #[track_caller]
    pub fn select(&self, axis: usize, index: usize) -> Self {
        check_axis("select", axis, self.shape());
        assert!(index < self.shape()[axis], "select: position {index} of axis {axis} of {:?}", self.shape());
        self.narrow(axis, index, 1).squeeze(axis)
    }

    /// Consecutive pieces of an axis.
    ///
    /// # Panics
    /// If the sizes do not add up to its length.
    #[track_caller]
    pub fn split(&self, axis: usize, sizes: &[usize]) -> Vec<Self> {
        check_axis("split", axis, self.shape());
        let total: usize = sizes.iter().sum();
        assert!(
            total == self.shape()[axis],
            "split: {sizes:?} add up to {total}, axis {axis} of {:?} differs",
            self.shape()
        );
        let mut start = 0;
        let piece = |&len: &usize| {
            start += len;
            self.narrow(axis, start - len, len)
        };
        sizes.iter().map(piece).collect()
    }

    /// `n` equal pieces of an axis.
    ///
    /// # Panics
    /// If its length is not a multiple of `n`.
    #[track_caller]
    pub fn chunk(&self, axis: usize, n: usize) -> Vec<Self> {
        check_axis("chunk", axis, self.shape());
        let len = self.shape()[axis];
        assert!(
            n > 0 && len.is_multiple_of(n),
            "chunk: axis {axis} of {:?} cannot be cut in {n} equal pieces",
            self.shape()
        );
        self.split(axis, &vec![len / n; n])
    }

    /// Axes of length 1 repeated, and new axes put in front, until the shape is `shape`. No copy.
    ///
    /// # Panics
    /// If an axis is neither 1 nor as long as asked for.
    #[track_caller]
    pub fn expand(&self, shape: impl AsRef<[usize]>) -> Self {
        let shape = shape.as_ref();
        if shape == self.shape() {
            return self.clone();
        }
        checked("expand", shape);
        match self.layout().broadcast(shape) {
            Some(layout) => T::record_view(View::Expand, self, self.view(layout)),
            None => panic!("expand: {:?} does not broadcast to {shape:?}", self.shape()),
        }
    }
}

/// Zeros around an axis: the adjoint of `narrow`.
struct PadAxis {
    axis: usize,
    start: usize,
}

impl<T: Float> Op<T> for PadAxis {
    fn name(&self) -> &'static str {
        "pad_axis"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(g.narrow(self.axis, self.start, cx.input_shape(0)[self.axis]))]
    }
}

impl<T: Float> Tensor<T> {
    /// Zeros before and after along `axis`, so that the tensor begins at `start` of an axis of length `len`.
    ///
    /// # Panics
    /// If it does not fit.
    #[track_caller]
    pub fn pad_axis(&self, axis: usize, start: usize, len: usize) -> Self {
        check_axis("pad_axis", axis, self.shape());
        let n = self.shape()[axis];
        let fits = start.checked_add(n).is_some_and(|end| end <= len);
        assert!(fits, "pad_axis: axis {axis} of {:?} does not fit in {len} positions from {start} on", self.shape());
        if n == len {
            return self.clone();
        }
        let shape = with_dim(self.shape(), axis, len);
        let strides = contiguous_strides(&shape);
        let mut out = alloc::filled(checked("pad_axis", &shape), T::ZERO);
        strided::scatter_add(&self.data(), self.shape(), &mut out, start * strides[axis], &strides);
        Tensor::record(PadAxis { axis, start }, &[self], Tensor::from_buf(out, &shape))
    }

    /// Zeros around the last two axes: left, right, top, bottom.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn pad2d(&self, [left, right, top, bottom]: [usize; 4]) -> Self {
        let rank = self.rank();
        assert!(rank >= 2, "pad2d: a tensor of shape {:?} has fewer than two axes", self.shape());
        let mut shape = Shape::from_slice(self.shape());
        for (axis, before, after) in [(rank - 1, left, right), (rank - 2, top, bottom)] {
            shape[axis] = shape[axis].saturating_add(before).saturating_add(after);
        }
        checked("pad2d", &shape);
        self.pad_axis(rank - 1, left, shape[rank - 1]).pad_axis(rank - 2, top, shape[rank - 2])
    }

    /// The sum over the axes along which `shape` was broadcast to this shape: the adjoint of `expand`.
    ///
    /// # Panics
    /// If `shape` does not broadcast to this one.
    #[track_caller]
    pub fn sum_to(&self, shape: impl AsRef<[usize]>) -> Self {
        let shape = shape.as_ref();
        if shape == self.shape() {
            return self.clone();
        }
        let lead = self.rank().checked_sub(shape.len());
        let Some(lead) = lead else { panic!("sum_to: {shape:?} does not broadcast to {:?}", self.shape()) };
        let mut axes: Shape = (0..lead).collect();
        for (i, &n) in shape.iter().enumerate() {
            let have = self.shape()[lead + i];
            assert!(n == have || n == 1, "sum_to: {shape:?} does not broadcast to {:?}", self.shape());
            if n != have {
                axes.push(lead + i);
            }
        }
        self.sum_keep(axes).reshape(shape)
    }

    /// One axis in reverse order.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn flip(&self, axis: usize) -> Self {
        check_axis("flip", axis, self.shape());
        let n = self.shape()[axis] as i64;
        self.index_select(axis, &Tensor::from_vec((0..n).rev().collect(), [n as usize]))
    }

    /// One axis moved on by `shift` positions in a circle: position i goes to i + shift.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn roll(&self, axis: usize, shift: isize) -> Self {
        check_axis("roll", axis, self.shape());
        let n = self.shape()[axis];
        let shift = shift.rem_euclid(n.max(1) as isize) as usize;
        if shift == 0 {
            return self.clone();
        }
        Tensor::concat(&[&self.narrow(axis, n - shift, shift), &self.narrow(axis, 0, n - shift)], axis)
    }
}

/// A view as strides with another length of data: for kernels that gather.
pub(crate) fn broadcast_strided<'a, T: Dtype>(x: &'a Tensor<T>, layout: &'a Layout) -> Strided<'a, T> {
    Strided { strides: &layout.strides, ..x.strided() }
}
