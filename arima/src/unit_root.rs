//! Is another difference needed? Augmented Dickey–Fuller (null: unit root) and KPSS (null: stationary).

use crate::error::{Error, Result, check_series};
use crate::linear::{LeastSquares, least_squares};
use statrs::distribution::{ContinuousCDF, Normal};

/// Deterministic part of the regression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Trend {
    /// A constant.
    #[default]
    Constant,
    /// A constant and a linear trend.
    Linear,
}

/// Number of lagged differences (ADF) or autocovariances (KPSS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Lags {
    /// Chosen by the data: AIC up to ⌈12 (n/100)^{1/4}⌉ for ADF (Schwert 1989), Hobijn, Franses & Ooms 1998 for KPSS.
    #[default]
    Automatic,
    /// As given.
    Fixed(usize),
}

/// Outcome of a unit-root or stationarity test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitRoot {
    /// The test statistic.
    pub statistic: f64,
    /// Its p-value under the null hypothesis; for KPSS interpolated in a table that ends at 0.01 and 0.10.
    pub p_value: f64,
    /// Lags used.
    pub lags: usize,
}

/// Response surface of MacKinnon 1994 (coefficients as updated in 2010) for the distribution of the Dickey–Fuller τ.
struct TauSurface {
    largest: f64,
    smallest: f64,
    /// Below it the first polynomial holds, above it the second.
    switch: f64,
    low: [f64; 3],
    high: [f64; 4],
}

impl TauSurface {
    fn of(trend: Trend) -> Self {
        // MacKinnon 1994, tables 3 and 4, one variable.
        match trend {
            Trend::Constant => Self {
                largest: 2.74,
                smallest: -18.83,
                switch: -1.61,
                low: [2.1659, 1.4412, 0.038269],
                high: [1.7339, 0.93202, -0.12745, -0.010368],
            },
            Trend::Linear => Self {
                largest: 0.7,
                smallest: -16.18,
                switch: -2.89,
                low: [3.2512, 1.6047, 0.049588],
                high: [2.5261, 0.61654, -0.37956, -0.060285],
            },
        }
    }

    fn p_value(&self, tau: f64) -> f64 {
        if tau > self.largest {
            return 1.0;
        }
        if tau < self.smallest {
            return 0.0;
        }
        let list: &[f64] = if tau <= self.switch { &self.low } else { &self.high };
        Normal::standard().cdf(list.iter().rev().fold(0.0, |sum, c| sum * tau + c))
    }
}

fn deterministic(trend: Trend, n: usize) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![1.0; n]];
    if trend == Trend::Linear {
        columns.push((1..=n).map(|t| t as f64).collect());
    }
    columns
}

/// Δy_t on y_{t−1}, `lags` lagged differences and the deterministic part, for the last n − 1 − `skip` observations.
fn dickey_fuller_regression(series: &[f64], trend: Trend, lags: usize, skip: usize) -> Option<LeastSquares> {
    let differences: Vec<f64> = series.windows(2).map(|w| w[1] - w[0]).collect();
    let rows = differences.len() - skip;
    let mut columns = vec![series[skip..series.len() - 1].to_vec()];
    columns.extend((1..=lags).map(|k| differences[skip - k..differences.len() - k].to_vec()));
    columns.extend(deterministic(trend, rows));
    least_squares(&columns, &differences[skip..])
}

/// Augmented Dickey–Fuller test: a small p-value speaks for stationarity (Said & Dickey 1984; p-values MacKinnon 1994).
pub fn adf(series: &[f64], trend: Trend, lags: Lags) -> Result<UnitRoot> {
    check_series("series", series, false)?;
    let n = series.len();
    let terms = if trend == Trend::Linear { 2 } else { 1 };
    // Schwert's bound, but at least as many equations as twice the lags (as statsmodels does).
    let bound = (12.0 * (n as f64 / 100.0).powf(0.25)).ceil() as usize;
    let largest = match lags {
        Lags::Automatic => bound.min((n / 2).saturating_sub(terms + 1)),
        Lags::Fixed(lags) => lags,
    };
    let need = largest.saturating_mul(2).saturating_add(terms + 4);
    if n < need {
        return Err(Error::TooFewObservations { what: format!("ADF test with {largest} lags"), have: n, need });
    }
    if series.iter().all(|x| *x == series[0]) {
        return Err(Error::Constant { what: "the series" });
    }
    let singular = || Error::Collinear { column: 0 };
    let mut chosen = largest;
    if lags == Lags::Automatic {
        let mut best = f64::INFINITY;
        for k in 0..=largest {
            // All candidates on the same observations, or their AIC could not be compared.
            let fit = dickey_fuller_regression(series, trend, k, largest).ok_or_else(singular)?;
            let rows = fit.residuals.len() as f64;
            let aic = rows * (fit.rss / rows).ln() + 2.0 * fit.beta.len() as f64;
            if aic < best {
                (best, chosen) = (aic, k);
            }
        }
    }
    let fit = dickey_fuller_regression(series, trend, chosen, chosen).ok_or_else(singular)?;
    let freedom = (fit.residuals.len() - fit.beta.len()) as f64;
    let statistic = fit.beta[0] / (fit.inverse_gram[0] * fit.rss / freedom).sqrt();
    if !statistic.is_finite() {
        return Err(Error::Constant { what: "the residual of the test's regression" });
    }
    Ok(UnitRoot { statistic, p_value: TauSurface::of(trend).p_value(statistic), lags: chosen })
}

