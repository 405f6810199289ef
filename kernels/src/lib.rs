//! SIMD kernels of Étude, chosen at run time: slices in, slices out.
//!
//! This crate knows nothing of tensors, graphs or modules. A kernel takes slices and plain numbers, checks lengths once
//! at its door, and writes a slice. Elementwise formulas are *lane functions*, written once over the façade in [`lanes`]
//! and compiled for every instruction set; [`isa`] picks one per call. [`par`] splits work at fixed boundaries, so a
//! result never depends on the number of threads.
//!
//! ```
//! use etude_kernels::gemm::{self, Accumulate, Mat};
//! use etude_kernels::isa::{self, Isa};
//!
//! let a = Mat::row_major(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
//! let b = Mat::row_major(&[1.0f32, 0.0, 1.0, 0.0, 1.0, 1.0], 2, 3);
//! let mut c = [0.0f32; 4];
//! gemm::matmul(&mut c, a, b.t(), Accumulate::No); // C = A·Bᵀ
//! assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
//! isa::with(Isa::Scalar, || gemm::matmul(&mut c, a, b.t(), Accumulate::Yes)); // again, without SIMD
//! assert_eq!(c, [8.0, 10.0, 20.0, 22.0]);
//! ```
//!
//! # Where things are
//!
//! | wanted | see |
//! |---|---|
//! | products of matrices; weights made ready for inference | [`gemm`]; [`Packed`] |
//! | functions of each element, arithmetic with broadcasting, comparisons | [`ew`] |
//! | sums, products, extremes along an axis; softmax and cross-entropy | [`reduce`]; [`softmax`] |
//! | layer, root-mean-square and batch normalisation | [`norm`] |
//! | convolution; pooling and upsampling | [`conv`]; [`pool`] |
//! | attention; LSTM and GRU over a whole sequence | [`attention`]; [`recurrent`] |
//! | rows and elements picked by index; copies of views | [`index`]; [`strided`] |
//! | one step of an optimiser | [`optim`] |
//! | random numbers | [`rng`] |
//! | which instruction set, how many threads, how exact a product | [`isa`], [`par`], [`precision`] |
//! | a formula of one's own | [`lanes`], run by [`Isa::run`] |
//! | element types, buffers, 16-bit floats, values that hold in a scope | [`elem`], [`buf`], [`narrow`], [`scoped`] |
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
