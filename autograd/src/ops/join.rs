//! Joining tensors.

use super::{around, check_axis, checked, with_dim};
use crate::alloc;
use crate::dtype::{Dtype, Float};
use crate::node::{Op, Saves, Vjp};
use crate::observe;
use crate::tensor::Tensor;

struct Concat {
    axis: usize,
}

impl<T: Float> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let mut start = 0;
        let mut grads = Vec::new();
        while cx.has_input(grads.len()) {
            let i = grads.len();
            let len = cx.input_shape(i)[self.axis];
            grads.push(cx.when(i, || g.narrow(self.axis, start, len)));
            start += len;
        }
        grads
    }
}

#[track_caller]
fn joined<T: Dtype>(op: &str, parts: &[&Tensor<T>], axis: usize) -> Tensor<T> {
    let Some(first) = parts.first().map(|part| part.shape()) else { panic!("{op}: no tensors were given") };
    check_axis(op, axis, first);
    for part in parts {
        let same = part.rank() == first.len() && (0..first.len()).all(|i| i == axis || part.shape()[i] == first[i]);
        assert!(same, "{op}: {:?} differs from {first:?} outside axis {axis}", part.shape());
    }
    let total = parts.iter().fold(0usize, |total, part| total.saturating_add(part.shape()[axis]));
    let shape = with_dim(first, axis, total);
    let mut out = alloc::scratch(checked(op, &shape));
    let (_, _, inner) = around(&shape, axis);
    let mut start = 0;
    for part in parts {
        let width = part.shape()[axis] * inner;
        if width > 0 {
            let data = part.data();
            for (row, from) in out.chunks_exact_mut(total * inner).zip(data.chunks_exact(width)) {
                row[start..start + width].copy_from_slice(from);
            }
        }
        start += width;
    }
    Tensor::from_buf(out, &shape)
}

impl<T: Float> Tensor<T> {
    /// The tensors one after another along `axis`.
    ///
    /// # Panics
    /// If there are none, or they differ outside `axis`.
    #[track_caller]
    pub fn concat(parts: &[&Tensor<T>], axis: usize) -> Self {
        Tensor::record(Concat { axis }, parts, joined("concat", parts, axis))
    }

    /// The tensors side by side along a new axis before `axis`.
    ///
    /// # Panics
    /// If there are none, or their shapes differ.
    #[track_caller]
    pub fn stack(parts: &[&Tensor<T>], axis: usize) -> Self {
        let Some(first) = parts.first().map(|part| part.shape()) else { panic!("stack: no tensors were given") };
        assert!(axis <= first.len(), "stack: a new axis {axis} of tensors of shape {first:?}");
        for part in parts {
            assert!(part.shape() == first, "stack: shapes differ: {first:?} and {:?}", part.shape());
        }
        let with_axis: Vec<Tensor<T>> = parts.iter().map(|part| part.unsqueeze(axis)).collect();
        Tensor::concat(&with_axis.iter().collect::<Vec<_>>(), axis)
    }
}

impl Tensor<i64> {
    /// The tensors one after another along `axis`.
    ///
    /// # Panics
    /// If there are none, or they differ outside `axis`.
    #[track_caller]
    pub fn concat_ids(parts: &[&Tensor<i64>], axis: usize) -> Self {
        let y = joined("concat_ids", parts, axis);
        observe::computed("concat_ids", 2 * y.len() * size_of::<i64>());
        y
    }
}
