//! AR, ARIMA and SARIMA(X) by exact maximum likelihood.
//!
//! ```
//! use etude_arima::{Sarima, log};
//!
//! # fn main() -> etude_arima::Result<()> {
//! # let passengers: Vec<f64> = (0..72).map(|t| 100.0 + f64::from(t) + 20.0 * (f64::from(t % 12) * 0.52).sin() + f64::from(t * 37 % 11)).collect();
//! let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&log(&passengers)?)?;
//! let forecast = fit.forecast(12)?;
//! let interval = forecast.interval(0.95)?;
//! assert!(interval.lower[0] < forecast.mean[0] && forecast.mean[0] < interval.upper[0]);
//! # Ok(())
//! # }
//! ```
//!
//! The likelihood is the exact Gaussian one of the differenced series; with missing observations (NaN) it is the exact
//! diffuse likelihood of the levels, which is the same number when nothing is missing. Every recursion walks the non-zero
//! terms of the seasonal polynomials, so a season of 168 hours costs n·168 operations a likelihood, not n·168².
//!
//! | wanted | see |
//! |---|---|
//! | a model, its estimate, its simulation | [`Sarima`], [`Sarima::fit`], [`Sarima::simulate`] |
//! | coefficients, standard errors, criteria, residuals | [`Fit`] |
//! | what comes next, with intervals | [`Fit::forecast`], [`Forecast`] |
//! | autoregressions by least squares, Yule–Walker and Burg | [`ar`] |
//! | ACF, PACF, Ljung–Box | [`correlation`] |
//! | tests of unit roots, ADF and KPSS | [`unit_root`] |
//! | the orders, step by step | [`search`] |

#![forbid(unsafe_code)]
// `!(x > 0)` is how this crate says "not positive, or NaN".
#![allow(clippy::neg_cmp_op_on_partial_ord)]

pub mod ar;
mod autocovariance;
mod bfgs;
mod chandrasekhar;
pub mod correlation;
mod error;
mod fit;
mod forecast;
mod inference;
mod kalman;
mod likelihood;
mod linear;
mod model;
mod partial;
mod polynomial;
pub mod search;
mod simulate;
pub mod unit_root;

pub use bfgs::Status;
pub use error::{Error, Result};
pub use fit::{Fit, FitOptions};
pub use forecast::{Forecast, Interval, log};
pub use inference::Covariance;
pub use model::{Coefficients, Sarima, Seasonal};
