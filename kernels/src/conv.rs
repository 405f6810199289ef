//! Two-dimensional convolution.

use crate::buf::Buf;
use crate::elem::Real;
use crate::gemm::{self, Accumulate, Mat};
use crate::stamp::stamp;

/// The geometry of a convolution of NCHW images with weights [out_channels, in_channels / groups, kh, kw].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Number of images.
    pub batch: usize,
    /// Channels of an input image.
    pub in_channels: usize,
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// Channels of an output image.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step between positions of the kernel.
    pub stride: [usize; 2],
    /// Rows and columns of zeros around the input.
    pub padding: [usize; 2],
    /// Step between the elements of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved apart.
    pub groups: usize,
}

impl Conv2d {
    /// Rows and columns of the output; 0 where the dilated kernel is larger than the padded input.
    pub fn output(&self) -> [usize; 2] {
        let length = |n: usize, axis: usize| {
            let span = self.dilation[axis] * self.kernel[axis].saturating_sub(1) + 1;
            (n + 2 * self.padding[axis]).checked_sub(span).map_or(0, |free| free / self.stride[axis] + 1)
        };
        [length(self.height, 0), length(self.width, 1)]
    }

    /// Says what is wrong with the geometry.
    pub fn validate(&self) -> Result<(), String> {
        let Conv2d { kernel, stride, dilation, groups, in_channels, out_channels, .. } = *self;
        if [kernel, stride, dilation].iter().flatten().any(|&n| n == 0) {
            return Err(format!("kernel {kernel:?}, stride {stride:?} and dilation {dilation:?} must be positive"));
        }
        if groups == 0 || in_channels % groups != 0 || out_channels % groups != 0 {
            return Err(format!(
                "{groups} groups do not divide {in_channels} input and {out_channels} output channels"
            ));
        }
        if self.output().contains(&0) {
            let (h, w) = (self.height + 2 * self.padding[0], self.width + 2 * self.padding[1]);
            return Err(format!(
                "kernel {kernel:?} with dilation {dilation:?} is larger than the padded input [{h}, {w}]"
            ));
        }
        Ok(())
    }

    fn check(&self, name: &str, x: usize, w: usize, out: usize) {
        if let Err(error) = self.validate() {
            panic!("{name}: {error}");
        }
        let [oh, ow] = self.output();
        let expected = (
            self.batch * self.in_channels * self.height * self.width,
            self.out_channels * self.patch(),
            self.batch * self.out_channels * oh * ow,
        );
        assert_eq!((x, w, out), expected, "{name}: lengths of input, weights and output for {self:?}");
    }

    /// Weights of one output channel.
    fn patch(&self) -> usize {
        self.in_channels / self.groups * self.kernel[0] * self.kernel[1]
    }
}

stamp! {
    Convolutions: Real = [f32, f64];
    /// The convolution of `x` with `w`, plus a bias per output channel.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn forward(shape: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) = forward_any;
    /// The gradient with respect to the input.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn grad_input(shape: &Conv2d, w: &[T], g: &[T], dx: &mut [T]) = grad_input_any;
    /// The gradient with respect to the weights.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn grad_weight(shape: &Conv2d, x: &[T], g: &[T], dw: &mut [T]) = grad_weight_any;
}

/// Calls `f(patch index, pixel, input index)` for one group of one image.
fn each(s: &Conv2d, mut f: impl FnMut(usize, usize, usize)) {
    let [oh, ow] = s.output();
    for c in 0..s.in_channels / s.groups {
        for a in 0..s.kernel[0] {
            for b in 0..s.kernel[1] {
                let p = (c * s.kernel[0] + a) * s.kernel[1] + b;
                for i in 0..oh {
                    let Some(y) = (i * s.stride[0] + a * s.dilation[0]).checked_sub(s.padding[0]) else { continue };
                    for j in 0..ow {
                        let Some(x) = (j * s.stride[1] + b * s.dilation[1]).checked_sub(s.padding[1]) else { continue };
                        if y < s.height && x < s.width {
                            f(p, i * ow + j, (c * s.height + y) * s.width + x);
                        }
                    }
                }
            }
        }
    }
}

fn forward_any<T: Real>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    s.check("conv::forward", x.len(), w.len(), out.len());
    let (oc, ic) = (s.out_channels / s.groups, s.in_channels / s.groups);
    let pixels = s.output()[0] * s.output()[1];
    let (plane, patch) = (s.height * s.width, s.patch());
    for n in 0..s.batch {
        for g in 0..s.groups {
            let x = &x[(n * s.in_channels + g * ic) * plane..][..ic * plane];
            let mut cols = Buf::filled(patch * pixels, T::ZERO);
            each(s, |p, pixel, at| cols[p * pixels + pixel] = x[at]);
            let out = &mut out[(n * s.out_channels + g * oc) * pixels..][..oc * pixels];
            let w = Mat::row_major(&w[g * oc * patch..][..oc * patch], oc, patch);
            gemm::matmul(out, w, Mat::row_major(&cols, patch, pixels), Accumulate::No);
            if let Some(bias) = bias {
                for (out, &b) in out.chunks_mut(pixels).zip(&bias[g * oc..]) {
                    out.iter_mut().for_each(|v| *v += b);
                }
            }
        }
    }
}

fn grad_input_any<T: Real>(s: &Conv2d, w: &[T], g: &[T], dx: &mut [T]) {
    s.check("conv::grad_input", dx.len(), w.len(), g.len());
    let (oc, ic) = (s.out_channels / s.groups, s.in_channels / s.groups);
    let pixels = s.output()[0] * s.output()[1];
    let (plane, patch) = (s.height * s.width, s.patch());
    dx.fill(T::ZERO);
    for n in 0..s.batch {
        for group in 0..s.groups {
            let dx = &mut dx[(n * s.in_channels + group * ic) * plane..][..ic * plane];
            let g = Mat::row_major(&g[(n * s.out_channels + group * oc) * pixels..][..oc * pixels], oc, pixels);
            let w = Mat::row_major(&w[group * oc * patch..][..oc * patch], oc, patch);
            let mut cols = Buf::scratch(patch * pixels);
            gemm::matmul(&mut cols, w.t(), g, Accumulate::No);
            each(s, |p, pixel, at| dx[at] += cols[p * pixels + pixel]);
        }
    }
}

fn grad_weight_any<T: Real>(s: &Conv2d, x: &[T], g: &[T], dw: &mut [T]) {
    s.check("conv::grad_weight", x.len(), dw.len(), g.len());
    let (oc, ic) = (s.out_channels / s.groups, s.in_channels / s.groups);
    let pixels = s.output()[0] * s.output()[1];
    let (plane, patch) = (s.height * s.width, s.patch());
    dw.fill(T::ZERO);
    for n in 0..s.batch {
        for group in 0..s.groups {
            let x = &x[(n * s.in_channels + group * ic) * plane..][..ic * plane];
            let mut cols = Buf::filled(patch * pixels, T::ZERO);
            each(s, |p, pixel, at| cols[p * pixels + pixel] = x[at]);
            let g = Mat::row_major(&g[(n * s.out_channels + group * oc) * pixels..][..oc * pixels], oc, pixels);
            let dw = &mut dw[group * oc * patch..][..oc * patch];
            gemm::matmul(dw, g, Mat::row_major(&cols, patch, pixels).t(), Accumulate::Yes);
        }
    }
}
