//! Parameters and buffers: the only things of a model that change, and the only ones behind a lock.

use std::sync::{Arc, PoisonError, RwLock};

use etude_autograd::{Dtype, LeafId, Packed, Storage, Tensor, is_recomputing};

/// A trainable tensor with an identity of its own.
///
/// `clone()` makes an independent copy with a new identity, so cloning a model copies it; [`Param::share`] ties.
///
/// For inference it can be packed ([`crate::Module::pack`]), with everything that is tied to it. Its tensor is gone then:
/// only [`crate::Linear`] and [`crate::Embedding`] can read it, and nothing can write it.
pub struct Param {
    id: LeafId,
    value: Arc<RwLock<Held>>,
}

/// What a parameter holds.
enum Held {
    /// Always a leaf with the parameter's identity.
    Leaf(Tensor),
    Packed(Arc<Packed>),
}

/// A parameter's value as a product reads it.
pub(crate) enum Weight {
    Tensor(Tensor),
    Packed(Arc<Packed>),
}

impl Param {
    /// A parameter with this initial value.
    pub fn new(value: Tensor) -> Self {
        let leaf = value.requires_grad();
        let id = leaf.leaf_id().expect("requires_grad makes a leaf");
        Param { id, value: Arc::new(RwLock::new(Held::Leaf(leaf))) }
    }

    /// Another handle on the same parameter: tied weights.
    pub fn share(&self) -> Self {
        Param { id: self.id, value: self.value.clone() }
    }

    /// The value, tied to the graph. Modules ask [`crate::Ctx::get`] instead, which knows about substitutes.
    ///
    /// # Panics
    /// If it is packed.
    #[track_caller]
    pub fn get(&self) -> Tensor {
        match self.weight() {
            Weight::Tensor(value) => value,
            Weight::Packed(packed) => no_tensor(&packed),
        }
    }

    /// The value in either form.
    pub(crate) fn weight(&self) -> Weight {
        match &*self.value.read().unwrap_or_else(PoisonError::into_inner) {
            Held::Leaf(value) => Weight::Tensor(value.clone()),
            Held::Packed(packed) => Weight::Packed(packed.clone()),
        }
    }

    /// How the value is packed; `None` if it is a tensor.
    pub fn packed(&self) -> Option<Storage> {
        match self.weight() {
            Weight::Tensor(_) => None,
            Weight::Packed(packed) => Some(packed.storage()),
        }
    }

    /// Replaces the value, a matrix, by a packed copy.
    pub(crate) fn pack(&self, storage: Storage) {
        let mut slot = self.value.write().unwrap_or_else(PoisonError::into_inner);
        if let Held::Leaf(value) = &mut *slot {
            // The only owner gives its memory away, so that a model never holds a matrix twice.
            let value = std::mem::replace(value, Tensor::zeros([0]));
            *slot = Held::Packed(Arc::new(value.pack(storage)));
        }
    }

    /// The identity that gradients are keyed by.
    pub fn id(&self) -> LeafId {
        self.id
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> Vec<usize> {
        match self.weight() {
            Weight::Tensor(value) => value.shape().to_vec(),
            Weight::Packed(packed) => vec![packed.outputs(), packed.inputs()],
        }
    }

    /// Replaces the value and keeps the identity.
    ///
    /// # Panics
    /// If the shape differs, or the parameter is packed.
    #[track_caller]
    pub fn set(&self, value: &Tensor) {
        self.write(|slot| *slot = value.contiguous().as_leaf_of(slot));
    }

    /// As [`Param::set`], but writes into this parameter's own storage, so that neither side has to copy when it is
    /// updated later.
    ///
    /// # Panics
    /// If the shape differs, or the parameter is packed.
    #[track_caller]
    pub fn copy_from(&self, value: &Tensor) {
        let shape = self.shape();
        assert!(shape == value.shape(), "Param::copy_from: shapes differ: {shape:?} and {:?}", value.shape());
        let value = value.contiguous();
        self.update(|x| x.copy_from_slice(value.as_slice().expect("just made contiguous")));
    }

    /// Changes the elements in place; copies first only if a graph still holds the value.
    ///
    /// # Panics
    /// If the parameter is packed.
    #[track_caller]
    pub fn update(&self, f: impl FnOnce(&mut [f32])) {
        self.write(|slot| f(slot.make_mut()));
    }

    #[track_caller]
    fn write(&self, f: impl FnOnce(&mut Tensor)) {
        match &mut *self.value.write().unwrap_or_else(PoisonError::into_inner) {
            Held::Leaf(value) => f(value),
            Held::Packed(packed) => no_tensor(packed),
        }
    }
}

#[cold]
#[track_caller]
fn no_tensor(packed: &Packed) -> ! {
    let (outputs, inputs, storage) = (packed.outputs(), packed.inputs(), packed.storage());
    panic!(
        "Param: a value of shape [{outputs}, {inputs}] is packed as {storage}: \
         only Linear and Embedding can read it, and nothing can write it"
    )
}

impl Clone for Param {
    fn clone(&self) -> Self {
        match self.weight() {
            Weight::Tensor(value) => Param::new(value.detach()),
            Weight::Packed(packed) => {
                let Param { id, .. } = Param::new(Tensor::zeros([0]));
                Param { id, value: Arc::new(RwLock::new(Held::Packed(packed))) }
            }
        }
    }
}

impl std::fmt::Debug for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.weight() {
            Weight::Tensor(value) => f.debug_tuple("Param").field(&value).finish(),
            Weight::Packed(packed) => f.debug_tuple("Param").field(&packed).finish(),
        }
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

    /// Replaces the value; a graph is not kept. Does nothing while a checkpoint is computed again
    /// ([`etude_autograd::is_recomputing`]): it was replaced then already.
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
        if !is_recomputing() {
            *slot = value.detach().contiguous();
        }
    }
}

impl<T: Dtype> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Buffer::new(self.get())
    }
}
