//! Recurrent networks: models and their training. The layers are those of [`etude_nn`].
//!
//! | model | paper |
//! |---|---|
//! | [`CharLm`] | Graves 2013, *Generating Sequences With Recurrent Neural Networks*, arXiv:1308.0850 |
#![forbid(unsafe_code)]

mod char_lm;
mod error;

pub use char_lm::{Cell, CharLm, CharLmConfig, CharLmState};
pub use error::Error;
