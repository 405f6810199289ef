//! Convolutions that are products of matrices as they lie: kernels of one pixel, and kernels as large as the image.

use super::Conv2d;
use crate::buf::Buf;
use crate::elem::Real;
use crate::gemm::{Accumulate, Mat, batched, matmul};
use crate::par;
use crate::strided::{self, Strided};

/// A convolution that is a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// The kernel is one pixel: every image [channels, pixels] is multiplied by the weights.
    Pixel,
    /// The output is one pixel, and its patch the image: a linear layer.
    Image,
}

impl Product {
    /// Which product `s` is, if any.
    pub(super) fn of(s: &Conv2d) -> Option<Product> {
        if s.groups > 1 || s.padding != [0, 0] {
            return None;
        }
        let dense = (0..2).all(|axis| s.dilation[axis] == 1 || s.kernel[axis] == 1);
        if s.kernel == [s.height, s.width] && dense {
            Some(Product::Image)
        } else if s.kernel == [1, 1] {
            Some(Product::Pixel)
        } else {
            None
        }
    }

    /// The convolution of `x` with `w`, plus a bias.
    pub(super) fn forward<T: Real>(self, s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
        let weights = Mat::row_major(w, s.out_channels, s.patch());
        let [oh, ow] = s.output();
        let pixels = oh * ow;
        match self {
            Product::Image => matmul(out, Mat::row_major(x, s.batch, s.patch()), weights.t(), Accumulate::No),
            Product::Pixel => {
                let mut used = Buf::scratch(if s.stride == [1, 1] { 0 } else { s.batch * s.in_channels * pixels });
                let x = if used.is_empty() {
                    x
                } else {
                    let strides = [s.height * s.width, s.stride[0] * s.width, s.stride[1]];
                    let view = Strided { data: x, offset: 0, strides: &strides };
                    strided::copy(view, &[s.batch * s.in_channels, oh, ow], &mut used);
                    &used
                };
                let image = |i| Mat::row_major(&x[i * s.patch() * pixels..][..s.patch() * pixels], s.patch(), pixels);
                batched(out, s.batch, &|_| weights, &image, Accumulate::No);
            }
        }
        let Some(bias) = bias else { return };
        par::chunks_mut(out, s.out_channels * pixels, |_, out| {
            for (out, &bias) in out.chunks_exact_mut(pixels).zip(bias) {
                out.iter_mut().for_each(|out| *out += bias);
            }
        });
    }

    /// The gradient with respect to the input.
    pub(super) fn grad_input<T: Real>(self, s: &Conv2d, w: &[T], g: &[T], dx: &mut [T]) {
        let weights = Mat::row_major(w, s.out_channels, s.patch());
        if self == Product::Image {
            return matmul(dx, Mat::row_major(g, s.batch, s.out_channels), weights, Accumulate::No);
        }
        let [oh, ow] = s.output();
        let each = s.out_channels * oh * ow;
        let image = |i| Mat::row_major(&g[i * each..][..each], s.out_channels, oh * ow);
        if s.stride == [1, 1] {
            return batched(dx, s.batch, &|_| weights.t(), &image, Accumulate::No);
        }
        let mut used = Buf::scratch(s.batch * s.in_channels * oh * ow);
        batched(&mut used, s.batch, &|_| weights.t(), &image, Accumulate::No);
        par::chunks_mut(dx, s.in_channels * s.height * s.width, |i, dx| {
            let planes = used[i * s.in_channels * oh * ow..].chunks_exact(oh * ow);
            dx.fill(T::ZERO);
            for (dx, used) in dx.chunks_exact_mut(s.height * s.width).zip(planes) {
                for (dx, used) in dx.chunks_mut(s.width).step_by(s.stride[0]).zip(used.chunks_exact(ow)) {
                    dx.iter_mut().step_by(s.stride[1]).zip(used).for_each(|(dx, &v)| *dx = v);
                }
            }
        });
    }
}

/// The gradient with respect to the weights of a [`Product::Image`].
pub(super) fn grad_weight<T: Real>(s: &Conv2d, x: &[T], g: &[T], dw: &mut [T]) {
    let (x, g) = (Mat::row_major(x, s.batch, s.patch()), Mat::row_major(g, s.batch, s.out_channels));
    matmul(dw, g.t(), x, Accumulate::No);
}
