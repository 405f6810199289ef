//! Forecasts, prediction intervals and residuals from the Kalman filter in levels.
//!
//! The filter starts exactly diffuse and runs once over the series; forecasts are its predictions with nothing observed
//! (Durbin & Koopman 2012, §4.11). Intervals are Gaussian and take the parameters as known, as is usual: they leave out
//! the uncertainty of estimation.

use crate::error::{Error, Result, check_series};
use crate::fit::Fit;
use crate::kalman::{State, StateSpace, Step};
use crate::likelihood::constant_column;
use statrs::distribution::{ContinuousCDF, Normal};

/// Mean and standard error of the coming observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Expected values.
    pub mean: Vec<f64>,
    /// Standard deviations of the prediction errors.
    pub std_error: Vec<f64>,
}

/// Lower and upper bounds of a prediction interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Lower bounds.
    pub lower: Vec<f64>,
    /// Upper bounds.
    pub upper: Vec<f64>,
}

impl Forecast {
    /// The interval that holds each future value with the probability `level`, 0 < level < 1.
    pub fn interval(&self, level: f64) -> Result<Interval> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::BadArgument {
                what: "level",
                value: level.to_string(),
                expected: "a probability between 0 and 1",
            });
        }
        let z = Normal::standard().inverse_cdf(0.5 + 0.5 * level);
        let bound = |sign: f64| self.mean.iter().zip(&self.std_error).map(|(m, s)| m + sign * z * s).collect();
        Ok(Interval { lower: bound(-1.0), upper: bound(1.0) })
    }

    /// Expected values of exp(y) when y was modelled in logarithms: exp(μ + σ²/2). The median is exp(μ), and the bounds
    /// of an interval are back-transformed by exp alone.
    pub fn lognormal_mean(&self) -> Vec<f64> {
        self.mean.iter().zip(&self.std_error).map(|(m, s)| (m + 0.5 * s * s).exp()).collect()
    }
}

/// Natural logarithms of a positive series (NaN stays NaN, as a missing observation).
pub fn log(series: &[f64]) -> Result<Vec<f64>> {
    check_series("series", series, true)?;
    match series.iter().position(|x| *x <= 0.0) {
        None => Ok(series.iter().map(|x| x.ln()).collect()),
        Some(index) => Err(Error::BadValue {
            what: "series".into(),
            index,
            value: series[index],
            expected: "a positive number, of which there is a logarithm",
        }),
    }
}

/// The filter after the last observation.
struct Run {
    space: StateSpace,
    /// Predicted for the first step after the end.
    state: State,
    /// Prediction error and its variance in units of σ², for every observation; NaN where there is none.
    errors: Vec<(f64, f64)>,
}

impl Fit {
    /// Forecasts `horizon` steps; for models without regressors.
    pub fn forecast(&self, horizon: usize) -> Result<Forecast> {
        self.forecast_with(horizon, &[])
    }

    /// Forecasts `horizon` steps with the coming values of every regressor.
    pub fn forecast_with(&self, horizon: usize, regressors: &[&[f64]]) -> Result<Forecast> {
        if regressors.len() != self.beta().len() {
            return Err(Error::Length {
                what: "list of regressors".into(),
                expected: self.beta().len(),
                found: regressors.len(),
            });
        }
        for (j, x) in regressors.iter().enumerate() {
            let what = format!("future regressor {j}");
            if x.len() != horizon {
                return Err(Error::Length { what, expected: horizon, found: x.len() });
            }
            check_series(&what, x, false)?;
        }
        let Run { space, mut state, .. } = self.filter_levels()?;
        if state.undetermined() > 0 {
            return Err(Error::Undetermined { undetermined: state.undetermined() });
        }
        let n = self.problem.levels[0].len();
        let constant = self.mean().map(|mean| (mean, constant_column(n + horizon, &self.problem.delta)));
        let mut out = Forecast { mean: Vec::with_capacity(horizon), std_error: Vec::with_capacity(horizon) };
        for h in 0..horizon {
            let drift = constant.as_ref().map_or(0.0, |(mean, column)| mean * column[n + h]);
            let regression: f64 = self.beta().iter().zip(regressors).map(|(b, x)| b * x[h]).sum();
            out.mean.push(state.prediction(&space, 0) + drift + regression);
            out.std_error.push((self.sigma2() * state.variance(&space)).sqrt());
            state.predict(&space);
        }
        Ok(out)
    }

    /// One-step prediction errors y_t − E[y_t | past]; NaN where y is missing and for the first d + sD observations,
    /// which have no prediction.
    pub fn residuals(&self) -> Result<Vec<f64>> {
        Ok(self.filter_levels()?.errors.iter().map(|(v, _)| *v).collect())
    }

    /// Residuals over their standard deviations: independent N(0, 1) if the model is right.
    pub fn standardised_residuals(&self) -> Result<Vec<f64>> {
        let sigma2 = self.sigma2();
        Ok(self.filter_levels()?.errors.iter().map(|(v, f)| v / (sigma2 * f).sqrt()).collect())
    }

    /// Runs the filter over y − βᵀx.
    fn filter_levels(&self) -> Result<Run> {
        let arma = self.arma();
        let space = StateSpace::new(&arma, &self.problem.delta);
        let mut state = State::initial(&space, &arma, 1).ok_or_else(|| self.problem.no_likelihood())?;
        let (y, regressors) = self.problem.levels.split_first().expect("the series itself is the first column");
        let mut errors = Vec::with_capacity(y.len());
        for (t, y) in y.iter().enumerate() {
            let fitted: f64 = self.profile.beta.iter().zip(regressors).map(|(b, x)| b * x[t]).sum();
            errors.push(match state.update(&space, &[y - fitted]) {
                Step::Regular(v, f) => (v[0], f),
                Step::Missing | Step::Diffuse(_) => (f64::NAN, f64::NAN),
            });
            state.predict(&space);
        }
        Ok(Run { space, state, errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_standard_normal() {
        // The 97.5 % point of N(0, 1) is 1.959963984540054 (any table).
        let forecast = Forecast { mean: vec![1.0], std_error: vec![2.0] };
        let interval = forecast.interval(0.95).expect("a probability");
        assert!((interval.upper[0] - (1.0 + 2.0 * 1.959_963_984_540_054)).abs() < 1e-9);
        assert!((interval.lower[0] + interval.upper[0] - 2.0).abs() < 1e-12);
        assert!(forecast.interval(1.0).is_err() && forecast.interval(f64::NAN).is_err());
    }

    #[test]
    fn no_logarithm_of_zero() {
        let error = log(&[2.0, f64::NAN, 0.0]).expect_err("zero");
        assert_eq!(error.to_string(), "series[2] is 0, expected a positive number, of which there is a logarithm");
    }
}
