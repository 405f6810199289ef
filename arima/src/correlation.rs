//! Autocorrelations, partial autocorrelations and the Ljung–Box test.
//!
//! Missing observations (NaN) leave out the products they would enter; the divisor is the number of observations, so the
//! plain estimate of a complete series is positive semi-definite (Brockwell & Davis 1991, §7.2).

use crate::error::{Error, Result, check_series};
use crate::fit::Fit;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Divisor of the autocovariance at lag k.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Divisor {
    /// n: biased, positive semi-definite; the usual choice.
    #[default]
    Observations,
    /// The number of products, n − k: nearly unbiased, not positive semi-definite.
    Products,
}

/// Sample autocovariances at lags 0 … lags about the sample mean.
pub(crate) fn autocovariance(series: &[f64], lags: usize, divisor: Divisor) -> Result<Vec<f64>> {
    check_series("series", series, true)?;
    let known: Vec<f64> = series.iter().copied().filter(|x| !x.is_nan()).collect();
    if known.len() <= lags {
        return Err(Error::TooFewObservations {
            what: format!("autocorrelation at lag {lags}"),
            have: known.len(),
            need: lags + 1,
        });
    }
    let mean = crate::linear::mean(&known);
    let at = |k: usize| {
        let products = series.iter().zip(&series[k..]).map(|(a, b)| (a - mean) * (b - mean)).filter(|p| !p.is_nan());
        let (count, sum) = products.fold((0usize, 0.0), |(n, s), p| (n + 1, s + p));
        let divisor = match divisor {
            Divisor::Observations => known.len(),
            Divisor::Products => count.max(1),
        };
        sum / divisor as f64
    };
    let gamma: Vec<f64> = (0..=lags).map(at).collect();
    // Rounding of the mean alone leaves a variance of this size in a constant series.
    if !(gamma[0] > 1e-28 * mean * mean) {
        return Err(Error::Constant { what: "the series" });
    }
    Ok(gamma)
}

/// Autocorrelations ρ̂(0) = 1, ρ̂(1) … ρ̂(lags) (Box–Jenkins eq. (2.1.13)).
pub fn acf(series: &[f64], lags: usize, divisor: Divisor) -> Result<Vec<f64>> {
    let gamma = autocovariance(series, lags, divisor)?;
    Ok(gamma.iter().map(|g| g / gamma[0]).collect())
}

/// Partial autocorrelations 1, φ̂_11 … φ̂_kk by Durbin–Levinson on the autocorrelations (Box–Jenkins §3.2.5).
/// With [`Divisor::Products`] the result can leave [−1, 1].
pub fn pacf(series: &[f64], lags: usize, divisor: Divisor) -> Result<Vec<f64>> {
    let rho = acf(series, lags, divisor)?;
    let mut out = vec![1.0];
    out.extend(levinson(&rho).iter().map(|stage| stage.0[stage.0.len() - 1]));
    Ok(out)
}

/// Levinson's recursion on a Toeplitz system: for k = 1 … lags the solution φ_k1 … φ_kk of Σ_j φ_kj ρ(|i−j|) = ρ(i) and
/// the prediction variance v_k (Brockwell & Davis 1991, prop. 5.2.1).
pub(crate) fn levinson(rho: &[f64]) -> Vec<(Vec<f64>, f64)> {
    let mut stages: Vec<(Vec<f64>, f64)> = Vec::with_capacity(rho.len() - 1);
    let (mut phi, mut variance) = (Vec::<f64>::new(), rho[0]);
    for k in 1..rho.len() {
        let predicted: f64 = phi.iter().enumerate().map(|(j, c)| c * rho[k - 1 - j]).sum();
        let kappa = (rho[k] - predicted) / variance;
        let previous = phi.clone();
        phi.iter_mut().zip(previous.iter().rev()).for_each(|(now, mirrored)| *now -= kappa * mirrored);
        phi.push(kappa);
        variance *= 1.0 - kappa * kappa;
        stages.push((phi.clone(), variance));
    }
    stages
}

/// Outcome of a test that the first autocorrelations are all zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LjungBox {
    /// Q = n(n+2) Σ ρ̂²(k)/(n−k).
    pub statistic: f64,
    /// Probability of at least this Q if there is no autocorrelation.
    pub p_value: f64,
    /// Degrees of freedom: lags − fitted parameters.
    pub degrees: usize,
}

/// Ljung & Box 1978: tests residuals of a model with `fitted` ARMA parameters for autocorrelation up to `lags`.
pub fn ljung_box(residuals: &[f64], lags: usize, fitted: usize) -> Result<LjungBox> {
    if lags <= fitted {
        return Err(Error::BadArgument {
            what: "lags",
            value: lags.to_string(),
            expected: "more lags than fitted parameters",
        });
    }
    let rho = acf(residuals, lags, Divisor::Observations)?;
    let n = residuals.iter().filter(|x| !x.is_nan()).count() as f64;
    let sum: f64 = rho.iter().enumerate().skip(1).map(|(k, r)| r * r / (n - k as f64)).sum();
    let statistic = n * (n + 2.0) * sum;
    let degrees = lags - fitted;
    let law = ChiSquared::new(degrees as f64).expect("degrees of freedom are positive");
    Ok(LjungBox { statistic, p_value: law.sf(statistic), degrees })
}

impl Fit {
    /// Ljung–Box test of the standardised residuals, with the ARMA parameters as degrees of freedom.
    pub fn ljung_box(&self, lags: usize) -> Result<LjungBox> {
        ljung_box(&self.standardised_residuals()?, lags, self.model().arma_parameters())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternating_series_by_hand() {
        // 1, −1, 1, −1: mean 0, γ(0) = 1, γ(1) = −3/4, γ(2) = 2/4.
        let y = [1.0, -1.0, 1.0, -1.0];
        assert_eq!(acf(&y, 2, Divisor::Observations).expect("varies"), vec![1.0, -0.75, 0.5]);
        assert_eq!(acf(&y, 2, Divisor::Products).expect("varies"), vec![1.0, -1.0, 1.0]);
    }

    #[test]
    fn a_missing_observation_drops_its_products() {
        // Observed 1, ?, 1, −2 with mean 0: products at lag 1: 1·(−2); at lag 2: 1·1; divisor 3.
        let got = autocovariance(&[1.0, f64::NAN, 1.0, -2.0], 2, Divisor::Observations).expect("varies");
        assert_eq!(got, vec![2.0, -2.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn refusals_say_why() {
        assert_eq!(acf(&[0.1; 9], 2, Divisor::Products).expect_err("constant"), Error::Constant { what: "the series" });
        assert!(acf(&[1.0, 2.0], 2, Divisor::Products).is_err());
        let error = ljung_box(&[1.0, 2.0, 0.0, 1.0], 2, 2).expect_err("no degrees of freedom");
        assert_eq!(error.to_string(), "lags is 2, expected more lags than fitted parameters");
    }
}
