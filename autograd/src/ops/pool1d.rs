//! Pooling in one dimension.

use super::pool::Windows;
use crate::dtype::Float;
use crate::tensor::Tensor;

/// The windows of a pooling of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pool1dArgs {
    /// Length of a window.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Elements on each side, at most half of a window: −∞ for a maximum, zeros for a mean.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding: usize,
    /// Steps between neighbouring elements of a window, of a maximum alone.
    #[cfg_attr(feature = "serde", serde(default = "neighbours"))]
    pub dilation: usize,
    /// Whether a last window may reach beyond the padded sequence, if it begins in the sequence or before it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceil_mode: bool,
    /// Whether a mean counts the padding; a maximum never does.
    #[cfg_attr(feature = "serde", serde(default = "super::pool::counted"))]
    pub count_include_pad: bool,
}

impl Pool1dArgs {
    /// Windows side by side.
    pub const fn new(kernel: usize) -> Self {
        Pool1dArgs { kernel, stride: kernel, padding: 0, dilation: 1, ceil_mode: false, count_include_pad: true }
    }
}

/// The elements of a window are neighbours unless it is said otherwise.
#[cfg(feature = "serde")]
fn neighbours() -> usize {
    1
}

impl From<Pool1dArgs> for Windows<1> {
    fn from(args: Pool1dArgs) -> Self {
        let Pool1dArgs { kernel, stride, padding, dilation, ceil_mode, count_include_pad } = args;
        let [kernel, stride, padding, dilation] = [kernel, stride, padding, dilation].map(|n| [n]);
        Windows { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override: None }
    }
}

impl<T: Float> Tensor<T> {
    /// The largest element of each window of `[n, c, length]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool1d(&self, args: Pool1dArgs) -> Self {
        self.max_windows("max_pool1d", args.into()).0
    }

    /// [`Tensor::max_pool1d`], and where in its sequence each element lies.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool1d_with_indices(&self, args: Pool1dArgs) -> (Self, Tensor<i64>) {
        self.max_windows("max_pool1d_with_indices", args.into())
    }

    /// The mean of each window of `[n, c, length]`.
    ///
    /// # Panics
    /// If the window does not fit, the padding is more than half of it, or it is dilated.
    #[track_caller]
    pub fn avg_pool1d(&self, args: Pool1dArgs) -> Self {
        self.avg_windows("avg_pool1d", args.into())
    }
}
