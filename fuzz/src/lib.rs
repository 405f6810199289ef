//! What must hold for any bytes that pose as a file of ours; one function a target.
//!
//! `cargo +nightly fuzz run TARGET` in this folder's parent runs one against libFuzzer. nn's and data's tests include
//! `nn.rs`, `data.rs` and `damage.rs`, so that the same properties hold on stable, on damaged copies of the corpus.
#![forbid(unsafe_code)]

pub mod damage;
pub mod data;
pub mod nn;
