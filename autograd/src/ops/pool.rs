//! Pooling and nearest upsampling of planes.

use etude_kernels::pool::{self as kernel, Pool2d};

use super::checked;
use crate::alloc;
use crate::dtype::Float;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

/// The windows of a pooling. Height first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pool2dArgs {
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Rows and columns around the image, at most half of a window: −∞ for a maximum, zeros for a mean.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding: [usize; 2],
    /// Whether a last window may reach beyond the padded image, if it begins in the image or before it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceil_mode: bool,
    /// Whether a mean counts the padding; a maximum never does.
    #[cfg_attr(feature = "serde", serde(default = "counted"))]
    pub count_include_pad: bool,
}

/// Padding counts unless it is said not to.
#[cfg(feature = "serde")]
pub(super) fn counted() -> bool {
    true
}

impl Pool2dArgs {
    /// Square windows side by side.
    pub const fn new(kernel: usize) -> Self {
        let square = [kernel; 2];
        Pool2dArgs { kernel: square, stride: square, padding: [0; 2], ceil_mode: false, count_include_pad: true }
    }
}

/// Max pooling: what it chose is a constant, so it is linear in its input.
struct MaxPool {
    shape: Pool2d,
    /// Where in its plane each output comes from, `[planes, oh·ow]`.
    index: Tensor<i64>,
}

impl<T: Float> Op<T> for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let s = &self.shape;
        let dx = if cx.create_graph() {
            let planes = Tensor::zeros([s.planes, s.height * s.width]);
            planes.scatter_add(1, &self.index, &g.reshape(self.index.shape()))
        } else {
            let mut out = alloc::scratch(s.planes * s.height * s.width);
            kernel::max_grad(s, &self.index.data(), &g.data(), &mut out);
            Tensor::from_buf(out, &[s.planes, s.height * s.width])
        };
        vec![Some(dx.reshape(cx.input_shape(0)))]
    }
}

/// A linear map of planes and its adjoint.
#[derive(Clone, Copy)]
enum Linear {
    Avg(Pool2d),
    AvgGrad(Pool2d),
    Upsample { planes: usize, height: usize, width: usize, scale: usize },
    UpsampleGrad { planes: usize, height: usize, width: usize, scale: usize },
}

impl Linear {
    fn adjoint(self) -> Linear {
        match self {
            Linear::Avg(s) => Linear::AvgGrad(s),
            Linear::AvgGrad(s) => Linear::Avg(s),
            Linear::Upsample { planes, height, width, scale } => Linear::UpsampleGrad { planes, height, width, scale },
            Linear::UpsampleGrad { planes, height, width, scale } => Linear::Upsample { planes, height, width, scale },
        }
    }

    fn apply<T: Float>(self, x: &Tensor<T>) -> Tensor<T> {
        let [h, w] = match self {
            Linear::Avg(s) => s.output(),
            Linear::AvgGrad(s) => [s.height, s.width],
            Linear::Upsample { height, width, scale, .. } => [height * scale, width * scale],
            Linear::UpsampleGrad { height, width, .. } => [height, width],
        };
        let shape = [x.shape()[0], x.shape()[1], h, w];
        let mut out = alloc::scratch(shape.iter().product());
        match self {
            Linear::Avg(s) => kernel::avg(&s, &x.data(), &mut out),
            Linear::AvgGrad(s) => kernel::avg_grad(&s, &x.data(), &mut out),
            Linear::Upsample { planes, height, width, scale } => {
                kernel::upsample_nearest(planes, height, width, scale, &x.data(), &mut out);
            }
            Linear::UpsampleGrad { planes, height, width, scale } => {
                kernel::upsample_nearest_grad(planes, height, width, scale, &x.data(), &mut out);
            }
        }
        Tensor::record(self, &[x], Tensor::from_buf(out, &shape))
    }
}

impl<T: Float> Op<T> for Linear {
    fn name(&self) -> &'static str {
        match self {
            Linear::Avg(_) => "avg_pool2d",
            Linear::AvgGrad(_) => "avg_pool2d_grad",
            Linear::Upsample { .. } => "upsample_nearest2d",
            Linear::UpsampleGrad { .. } => "upsample_nearest2d_grad",
        }
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, _: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(self.adjoint().apply(g))]
    }
}

/// Panics unless windows with these strides and paddings fit the last axes of `x`.
#[track_caller]
pub(super) fn check_windows(
    op: &str,
    x: &[usize],
    kernel: &[usize],
    stride: &[usize],
    padding: &[usize],
    ceil_mode: bool,
) {
    let first = x.len() - kernel.len();
    for (i, &n) in x[first..].iter().enumerate() {
        if let Err(error) = kernel::windows(n, [kernel[i], stride[i], padding[i]], ceil_mode) {
            panic!("{op}: axis {} of {x:?}: {error}", first + i);
        }
    }
}

impl<T: Float> Tensor<T> {
    #[track_caller]
    fn pool_shape(&self, op: &str, args: Pool2dArgs) -> Pool2d {
        let x = self.shape();
        assert!(x.len() == 4, "{op}: x {x:?} needs four axes");
        let Pool2dArgs { kernel, stride, padding, ceil_mode, count_include_pad } = args;
        check_windows(op, x, &kernel, &stride, &padding, ceil_mode);
        let (planes, height, width) = (x[0].saturating_mul(x[1]), x[2], x[3]);
        Pool2d { planes, height, width, kernel, stride, padding, ceil: ceil_mode, include_pad: count_include_pad }
    }

    /// The largest element of each window of `[n, c, h, w]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool2d(&self, args: Pool2dArgs) -> Self {
        self.winners(self.pool_shape("max_pool2d", args)).0
    }

    /// [`Tensor::max_pool2d`], and where in its image each element lies, as row × width + column.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, args: Pool2dArgs) -> (Self, Tensor<i64>) {
        let (y, index) = self.winners(self.pool_shape("max_pool2d_with_indices", args));
        let index = index.reshape(y.shape());
        (y, index)
    }

    /// What each window chose, and where it lies in its plane, `[planes, windows]`.
    fn winners(&self, shape: Pool2d) -> (Self, Tensor<i64>) {
        let [h, w] = shape.output();
        let mut out = alloc::scratch(shape.planes * h * w);
        let mut index = alloc::scratch(shape.planes * h * w);
        kernel::max(&shape, &self.data(), &mut out, &mut index);
        let index = Tensor::from_buf(index, &[shape.planes, h * w]);
        let y = Tensor::from_buf(out, &[self.shape()[0], self.shape()[1], h, w]);
        (Tensor::record(MaxPool { shape, index: index.clone() }, &[self], y), index)
    }

    /// The mean of each window of `[n, c, h, w]`.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn avg_pool2d(&self, args: Pool2dArgs) -> Self {
        Linear::Avg(self.pool_shape("avg_pool2d", args)).apply(self)
    }

    /// Every pixel of `[n, c, h, w]` repeated `scale` times along both axes.
    ///
    /// # Panics
    /// If there are not four axes or `scale` is 0.
    #[track_caller]
    pub fn upsample_nearest2d(&self, scale: usize) -> Self {
        let x = self.shape();
        assert!(
            x.len() == 4 && scale > 0,
            "upsample_nearest2d: x {x:?} needs four axes, the scale {scale} must not be 0"
        );
        let side = |n: usize| n.saturating_mul(scale);
        checked("upsample_nearest2d", &[x[0], x[1], side(x[2]), side(x[3])]);
        Linear::Upsample { planes: x[0] * x[1], height: x[2], width: x[3], scale }.apply(self)
    }
}
