//! Parameters and buffers: the only things of a model that change, and the only ones behind a lock.

use std::sync::{Arc, PoisonError, RwLock};

use etude_autograd::{Dtype, LeafId, Tensor};

/// A trainable tensor with an identity of its own.
///
/// `clone()` makes an independent copy with a new identity, so cloning a model copies it; [`Param::share`] ties.
pub struct Param {
    id: LeafId,
    /// Always a leaf with the identity `id`.
    value: Arc<RwLock<Tensor>>,
}

impl Param {
    /// A parameter with this initial value.
    pub fn new(value: Tensor) -> Self {
        let leaf = value.requires_grad();
        let id = leaf.leaf_id().expect("requires_grad makes a leaf");
        Param { id, value: Arc::new(RwLock::new(leaf)) }
    }

    /// Another handle on the same parameter: tied weights.
    pub fn share(&self) -> Self {
        Param { id: self.id, value: self.value.clone() }
    }

    /// The value, tied to the graph. Modules ask [`crate::Ctx::get`] instead, which knows about substitutes.
    pub fn get(&self) -> Tensor {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The identity that gradients are keyed by.
    pub fn id(&self) -> LeafId {
        self.id
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> Vec<usize> {
        self.get().shape().to_vec()
    }

    /// Replaces the value and keeps the identity.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn set(&self, value: &Tensor) {
        let mut slot = self.value.write().unwrap_or_else(PoisonError::into_inner);
        *slot = value.contiguous().as_leaf_of(&slot);
    }

    /// As [`Param::set`], but writes into this parameter's own storage, so that neither side has to copy when it is
    /// updated later.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn copy_from(&self, value: &Tensor) {
        let shape = self.shape();
        assert!(shape == value.shape(), "Param::copy_from: shapes differ: {shape:?} and {:?}", value.shape());
        let value = value.contiguous();
        self.update(|x| x.copy_from_slice(value.as_slice().expect("just made contiguous")));
    }

    /// Changes the elements in place; copies first only if a graph still holds the value.
    pub fn update(&self, f: impl FnOnce(&mut [f32])) {
        f(self.value.write().unwrap_or_else(PoisonError::into_inner).make_mut());
    }
}

impl Clone for Param {
    fn clone(&self) -> Self {
        Param::new(self.get().detach())
    }
}

impl std::fmt::Debug for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Param").field(&self.get()).finish()
    }
}

/// A tensor that is saved with the model but not trained: running statistics, counters, codebooks.
///
/// `clone()` makes an independent copy.
#[derive(Debug)]
pub struct Buffer<T: Dtype = f32> {
    value: RwLock<Tensor<T>>,
}

impl<T: Dtype> Buffer<T> {
    /// A buffer with this initial value, untracked.
    pub fn new(value: Tensor<T>) -> Self {
        Buffer { value: RwLock::new(value.detach()) }
    }

    /// The value.
    pub fn get(&self) -> Tensor<T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value; a graph is not kept.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn set(&self, value: &Tensor<T>) {
        let mut slot = self.value.write().unwrap_or_else(PoisonError::into_inner);
        assert!(
            slot.shape() == value.shape(),
            "Buffer::set: shapes differ: {:?} and {:?}",
            slot.shape(),
            value.shape()
        );
        *slot = value.detach().contiguous();
    }
}

impl<T: Dtype> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Buffer::new(self.get())
    }
}
