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
}
