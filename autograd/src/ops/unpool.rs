//! Elements back at the places from which max pooling took them, zeros elsewhere.

use super::checked;
use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// `[n, c, windows]` to `[n, c, size]`: each element at the place in its sequence that `index`, of the same shape, names,
    /// as [`Tensor::max_pool1d_with_indices`] gives it; zeros elsewhere. Of several elements with one place the last stays,
    /// and it alone has a gradient.
    ///
    /// Zeiler & Fergus 2014, arXiv:1311.2901, section 2.1.
    ///
    /// # Panics
    /// If there are not three axes, the shapes differ, or an index names no place.
    #[track_caller]
    pub fn max_unpool1d(&self, index: &Tensor<i64>, size: usize) -> Self {
        self.unpooled("max_unpool1d", index, [size])
    }

    /// [`Tensor::max_unpool1d`] of images: `[n, c, h, w]` to `[n, c, size[0], size[1]]`, from
    /// [`Tensor::max_pool2d_with_indices`].
    ///
    /// # Panics
    /// If there are not four axes, the shapes differ, or an index names no place.
    #[track_caller]
    pub fn max_unpool2d(&self, index: &Tensor<i64>, size: [usize; 2]) -> Self {
        self.unpooled("max_unpool2d", index, size)
    }

    /// [`Tensor::max_unpool1d`] of volumes: `[n, c, d, h, w]` to `[n, c, size[0], size[1], size[2]]`, from
    /// [`Tensor::max_pool3d_with_indices`].
    ///
    /// # Panics
    /// If there are not five axes, the shapes differ, or an index names no place.
    #[track_caller]
    pub fn max_unpool3d(&self, index: &Tensor<i64>, size: [usize; 3]) -> Self {
        self.unpooled("max_unpool3d", index, size)
    }

    #[track_caller]
    fn unpooled<const N: usize>(&self, op: &str, index: &Tensor<i64>, size: [usize; N]) -> Self {
        let (x, ids) = (self.shape(), index.data());
        let fits = x.len() == 2 + N && x == index.shape();
        let axes = ["three", "four", "five"][N - 1];
        assert!(fits, "{op}: x {x:?} and index {:?} are not the same {axes} axes", index.shape());
        let shape = [&x[..2], &size].concat();
        checked(op, &shape);
        let [volumes, windows] = [x[..2].iter().product::<usize>(), x[2..].iter().product()];
        let places = size.into_iter().fold(1, usize::saturating_mul);
        let place = |id: i64| usize::try_from(id).ok().filter(|&id| id < places);
        if let Some(at) = ids.iter().position(|&id| place(id).is_none()) {
            panic!("{op}: index {} at position {at} is not one of the {places} places of {size:?}", ids[at]);
        }
        let mut last = vec![usize::MAX; volumes * places];
        let targets = || ids.iter().enumerate().map(|(at, &id)| (at, at / windows * places + id as usize));
        targets().for_each(|(at, target)| last[target] = at);
        let lost: Vec<bool> = targets().map(|(at, target)| last[target] != at).collect();
        let mut kept = self.reshape([volumes, windows]);
        if lost.contains(&true) {
            kept = kept.masked_fill(&Tensor::from_vec(lost, [volumes, windows]), T::ZERO);
        }
        Tensor::zeros([volumes, places]).scatter_add(1, &index.reshape([volumes, windows]), &kept).reshape(shape)
    }
}
