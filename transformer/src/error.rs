//! What can go wrong with configurations and data.

use etude_nn::{ConfigError, PromptError};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Ids that cannot be continued.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// More tokens than the model has positions for.
    #[error("{what}: {tokens} tokens do not fit the context of {context}")]
    TooLong {
        /// Who asked for it.
        what: &'static str,
        /// How many came, those before included.
        tokens: usize,
        /// How many the model can see.
        context: usize,
    },
}
