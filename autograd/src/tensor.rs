//! The tensor: shared storage, a layout, and a link to the graph.
//!
//! Storage is immutable while it is shared. The one door to writing is [`Tensor::make_mut`], which copies unless the
//! tensor is the only owner: an optimiser updates in place after a backward pass has released the graph, and can never
//! change a value that a graph still needs.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use etude_kernels::rng::Rng;
use etude_kernels::strided::{self, Strided};
use etude_kernels::{Buf, Elem};

use crate::dtype::{Dtype, Float};
use crate::layout::{Layout, ShapeError, checked_len};
use crate::node::{LeafId, Node};
use crate::observe;

/// An n-dimensional array of `T`. Cloning is cheap and shares the elements.
#[derive(Clone)]
pub struct Tensor<T: Dtype = f32> {
    storage: Arc<Buf<T>>,
    layout: Layout,
    link: T::Link,
}

thread_local! {
    static COW_COPIES: Cell<u64> = const { Cell::new(0) };
}

/// How often, on this thread, a write had to copy because the storage was shared. Stays flat at `step` in an ordinary
/// training loop.
pub fn cow_copies() -> u64 {
    COW_COPIES.get()
}

impl<T: Dtype> Tensor<T> {
    pub(crate) fn from_buf(buf: Buf<T>, shape: &[usize]) -> Self {
        debug_assert_eq!(Ok(buf.len()), checked_len(shape));
        Tensor { storage: Arc::new(buf), layout: Layout::contiguous(shape), link: T::Link::default() }
    }

    /// A tensor of `shape` that takes over `data`, in row-major order.
    ///
    /// # Panics
    /// If the lengths differ; [`Tensor::try_from_vec`] returns the error instead.
    #[track_caller]
    pub fn from_vec(data: Vec<T>, shape: impl AsRef<[usize]>) -> Self {
        Self::try_from_vec(data, shape).unwrap_or_else(|error| panic!("from_vec: {error}"))
    }

    /// A tensor of `shape` that takes over `data`, in row-major order.
    pub fn try_from_vec(data: Vec<T>, shape: impl AsRef<[usize]>) -> Result<Self, ShapeError> {
        let shape = shape.as_ref();
        if checked_len(shape)? != data.len() {
            return Err(ShapeError::Length { shape: shape.to_vec(), len: data.len() });
        }
        Ok(Self::from_buf(Buf::from_vec(data), shape))
    }

    /// A tensor of `shape` with a copy of `data`, in row-major order.
    ///
    /// # Panics
    /// If the lengths differ.
    #[track_caller]
    pub fn from_slice(data: &[T], shape: impl AsRef<[usize]>) -> Self {
        let shape = shape.as_ref();
        match checked_len(shape) {
            Ok(len) if len == data.len() => Self::from_buf(Buf::copy_of(data), shape),
            Ok(_) => {
                panic!("from_slice: {}", ShapeError::Length { shape: shape.to_vec(), len: data.len() })
            }
            Err(error) => panic!("from_slice: {error}"),
        }
    }

    /// Every element `value`.
    #[track_caller]
    pub fn full(shape: impl AsRef<[usize]>, value: T) -> Self {
        let shape = shape.as_ref();
        let len = checked_len(shape).unwrap_or_else(|error| panic!("full: {error}"));
        Self::from_buf(Buf::filled(len, value), shape)
    }

    /// A tensor without axes.
    pub fn scalar(value: T) -> Self {
        Self::full([], value)
    }

