//! Pooling along the last axes, one to three, and nearest upsampling of planes.
//!
//! The kernel pools volumes. The missing axes of an image or a sequence are of length 1; each pooling keeps the name that
//! its caller used.

use etude_kernels::pool::{self as kernel, Axis, Pool};

use super::checked;
use crate::alloc;
use crate::dtype::Float;
use crate::layout::Shape;
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
    /// Steps between neighbouring elements of a window, of a maximum alone.
    #[cfg_attr(feature = "serde", serde(default = "dense"))]
    pub dilation: [usize; 2],
    /// Whether a last window may reach beyond the padded image, if it begins in the image or before it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceil_mode: bool,
    /// Whether a mean counts the padding; a maximum never does.
    #[cfg_attr(feature = "serde", serde(default = "counted"))]
    pub count_include_pad: bool,
    /// What the sum of each window is divided by, of a mean alone, instead of the number of elements.
    #[cfg_attr(feature = "serde", serde(default))]
    pub divisor_override: Option<usize>,
}

/// Padding counts unless it is said not to.
#[cfg(feature = "serde")]
pub(super) fn counted() -> bool {
    true
}

/// The elements of a window are neighbours unless it is said otherwise.
#[cfg(feature = "serde")]
pub(super) fn dense<const N: usize>() -> [usize; N] {
    [1; N]
}

impl Pool2dArgs {
    /// Square windows side by side.
    pub const fn new(kernel: usize) -> Self {
        let (kernel, padding, dilation) = ([kernel; 2], [0; 2], [1; 2]);
        let (ceil_mode, count_include_pad, divisor_override) = (false, true, None);
        Pool2dArgs { kernel, stride: kernel, padding, dilation, ceil_mode, count_include_pad, divisor_override }
    }
}

/// The windows of a pooling along as many axes.
pub(super) struct Windows<const N: usize> {
    pub kernel: [usize; N],
    pub stride: [usize; N],
    pub padding: [usize; N],
    pub dilation: [usize; N],
    pub ceil_mode: bool,
    pub count_include_pad: bool,
    pub divisor_override: Option<usize>,
}

impl From<Pool2dArgs> for Windows<2> {
    fn from(args: Pool2dArgs) -> Self {
        let Pool2dArgs { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override } = args;
        Windows { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override }
    }
}

/// Max pooling: what it chose is a constant, so it is linear in its input.
struct MaxPool {
    op: &'static str,
    /// Volumes and elements of each, of the input.
    input: [usize; 2],
    shape: Pool,
    /// Where in its volume each output comes from, `[volumes, windows]`.
    index: Tensor<i64>,
}

impl<T: Float> Op<T> for MaxPool {
    fn name(&self) -> &'static str {
        self.op
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let dx = if cx.create_graph() {
            Tensor::zeros(self.input).scatter_add(1, &self.index, &g.reshape(self.index.shape()))
        } else {
            let mut out = alloc::scratch(self.input.iter().product());
            kernel::max_grad(&self.shape, &self.index.data(), &g.data(), &mut out);
            Tensor::from_buf(out, &self.input)
        };
        vec![Some(dx.reshape(cx.input_shape(0)))]
    }
}

/// A linear map along the last axes, and its adjoint.
#[derive(Clone, Copy)]
enum Linear {
    /// Along so many axes.
    Avg {
        axes: usize,
        shape: Pool,
    },
    AvgGrad {
        axes: usize,
        shape: Pool,
    },
    Upsample {
        planes: usize,
        height: usize,
        width: usize,
        scale: usize,
    },
    UpsampleGrad {
        planes: usize,
        height: usize,
        width: usize,
        scale: usize,
    },
}

impl Linear {
    fn adjoint(self) -> Linear {
        match self {
            Linear::Avg { axes, shape } => Linear::AvgGrad { axes, shape },
            Linear::AvgGrad { axes, shape } => Linear::Avg { axes, shape },
            Linear::Upsample { planes, height, width, scale } => Linear::UpsampleGrad { planes, height, width, scale },
            Linear::UpsampleGrad { planes, height, width, scale } => Linear::Upsample { planes, height, width, scale },
        }
    }

