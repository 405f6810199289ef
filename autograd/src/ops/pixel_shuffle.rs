//! Channels to pixels and back.

use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// `[n, c·r², h, w]` to `[n, c, h·r, w·r]`: each group of r² channels becomes a square of pixels.
    ///
    /// Shi et al. 2016, arXiv:1609.05158, eq. (4), in PyTorch's order of channels.
    ///
    /// # Panics
    /// If there are not four axes, or the channels are no multiple of r².
    #[track_caller]
    pub fn pixel_shuffle(&self, r: usize) -> Self {
        let x = self.shape();
        let fits = x.len() == 4 && r > 0 && x[1].is_multiple_of(r * r);
        assert!(fits, "pixel_shuffle: x {x:?} is not [n, c·{r}², h, w]");
        let [n, c, h, w] = [x[0], x[1] / (r * r), x[2], x[3]];
        self.reshape([n, c, r, r, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([n, c, h * r, w * r])
    }

    /// `[n, c, h·r, w·r]` to `[n, c·r², h, w]`: the inverse of [`Tensor::pixel_shuffle`].
    ///
    /// # Panics
    /// If there are not four axes, or height or width is no multiple of r.
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: usize) -> Self {
        let x = self.shape();
        let fits = x.len() == 4 && r > 0 && x[2].is_multiple_of(r) && x[3].is_multiple_of(r);
        assert!(fits, "pixel_unshuffle: x {x:?} is not [n, c, h·{r}, w·{r}]");
        let [n, c, h, w] = [x[0], x[1], x[2] / r, x[3] / r];
        self.reshape([n, c, h, r, w, r]).permute([0, 1, 3, 5, 2, 4]).reshape([n, c * r * r, h, w])
    }
}
