//! The error of a configuration whose fields make no sense together, for this crate and the families above it.

use std::fmt::Display;

/// A field of a configuration that cannot be used: which one, what it holds and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{config}.{field} is {value}: expected {expected}")]
pub struct ConfigError {
    /// The configuration's type.
    pub config: &'static str,
    /// The field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What would be accepted.
    pub expected: String,
}

impl ConfigError {
    /// An error about one field.
    pub fn new(config: &'static str, field: &'static str, value: impl Display, expected: impl Into<String>) -> Self {
        ConfigError { config, field, value: value.to_string(), expected: expected.into() }
    }

    /// The error unless `good`: `ConfigError::check(p < 1.0, "MlpConfig", "dropout", p, "0 ≤ dropout < 1")?`.
    pub fn check(
        good: bool,
        config: &'static str,
        field: &'static str,
        value: impl Display,
        expected: &str,
    ) -> Result<(), Self> {
        if good { Ok(()) } else { Err(Self::new(config, field, value, expected)) }
    }
}
