//! Products with packed weights, and rows of them: inference only.
//!
//! Packed weights have no gradient and no graph node, so what is computed with them cannot be recorded. Where it would
//! have to be, the operation refuses: run inference inside [`no_grad`](crate::no_grad).

use etude_kernels::{Packed, Storage};

use super::index::check_ids;
use crate::alloc;
use crate::layout::Shape;
use crate::mode::is_grad_enabled;
use crate::observe;
use crate::tensor::Tensor;

/// Refuses to be part of a graph.
#[track_caller]
fn refuse(op: &str, w: &Packed, tracked: bool) {
    assert!(
        !tracked || !is_grad_enabled(),
        "{op}: weights packed as {} have no gradient; run inference inside no_grad",
        w.storage()
    );
}

impl Tensor {
    /// This matrix, `[outputs, inputs]`, packed as weights. f32 weights are packed in place if nobody else holds them.
    ///
    /// # Panics
    /// If there are not two axes.
    #[track_caller]
    pub fn pack(self, storage: Storage) -> Packed {
        let &[outputs, inputs] = self.shape() else {
            panic!("pack: weights have shape {:?}, not two axes", self.shape())
        };
        match storage {
            Storage::F32 => Packed::in_place(self.into_buf(), outputs, inputs),
            _ => Packed::new(storage, &self.data(), outputs, inputs),
        }
    }

    /// x·Wᵀ + b over the last axis: as [`Tensor::linear`] with weights that were packed.
    ///
    /// # Panics
    /// If the shapes do not fit, or `x` or `b` is tracked and operations are recorded: the weights have no gradient.
    #[track_caller]
    pub fn linear_packed(&self, w: &Packed, b: Option<&Tensor>) -> Self {
        refuse("linear_packed", w, self.is_tracked() || b.is_some_and(Tensor::is_tracked));
        let (x, wide) = (self.shape(), [w.outputs(), w.inputs()]);
        let fits = x.last() == Some(&w.inputs());
        assert!(fits, "linear_packed: the last axis of x {x:?} differs from w {wide:?}");
        if let Some(b) = b {
            let fits = b.shape() == [w.outputs()];
            assert!(fits, "linear_packed: the bias has shape {:?}, w {wide:?} asks for [{}]", b.shape(), w.outputs());
        }
        let mut shape = Shape::from_slice(x);
        *shape.last_mut().expect("the last axis was compared") = w.outputs();
        let mut out = alloc::scratch(shape.iter().product());
        let bias = b.map(Tensor::data);
        w.linear(&mut out, &self.data(), bias.as_deref());
        observe::computed("linear_packed", (self.len() + out.len()) * size_of::<f32>() + w.bytes());
        Tensor::from_buf(out, &shape)
    }

    /// Rows of packed weights: as [`Tensor::embedding`] of a table that was packed.
    ///
    /// # Panics
    /// If an index is outside, or operations are recorded: the table has no gradient.
    #[track_caller]
    pub fn embedding_packed(w: &Packed, ids: &Tensor<i64>) -> Self {
        refuse("embedding_packed", w, true);
        let index = ids.data();
        check_ids("embedding_packed", &index, &[w.outputs(), w.inputs()], 0);
        let mut shape = Shape::from_slice(ids.shape());
        shape.push(w.inputs());
        let mut out = alloc::scratch(shape.iter().product());
        w.gather_rows(&index, &mut out);
        observe::computed("embedding_packed", 2 * out.len() * size_of::<f32>());
        Tensor::from_buf(out, &shape)
    }
}
