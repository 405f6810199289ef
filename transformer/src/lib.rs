//! Transformers.
//!
//! ```
//! use etude_autograd::Tensor;
//! use etude_nn::{Adam, Ctx, Optimizer, Sampler, loss};
//! use etude_transformer::{Gpt, GptConfig};
//!
//! // Counting to three, again and again.
//! let mut cx = Ctx::train(0);
//! let text = Tensor::from_slice(&[0i64, 1, 2, 0, 1, 2], [1, 6]);
//! let next = Tensor::from_slice(&[1i64, 2, 0, 1, 2, 0], [6]);
//! let config = GptConfig { vocab: 3, context: 8, dim: 16, heads: 2, layers: 1, ..GptConfig::default() };
//! let model = Gpt::new(config, &mut cx)?;
//! let mut opt = Adam::new(&model, 0.01);
//! for _ in 0..50 {
//!     opt.step(&loss::cross_entropy(&model.forward(&text, &mut cx).reshape([6, 3]), &next).backward());
//! }
//! assert_eq!(model.generate(&[0], 5, Sampler::greedy(), &mut cx.eval())?, [0, 1, 2, 0, 1, 2]);
//! # Ok::<(), etude_transformer::Error>(())
//! ```
//!
//! | model | paper |
//! |---|---|
//! | [`Bert`] | Devlin et al. 2019, *BERT: Pre-training of Deep Bidirectional Transformers*, arXiv:1810.04805 |
//! | [`Gpt`] | Radford et al. 2019, *Language Models are Unsupervised Multitask Learners* |
//!
//! [`Gpt::generate`] continues a prompt; a [`KvCache`] is what [`Gpt::step`] remembers of the tokens before. [`Bert::embed`]
//! gives a vector for each text.
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
