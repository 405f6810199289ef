//! Pooling to a given size along one, two or three axes.
//!
//! The axes are independent, so each is done by itself, the last first: as one reduction for each output position.

use super::checked;
use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// `[n, c, …]` to `[n, c, size…]`: position i of an axis reduces its positions ⌊i·length/size⌋ to ⌈(i + 1)·length/size⌉.
    #[track_caller]
    fn adaptive<const N: usize>(
        &self,
        op: &str,
        size: [usize; N],
        reduce: impl Fn(&Tensor<T>, usize) -> Tensor<T>,
    ) -> Self {
        let x = self.shape();
        assert!(x.len() == 2 + N, "{op}: x {x:?} needs {} axes", ["three", "four", "five"][N - 1]);
        let fits = x[2..].iter().chain(&size).all(|&n| n > 0);
        let axes = ["axis 2", "axes 2 and 3", "axes 2 to 4"][N - 1];
        assert!(fits, "{op}: {size:?} windows along {axes} of {x:?}");
        checked(op, &[&x[..2], &size].concat());
        (0..N).rev().fold(self.clone(), |x, i| {
            let (axis, size) = (2 + i, size[i]);
            let n = x.dim(axis);
            let window = |i: usize| {
                let start = i * n / size;
                reduce(&x.narrow(axis, start, ((i + 1) * n).div_ceil(size) - start), axis)
            };
            let windows: Vec<Tensor<T>> = (0..size).map(window).collect();
            Tensor::concat(&windows.iter().collect::<Vec<_>>(), axis)
        })
    }

    /// `[n, c, length]` to `[n, c, size]`: the mean of each of as many windows, which cover the sequence.
    ///
    /// # Panics
    /// If there are not three axes, a sequence is empty, or so is the size.
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, size: usize) -> Self {
        self.adaptive("adaptive_avg_pool1d", [size], |x, axis| x.mean_keep([axis]))
    }

    /// `[n, c, h, w]` to `[n, c, size[0], size[1]]`: the mean of each of as many windows, which cover the image.
    ///
    /// # Panics
    /// If there are not four axes, an image is empty, or so is the size.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, size: [usize; 2]) -> Self {
        self.adaptive("adaptive_avg_pool2d", size, |x, axis| x.mean_keep([axis]))
    }

    /// `[n, c, d, h, w]` to `[n, c, size[0], size[1], size[2]]`: the mean of each of as many windows, which cover the
    /// volume.
    ///
    /// # Panics
    /// If there are not five axes, a volume is empty, or so is the size.
    #[track_caller]
    pub fn adaptive_avg_pool3d(&self, size: [usize; 3]) -> Self {
        self.adaptive("adaptive_avg_pool3d", size, |x, axis| x.mean_keep([axis]))
    }

    /// `[n, c, length]` to `[n, c, size]`: the largest element of each of as many windows, which cover the sequence; the
    /// gradient goes to the first largest.
    ///
    /// # Panics
    /// If there are not three axes, a sequence is empty, or so is the size.
    #[track_caller]
    pub fn adaptive_max_pool1d(&self, size: usize) -> Self {
        self.adaptive("adaptive_max_pool1d", [size], Tensor::max_keep)
    }

    /// `[n, c, h, w]` to `[n, c, size[0], size[1]]`: the largest element of each of as many windows, which cover the
    /// image; the gradient goes to the first largest, row by row.
    ///
    /// # Panics
    /// If there are not four axes, an image is empty, or so is the size.
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, size: [usize; 2]) -> Self {
        self.adaptive("adaptive_max_pool2d", size, Tensor::max_keep)
    }

    /// `[n, c, d, h, w]` to `[n, c, size[0], size[1], size[2]]`: the largest element of each of as many windows, which
    /// cover the volume; the gradient goes to the first largest, plane by plane and row by row.
    ///
    /// # Panics
    /// If there are not five axes, a volume is empty, or so is the size.
    #[track_caller]
    pub fn adaptive_max_pool3d(&self, size: [usize; 3]) -> Self {
        self.adaptive("adaptive_max_pool3d", size, Tensor::max_keep)
    }
}
