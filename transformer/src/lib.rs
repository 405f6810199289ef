//! Transformers.
//!
//! | model | paper |
//! |---|---|
//! | [`Gpt`] | Radford et al. 2019, *Language Models are Unsupervised Multitask Learners* |
#![forbid(unsafe_code)]

mod block;
mod cache;
mod error;
mod gpt;

pub use cache::KvCache;
pub use error::Error;
pub use gpt::{Gpt, GptConfig};
