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
    /// Whether a last window may reach beyond the padded volume, if it begins in the volume or before it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceil_mode: bool,
    /// Whether a mean counts the padding; a maximum never does.
    #[cfg_attr(feature = "serde", serde(default = "super::pool::counted"))]
    pub count_include_pad: bool,
}

impl Pool3dArgs {
    /// Cubes side by side.
    pub const fn new(kernel: usize) -> Self {
        let cube = [kernel; 3];
        Pool3dArgs { kernel: cube, stride: cube, padding: [0; 3], ceil_mode: false, count_include_pad: true }
    }
}

impl From<Pool3dArgs> for Windows<3> {
    fn from(args: Pool3dArgs) -> Self {
        let Pool3dArgs { kernel, stride, padding, ceil_mode, count_include_pad } = args;
        Windows { kernel, stride, padding, ceil_mode, count_include_pad }
    }
}

impl<T: Float> Tensor<T> {
    /// The largest element of each window of `[n, c, depth, h, w]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool3d(&self, args: Pool3dArgs) -> Self {
        self.max_windows("max_pool3d", args.into()).0
    }

    /// The mean of each window of `[n, c, depth, h, w]`.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn avg_pool3d(&self, args: Pool3dArgs) -> Self {
        self.avg_windows("avg_pool3d", args.into())
    }
}
