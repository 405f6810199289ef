//! The one error type of the crate.
//!
//! Samples, weights, labels and settings come from outside and are checked where they enter: each variant names the
//! argument, the place in it and what was expected.

/// What can be wrong with the data or the settings of a map.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No sample to learn from or to measure.
    #[error("{what}: no samples")]
    Empty {
        /// Name of the argument.
        what: &'static str,
    },
    /// A flat list that is not a whole number of samples, or not one value a node.
    #[error("{what} has length {found}, expected {expected}")]
    Length {
        /// Name of the argument.
        what: &'static str,
        /// The length that came.
        found: usize,
        /// What would have fitted.
        expected: String,
    },
    /// NaN or infinite: a distance to it means nothing.
    #[error("{what}: sample {row}, feature {feature} is {value}, expected a finite number")]
    NotFinite {
        /// Name of the argument.
        what: &'static str,
        /// Which sample (or node).
        row: usize,
        /// Which feature.
        feature: usize,
        /// The offending value.
        value: f32,
    },
    /// A setting outside its range.
    #[error("{what} is {value}, expected {expected}")]
    BadArgument {
        /// Name of the setting.
        what: &'static str,
        /// The offending value.
        value: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The principal axes could not be computed.
    #[error("the covariance of the samples has no eigenvalue decomposition (values too large?)")]
    NoPrincipalAxes,
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Rows of `width` finite values; returns how many.
pub(crate) fn check_rows(what: &'static str, values: &[f32], width: usize) -> Result<usize> {
    if values.is_empty() {
        return Err(Error::Empty { what });
    }
    if width == 0 || !values.len().is_multiple_of(width) {
        return Err(Error::Length { what, found: values.len(), expected: format!("a multiple of {width} features") });
    }
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(values.len() / width),
        Some(i) => Err(Error::NotFinite { what, row: i / width, feature: i % width, value: values[i] }),
    }
}