    fn apply<T: Float>(self, x: &Tensor<T>) -> Tensor<T> {
        let extent = match self {
            Linear::Avg { shape, .. } => shape.output(),
            Linear::AvgGrad { shape, .. } => shape.input(),
            Linear::Upsample { height, width, scale, .. } => [1, height * scale, width * scale],
            Linear::UpsampleGrad { height, width, .. } => [1, height, width],
        };
        let shape = with_extent(x.shape(), extent);
        let mut out = alloc::scratch(shape.iter().product());
        match self {
            Linear::Avg { shape, .. } => kernel::avg(&shape, &x.data(), &mut out),
            Linear::AvgGrad { shape, .. } => kernel::avg_grad(&shape, &x.data(), &mut out),
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
            Linear::Avg { axes, .. } => ["avg_pool1d", "avg_pool2d", "avg_pool3d"][axes - 1],
            Linear::AvgGrad { axes, .. } => ["avg_pool1d_grad", "avg_pool2d_grad", "avg_pool3d_grad"][axes - 1],
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

/// `[n, c, …]` with the last axes of such a volume.
fn with_extent(x: &[usize], extent: [usize; 3]) -> Shape {
    let mut shape = Shape::from_slice(&x[..2]);
    shape.extend_from_slice(&extent[5 - x.len()..]);
    shape
}

impl<T: Float> Tensor<T> {
    /// The geometry of windows along the `N` axes behind batch and channels.
    #[track_caller]
    fn pool_shape<const N: usize>(&self, op: &str, windows: Windows<N>) -> Pool {
        let x = self.shape();
        assert!(x.len() == 2 + N, "{op}: x {x:?} needs {} axes", ["three", "four", "five"][N - 1]);
        let mut axes = [Axis::NONE; 3];
        for (i, axis) in axes[3 - N..].iter_mut().enumerate() {
            let (kernel, stride) = (windows.kernel[i], windows.stride[i]);
            let (padding, dilation) = (windows.padding[i], windows.dilation[i]);
            *axis = Axis { length: x[2 + i], kernel, stride, padding, dilation };
            if let Err(error) = axis.windows(windows.ceil_mode) {
                panic!("{op}: axis {} of {x:?}: {error}", 2 + i);
            }
        }
        let Windows { ceil_mode: ceil, count_include_pad: include_pad, divisor_override: divisor, .. } = windows;
        Pool { volumes: x[0].saturating_mul(x[1]), axes, ceil, include_pad, divisor }
    }

    /// The largest element of each window, and where in its volume it lies.
    #[track_caller]
    pub(super) fn max_windows<const N: usize>(&self, op: &'static str, windows: Windows<N>) -> (Self, Tensor<i64>) {
        assert!(windows.divisor_override.is_none(), "{op}: a divisor is for means, a maximum has none");
        let shape = self.pool_shape(op, windows);
        let extent = with_extent(self.shape(), shape.output());
        let len = extent.iter().product();
        let (mut out, mut index) = (alloc::scratch(len), alloc::scratch(len));
        kernel::max(&shape, &self.data(), &mut out, &mut index);
        // Without a volume there is no element, however large one would be.
        let each = |volume: [usize; 3]| [shape.volumes, volume.into_iter().fold(1, usize::saturating_mul)];
        let index = Tensor::from_buf(index, &each(shape.output()));
        let op = MaxPool { op, input: each(shape.input()), shape, index: index.clone() };
        (Tensor::record(op, &[self], Tensor::from_buf(out, &extent)), index.reshape(extent))
    }

    /// The mean of each window.
    #[track_caller]
    pub(super) fn avg_windows<const N: usize>(&self, op: &str, windows: Windows<N>) -> Self {
        let Windows { dilation, divisor_override: divisor, .. } = windows;
        assert!(dilation == [1; N], "{op}: the dilation {dilation:?} is for maxima, a mean has none");
        assert!(divisor != Some(0), "{op}: the divisor is 0");
        Linear::Avg { axes: N, shape: self.pool_shape(op, windows) }.apply(self)
    }

    /// The largest element of each window of `[n, c, h, w]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, or there is a divisor.
    #[track_caller]
    pub fn max_pool2d(&self, args: Pool2dArgs) -> Self {
        self.max_windows("max_pool2d", args.into()).0
    }

    /// [`Tensor::max_pool2d`], and where in its image each element lies, as row × width + column.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, or there is a divisor.
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, args: Pool2dArgs) -> (Self, Tensor<i64>) {
        self.max_windows("max_pool2d_with_indices", args.into())
    }

    /// The mean of each window of `[n, c, h, w]`.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, it is dilated, or the divisor is 0.
    #[track_caller]
    pub fn avg_pool2d(&self, args: Pool2dArgs) -> Self {
        self.avg_windows("avg_pool2d", args.into())
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
