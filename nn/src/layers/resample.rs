//! Layers without parameters that give an image another size: interpolation and pixel shuffle.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// From which pixels [`Resize`] takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Interpolation {
    /// The four around a point.
    #[default]
    Bilinear,
    /// The sixteen around it.
    Bicubic,
    /// The one at its place.
    Nearest,
}

/// An image at another size: PyTorch's `Upsample` with a size and a mode. For whole factors without interpolation there is [`super::Upsample`].
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// Height and width of the result.
    pub size: [usize; 2],
    /// From which pixels.
    pub interpolation: Interpolation,
    /// Whether the centres of the corner pixels stay where they are; their outer edges do otherwise, and without
    /// interpolation always.
    pub align_corners: bool,
}
module!(Resize { ; size, interpolation, align_corners });

impl Layer for Resize {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        match self.interpolation {
            Interpolation::Bilinear => x.upsample_bilinear2d(self.size, self.align_corners),
            Interpolation::Nearest => x.resize_nearest2d(self.size),
            Interpolation::Bicubic => x.upsample_bicubic2d(self.size, self.align_corners),
        }
    }
}

/// Groups of factor² channels to squares of pixels. Shi et al. 2016, arXiv:1609.05158.
#[derive(Clone, Copy, Debug)]
pub struct PixelShuffle {
    /// How many times higher and wider.
    pub factor: usize,
}
module!(PixelShuffle { ; factor });

impl Layer for PixelShuffle {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.pixel_shuffle(self.factor)
    }
}
