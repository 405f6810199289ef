//! Images of another size: nearest, bilinear and bicubic.
//!
//! Both axes are independent, so each is done by itself: as one selection, or as two or four weighted ones.

use super::checked;
use crate::dtype::Float;
use crate::tensor::Tensor;

/// Output positions as weighted sums of input positions, one pair of lists for each term.
type Taps = Vec<(Vec<i64>, Vec<f64>)>;

/// Where output position `i` lies among the input's, as PyTorch has it.
fn coordinate(i: usize, from: usize, to: usize, align_corners: bool) -> f64 {
    if !align_corners {
        (i as f64 + 0.5) * from as f64 / to as f64 - 0.5
    } else if to > 1 {
        i as f64 * (from - 1) as f64 / (to - 1) as f64
    } else {
        0.0
    }
}

fn linear_taps(from: usize, to: usize, align_corners: bool) -> Taps {
    let mut taps = vec![(Vec::new(), Vec::new()); 2];
    for i in 0..to {
        let x = coordinate(i, from, to, align_corners).max(0.0);
        let (first, t) = (x.floor(), x - x.floor());
        for (k, weight) in [1.0 - t, t].into_iter().enumerate() {
            taps[k].0.push((first as i64 + k as i64).min(from as i64 - 1));
            taps[k].1.push(weight);
        }
    }
    taps
}

/// Keys 1981, *Cubic Convolution Interpolation for Digital Image Processing*, eq. (4) with a free parameter of −3/4, as
/// in PyTorch; positions beyond the border count as the border.
fn cubic_taps(from: usize, to: usize, align_corners: bool) -> Taps {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let mut taps = vec![(Vec::new(), Vec::new()); 4];
    for i in 0..to {
        let x = coordinate(i, from, to, align_corners);
        let (first, t) = (x.floor(), x - x.floor());
        for (k, weight) in [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)].into_iter().enumerate() {
            taps[k].0.push((first as i64 + k as i64 - 1).clamp(0, from as i64 - 1));
            taps[k].1.push(weight);
        }
    }
    taps
}

impl<T: Float> Tensor<T> {
    /// Each position of `axis` as a weighted sum.
    fn resampled(&self, axis: usize, taps: Taps) -> Self {
        let mut shape = vec![1; self.rank()];
        shape[axis] = taps[0].0.len();
        let term = |(ids, weights): (Vec<i64>, Vec<f64>)| {
            let weights = Tensor::from_vec(weights.into_iter().map(T::from_f64).collect(), &shape);
            let ids = Tensor::from_vec(ids, [shape[axis]]);
            self.index_select(axis, &ids) * weights
        };
        taps.into_iter().map(term).reduce(|sum, term| sum + term).expect("there are two terms or four")
    }

    #[track_caller]
    fn upsample(&self, op: &str, size: [usize; 2], taps: impl Fn(usize, usize) -> Taps) -> Self {
        self.check_images(op, size);
        let x = self.shape();
        self.resampled(3, taps(x[3], size[1])).resampled(2, taps(x[2], size[0]))
    }

    #[track_caller]
    fn check_images(&self, op: &str, size: [usize; 2]) {
        let x = self.shape();
        let fits = x.len() == 4 && x[2] > 0 && x[3] > 0 && size[0] > 0 && size[1] > 0;
        assert!(fits, "{op}: x {x:?} is not [n, c, h ≥ 1, w ≥ 1], or the size {size:?} is empty");
        checked(op, &[x[0], x[1], size[0], size[1]]);
    }

    /// `[n, c, h, w]` at another size, each pixel interpolated linearly between its four neighbours. With `align_corners`
    /// the corner pixels' centres stay; without, their outer edges. No smoothing where the size becomes smaller.
    ///
    /// # Panics
    /// If there are not four axes, or an image is empty.
    #[track_caller]
    pub fn upsample_bilinear2d(&self, size: [usize; 2], align_corners: bool) -> Self {
        self.upsample("upsample_bilinear2d", size, |from, to| linear_taps(from, to, align_corners))
    }

    /// `[n, c, h, w]` at another size, each pixel interpolated between its sixteen neighbours by cubic convolution with
    /// the parameter −3/4 (Keys 1981). `align_corners` as in [`Tensor::upsample_bilinear2d`].
    ///
    /// # Panics
    /// If there are not four axes, or an image is empty.
    #[track_caller]
    pub fn upsample_bicubic2d(&self, size: [usize; 2], align_corners: bool) -> Self {
        self.upsample("upsample_bicubic2d", size, |from, to| cubic_taps(from, to, align_corners))
    }

    /// `[n, c, h, w]` at another size, pixel (i, j) that at row ⌊i·h/rows⌋ and column ⌊j·w/columns⌋: PyTorch's mode
    /// `nearest`, with its rounding. For whole factors there is [`Tensor::upsample_nearest2d`].
    ///
    /// # Panics
    /// If there are not four axes, or an image is empty.
    #[track_caller]
    pub fn resize_nearest2d(&self, size: [usize; 2]) -> Self {
        self.check_images("resize_nearest2d", size);
        let places = |n: usize, to: usize| {
            let step = n as f32 / to as f32;
            let place = |i| ((i as f32 * step) as usize).min(n - 1) as i64;
            Tensor::from_vec((0..to).map(place).collect(), [to])
        };
        let rows = self.index_select(2, &places(self.dim(2), size[0]));
        rows.index_select(3, &places(self.dim(3), size[1]))
    }
}
