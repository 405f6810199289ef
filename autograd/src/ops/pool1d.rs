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
        Pool1dArgs { kernel, stride: kernel, padding: 0, ceil_mode: false, count_include_pad: true }
    }
}

impl From<Pool1dArgs> for Windows<1> {
    fn from(args: Pool1dArgs) -> Self {
        let Pool1dArgs { kernel, stride, padding, ceil_mode, count_include_pad } = args;
        Windows { kernel: [kernel], stride: [stride], padding: [padding], ceil_mode, count_include_pad }
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

    /// The mean of each window of `[n, c, length]`.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn avg_pool1d(&self, args: Pool1dArgs) -> Self {
        self.avg_windows("avg_pool1d", args.into())
    }
}