    /// The lengths of the axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// The length of one axis.
    #[track_caller]
    pub fn dim(&self, axis: usize) -> usize {
        assert!(
            axis < self.rank(),
            "dim: axis {axis} of a tensor of shape {:?}, which has {} axes",
            self.shape(),
            self.rank()
        );
        self.layout.shape[axis]
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.layout.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// The elements, if they are contiguous.
    pub fn as_slice(&self) -> Option<&[T]> {
        self.is_contiguous().then(|| &self.storage[self.layout.offset..self.layout.offset + self.len()])
    }

    /// The elements in row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        self.data().to_vec()
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[track_caller]
    pub fn item(&self) -> T {
        assert!(self.len() == 1, "item: a tensor of shape {:?} has {} elements, not 1", self.shape(), self.len());
        self.storage[self.layout.offset]
    }

    /// The same elements, contiguous: itself if it is so already. Never recorded: the values and the link are the same.
    pub fn contiguous(&self) -> Self {
        if self.is_contiguous() {
            return self.clone();
        }
        observe::begins();
        let y = self.copied();
        observe::computed("contiguous", 2 * self.len() * size_of::<T>());
        y
    }

    /// The elements in row-major order in storage of their own, with the same link to the graph.
    pub(crate) fn copied(&self) -> Self {
        let mut out = Buf::scratch(self.len());
        strided::copy(self.strided(), self.shape(), &mut out);
        Tensor { storage: Arc::new(out), layout: Layout::contiguous(self.shape()), link: self.link.clone() }
    }

    /// The same values without a link to the graph.
    pub fn detach(&self) -> Self {
        Tensor { storage: self.storage.clone(), layout: self.layout.clone(), link: T::Link::default() }
    }

    /// The elements for writing, in row-major order. Copies first if the storage is shared or the view has gaps. A leaf
    /// keeps its identity.
    ///
    /// # Panics
    /// If the tensor was computed from tracked ones: its history would no longer match its values.
    #[track_caller]
    pub fn make_mut(&mut self) -> &mut [T]
    where
        T::Link: History,
    {
        assert!(!self.link.has_history(), "make_mut: the tensor has a history; detach it first");
        let whole = self.is_contiguous() && self.layout.offset == 0 && self.len() == self.storage.len();
        if !whole || Arc::get_mut(&mut self.storage).is_none() {
            COW_COPIES.set(COW_COPIES.get() + 1);
            let copy = Buf::copy_of(&self.data());
            self.layout = Layout::contiguous(&self.layout.shape);
            self.storage = Arc::new(copy);
        }
        Arc::get_mut(&mut self.storage).expect("a fresh or unshared storage has one owner")
    }

    /// The elements in row-major order, taken over if nobody else can see them.
    pub(crate) fn into_buf(self) -> Buf<T> {
        let whole = self.is_contiguous() && self.layout.offset == 0 && self.len() == self.storage.len();
        if !whole {
            return Buf::copy_of(&self.data());
        }
        Arc::try_unwrap(self.storage).unwrap_or_else(|shared| Buf::copy_of(&shared))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn link(&self) -> &T::Link {
        &self.link
    }

    pub(crate) fn with_link(&self, link: T::Link) -> Self {
        self.detach().into_linked(link)
    }

    pub(crate) fn into_linked(self, link: T::Link) -> Self {
        Tensor { link, ..self }
    }

    /// A view of the same storage without a link.
    pub(crate) fn view(&self, layout: Layout) -> Self {
        Tensor { storage: self.storage.clone(), layout, link: T::Link::default() }
    }

    /// The view as kernels take it.
    pub(crate) fn strided(&self) -> Strided<'_, T> {
        Strided { data: &self.storage, offset: self.layout.offset, strides: &self.layout.strides }
    }

    /// The elements in row-major order, copied only if they are not so already.
    pub(crate) fn data(&self) -> Contiguous<'_, T> {
        match self.as_slice() {
            Some(slice) => Contiguous::Borrowed(slice),
            None => {
                let mut out = Buf::scratch(self.len());
                strided::copy(self.strided(), self.shape(), &mut out);
                Contiguous::Owned(out)
            }
        }
    }

    /// The elements for writing, if nobody else can see them.
    pub(crate) fn unique_mut(&mut self) -> Option<&mut [T]> {
        let whole = self.is_contiguous() && self.layout.offset == 0 && self.len() == self.storage.len();
        if whole { Arc::get_mut(&mut self.storage).map(|buf| &mut buf[..]) } else { None }
    }
}

