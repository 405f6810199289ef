//! Convolutions over sequences `[n, channels, length]`.

use etude_autograd::{Conv1dArgs, PadMode, Tensor};

use super::Layer;
use super::conv::{check_groups, conv_params, same_padding};
use crate::ctx::Ctx;
use crate::module;
use crate::param::Param;

/// A convolution (cross-correlation) in one dimension.
#[derive(Clone, Debug)]
pub struct Conv1d {
    /// `[out, in/groups, taps]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation, groups.
    pub args: Conv1dArgs,
    /// Positions of padding more at the end.
    pub end_padding: usize,
    /// What the padding holds, if not zeros.
    pub padding_mode: Option<PadMode>,
}
module!(Conv1d { weight, bias; args, end_padding, padding_mode });

impl Conv1d {
    /// Weights and biases uniform in ±1/√fan_in.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, taps: usize, args: Conv1dArgs, cx: &mut Ctx) -> Self {
        check_groups("Conv1d", inputs, outputs, args.groups);
        let (weight, bias) = conv_params([outputs, inputs / args.groups, taps], outputs, cx);
        Conv1d { weight, bias: Some(bias), args, end_padding: 0, padding_mode: None }
    }

    /// As [`Conv1d::new`] without a bias.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn no_bias(inputs: usize, outputs: usize, taps: usize, args: Conv1dArgs, cx: &mut Ctx) -> Self {
        Conv1d { bias: None, ..Self::new(inputs, outputs, taps, args, cx) }
    }

    /// The same with as much padding as keeps the length (`padding="same"` in PyTorch); the odd position of an even kernel
    /// stands at the end.
    ///
    /// # Panics
    /// If the stride is not 1.
    #[track_caller]
    pub fn same(mut self) -> Self {
        let Conv1dArgs { stride, dilation, .. } = self.args;
        (self.args.padding, self.end_padding) = same_padding("Conv1d", self.weight.shape()[2], stride, dilation);
        self
    }

    /// The same with padding that repeats the sequence's own elements.
    pub fn padding_mode(self, mode: PadMode) -> Self {
        Conv1d { padding_mode: Some(mode), ..self }
    }
}

impl Layer for Conv1d {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let (w, b) = (cx.get(&self.weight), self.bias.as_ref().map(|b| cx.get(b)));
        let (before, after) = (self.args.padding, self.args.padding + self.end_padding);
        let last = x.rank().saturating_sub(1);
        let padded = match self.padding_mode {
            Some(mode) => x.pad_mode(last, before, after, mode),
            None if self.end_padding != 0 && x.rank() == 3 => x.pad_axis(last, before, before + x.dim(last) + after),
            None => return x.conv1d(&w, b.as_ref(), self.args),
        };
        padded.conv1d(&w, b.as_ref(), Conv1dArgs { padding: 0, ..self.args })
    }
}

/// A transposed convolution in one dimension: the adjoint of [`Conv1d`], used to enlarge.
#[derive(Clone, Debug)]
pub struct ConvTranspose1d {
    /// `[in, out/groups, taps]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation, groups of the convolution whose adjoint this is.
    pub args: Conv1dArgs,
    /// Positions more at the end.
    pub output_padding: usize,
}
module!(ConvTranspose1d { weight, bias; args, output_padding });

impl ConvTranspose1d {
    /// Without output padding; weights and biases uniform in ±1/√(out/groups · taps), as PyTorch's.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, taps: usize, args: Conv1dArgs, cx: &mut Ctx) -> Self {
        check_groups("ConvTranspose1d", inputs, outputs, args.groups);
        let (weight, bias) = conv_params([inputs, outputs / args.groups, taps], outputs, cx);
        ConvTranspose1d { weight, bias: Some(bias), args, output_padding: 0 }
    }

    /// As [`ConvTranspose1d::new`] without a bias.
    ///
    /// # Panics
    /// If the channels are not multiples of the groups.
    #[track_caller]
    pub fn no_bias(inputs: usize, outputs: usize, taps: usize, args: Conv1dArgs, cx: &mut Ctx) -> Self {
        ConvTranspose1d { bias: None, ..Self::new(inputs, outputs, taps, args, cx) }
    }

    /// The same with this many more positions at the end.
    pub fn output_padding(self, output_padding: usize) -> Self {
        ConvTranspose1d { output_padding, ..self }
    }
}

impl Layer for ConvTranspose1d {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let bias = self.bias.as_ref().map(|b| cx.get(b));
        x.conv_transpose1d(&cx.get(&self.weight), bias.as_ref(), self.args, self.output_padding)
    }
}
