//! Convolutions in three dimensions: those in two over planes, where the planes that the taps along the depth see count as
//! channels.
//!
//! A plane is copied once for each tap that sees it: kernel depth times the memory of the input, and no rule of its own.

use super::checked;
use super::conv::{Call, Conv2dArgs};
use super::index::add_rows;
use crate::dtype::Float;
use crate::tensor::Tensor;

/// How a convolution moves over its input. Depth first, then height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Conv3dArgs {
    /// Steps between neighbouring outputs.
    pub stride: [usize; 3],
    /// Zeros on each side.
    pub padding: [usize; 3],
    /// Steps between neighbouring taps.
    pub dilation: [usize; 3],
    /// Independent groups of channels.
    pub groups: usize,
}

impl Default for Conv3dArgs {
    fn default() -> Self {
        Conv3dArgs { stride: [1; 3], padding: [0; 3], dilation: [1; 3], groups: 1 }
    }
}

impl Conv3dArgs {
    /// Equal stride and padding on all axes.
    pub fn new(stride: usize, padding: usize) -> Self {
        Conv3dArgs { stride: [stride; 3], padding: [padding; 3], ..Default::default() }
    }

    /// Within a plane.
    fn planes(self) -> Conv2dArgs {
        let Conv3dArgs { stride: [_, s, t], padding: [_, p, q], dilation: [_, d, e], groups } = self;
        Conv2dArgs { stride: [s, t], padding: [p, q], dilation: [d, e], groups }
    }

    /// For each of `n` outputs, and each of so many taps, where along the depth it looks.
    fn depths(self, n: usize, taps: usize) -> Tensor<i64> {
        let at = |j: usize| (0..taps).map(move |t| (j * self.stride[0] + t * self.dilation[0]) as i64);
        Tensor::from_vec((0..n).flat_map(at).collect(), [n * taps])
    }

    /// How many planes the taps span; `None` if there are none.
    fn span(self, taps: usize) -> Option<usize> {
        self.dilation[0].checked_mul(taps.checked_sub(1)?)?.checked_add(1)
    }
}

#[track_caller]
fn check_axes(call: Call<'_>, args: Conv3dArgs) {
    let Call { op, x, w } = call;
    assert!(x.len() == 5 && w.len() == 5, "{op}: x {x:?} and w {w:?} need five axes");
    let positive = args.stride[0] > 0 && args.dilation[0] > 0;
    assert!(positive, "{op}: x {x:?}, w {w:?}: {args:?} must have positive strides and dilations");
}

impl<T: Float> Tensor<T> {
    /// The convolution (cross-correlation) of `[n, in, d, h, w]` with `w` as `[out, in/groups, kd, kh, kw]`, plus `b` as
    /// `[out]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv3d(&self, w: &Tensor<T>, b: Option<&Tensor<T>>, args: Conv3dArgs) -> Self {
        let call = Call { op: "conv3d", x: self.shape(), w: w.shape() };
        check_axes(call, args);
        let (x, k) = (call.x, call.w);
        let deep = x[2].saturating_add(args.padding[0].saturating_mul(2));
        checked(call.op, &[x[0], x[1], deep, x[3], x[4]]);
        let padded = self.pad_axis(2, args.padding[0], deep);
        let depth = padded.dim(2);
        let span = args.span(k[2]).filter(|&span| span <= depth);
        let Some(span) = span else { panic!("conv3d: x {x:?}, w {k:?}: the kernel does not fit a depth of {depth}") };
        let n = (depth - span) / args.stride[0] + 1;
        let seen = padded.permute([2, 0, 1, 3, 4]).index_select(0, &args.depths(n, k[2]));
        // The taps stand next to their channel, as in the weight, so that groups stay together.
        let seen = seen.reshape([n, k[2], x[0], x[1], x[3], x[4]]).permute([2, 0, 3, 1, 4, 5]);
        let planes = seen.reshape([x[0] * n, x[1] * k[2], x[3], x[4]]);
        let y = planes.convolve(&w.reshape([k[0], k[1] * k[2], k[3], k[4]]), b, args.planes(), call);
        y.reshape([x[0], n, k[0], y.dim(2), y.dim(3)]).transpose(1, 2)
    }

    /// The transposed convolution of `[n, in, d, h, w]` with `w` as `[in, out/groups, kd, kh, kw]`, plus `b` as `[out]`: the
    /// adjoint of [`Tensor::conv3d`] with the same arguments. Extents are as in [`Tensor::conv_transpose2d`].
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv_transpose3d(
        &self,
        w: &Tensor<T>,
        b: Option<&Tensor<T>>,
        args: Conv3dArgs,
        output_padding: [usize; 3],
    ) -> Self {
        let call = Call { op: "conv_transpose3d", x: self.shape(), w: w.shape() };
        check_axes(call, args);
        let (x, k) = (call.x, call.w);
        let [more, rest @ ..] = output_padding;
        assert!(
            more < args.stride[0].max(args.dilation[0]),
            "conv_transpose3d: output padding {output_padding:?} is not below the stride or the dilation of {args:?}"
        );
        // Saturated: such a depth is refused by its product.
        let steps = x[2].saturating_sub(1).saturating_mul(args.stride[0]).saturating_add(more);
        let whole = args.span(k[2]).filter(|_| x[2] > 0).map(|span| steps.saturating_add(span));
        let cut = args.padding[0].saturating_mul(2);
        let depth = whole.and_then(|whole| whole.checked_sub(cut)).filter(|&depth| depth > 0);
        let (Some(whole), Some(depth)) = (whole, depth) else {
            panic!("conv_transpose3d: x {x:?}, w {k:?}: {args:?} with output padding {output_padding:?} leaves nothing")
        };
        checked(call.op, &[x[0], k[1] * args.groups, whole, x[3], x[4]]);
        let planes = self.transpose(1, 2).reshape([x[0] * x[2], x[1], x[3], x[4]]);
        let w = w.reshape([k[0], k[1] * k[2], k[3], k[4]]);
        let y = planes.convolve_transposed(&w, None, args.planes(), rest, call);
        let (channels, height, width) = (k[1] * args.groups, y.dim(2), y.dim(3));
        let parts = y.reshape([x[0], x[2], channels, k[2], height, width]).permute([1, 3, 0, 2, 4, 5]);
        let parts = parts.reshape([x[2] * k[2], x[0], channels, height, width]);
        let y = add_rows(&parts, &args.depths(x[2], k[2]), whole).narrow(0, args.padding[0], depth);
        let y = y.permute([1, 2, 0, 3, 4]);
        match b {
            Some(b) => y + call.check_bias(b, channels).reshape([1, channels, 1, 1, 1]),
            None => y,
        }
    }
}
