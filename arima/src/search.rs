//! Automatic choice of the orders: the stepwise search of Hyndman & Khandakar 2008, §3.2.
//!
//! Differences are settled first, by tests, because likelihoods of differently differenced series cannot be compared:
//! D by the strength of the seasonal pattern, d by repeated KPSS tests. Then neighbours of the best model so far are
//! tried as long as one improves the criterion. Deviation from the paper, stated: the seasonal strength (Wang, Smith &
//! Hyndman 2006, 1 − Var(remainder)/Var(seasonal + remainder)) comes from a moving-average decomposition, not from STL.

use crate::error::{Error, Result};
use crate::fit::{Fit, FitOptions};
use crate::linear::mean;
use crate::model::Sarima;
use crate::polynomial::difference;
use crate::unit_root::{Lags, Trend, kpss};

/// What to minimise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Criterion {
    /// Akaike's criterion with the correction for small samples.
    #[default]
    Aicc,
    /// Akaike's criterion.
    Aic,
    /// Schwarz's criterion.
    Bic,
}

impl Criterion {
    /// Value for a fitted model.
    pub fn of(self, fit: &Fit) -> f64 {
        match self {
            Criterion::Aicc => fit.aicc(),
            Criterion::Aic => fit.aic(),
            Criterion::Bic => fit.bic(),
        }
    }
}

/// Settings of the search.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SearchOptions {
    /// Observations a season; 1 for no season.
    pub period: usize,
    /// Differences to take; `None` lets KPSS decide (at most 2).
    pub d: Option<usize>,
    /// Seasonal differences to take; `None` lets the seasonal strength decide (at most 1).
    pub seasonal_d: Option<usize>,
    /// Largest p and q.
    pub max_order: usize,
    /// Largest P and Q.
    pub max_seasonal_order: usize,
    /// Largest p + q + P + Q.
    pub max_total: usize,
    /// Whether a constant may be used (never with d + D > 1, where it would be a quadratic trend).
    pub allow_constant: bool,
    /// What to minimise.
    pub criterion: Criterion,
    /// Models within this distance of the unit circle (see [`Fit::unit_root_distance`]) are not accepted.
    pub unit_root_margin: f64,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            period: 1,
            d: None,
            seasonal_d: None,
            max_order: 5,
            max_seasonal_order: 2,
            max_total: 5,
            allow_constant: true,
            criterion: Criterion::Aicc,
            unit_root_margin: 0.001,
        }
    }
}

impl SearchOptions {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if self.period == 0 {
            return Err(Error::BadArgument { what: "period", value: "0".into(), expected: "at least 1" });
        }
        if self.seasonal_d.unwrap_or(0) > 0 && self.period < 2 {
            return Err(Error::BadArgument {
                what: "seasonal_d",
                value: format!("{:?}", self.seasonal_d),
                expected: "0 without a season",
            });
        }
        Ok(())
    }
}

/// Outcome of a search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The best model, fitted.
    pub best: Fit,
    /// Every model tried with its criterion, in order; infinite where it could not be fitted or was not accepted.
    pub tried: Vec<(Sarima, f64)>,
}

/// Share of the detrended variance that the seasonal pattern explains, from 0 to 1 (Wang, Smith & Hyndman 2006).
///
/// Trend: centred moving average over one period; pattern: mean of each season.
pub fn seasonal_strength(series: &[f64], period: usize) -> Result<f64> {
    crate::error::check_series("series", series, false)?;
    if period < 2 {
        return Err(Error::BadArgument { what: "period", value: period.to_string(), expected: "at least 2" });
    }
    let need = period.saturating_mul(2).saturating_add(1);
    if series.len() < need {
        return Err(Error::TooFewObservations {
            what: format!("seasonal pattern of period {period}"),
            have: series.len(),
            need,
        });
    }
    let half = period / 2;
    let detrended: Vec<(usize, f64)> = (half..series.len() - half)
        .map(|t| {
            let window = &series[t - half..=t + half];
            // An even period has half a weight at both ends (a 2×m moving average).
            let ends = if period.is_multiple_of(2) { 0.5 * (window[0] + window[window.len() - 1]) } else { 0.0 };
            (t % period, series[t] - (window.iter().sum::<f64>() - ends) / period as f64)
        })
        .collect();
    let season = |s: usize| mean(&detrended.iter().filter(|(t, _)| *t == s).map(|(_, x)| *x).collect::<Vec<_>>());
    let pattern: Vec<f64> = (0..period).map(season).collect();
    let variance = |x: &[f64]| {
        let centre = mean(x);
        x.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / x.len() as f64
    };
    let total = variance(&detrended.iter().map(|(_, x)| *x).collect::<Vec<_>>());
    let remainder = variance(&detrended.iter().map(|(s, x)| x - pattern[*s]).collect::<Vec<_>>());
    Ok(if total > 0.0 { (1.0 - remainder / total).max(0.0) } else { 0.0 })
}

