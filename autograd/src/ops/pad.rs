//! Padding with the tensor's own elements or a number. For zeros alone there are [`Tensor::pad_axis`] and [`Tensor::pad2d`],
//! too.

use super::{check_axis, checked, with_dim};
use crate::dtype::Float;
use crate::tensor::Tensor;

/// What stands beyond the border: PyTorch's names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PadMode {
    /// The mirror image without the border itself: c b | a b c | b a.
    #[default]
    Reflect,
    /// The border repeated: a a | a b c | c c.
    Replicate,
    /// The other end: b c | a b c | a b.
    Circular,
    /// This number: v v | a b c | v v.
    Constant(f64),
}

impl PadMode {
    /// Zeros.
    pub const ZERO: PadMode = PadMode::Constant(0.0);

    /// The position within `0..n` that stands at `i`, where no number does.
    fn source(self, i: isize, n: isize) -> isize {
        match self {
            PadMode::Reflect => {
                let i = i.abs();
                if i < n { i } else { 2 * (n - 1) - i }
            }
            PadMode::Replicate => i.clamp(0, n - 1),
            PadMode::Circular => i.rem_euclid(n),
            PadMode::Constant(_) => i,
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
            PadMode::Constant(_) => usize::MAX,
        }
    }
}

impl<T: Float> Tensor<T> {
    /// `before` and `after` more positions along `axis`, filled as `mode` says.
    ///
    /// # Panics
    /// If there is no such axis, or it is too short: reflection reaches its length less 1, repetition in a circle its
    /// length, and an empty axis has no border to repeat.
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
        if before == 0 && after == 0 {
            return self.clone();
        }
        let len = before.saturating_add(n).saturating_add(after);
        checked(op, &with_dim(self.shape(), axis, len));
        match mode {
            PadMode::Constant(0.0) => self.pad_axis(axis, before, len),
            PadMode::Constant(value) => {
                let side = |len| Tensor::full(with_dim(self.shape(), axis, len), T::from_f64(value));
                Tensor::concat(&[&side(before), self, &side(after)], axis)
            }
            _ => {
                let positions = -(before as isize)..(n + after) as isize;
                let ids: Vec<i64> = positions.map(|i| mode.source(i, n as isize) as i64).collect();
                self.index_select(axis, &Tensor::from_vec(ids, [len]))
            }
        }
    }

    /// The same around the last axis: left, right.
    ///
    /// # Panics
    /// If there is no axis, or as [`Tensor::pad_mode`].
    #[track_caller]
    pub fn pad1d_mode(&self, border: [usize; 2], mode: PadMode) -> Self {
        self.pad_around("pad1d_mode", &border, mode)
    }

    /// The same around the last two axes: left, right, top, bottom.
    ///
    /// # Panics
    /// If there are fewer than two axes, or as [`Tensor::pad_mode`].
    #[track_caller]
    pub fn pad2d_mode(&self, border: [usize; 4], mode: PadMode) -> Self {
        self.pad_around("pad2d_mode", &border, mode)
    }

    /// The same around the last three axes: left, right, top, bottom, front, back.
    ///
    /// # Panics
    /// If there are fewer than three axes, or as [`Tensor::pad_mode`].
    #[track_caller]
    pub fn pad3d_mode(&self, border: [usize; 6], mode: PadMode) -> Self {
        self.pad_around("pad3d_mode", &border, mode)
    }

    /// Before and after the last axis, then before and after the one ahead of it, and so on.
    #[track_caller]
    fn pad_around(&self, op: &str, border: &[usize], mode: PadMode) -> Self {
        let (rank, pairs) = (self.rank(), border.as_chunks::<2>().0);
        let axes = ["one axis", "two axes", "three axes"][pairs.len() - 1];
        assert!(rank >= pairs.len(), "{op}: a tensor of shape {:?} has fewer than {axes}", self.shape());
        let mut x = self.clone();
        for (&[before, after], axis) in pairs.iter().zip((0..rank).rev()) {
            x = x.padded(op, axis, before, after, mode);
        }
        x
    }
}
