//! Convolutions in two dimensions: three operations closed under differentiation.
//!
//! y = x ⋆ w is bilinear; so are its adjoints dx = 𝓘(g, w) and dw = 𝓦(x, g). The derivative of each of the three is
//! again one of the three, so one rule serves every order. The transposed convolution is 𝓘 as a forward operation
//! (Dumoulin & Visin 2016, arXiv:1603.07285, ch. 4).

use etude_kernels::conv as kernel;

use super::checked;
use crate::alloc;
use crate::dtype::Float;
use crate::node::{Op, Vjp};
use crate::tensor::Tensor;

/// How a convolution moves over its input. Height first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Conv2dArgs {
    /// Steps between neighbouring outputs.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Steps between neighbouring taps.
    pub dilation: [usize; 2],
    /// Independent groups of channels.
    pub groups: usize,
}

impl Default for Conv2dArgs {
    fn default() -> Self {
        Conv2dArgs { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

impl Conv2dArgs {
    /// Equal stride and padding on both axes.
    pub fn new(stride: usize, padding: usize) -> Self {
        Conv2dArgs { stride: [stride; 2], padding: [padding; 2], ..Default::default() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// (x, w) → y
    Forward,
    /// (g, w) → dx
    GradInput,
    /// (x, g) → dw
    GradWeight,
}

struct Conv {
    kind: Kind,
    shape: kernel::Conv2d,
    called: Called,
}

/// What a caller asked for: the names of its gradients go by it.
#[derive(Clone, Copy)]
struct Called {
    op: &'static str,
    /// A transposed convolution is `GradInput` as a forward operation.
    kind: Kind,
}

impl Called {
    fn name(self, kind: Kind) -> &'static str {
        let [input, weight] = match self.op {
            "conv1d" => ["conv1d_grad_input", "conv1d_grad_weight"],
            "conv2d" => ["conv2d_grad_input", "conv2d_grad_weight"],
            "conv3d" => ["conv3d_grad_input", "conv3d_grad_weight"],
            "conv_transpose1d" => ["conv_transpose1d_grad_input", "conv_transpose1d_grad_weight"],
            "conv_transpose2d" => ["conv_transpose2d_grad_input", "conv_transpose2d_grad_weight"],
            "conv_transpose3d" => ["conv_transpose3d_grad_input", "conv_transpose3d_grad_weight"],
            other => unreachable!("{other} is no convolution"),
        };
        match kind {
            _ if kind == self.kind => self.op,
            Kind::GradWeight => weight,
            Kind::Forward | Kind::GradInput => input,
        }
    }
}

impl Conv {
    fn apply<T: Float>(self, a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
        let Conv { kind, shape: s, .. } = &self;
        let [out_h, out_w] = s.output();
        let dims = match kind {
            Kind::Forward => [s.batch, s.out_channels, out_h, out_w],
            Kind::GradInput => [s.batch, s.in_channels, s.height, s.width],
            Kind::GradWeight => [s.out_channels, s.in_channels / s.groups, s.kernel[0], s.kernel[1]],
        };
        let mut out = alloc::scratch(dims.iter().product());
        match kind {
            Kind::Forward => kernel::forward(s, &a.data(), &b.data(), None, &mut out),
            Kind::GradInput => kernel::grad_input(s, &b.data(), &a.data(), &mut out),
            Kind::GradWeight => kernel::grad_weight(s, &a.data(), &b.data(), &mut out),
        }
        Tensor::record(self, &[a, b], Tensor::from_buf(out, &dims))
    }
}

impl<T: Float> Op<T> for Conv {
    fn name(&self) -> &'static str {
        self.called.name(self.kind)
    }
    /// The same for all three: each output meets each tap of its group's channels once.
    fn flops(&self, _: &[&[usize]], _: &[usize]) -> u64 {
        let s = &self.shape;
        let [h, w] = s.output();
        let taps = s.in_channels / s.groups * s.kernel[0] * s.kernel[1];
        2 * [s.batch, s.out_channels, h, w, taps].map(|n| n as u64).iter().product::<u64>()
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        use Kind::*;
        let to = |kind, a: &Tensor<T>, b: &Tensor<T>| Conv { kind, ..*self }.apply(a, b);
        match self.kind {
            // y(x, w): dx = 𝓘(g, w), dw = 𝓦(x, g)
            Forward => {
                vec![cx.when(0, || to(GradInput, g, &cx.input(1))), cx.when(1, || to(GradWeight, &cx.input(0), g))]
            }
            // dx(g₀, w): the adjoint in g₀ is y(g, w), in w it is 𝓦(g, g₀)
            GradInput => {
                vec![cx.when(0, || to(Forward, g, &cx.input(1))), cx.when(1, || to(GradWeight, g, &cx.input(0)))]
            }
            // dw(x, g₀): the adjoint in x is 𝓘(g₀, g), in g₀ it is y(x, g)
            GradWeight => {
                vec![cx.when(0, || to(GradInput, &cx.input(1), g)), cx.when(1, || to(Forward, &cx.input(0), g))]
            }
        }
    }
}

/// A convolution as its caller sees it, for messages: of either number of dimensions.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub op: &'static str,
    pub x: &'a [usize],
    pub w: &'a [usize],
}

impl Call<'_> {
    /// Channels stand at axis 1 of x, and the weight has those of one group.
    #[track_caller]
    fn check_channels(self, fits: impl Fn(usize) -> bool, groups: usize) {
        let Call { op, x, w } = self;
        assert!(groups > 0 && fits(groups), "{op}: channels differ: x {x:?}, w {w:?} in {groups} groups");
    }

    #[track_caller]
    pub(super) fn check_bias<T: Float>(self, b: &Tensor<T>, channels: usize) -> Tensor<T> {
        let Call { op, w, .. } = self;
        assert!(b.shape() == [channels], "{op}: the bias has shape {:?}, w {w:?} asks for [{channels}]", b.shape());
        b.reshape([1, channels, 1, 1])
    }

    #[track_caller]
    fn check_shape(self, shape: kernel::Conv2d) -> kernel::Conv2d {
        let Call { op, x, w } = self;
        shape.validate().unwrap_or_else(|error| panic!("{op}: x {x:?}, w {w:?}: {error}"));
        let [rows, columns] = shape.output();
        // Both sides: a transposed convolution makes the input's.
        for [channels, rows, columns] in
            [[shape.in_channels, shape.height, shape.width], [shape.out_channels, rows, columns]]
        {
            checked(op, &[shape.batch, channels, rows, columns]);
        }
        shape
    }
}

impl<T: Float> Tensor<T> {
    /// The convolution (cross-correlation) of `[n, in, h, w]` with `w` as `[out, in/groups, kh, kw]`, plus `b` as `[out]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv2d(&self, w: &Tensor<T>, b: Option<&Tensor<T>>, args: Conv2dArgs) -> Self {
        let call = Call { op: "conv2d", x: self.shape(), w: w.shape() };
        assert!(call.x.len() == 4 && call.w.len() == 4, "conv2d: x {:?} and w {:?} need four axes", call.x, call.w);
        self.convolve(w, b, args, call)
    }

