//! Two-dimensional convolution of NCHW images: forward, and its gradients with respect to input and weights.
//!
//! A convolution is a product of the weights with the matrix of patches. That matrix is never made: kernels of one pixel,
//! or as large as the image, are products as they lie (`product`); where channels are many they are laid side by side,
//! and a patch is a few runs of numbers (`last`); where they are few, a plane shifted by a kernel position *is* a row
//! of the matrix (`planes`). The gradient of the input is a convolution of the output's gradient and goes the same
//! ways; that of the weights is a sum over pixels (`weight`).
//!
//! The way is chosen from the shape of an image alone, and where work is cut no bit changes: an image of a batch has the
//! bits that it has by itself, and results do not depend on threads. (Patches of 8192 numbers and more that are products
//! share the exception of [`crate::gemm`].) Partial gradients of the weights are added in the order of their parts.
//!
//! Definition (groups 1): `out[n, o, i, j] = b[o] + Σ_{c, a, b} w[o, c, a, b] · x[n, c, i·s + a·d − p, j·s + b·d − p]`.

mod last;
mod patches;
mod planes;
mod product;
#[cfg(test)]
mod tests;
mod weight;

use crate::door;
use crate::elem::Real;
use crate::stamp::stamp;
use product::Product;

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
            let span = self.dilation[axis].saturating_mul(self.kernel[axis].saturating_sub(1)).saturating_add(1);
            n.saturating_add(self.padding[axis].saturating_mul(2))
                .checked_sub(span)
                .map_or(0, |free| free / self.stride[axis] + 1)
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
        if self.height == 0 || self.width == 0 {
            return Err(format!("the images [{}, {}] are empty", self.height, self.width));
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
        let [kh, kw] = self.kernel;
        let expected = (
            door::product(name, &[self.batch, self.in_channels, self.height, self.width]),
            door::product(name, &[self.out_channels, self.inputs(), kh, kw]),
            door::product(name, &[self.batch, self.out_channels, oh, ow]),
        );
        assert_eq!((x, w, out), expected, "{name}: lengths of input, weights and output for {self:?}");
    }

    /// Weights of one output channel.
    fn patch(&self) -> usize {
        self.inputs() * self.kernel[0] * self.kernel[1]
    }

    /// Input channels of one group.
    fn inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of one group.
    fn outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Output rows that a task takes: few enough that the product of one group stays in a second-level cache, and that a
    /// small batch of large images still gives several tasks.
    fn block_rows(&self) -> usize {
        let [oh, ow] = self.output();
        let parts = self.tasks().min(oh * ow / ENOUGH).max(1);
        let line = ow.saturating_add(self.kernel[1].saturating_mul(self.dilation[1]));
        let fitting = CACHED / self.outputs().saturating_mul(line).max(1);
        fitting.clamp(1, oh.div_ceil(parts))
    }

    /// Output channels that a task takes: a part of them where the images are too small to be cut.
    fn block_channels(&self) -> usize {
        let [oh, ow] = self.output();
        let parts = (self.tasks() / (oh * ow / ENOUGH).max(1)).max(1);
        let parts = if self.groups > 1 { 1 } else { 1 << parts.ilog2().min(self.out_channels.trailing_zeros()) };
        self.out_channels / parts
    }

    /// Images that a task takes together when each image is one tile of `pixels` pixels: enough for wide tiles, but not so
    /// many that threads lack tasks.
    fn images_a_task(&self, pixels: usize) -> usize {
        (2 * ENOUGH / pixels.max(1)).clamp(1, (self.batch / TASKS).max(1))
    }

    /// Tasks into which an image is cut, so that a small batch gives enough of them.
    fn tasks(&self) -> usize {
        let work = self.out_channels * self.patch() * self.output().iter().product::<usize>();
        if work > 1 << 20 { TASKS.div_ceil(self.batch) } else { 1 }
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
    pub fn grad_weight(shape: &Conv2d, x: &[T], g: &[T], dw: &mut [T]) = weight::grad_weight;
}

/// Elements of a product that are held at once.
const CACHED: usize = 1 << 16;
/// Pixels below which a task would leave registers of its tiles idle.
const ENOUGH: usize = 128;
/// Tasks that a convolution should at least have.
const TASKS: usize = 8;

fn forward_any<T: Real>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    s.check("conv::forward", x.len(), w.len(), out.len());
    if let Some(bias) = bias {
        assert_eq!(bias.len(), s.out_channels, "conv::forward: the length of the bias for {s:?}");
    }
    if out.is_empty() {
        return;
    }
    if w.is_empty() {
        // No input channels: nothing but the bias.
        let pixels = s.output().iter().product::<usize>();
        let each = |(at, out): (usize, &mut [T])| out.fill(bias.map_or(T::ZERO, |bias| bias[at % s.out_channels]));
        return out.chunks_exact_mut(pixels).enumerate().for_each(each);
    }
    if let Some(product) = Product::of(s) {
        return product.forward(s, x, w, bias, out);
    }
    if last::pays(s.inputs(), s.outputs()) {
        return last::forward(s, x, w, bias, out);
    }
    planes::forward(s, x, w, bias, out);
}

fn grad_input_any<T: Real>(s: &Conv2d, w: &[T], g: &[T], dx: &mut [T]) {
    s.check("conv::grad_input", dx.len(), w.len(), g.len());
    if dx.is_empty() || w.is_empty() {
        return dx.fill(T::ZERO);
    }
    if let Some(product) = Product::of(s) {
        return product.grad_input(s, w, g, dx);
    }
    if last::pays(s.outputs(), s.inputs()) {
        return last::grad_input(s, w, g, dx);
    }
    planes::grad_input(s, w, g, dx);
}
