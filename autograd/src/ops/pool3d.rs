//! Pooling in three dimensions.

use super::pool::Windows;
use crate::dtype::Float;
use crate::tensor::Tensor;

/// The windows of a pooling of volumes. Depth first, then height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pool3dArgs {
    /// Depth, height and width of a window.
    pub kernel: [usize; 3],
    /// Steps between windows.
    pub stride: [usize; 3],
    /// Elements around the volume, at most half of a window: −∞ for a maximum, zeros for a mean.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding: [usize; 3],
    /// Steps between neighbouring elements of a window, of a maximum alone.
    #[cfg_attr(feature = "serde", serde(default = "super::pool::dense"))]
    pub dilation: [usize; 3],
    /// Whether a last window may reach beyond the padded volume, if it begins in the volume or before it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceil_mode: bool,
    /// Whether a mean counts the padding; a maximum never does.
    #[cfg_attr(feature = "serde", serde(default = "super::pool::counted"))]
    pub count_include_pad: bool,
    /// What the sum of each window is divided by, of a mean alone, instead of the number of elements.
    #[cfg_attr(feature = "serde", serde(default))]
    pub divisor_override: Option<usize>,
}

impl Pool3dArgs {
    /// Cubes side by side.
    pub const fn new(kernel: usize) -> Self {
        let (kernel, padding, dilation) = ([kernel; 3], [0; 3], [1; 3]);
        let (ceil_mode, count_include_pad, divisor_override) = (false, true, None);
        Pool3dArgs { kernel, stride: kernel, padding, dilation, ceil_mode, count_include_pad, divisor_override }
    }
}

impl From<Pool3dArgs> for Windows<3> {
    fn from(args: Pool3dArgs) -> Self {
        let Pool3dArgs { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override } = args;
        Windows { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override }
    }
}

impl<T: Float> Tensor<T> {
    /// The largest element of each window of `[n, c, depth, h, w]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, or there is a divisor.
    #[track_caller]
    pub fn max_pool3d(&self, args: Pool3dArgs) -> Self {
        self.max_windows("max_pool3d", args.into()).0
    }

    /// [`Tensor::max_pool3d`], and where in its volume each element lies, as (plane × height + row) × width + column.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, or there is a divisor.
    #[track_caller]
    pub fn max_pool3d_with_indices(&self, args: Pool3dArgs) -> (Self, Tensor<i64>) {
        self.max_windows("max_pool3d_with_indices", args.into())
    }

    /// The mean of each window of `[n, c, depth, h, w]`.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, it is dilated, or the divisor is 0.
    #[track_caller]
    pub fn avg_pool3d(&self, args: Pool3dArgs) -> Self {
        self.avg_windows("avg_pool3d", args.into())
    }
}
