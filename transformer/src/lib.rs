//! Transformers.
//!
//! | model | paper |
//! |---|---|
//! | [`Bert`] | Devlin et al. 2019, *BERT: Pre-training of Deep Bidirectional Transformers*, arXiv:1810.04805 |
//! | [`Gpt`] | Radford et al. 2019, *Language Models are Unsupervised Multitask Learners* |
#![forbid(unsafe_code)]

mod bert;
mod block;
mod cache;
mod error;
mod gpt;

pub use bert::{Bert, BertConfig};
pub use cache::KvCache;
pub use error::Error;
pub use gpt::{Gpt, GptConfig};
