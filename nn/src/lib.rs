//! Modules, layers, losses, optimisers and checkpoints over [`etude_autograd`].
//!
//! A model is a plain struct of [`Param`]s and other modules; [`module!`] gives it names. `forward` takes a [`Ctx`] that
//! carries the mode, the random numbers and substitute parameters, so a module has no hidden state. Parameter names and
//! layouts are PyTorch's: published weights load without mapping.
#![forbid(unsafe_code)]

mod act;
mod checkpoint;
mod config;
mod crc32c;
mod ctx;
mod error;
pub mod file;
pub mod init;
pub mod journal;
pub mod layers;
mod lenet;
#[cfg(feature = "linalg")]
pub mod linalg;
pub mod loss;
mod matching;
pub mod metrics;
mod mlp;
mod module;
pub mod optim;
mod param;
mod prompt;
mod recompute;
mod sampler;
pub mod schedule;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod watched;

pub use act::Act;
pub use checkpoint::Checkpoint;
pub use config::ConfigError;
pub use ctx::{Ctx, Mode};
pub use error::{Error, check_finite};
pub use etude_autograd::Storage;
pub use journal::Journal;
pub use layers::{
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, BatchNorm, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d,
    ConvTranspose1d, ConvTranspose2d, Dropout, Embedding, Flatten, GlobalAvgPool2d, GroupNorm, Gru, InstanceNorm,
    InstanceNorm1d, InstanceNorm2d, Interpolation, Layer, LayerNorm, Linear, Lstm, LstmState, Mask, MaxPool2d,
    MultiheadAttention, Nonlinearity, PRelu, Pad2d, PixelShuffle, RMSNorm, Resize, Rnn, Seq, Upsample,
};
pub use lenet::{LeNet, LeNetConfig};
pub use matching::Mismatch;
pub use mlp::Mlp;
pub use module::{Module, Slot, Value, Visitor};
pub use optim::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use param::{Buffer, Param};
pub use prompt::PromptError;
pub use recompute::Recompute;
pub use sampler::Sampler;
pub use state::LoadReport;
pub use watched::Watched;
