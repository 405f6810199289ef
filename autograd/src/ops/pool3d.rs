//! Pooling in three dimensions: within the planes, then along the depth.
//!
//! Both the largest element and the mean of a box are those of its planes' ones. The first of equal maxima stays the first:
//! the planes are searched in order, and each gives its first.

use super::pool::{Pool2dArgs, check_windows};
use crate::dtype::Float;
use crate::tensor::Tensor;

/// The windows of a pooling of volumes. Depth first, then height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pool3dArgs {
    /// Depth, height and width of a window.
    pub kernel: [usize; 3],
    /// Steps between windows.
    pub stride: [usize; 3],
    /// Elements around the volume, at most half of a window: −∞ for a maximum, zeros for a mean.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding: [usize; 3],
    /// Whether a last window may reach beyond the padded volume, if it begins in the volume or before it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceil_mode: bool,
    /// Whether a mean counts the padding; a maximum never does.
    #[cfg_attr(feature = "serde", serde(default = "super::pool::counted"))]
    pub count_include_pad: bool,
}

impl Pool3dArgs {
    /// Cubes side by side.
    pub const fn new(kernel: usize) -> Self {
        let cube = [kernel; 3];
        Pool3dArgs { kernel: cube, stride: cube, padding: [0; 3], ceil_mode: false, count_include_pad: true }
    }

    /// Within a plane.
    fn planes(self) -> Pool2dArgs {
        let Pool3dArgs { kernel: [_, kh, kw], stride: [_, sh, sw], padding: [_, ph, pw], ceil_mode, count_include_pad } =
            self;
        Pool2dArgs { kernel: [kh, kw], stride: [sh, sw], padding: [ph, pw], ceil_mode, count_include_pad }
    }

    /// Along the depth, where it stands as height.
    fn depths(self) -> Pool2dArgs {
        let Pool3dArgs { kernel: [k, ..], stride: [s, ..], padding: [p, ..], ceil_mode, count_include_pad } = self;
        Pool2dArgs { kernel: [k, 1], stride: [s, 1], padding: [p, 0], ceil_mode, count_include_pad }
    }
}

impl<T: Float> Tensor<T> {
    /// The largest element of each window of `[n, c, depth, h, w]`; the gradient goes to the first largest.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn max_pool3d(&self, args: Pool3dArgs) -> Self {
        self.pool_boxes("max_pool3d", args, Tensor::max_pool2d)
    }

    /// The mean of each window of `[n, c, depth, h, w]`.
    ///
    /// # Panics
    /// If the window does not fit, or the padding is more than half of it.
    #[track_caller]
    pub fn avg_pool3d(&self, args: Pool3dArgs) -> Self {
        self.pool_boxes("avg_pool3d", args, Tensor::avg_pool2d)
    }

    #[track_caller]
    fn pool_boxes(&self, op: &str, args: Pool3dArgs, pool: fn(&Self, Pool2dArgs) -> Self) -> Self {
        let x = self.shape();
        assert!(x.len() == 5, "{op}: x {x:?} needs five axes");
        check_windows(op, x, &args.kernel, &args.stride, &args.padding, args.ceil_mode);
        let planes = pool(&self.reshape([x[0], x[1].saturating_mul(x[2]), x[3], x[4]]), args.planes());
        let [h, w] = [planes.dim(2), planes.dim(3)];
        let boxes = pool(&planes.reshape([x[0], x[1], x[2], h.saturating_mul(w)]), args.depths());
        boxes.reshape([x[0], x[1], boxes.dim(2), h, w])
    }
}