/// Whether a link says how the tensor was computed.
#[doc(hidden)]
pub trait History {
    fn has_history(&self) -> bool;
}
impl History for () {
    fn has_history(&self) -> bool {
        false
    }
}
impl<T: Float> History for Option<Arc<Node<T>>> {
    fn has_history(&self) -> bool {
        self.as_ref().is_some_and(|node| !node.is_leaf())
    }
}

/// Contiguous elements, borrowed where possible.
pub(crate) enum Contiguous<'a, T: Elem> {
    Borrowed(&'a [T]),
    Owned(Buf<T>),
}

impl<T: Elem> std::ops::Deref for Contiguous<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Contiguous::Borrowed(slice) => slice,
            Contiguous::Owned(buf) => buf,
        }
    }
}

impl<T: Float> Tensor<T> {
    /// Every element 0.
    #[track_caller]
    pub fn zeros(shape: impl AsRef<[usize]>) -> Self {
        Self::full(shape, T::ZERO)
    }

    /// Every element 1.
    #[track_caller]
    pub fn ones(shape: impl AsRef<[usize]>) -> Self {
        Self::full(shape, T::ONE)
    }

    /// The identity matrix of size `n`.
    pub fn eye(n: usize) -> Self {
        let mut out = Buf::filled(n * n, T::ZERO);
        out.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
        Self::from_buf(out, &[n, n])
    }

    /// Independent standard normal variates.
    #[track_caller]
    pub fn randn(shape: impl AsRef<[usize]>, rng: &mut impl AsMut<Rng>) -> Self {
        let shape = shape.as_ref();
        let len = checked_len(shape).unwrap_or_else(|error| panic!("randn: {error}"));
        let mut out = Buf::scratch(len);
        rng.as_mut().fill_normal(&mut out);
        Self::from_buf(out, shape)
    }

    /// Independent uniform variates in [0, 1).
    #[track_caller]
    pub fn rand(shape: impl AsRef<[usize]>, rng: &mut impl AsMut<Rng>) -> Self {
        let shape = shape.as_ref();
        let len = checked_len(shape).unwrap_or_else(|error| panic!("rand: {error}"));
        let mut out = Buf::scratch(len);
        rng.as_mut().fill_uniform(&mut out);
        Self::from_buf(out, shape)
    }

    /// A fresh leaf with the same values: what gradients are asked for.
    pub fn requires_grad(&self) -> Self {
        self.with_link(Some(Node::leaf()))
    }

    /// Whether the tensor is tied to the graph.
    pub fn is_tracked(&self) -> bool {
        self.link.is_some()
    }

    /// The identity under which [`crate::Grads`] holds the gradient of this leaf; `None` for anything else.
    pub fn leaf_id(&self) -> Option<LeafId> {
        self.link.as_ref().filter(|node| node.is_leaf()).map(|node| LeafId(node.id))
    }

    /// The same values tied to the leaf of `other`: how an optimiser replaces a parameter's value and keeps its identity.
    ///
    /// # Panics
    /// If `other` is not a leaf or the shapes differ.
    #[track_caller]
    pub fn as_leaf_of(&self, other: &Tensor<T>) -> Self {
        assert!(other.leaf_id().is_some(), "as_leaf_of: the other tensor is not a leaf");
        assert!(self.shape() == other.shape(), "as_leaf_of: shapes differ: {:?} and {:?}", self.shape(), other.shape());
        self.with_link(other.link.clone())
    }
}

impl Tensor<i64> {
    /// 0, 1, …, n − 1.
    pub fn arange(n: usize) -> Self {
        Self::from_vec((0..n as i64).collect(), [n])
    }
}

impl<T: Dtype> fmt::Debug for Tensor<T> {
    /// Type, shape and the first elements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "Tensor<{}>{:?} [", T::NAME, self.shape())?;
        for (i, x) in self.data().iter().take(SHOWN).enumerate() {
            write!(f, "{}{x}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.len() > SHOWN { ", …]" } else { "]" })
    }
}
