//! Pooling in one dimension: that in two over an image of one row.

use super::pool::{Pool2dArgs, check_windows};
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

    fn of_one_row(self) -> Pool2dArgs {
        let Pool1dArgs { kernel, stride, padding, ceil_mode, count_include_pad } = self;
        Pool2dArgs { kernel: [1, kernel], stride: [1, stride], padding: [0, padding], ceil_mode, count_include_pad }
    }
}

impl<T: Float> Tensor<T> {
    /// The largest element of each window of `[n, c, length]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool1d(&self, args: Pool1dArgs) -> Self {
        self.one_row("max_pool1d", args).max_pool2d(args.of_one_row()).squeeze(2)
    }

    /// The mean of each window of `[n, c, length]`.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn avg_pool1d(&self, args: Pool1dArgs) -> Self {
        self.one_row("avg_pool1d", args).avg_pool2d(args.of_one_row()).squeeze(2)
    }

    #[track_caller]
    fn one_row(&self, op: &str, args: Pool1dArgs) -> Self {
        let x = self.shape();
        assert!(x.len() == 3, "{op}: x {x:?} needs three axes");
        check_windows(op, x, &[args.kernel], &[args.stride], &[args.padding], args.ceil_mode);
        self.unsqueeze(2)
    }
}