    #[track_caller]
    pub(super) fn convolve(&self, w: &Tensor<T>, b: Option<&Tensor<T>>, args: Conv2dArgs, call: Call<'_>) -> Self {
        let (x, k) = (self.shape(), w.shape());
        call.check_channels(|groups| x[1] == k[1] * groups && k[0] % groups == 0, args.groups);
        let shape = call.check_shape(kernel::Conv2d {
            batch: x[0],
            in_channels: x[1],
            height: x[2],
            width: x[3],
            out_channels: k[0],
            kernel: [k[2], k[3]],
            stride: args.stride,
            padding: args.padding,
            dilation: args.dilation,
            groups: args.groups,
        });
        let called = Called { op: call.op, kind: Kind::Forward };
        let y = Conv { kind: called.kind, shape, called }.apply(self, w);
        match b {
            Some(b) => y + call.check_bias(b, k[0]),
            None => y,
        }
    }

    /// The transposed convolution of `[n, in, h, w]` with `w` as `[in, out/groups, kh, kw]`, plus `b` as `[out]`: the
    /// adjoint of a convolution with the same arguments. The output has (h − 1)·stride − 2·padding + dilation·(kh − 1) + 1
    /// + output_padding rows, where output_padding is below the stride or the dilation.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv_transpose2d(
        &self,
        w: &Tensor<T>,
        b: Option<&Tensor<T>>,
        args: Conv2dArgs,
        output_padding: [usize; 2],
    ) -> Self {
        let call = Call { op: "conv_transpose2d", x: self.shape(), w: w.shape() };
        let fits = call.x.len() == 4 && call.w.len() == 4;
        assert!(fits, "conv_transpose2d: x {:?} and w {:?} need four axes", call.x, call.w);
        self.convolve_transposed(w, b, args, output_padding, call)
    }

    #[track_caller]
    pub(super) fn convolve_transposed(
        &self,
        w: &Tensor<T>,
        b: Option<&Tensor<T>>,
        args: Conv2dArgs,
        output_padding: [usize; 2],
        call: Call<'_>,
    ) -> Self {
        let (x, k) = (self.shape(), w.shape());
        call.check_channels(|groups| x[1] == k[0] && k[0] % groups == 0, args.groups);
        assert!(
            args.stride.iter().all(|&stride| stride > 0),
            "{}: x {:?}, w {:?}: stride {:?} must be positive",
            call.op,
            call.x,
            call.w,
            args.stride
        );
        let allowed = [0, 1].map(|i| output_padding[i] < args.stride[i].max(args.dilation[i]));
        assert!(
            allowed == [true; 2],
            "{}: output padding {output_padding:?} is not below the stride or the dilation of {args:?}",
            call.op
        );
        // Whole strides of it are as many positions of x that hold nothing.
        let more = [0, 1].map(|i| output_padding[i] / args.stride[i]);
        if more != [0, 0] && x[2..].iter().all(|&n| n > 0) {
            let rest = [0, 1].map(|i| output_padding[i] - more[i] * args.stride[i]);
            checked(call.op, &[x[0], x[1], x[2].saturating_add(more[0]), x[3].saturating_add(more[1])]);
            return self.pad2d([0, more[1], 0, more[0]]).convolve_transposed(w, b, args, rest, call);
        }
        let size = |i: usize| {
            let (n, taps) = (x[2 + i], k[2 + i]);
            // Saturated: such a size is refused by its product.
            let steps = |count: usize, step: usize| count.saturating_sub(1).saturating_mul(step);
            let spans = steps(n, args.stride[i]).saturating_add(steps(taps, args.dilation[i]));
            let extended = spans.saturating_add(1).saturating_add(output_padding[i]);
            let cut = args.padding[i].saturating_mul(2);
            let fits = n > 0 && taps > 0 && extended > cut && output_padding[i] < args.stride[i];
            let Call { op, x, w } = call;
            assert!(fits, "{op}: x {x:?}, w {w:?}: {args:?} with output padding {output_padding:?} leaves nothing");
            extended - cut
        };
        let shape = call.check_shape(kernel::Conv2d {
            batch: x[0],
            in_channels: k[1] * args.groups,
            height: size(0),
            width: size(1),
            out_channels: x[1],
            kernel: [k[2], k[3]],
            stride: args.stride,
            padding: args.padding,
            dilation: args.dilation,
            groups: args.groups,
        });
        let called = Called { op: call.op, kind: Kind::GradInput };
        let y = Conv { kind: called.kind, shape, called }.apply(self, w);
        match b {
            Some(b) => y + call.check_bias(b, k[1] * args.groups),
            None => y,
        }
    }
}
