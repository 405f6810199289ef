//! Which element types a tensor can have, and which of them can be differentiated.

use std::sync::Arc;

use etude_kernels::{Elem, Real};

use crate::backward::{Found, Pass};
use crate::node::Node;
use crate::ops::view::View;
use crate::tensor::Tensor;

/// An element type of tensors: `f32`, `f64`, `i64`, `bool`. Sealed through [`Elem`].
pub trait Dtype: Elem {
    /// What ties a tensor to the graph: a node for floats, nothing for the others.
    #[doc(hidden)]
    type Link: Clone + Default + Send + Sync;

    /// Records that `y` is a view of `x`, if views of this type are recorded.
    #[doc(hidden)]
    fn record_view(view: View, x: &Tensor<Self>, y: Tensor<Self>) -> Tensor<Self>;
}

/// An element type that can be differentiated: `f32`, `f64`.
pub trait Float: Dtype<Link = Option<Arc<Node<Self>>>> + Real {
    /// The reverse pass: compiled here, once a type, and not again in every crate that calls `backward`.
    #[doc(hidden)]
    #[track_caller]
    fn walk(pass: &Pass, root: Arc<Node<Self>>, seed: Tensor<Self>) -> Found<Self>;
}

macro_rules! dtype {
    (float $($t:ty),*) => {$(
        impl Dtype for $t {
            type Link = Option<Arc<Node<$t>>>;
            fn record_view(view: View, x: &Tensor<Self>, y: Tensor<Self>) -> Tensor<Self> {
                Tensor::record(view, &[x], y)
            }
        }
        impl Float for $t {
            #[track_caller]
            fn walk(pass: &Pass, root: Arc<Node<Self>>, seed: Tensor<Self>) -> Found<Self> {
                pass.walk(root, seed)
            }
        }
    )*};
    (plain $($t:ty),*) => {$(
        impl Dtype for $t {
            type Link = ();
            fn record_view(_: View, _: &Tensor<Self>, y: Tensor<Self>) -> Tensor<Self> {
                y
            }
        }
    )*};
}
dtype!(float f32, f64);
dtype!(plain i64, bool);
