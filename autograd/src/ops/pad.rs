//! Padding that repeats the tensor's own elements. Zeros are [`Tensor::pad_axis`] and [`Tensor::pad2d`].

use super::check_axis;
use crate::dtype::Float;
use crate::tensor::Tensor;

/// What stands beyond the border: PyTorch's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PadMode {
    /// The mirror image without the border itself: c b | a b c | b a.
    #[default]
    Reflect,
    /// The border repeated: a a | a b c | c c.
    Replicate,
    /// The other end: b c | a b c | a b.
    Circular,
}

impl PadMode {
    /// The position within `0..n` that stands at `i`.
    fn source(self, i: isize, n: isize) -> isize {
        match self {
            PadMode::Reflect => {
                let i = i.abs();
                if i < n { i } else { 2 * (n - 1) - i }
            }
            PadMode::Replicate => i.clamp(0, n - 1),
            PadMode::Circular => i.rem_euclid(n),
        }
    }

    /// How far beyond an axis of length `n` it reaches.
    fn reach(self, n: usize) -> usize {
        match self {
            PadMode::Reflect => n.saturating_sub(1),
            PadMode::Replicate => {
                if n > 0 {
                    usize::MAX
                } else {
                    0
                }
            }
            PadMode::Circular => n,
        }
    }
}

impl<T: Float> Tensor<T> {
    /// `before` and `after` more positions along `axis`, filled as `mode` says.
    ///
    /// # Panics
    /// If there is no such axis, or it is too short: reflection reaches its length less 1, repetition in a circle its
    /// length, and an empty axis has no border.
    #[track_caller]
    pub fn pad_mode(&self, axis: usize, before: usize, after: usize, mode: PadMode) -> Self {
        self.padded("pad_mode", axis, before, after, mode)
    }

    #[track_caller]
    fn padded(&self, op: &str, axis: usize, before: usize, after: usize, mode: PadMode) -> Self {
        check_axis(op, axis, self.shape());
        let n = self.dim(axis);
        let most = before.max(after);
        assert!(most <= mode.reach(n), "{op}: {most} positions beyond axis {axis} of {:?} by {mode:?}", self.shape());
        if before + after == 0 {
            return self.clone();
        }
        let positions = -(before as isize)..(n + after) as isize;
        let ids: Vec<i64> = positions.map(|i| mode.source(i, n as isize) as i64).collect();
        let len = ids.len();
        self.index_select(axis, &Tensor::from_vec(ids, [len]))
    }

    /// The same around the last two axes: left, right, top, bottom.
    ///
    /// # Panics
    /// If there are fewer than two axes, or as [`Tensor::pad_mode`].
    #[track_caller]
    pub fn pad2d_mode(&self, [left, right, top, bottom]: [usize; 4], mode: PadMode) -> Self {
        let rank = self.rank();
        assert!(rank >= 2, "pad2d_mode: a tensor of shape {:?} has fewer than two axes", self.shape());
        let wide = self.padded("pad2d_mode", rank - 1, left, right, mode);
        wide.padded("pad2d_mode", rank - 2, top, bottom, mode)
    }
}
