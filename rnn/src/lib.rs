//! Recurrent networks: models and their training. The layers are those of [`etude_nn`].
//!
//! ```
//! use etude_autograd::Tensor;
//! use etude_nn::{Adam, Ctx, Optimizer, Sampler, loss};
//! use etude_rnn::{CharLm, CharLmConfig};
//!
//! // The text "abcabca", of characters 0, 1 and 2.
//! let mut cx = Ctx::train(0);
//! let text = Tensor::from_slice(&[0i64, 1, 2, 0, 1, 2], [1, 6]);
//! let next = Tensor::from_slice(&[1i64, 2, 0, 1, 2, 0], [6]);
//! let model = CharLm::new(CharLmConfig { vocab: 3, embed: 4, hidden: 8, ..CharLmConfig::default() }, &mut cx)?;
//! let mut opt = Adam::new(&model, 0.03);
//! for _ in 0..60 {
//!     let (logits, _) = model.forward(&text, &model.zero_state(1), &mut cx);
//!     opt.step(&loss::cross_entropy(&logits.reshape([6, 3]), &next).backward());
//! }
//! assert_eq!(model.sample(&[0], 5, Sampler::greedy(), &mut cx.eval())?, [0, 1, 2, 0, 1, 2]);
//! # Ok::<(), etude_rnn::Error>(())
//! ```
//!
//! | model | paper |
//! |---|---|
//! | [`CharLm`] | Graves 2013, *Generating Sequences With Recurrent Neural Networks*, arXiv:1308.0850 |
//!
//! [`Cell`] chooses between LSTM and GRU; a [`CharLmState`] is carried from one window of a text to the next.
#![forbid(unsafe_code)]

mod char_lm;
mod error;

pub use char_lm::{Cell, CharLm, CharLmConfig, CharLmState};
pub use error::Error;
