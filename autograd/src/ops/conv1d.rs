//! Convolutions in one dimension: those in two over an image of one row.

use super::conv::{Call, Conv2dArgs};
use crate::dtype::Float;
use crate::tensor::Tensor;

/// How a convolution moves over its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Conv1dArgs {
    /// Steps between neighbouring outputs.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Steps between neighbouring taps.
    pub dilation: usize,
    /// Independent groups of channels.
    pub groups: usize,
}

impl Default for Conv1dArgs {
    fn default() -> Self {
        Conv1dArgs { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

impl Conv1dArgs {
    /// This stride and padding.
    pub fn new(stride: usize, padding: usize) -> Self {
        Conv1dArgs { stride, padding, ..Default::default() }
    }

    fn of_one_row(self) -> Conv2dArgs {
        let Conv1dArgs { stride, padding, dilation, groups } = self;
        Conv2dArgs { stride: [1, stride], padding: [0, padding], dilation: [1, dilation], groups }
    }
}

impl<T: Float> Tensor<T> {
    /// The convolution (cross-correlation) of `[n, in, length]` with `w` as `[out, in/groups, taps]`, plus `b` as `[out]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv1d(&self, w: &Tensor<T>, b: Option<&Tensor<T>>, args: Conv1dArgs) -> Self {
        let call = Call { op: "conv1d", x: self.shape(), w: w.shape() };
        assert!(call.x.len() == 3 && call.w.len() == 3, "conv1d: x {:?} and w {:?} need three axes", call.x, call.w);
        self.unsqueeze(2).convolve(&w.unsqueeze(2), b, args.of_one_row(), call).squeeze(2)
    }

    /// The transposed convolution of `[n, in, length]` with `w` as `[in, out/groups, taps]`, plus `b` as `[out]`: the
    /// adjoint of [`Tensor::conv1d`] with the same arguments, of length (length − 1)·stride − 2·padding +
    /// dilation·(taps − 1) + 1 + output_padding, where output_padding is below the stride or the dilation.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv_transpose1d(
        &self,
        w: &Tensor<T>,
        b: Option<&Tensor<T>>,
        args: Conv1dArgs,
        output_padding: usize,
    ) -> Self {
        let call = Call { op: "conv_transpose1d", x: self.shape(), w: w.shape() };
        let fits = call.x.len() == 3 && call.w.len() == 3;
        assert!(fits, "conv_transpose1d: x {:?} and w {:?} need three axes", call.x, call.w);
        let rows = self.unsqueeze(2);
        rows.convolve_transposed(&w.unsqueeze(2), b, args.of_one_row(), [0, output_padding], call).squeeze(2)
    }
}
