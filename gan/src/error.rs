//! What can go wrong with configurations and training.

use etude_nn::ConfigError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Training failed: a loss or a gradient is not finite.
    #[error(transparent)]
    Training(#[from] etude_nn::Error),
    /// Data of another shape than the networks were built for.
    #[error("{what}: a batch of shape {found:?}, expected {expected}")]
    Shape {
        /// Who asked for it.
        what: &'static str,
        /// What came.
        found: Vec<usize>,
        /// What was expected, in words.
        expected: String,
    },
}
