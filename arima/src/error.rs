//! The one error type of the crate.
//!
//! Everything that comes from outside (series, regressors, orders, levels) is checked where it enters; each variant names
//! the argument, the place in it and what was expected.

/// What can be wrong with a series, a model or a request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The series is shorter than the model needs.
    #[error("{what}: {have} usable observations, at least {need} needed")]
    TooFewObservations {
        /// Model or test that needs them.
        what: String,
        /// Observations left after differencing and without missing ones.
        have: usize,
        /// Smallest number that leaves something to estimate.
        need: usize,
    },
    /// A value is infinite, or is missing (NaN) where nothing may be missing.
    #[error("{what}[{index}] is {value}, expected {expected}")]
    BadValue {
        /// Name of the argument.
        what: String,
        /// Position in it.
        index: usize,
        /// The offending value.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// A setting contradicts itself or is outside its range.
    #[error("{what} is {value}, expected {expected}")]
    BadArgument {
        /// Name of the argument.
        what: &'static str,
        /// The offending value.
        value: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// Two arguments that belong together differ in length.
    #[error("{what} has length {found}, expected {expected}")]
    Length {
        /// Name of the argument.
        what: String,
        /// The length that fits.
        expected: usize,
        /// The length that came.
        found: usize,
    },
    /// Nothing varies: a constant series (after differencing) has no variance to model.
    #[error("{what} is constant: there is no variance to model")]
    Constant {
        /// The series in question.
        what: &'static str,
    },
    /// Regressors (with the constant) are linearly dependent after differencing.
    #[error("regressor {column} is a linear combination of the others after differencing")]
    Collinear {
        /// Column that adds nothing; the constant, if there is one, is column 0.
        column: usize,
    },
    /// The likelihood could not be evaluated at any starting point.
    #[error("{what}: the likelihood is not finite at any starting point")]
    NoLikelihood {
        /// The model.
        what: String,
    },
    /// The observations do not determine the state: too much is missing for a forecast.
    #[error(
        "too many missing observations: {undetermined} initial values are still undetermined at the end of the series"
    )]
    Undetermined {
        /// Rank of the diffuse covariance that is left.
        undetermined: usize,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Rejects infinite values, and NaN unless NaN stands for a missing observation.
pub(crate) fn check_series(what: &str, series: &[f64], missing_allowed: bool) -> Result<()> {
    let bad = |x: &f64| x.is_infinite() || (x.is_nan() && !missing_allowed);
    match series.iter().position(bad) {
        None => Ok(()),
        Some(index) => Err(Error::BadValue {
            what: what.to_owned(),
            index,
            value: series[index],
            expected: if missing_allowed {
                "a finite number, or NaN for a missing observation"
            } else {
                "a finite number"
            },
        }),
    }
}
