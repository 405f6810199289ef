//! SIMD kernels of Étude, chosen at run time: slices in, slices out.
//!
//! This crate knows nothing of tensors, graphs or modules. A kernel takes slices and plain numbers, checks lengths once
//! at its door, and writes a slice. Elementwise formulas are *lane functions*, written once over the façade in [`lanes`]
//! and compiled for every instruction set; [`isa`] picks one per call. [`par`] splits work at fixed boundaries, so a
//! result never depends on the number of threads.
//!
//! It is the only crate of the workspace that may say `unsafe`.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod attention;
pub mod buf;
pub mod conv;
mod door;
pub mod elem;
pub mod ew;
pub mod gemm;
pub mod index;
pub mod isa;
pub mod lanes;
pub mod narrow;
pub mod norm;
pub mod optim;
mod pages;
pub mod par;
pub mod pool;
pub mod precision;
pub mod recurrent;
pub mod reduce;
mod registers;
pub mod rng;
pub mod scoped;
pub mod softmax;
mod stamp;
pub mod strided;
mod system;
#[cfg(any(feature = "yardstick", test))]
pub mod yardstick;

pub use buf::Buf;
pub use elem::{Elem, Real};
pub use gemm::packed::{Packed, Storage};
pub use isa::Isa;
pub use precision::Precision;
