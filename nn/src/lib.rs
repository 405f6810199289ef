//! Modules, layers, losses, optimisers and checkpoints over [`etude_autograd`].
//!
//! A model is a plain struct of [`Param`]s and other modules; [`module!`] gives it names. `forward` takes a [`Ctx`] that
//! carries the mode, the random numbers and substitute parameters, so a module has no hidden state. Parameter names and
//! layouts are PyTorch's: published weights load without mapping.
#![forbid(unsafe_code)]

mod ctx;
mod module;
mod param;

pub use ctx::{Ctx, Mode};
pub use module::{Module, Slot, Visitor};
pub use param::{Buffer, Param};
