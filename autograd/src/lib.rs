//! Tensors and gradients of any order, on the CPU.
//!
//! A [`Tensor`] is a cheap handle on shared, immutable storage with a strided layout. Operations on tracked tensors build
//! an implicit graph of nodes; [`Tensor::backward`] consumes the loss and returns the gradients as a value,
//! [`grad`] borrows it and can record the gradients themselves, so that they can be differentiated again.
//!
//! ```
//! use etude_autograd::{grad, CreateGraph, Tensor};
//!
//! let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0], [3]).requires_grad();
//! let y = (&x * &x * &x).sum();                         // Σ x³
//! let [dy] = grad(&y, [&x], CreateGraph::Yes);          // 3 x²
//! let d2 = dy.sum().backward();                         // 6 x
//! assert_eq!(d2.get(&x).expect("x is a leaf").to_vec(), [6.0, 12.0, 18.0]);
//! ```
//!
//! # Where things are
//!
//! | wanted | see |
//! |---|---|
//! | a tensor from numbers, shapes, views, every operation | [`Tensor`]; [`ops`] lists the families |
//! | gradients of a loss for every parameter | [`Tensor::backward`], [`Tensor::backward_for`], [`Grads`] |
//! | gradients as tensors, of any order; vector–Jacobian products | [`grad`], [`grad_with`], [`CreateGraph`] |
//! | no recording; a value without its history | [`no_grad`], [`Tensor::detach`] |
//! | less memory for more time | [`checkpoint`], [`checkpoint_with`] |
//! | an operation of one's own | [`Op`], [`Vjp`], [`Tensor::record`]; its checks [`gradcheck`], [`gradgradcheck`] |
//! | where a NaN was born | [`detect_anomaly`], [`scope`] |
//! | what each operation costs | [`profile`], `ETUDE_PROFILE=1` with [`profile_of_run`] |
//! | the gradient of an inner value | [`Tensor::on_grad`], or [`grad`] with respect to it |
//! | what every operation is checked against | `table` and `testing`, with the features of those names |
//! | weights packed for inference, bf16 products | [`Packed`], [`precision`] |
//!
//! # Invariants
//!
//! Derivative rules contain only tensor operations, so every derivative can be differentiated again; integer and boolean
//! tensors have no place for a graph node, so indices and masks cannot be differentiated by mistake; wrong shapes panic and
//! name the operation that was called, the shapes and the axis.
#![forbid(unsafe_code)]

mod alloc;
mod backward;
mod checkpoint;
mod dtype;
mod gradcheck;
mod hook;
mod layout;
mod mode;
mod node;
mod observe;
pub mod ops;
#[cfg(feature = "table")]
pub mod table;
mod tensor;
#[cfg(feature = "testing")]
pub mod testing;

#[doc = include_str!("../docs/write_your_own_op.md")]
pub mod write_your_own_op {}

pub use backward::{CreateGraph, Grads, grad, grad_with};
pub use checkpoint::{checkpoint, checkpoint_with, is_recomputing};
pub use dtype::{Dtype, Float};
pub use etude_kernels::{Packed, Storage, precision};
pub use gradcheck::{GradcheckError, gradcheck, gradgradcheck};
pub use layout::{Shape, ShapeError};
pub use mode::{enable_grad, is_grad_enabled, no_grad};
pub use node::{LeafId, Op, Saves, Vjp};
pub use observe::{Anomaly, Profile, ProfileRow, Stage, Watch, detect_anomaly, profile, profile_of_run, scope};
pub use ops::attention::Mask;
pub use ops::conv::Conv2dArgs;
pub use ops::conv1d::Conv1dArgs;
pub use ops::conv3d::Conv3dArgs;
pub use ops::pad::PadMode;
pub use ops::pool::Pool2dArgs;
pub use ops::pool1d::Pool1dArgs;
pub use ops::pool3d::Pool3dArgs;
pub use tensor::{Tensor, cow_copies};
