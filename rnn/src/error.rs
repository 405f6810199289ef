//! What can go wrong with configurations and data.

use etude_nn::ConfigError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A prompt without a character: there is nothing to continue.
    #[error("{what}: the prompt is empty")]
    EmptyPrompt {
        /// Who asked for it.
        what: &'static str,
    },
    /// An id outside the vocabulary.
    #[error("{what}: id {id} at position {position} is outside the vocabulary 0..{vocab}")]
    Id {
        /// Who asked for it.
        what: &'static str,
        /// What came.
        id: u32,
        /// Where.
        position: usize,
        /// Size of the vocabulary.
        vocab: usize,
    },
}
