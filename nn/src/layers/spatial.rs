//! Layers without parameters that change the extent of an image, or make it a vector.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// The mean of each channel over all of its pixels, `[n, c, h, w]` to `[n, c, 1, 1]`: PyTorch's `AdaptiveAvgPool2d(1)`.
///
/// Lin, Chen & Yan 2014, *Network In Network*, arXiv:1312.4400, section 3.2.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAvgPool2d;

impl crate::Module for GlobalAvgPool2d {
    fn visit(&self, _: &mut crate::Visitor<'_>) {}
}

impl Layer for GlobalAvgPool2d {
    /// # Panics
    /// If there are not four axes.
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        assert!(x.rank() == 4, "GlobalAvgPool2d: x {:?} is not [n, channels, height, width]", x.shape());
        x.mean_keep([2, 3])
    }
}

/// Every pixel repeated along both axes (nearest neighbour).
#[derive(Clone, Copy, Debug)]
pub struct Upsample {
    /// How many times.
    pub scale: usize,
}
module!(Upsample { ; scale });

impl Layer for Upsample {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.upsample_nearest2d(self.scale)
    }
}

/// `[n, …]` to `[n, all the rest]`.
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl crate::Module for Flatten {
    fn visit(&self, _: &mut crate::Visitor<'_>) {}
}

impl Layer for Flatten {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.flatten_from(1)
    }
}
