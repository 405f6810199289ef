//! Convolutions over volumes `[n, channels, depth, height, width]`.

use etude_autograd::{Conv3dArgs, Tensor};

use super::Layer;
use super::conv::{check_groups, conv_params};
use crate::ctx::Ctx;
use crate::module;
use crate::param::Param;

/// A convolution (cross-correlation) in three dimensions.
#[derive(Clone, Debug)]
pub struct Conv3d {
    /// `[out, in/groups, depth, height, width]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation, groups.
    pub args: Conv3dArgs,
}
module!(Conv3d { weight, bias; args });

impl Conv3d {
    /// A kernel of `[depth, height, width]`; weights and biases uniform in ±1/√fan_in.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: [usize; 3], args: Conv3dArgs, cx: &mut Ctx) -> Self {
        check_groups("Conv3d", inputs, outputs, args.groups);
        let [d, h, w] = kernel;
        let (weight, bias) = conv_params([outputs, inputs / args.groups, d, h, w], outputs, cx);
        Conv3d { weight, bias: Some(bias), args }
    }

    /// The same without a bias.
    pub fn no_bias(self) -> Self {
        Conv3d { bias: None, ..self }
    }
}

impl Layer for Conv3d {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        x.conv3d(&cx.get(&self.weight), self.bias.as_ref().map(|b| cx.get(b)).as_ref(), self.args)
    }
}

/// A transposed convolution in three dimensions: the adjoint of [`Conv3d`], used to enlarge.
#[derive(Clone, Debug)]
pub struct ConvTranspose3d {
    /// `[in, out/groups, depth, height, width]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation, groups of the convolution whose adjoint this is.
    pub args: Conv3dArgs,
    /// Positions more at the end of each axis.
    pub output_padding: [usize; 3],
}
module!(ConvTranspose3d { weight, bias; args, output_padding });

impl ConvTranspose3d {
    /// A kernel of `[depth, height, width]` without output padding; weights and biases uniform in ±1/√(out/groups · taps),
    /// as PyTorch's.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: [usize; 3], args: Conv3dArgs, cx: &mut Ctx) -> Self {
        check_groups("ConvTranspose3d", inputs, outputs, args.groups);
        let [d, h, w] = kernel;
        let (weight, bias) = conv_params([inputs, outputs / args.groups, d, h, w], outputs, cx);
        ConvTranspose3d { weight, bias: Some(bias), args, output_padding: [0; 3] }
    }

    /// The same without a bias.
    pub fn no_bias(self) -> Self {
        ConvTranspose3d { bias: None, ..self }
    }

    /// The same with this many more positions at the end of each axis.
    pub fn output_padding(self, output_padding: [usize; 3]) -> Self {
        ConvTranspose3d { output_padding, ..self }
    }
}

impl Layer for ConvTranspose3d {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let bias = self.bias.as_ref().map(|b| cx.get(b));
        x.conv_transpose3d(&cx.get(&self.weight), bias.as_ref(), self.args, self.output_padding)
    }
}