/// Lags of Hobijn, Franses & Ooms 1998, §3: γ̂ n^{1/3} with γ̂ = 1.1447 (s₁/s₀)^{2/3} for the Bartlett kernel.
fn automatic_kpss_lags(residuals: &[f64]) -> usize {
    let n = residuals.len();
    let span = (n as f64).powf(2.0 / 9.0) as usize;
    let gamma = |k: usize| crate::linear::dot(&residuals[k..], &residuals[..n - k]) / n as f64;
    let (mut s0, mut s1) = (gamma(0), 0.0);
    for k in 1..=span.min(n - 1) {
        s0 += 2.0 * gamma(k);
        s1 += 2.0 * k as f64 * gamma(k);
    }
    let ratio: f64 = s1 / s0;
    (1.1447 * (ratio * ratio).cbrt() * (n as f64).cbrt()) as usize
}

/// KPSS test (Kwiatkowski, Phillips, Schmidt & Shin 1992, eq. (13)): a small p-value speaks for a unit root.
pub fn kpss(series: &[f64], trend: Trend, lags: Lags) -> Result<UnitRoot> {
    check_series("series", series, false)?;
    let n = series.len();
    if n < 5 {
        return Err(Error::TooFewObservations { what: "KPSS test".into(), have: n, need: 5 });
    }
    let residuals = least_squares(&deterministic(trend, n), series).ok_or(Error::Collinear { column: 1 })?.residuals;
    let lags = match lags {
        Lags::Automatic => automatic_kpss_lags(&residuals).min(n - 1),
        Lags::Fixed(lags) if lags < n => lags,
        Lags::Fixed(lags) => {
            return Err(Error::TooFewObservations {
                what: format!("KPSS test with {lags} lags"),
                have: n,
                need: lags + 1,
            });
        }
    };
    let gamma = |k: usize| crate::linear::dot(&residuals[k..], &residuals[..n - k]) / n as f64;
    let weight = |k: usize| 1.0 - k as f64 / (lags as f64 + 1.0);
    let long_run = gamma(0) + 2.0 * (1..=lags).map(|k| weight(k) * gamma(k)).sum::<f64>();
    let partial_sums = residuals.iter().scan(0.0, |sum, e| {
        *sum += e;
        Some(*sum * *sum)
    });
    let statistic = partial_sums.sum::<f64>() / ((n * n) as f64 * long_run);
    // Rounding alone leaves residuals of this size.
    let size = series.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if !(long_run > 1e-26 * size * size) || !statistic.is_finite() {
        return Err(Error::Constant { what: "the series about its trend" });
    }
    Ok(UnitRoot { statistic, p_value: kpss_p_value(statistic, trend), lags })
}

/// Linear interpolation in table 1 of Kwiatkowski et al. 1992.
fn kpss_p_value(statistic: f64, trend: Trend) -> f64 {
    let critical = match trend {
        Trend::Constant => [0.347, 0.463, 0.574, 0.739],
        Trend::Linear => [0.119, 0.146, 0.176, 0.216],
    };
    let p = [0.10, 0.05, 0.025, 0.01];
    if statistic <= critical[0] {
        return p[0];
    }
    for i in 1..critical.len() {
        if statistic <= critical[i] {
            let share = (statistic - critical[i - 1]) / (critical[i] - critical[i - 1]);
            return p[i - 1] + share * (p[i] - p[i - 1]);
        }
    }
    p[3]
}
