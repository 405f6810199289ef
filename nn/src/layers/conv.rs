//! Convolutions over images `[n, channels, height, width]`.

use etude_autograd::{Conv2dArgs, PadMode, Tensor};

use super::Layer;
use crate::ctx::Ctx;
use crate::init;
use crate::module;
use crate::param::Param;

/// A convolution (cross-correlation) in two dimensions.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `[out, in/groups, height, width]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation, groups.
    pub args: Conv2dArgs,
    /// Rows and columns of padding more at the bottom and right.
    pub end_padding: [usize; 2],
    /// What the padding holds, if not zeros.
    pub padding_mode: Option<PadMode>,
}
module!(Conv2d { weight, bias; args, end_padding, padding_mode });

impl Conv2d {
    /// A square kernel; weights and biases uniform in ±1/√fan_in.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: usize, args: Conv2dArgs, cx: &mut Ctx) -> Self {
        Self::with_kernel(inputs, outputs, [kernel; 2], args, cx)
    }

    /// A kernel of `[height, width]`.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn with_kernel(inputs: usize, outputs: usize, kernel: [usize; 2], args: Conv2dArgs, cx: &mut Ctx) -> Self {
        check_groups("Conv2d", inputs, outputs, args.groups);
        let fan_in = inputs / args.groups;
        let (weight, bias) = conv_params([outputs, fan_in, kernel[0], kernel[1]], outputs, cx);
        Conv2d { weight, bias: Some(bias), args, end_padding: [0; 2], padding_mode: None }
    }

    /// As [`Conv2d::new`] without a bias, as before a batch normalisation.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn no_bias(inputs: usize, outputs: usize, kernel: usize, args: Conv2dArgs, cx: &mut Ctx) -> Self {
        Conv2d { bias: None, ..Self::new(inputs, outputs, kernel, args, cx) }
    }

    /// The same with as much padding as keeps height and width (`padding="same"` in PyTorch); the odd row or column of an
    /// even kernel stands at the bottom or right.
    ///
    /// # Panics
    /// If the stride is not 1.
    #[track_caller]
    pub fn same(mut self) -> Self {
        let shape = self.weight.shape();
        for axis in 0..2 {
            let Conv2dArgs { stride, dilation, .. } = self.args;
            (self.args.padding[axis], self.end_padding[axis]) =
                same_padding("Conv2d", shape[2 + axis], stride[axis], dilation[axis]);
        }
        self
    }

    /// The same with padding that repeats the image's own pixels.
    pub fn padding_mode(self, mode: PadMode) -> Self {
        Conv2d { padding_mode: Some(mode), ..self }
    }
}

impl Layer for Conv2d {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let (w, b) = (cx.get(&self.weight), self.bias.as_ref().map(|b| cx.get(b)));
        let ([rows, columns], [below, right]) = (self.args.padding, self.end_padding);
        let border = [columns, columns + right, rows, rows + below];
        let padded = match self.padding_mode {
            Some(mode) => x.pad2d_mode(border, mode),
            None if self.end_padding != [0; 2] => x.pad2d(border),
            None => return x.conv2d(&w, b.as_ref(), self.args),
        };
        padded.conv2d(&w, b.as_ref(), Conv2dArgs { padding: [0; 2], ..self.args })
    }
}

/// A transposed convolution in two dimensions: the adjoint of [`Conv2d`], used to enlarge.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    /// `[in, out/groups, height, width]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation, groups of the convolution whose adjoint this is.
    pub args: Conv2dArgs,
    /// Rows and columns more at the bottom and right.
    pub output_padding: [usize; 2],
}
module!(ConvTranspose2d { weight, bias; args, output_padding });

impl ConvTranspose2d {
    /// A square kernel without output padding; weights and biases uniform in ±1/√(out/groups · taps), as PyTorch's.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: usize, args: Conv2dArgs, cx: &mut Ctx) -> Self {
        check_groups("ConvTranspose2d", inputs, outputs, args.groups);
        let (weight, bias) = conv_params([inputs, outputs / args.groups, kernel, kernel], outputs, cx);
        ConvTranspose2d { weight, bias: Some(bias), args, output_padding: [0, 0] }
    }

    /// As [`ConvTranspose2d::new`] without a bias.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn no_bias(inputs: usize, outputs: usize, kernel: usize, args: Conv2dArgs, cx: &mut Ctx) -> Self {
        ConvTranspose2d { bias: None, ..Self::new(inputs, outputs, kernel, args, cx) }
    }

    /// The same with this many more rows and columns at the bottom and right.
    pub fn output_padding(self, output_padding: [usize; 2]) -> Self {
        ConvTranspose2d { output_padding, ..self }
    }
}

impl Layer for ConvTranspose2d {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let bias = self.bias.as_ref().map(|b| cx.get(b));
        x.conv_transpose2d(&cx.get(&self.weight), bias.as_ref(), self.args, self.output_padding)
    }
}

/// Weight and bias, uniform in ±1/√(all axes of the weight but the first).
pub(super) fn conv_params<const N: usize>(weight: [usize; N], outputs: usize, cx: &mut Ctx) -> (Param, Param) {
    let bound = 1.0 / (weight[1..].iter().product::<usize>() as f64).sqrt();
    (Param::new(init::uniform(weight, bound, cx)), Param::new(init::uniform([outputs], bound, cx)))
}

#[track_caller]
pub(super) fn check_groups(layer: &str, inputs: usize, outputs: usize, groups: usize) {
    assert!(
        groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups),
        "{layer}: {inputs} and {outputs} channels cannot be cut in {groups} groups"
    );
}

/// Padding on both sides, and more at the end, that together keep an axis as long as it is.
#[track_caller]
pub(super) fn same_padding(layer: &str, taps: usize, stride: usize, dilation: usize) -> (usize, usize) {
    assert!(stride == 1, "{layer}: a stride of {stride} cannot keep the extent, expected 1");
    let all = dilation * taps.saturating_sub(1);
    (all / 2, all % 2)
}