/// Differences until KPSS at 5 % no longer rejects stationarity, at most two. The few lags ⌊3√n/13⌋ are those of R's
/// `ndiffs`: the automatic choice grows with the autocorrelation and would take a random walk for stationary.
fn differences_needed(series: &[f64]) -> Result<usize> {
    let mut current = series.to_vec();
    for d in 0..2 {
        let lags = (3.0 * (current.len() as f64).sqrt() / 13.0) as usize;
        match kpss(&current, Trend::Constant, Lags::Fixed(lags)) {
            Ok(test) if test.p_value < 0.05 => current = difference(&current, 1, 0, 0),
            // A constant series needs no further difference.
            Ok(_) | Err(Error::Constant { .. }) => return Ok(d),
            Err(error) => return Err(error),
        }
    }
    Ok(2)
}

/// Searches the orders of a complete series (the tests for differences know no missing observations).
pub fn stepwise(series: &[f64], options: &SearchOptions) -> Result<Search> {
    options.validate()?;
    crate::error::check_series("series", series, false)?;
    let seasonal = options.period > 1;
    // Strength above 0.64 asks for a seasonal difference: Hyndman's threshold in the R function `nsdiffs`.
    let seasonal_d = match options.seasonal_d {
        Some(given) => given,
        None if seasonal => usize::from(seasonal_strength(series, options.period)? > 0.64),
        None => 0,
    };
    let d = match options.d {
        Some(given) => given,
        None => differences_needed(&difference(series, 0, seasonal_d, options.period))?,
    };
    let constant = options.allow_constant && d + seasonal_d <= 1;
    let make = |p: usize, q: usize, sp: usize, sq: usize, constant: bool| {
        let model = Sarima { constant, ..Sarima::new(p, d, q) };
        if seasonal { model.seasonal(sp, seasonal_d, sq, options.period) } else { model }
    };
    let one = usize::from(seasonal);
    // The four starting models of Hyndman & Khandakar 2008, §3.2, step 1.
    let starts = [
        make(2, 2, one, one, constant),
        make(0, 0, 0, 0, constant),
        make(1, 0, one, 0, constant),
        make(0, 1, 0, one, constant),
    ];
    let mut walk = Walk { series, options, tried: Vec::new(), best: None, last_error: None };
    starts.into_iter().for_each(|model| {
        walk.consider(model);
    });
    while let Some((_, fit)) = &walk.best {
        let neighbours = neighbours(fit.model(), options, constant);
        if !neighbours.into_iter().any(|model| walk.consider(model)) {
            break;
        }
    }
    match (walk.best, walk.last_error) {
        (Some((_, best)), _) => Ok(Search { best, tried: walk.tried }),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::NoLikelihood { what: "every model of the search".into() }),
    }
}

/// State of the search.
struct Walk<'a> {
    series: &'a [f64],
    options: &'a SearchOptions,
    tried: Vec<(Sarima, f64)>,
    best: Option<(f64, Fit)>,
    last_error: Option<Error>,
}

impl Walk<'_> {
    /// Fits a model unless it was tried or is too large; true if it is the new best.
    fn consider(&mut self, model: Sarima) -> bool {
        let (s, o) = (&model.seasonal, self.options);
        let too_large = model.p.max(model.q) > o.max_order
            || s.p.max(s.q) > o.max_seasonal_order
            || model.arma_parameters() > o.max_total;
        if too_large || self.tried.iter().any(|(tried, _)| *tried == model) {
            return false;
        }
        let fitted = model.fit_with(self.series, &[], &FitOptions::default());
        let (value, fit) = match fitted {
            Ok(fit) if fit.unit_root_distance() > o.unit_root_margin => (o.criterion.of(&fit), Some(fit)),
            Ok(_) => (f64::INFINITY, None),
            Err(error) => {
                self.last_error = Some(error);
                (f64::INFINITY, None)
            }
        };
        self.tried.push((model, value));
        match fit {
            Some(fit) if self.best.as_ref().is_none_or(|(best, _)| value < *best) => {
                self.best = Some((value, fit));
                true
            }
            _ => false,
        }
    }
}

/// One order up or down, p and q (or P and Q) together, the constant switched (Hyndman & Khandakar 2008, §3.2, step 2).
fn neighbours(model: &Sarima, options: &SearchOptions, constant: bool) -> Vec<Sarima> {
    let mut out = Vec::new();
    let moves = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)];
    let moved = |x: usize, by: isize| x.checked_add_signed(by);
    if options.period > 1 {
        for (dp, dq) in moves {
            if let (Some(p), Some(q)) = (moved(model.seasonal.p, dp), moved(model.seasonal.q, dq)) {
                out.push(model.seasonal(p, model.seasonal.d, q, options.period));
            }
        }
    }
    for (dp, dq) in moves {
        if let (Some(p), Some(q)) = (moved(model.p, dp), moved(model.q, dq)) {
            out.push(Sarima { p, q, ..*model });
        }
    }
    if constant {
        out.push(Sarima { constant: !model.constant, ..*model });
    }
    out
}
