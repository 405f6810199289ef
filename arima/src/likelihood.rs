//! The Gaussian log-likelihood of a SARIMA model, with regression coefficients and variance concentrated out.
//!
//! Whitening y and every regressor with the same filter turns maximum likelihood for β and σ² into ordinary least squares
//! (Harvey 1989, §3.4.2; Brockwell & Davis 1991, §8.7), so the optimiser only sees the ARMA parameters:
//! −2 log L = n (log 2π + 1 + log σ̂²) + Σ log F_t (+ Σ log F_∞), σ̂² = RSS/n.
//!
//! A missing observation is one more regressor, an indicator of its time, over whose coefficient the likelihood is
//! integrated: that leaves n smaller by one and adds log det of the whitened indicators' Gram matrix (Gómez, Maravall &
//! Peña 1999, §3). It is the exact diffuse likelihood of the Kalman filter, but keeps the O(n·r) recursion; the filter takes
//! over where so much is missing that it is cheaper, or that the indicators are not determined.

use crate::chandrasekhar::{self, Innovations};
use crate::error::{Error, Result, check_series};
use crate::kalman;
use crate::linear::{LeastSquares, collinear_column, least_squares};
use crate::model::{Coefficients, Sarima};
use crate::partial::coefficients_from_unconstrained;
use crate::polynomial::{Arma, difference, integrate};

/// A model with the data it is fitted to.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) model: Sarima,
    /// y in levels, then the constant (if any) and the regressors in levels.
    pub(crate) levels: Vec<Vec<f64>>,
    /// The same columns differenced, with something in place of missing observations, then an indicator of each of those;
    /// empty if the filter in levels must do the work.
    differenced: Vec<Vec<f64>>,
    missing: bool,
    pub(crate) delta: Vec<f64>,
}

/// β, σ² and the likelihood at their maximum, for given ARMA parameters.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) beta: Vec<f64>,
    /// Standard errors of β given the ARMA parameters; sets the scale for differences in β.
    pub(crate) beta_scale: Vec<f64>,
    pub(crate) sigma2: f64,
    pub(crate) loglik: f64,
    /// Observations that the likelihood is about.
    pub(crate) used: usize,
}

/// Whitened columns, ready for least squares.
struct White {
    y: Vec<f64>,
    /// Indicators of missing observations first, so that the leading block of R is theirs, then the regressors.
    columns: Vec<Vec<f64>>,
    indicators: usize,
    /// Σ log F_t + Σ log F_∞.
    log_det: f64,
    used: usize,
}

/// −½ (n log 2πσ² + log det + RSS/σ²).
fn gaussian(n: f64, sigma2: f64, log_det: f64, rss: f64) -> f64 {
    -0.5 * (n * (2.0 * std::f64::consts::PI * sigma2).ln() + log_det + rss / sigma2)
}

/// Level column whose difference is one everywhere: the regressor behind the constant.
pub(crate) fn constant_column(len: usize, delta: &[f64]) -> Vec<f64> {
    integrate(&vec![1.0; len], delta)
}

impl Problem {
    /// Checks model, series and regressors and prepares the columns.
    pub(crate) fn new(model: Sarima, y: &[f64], regressors: &[&[f64]]) -> Result<Self> {
        model.validate()?;
        check_series("series", y, true)?;
        for (j, x) in regressors.iter().enumerate() {
            let what = format!("regressor {j}");
            if x.len() != y.len() {
                return Err(Error::Length { what, expected: y.len(), found: x.len() });
            }
            check_series(&what, x, false)?;
        }
        let observed = y.iter().filter(|y| !y.is_nan()).count();
        let parameters = model.arma_parameters() + regressors.len() + usize::from(model.constant) + 1;
        let (have, need) = (observed.saturating_sub(model.lost()), parameters + 1);
        if have < need {
            return Err(Error::TooFewObservations { what: model.to_string(), have, need });
        }
        let delta = model.delta();
        let constant = model.constant.then(|| constant_column(y.len(), &delta));
        let levels: Vec<Vec<f64>> =
            std::iter::once(y.to_vec()).chain(constant).chain(regressors.iter().map(|x| x.to_vec())).collect();
        check_varies(y, &difference(y, model.d, model.seasonal.d, model.seasonal.period))?;
        let differenced = difference_all(&model, &levels);
        let mut problem = Self { model, levels, differenced, delta, missing: observed < y.len() };
        let white = |p: &Self| p.whiten(&Arma::new(vec![], vec![])).ok_or_else(|| p.no_likelihood());
        let mut columns = white(&problem)?.columns;
        if collinear_column(&columns[problem.levels.len()..]).is_some() {
            problem.differenced.clear();
            columns = white(&problem)?.columns;
        }
        // Indicators first: what they explain is not there for the regressors.
        columns[1..].rotate_left(problem.regressors());
        let indicators = columns.len() - problem.levels.len();
        match collinear_column(&columns[1..]) {
            Some(column) => Err(Error::Collinear { column: column - indicators }),
            None => Ok(problem),
        }
    }

    pub(crate) fn no_likelihood(&self) -> Error {
        Error::NoLikelihood { what: self.model.to_string() }
    }

    /// Regression coefficients: constant and regressors.
    pub(crate) fn regressors(&self) -> usize {
        self.levels.len() - 1
    }

    /// All parameters, σ² included.
    pub(crate) fn parameters(&self) -> usize {
        self.model.arma_parameters() + self.regressors() + 1
    }

    /// Unconstrained numbers to stationary and invertible coefficients.
    pub(crate) fn coefficients(&self, x: &[f64]) -> Coefficients {
        self.model.split(x, |part, moving_average| {
            let mut c = coefficients_from_unconstrained(part);
            if moving_average {
                c.iter_mut().for_each(|c| *c = -*c);
            }
            c
        })
    }

    /// Exact innovations of every column: in O(n·r) on the differenced series, or in levels.
    pub(crate) fn whiten(&self, arma: &Arma) -> Option<Innovations> {
        if self.differenced.is_empty() {
            kalman::innovations(arma, &self.delta, &self.levels)
        } else {
            chandrasekhar::innovations(arma, &self.differenced)
        }
    }

    /// Innovations conditional on zeros before the start (Box–Jenkins §7.1.3), for starting values. The first p
    /// equations, which have no complete past, are dropped. `None` if the filter in levels must do the work.
    pub(crate) fn whiten_conditionally(&self, arma: &Arma) -> Option<Innovations> {
        let n = self.differenced.first()?.len();
        let skip = if n > 2 * arma.ar.len() { arma.ar.len() } else { 0 };
        let conditional = |w: &Vec<f64>| {
            let mut e: Vec<f64> = Vec::with_capacity(n);
            for t in 0..n {
                let lag = |list: &[(usize, f64)], x: &[f64]| -> f64 {
                    list.iter().take_while(|(k, _)| *k <= t).map(|&(k, c)| c * x[t - k]).sum()
                };
                let value = if t < skip { 0.0 } else { w[t] - lag(&arma.ar_terms, w) - lag(&arma.ma_terms, &e) };
                e.push(value);
            }
            e.split_off(skip)
        };
        let columns = self.differenced.iter().map(conditional).collect();
        Some(Innovations { columns, variances: vec![1.0; n - skip], log_det_diffuse: 0.0 })
    }

    /// Concentrates β and σ² out of given innovations; `None` where the likelihood is not finite.
    pub(crate) fn profile(&self, innovations: &Innovations) -> Option<Profile> {
        let white = self.standardise(innovations);
        let LeastSquares { beta, inverse_gram, rss, log_diagonal, .. } = least_squares(&white.columns, &white.y)?;
        let (n, k, indicators) = (white.used as f64, beta.len(), white.indicators);
        let sigma2 = rss / n;
        let log_det = white.log_det + 2.0 * log_diagonal[..indicators].iter().sum::<f64>();
        let loglik = gaussian(n, sigma2, log_det, rss);
        let beta_scale = (indicators..k).map(|j| (sigma2 * inverse_gram[j * k + j]).sqrt()).collect();
        let beta = beta[indicators..].to_vec();
        loglik.is_finite().then_some(Profile { beta, beta_scale, sigma2, loglik, used: white.used })
    }

    /// Log-likelihood at given parameters, nothing concentrated.
    pub(crate) fn loglik(&self, arma: &Arma, beta: &[f64], sigma2: f64) -> Option<f64> {
        let mut white = self.standardise(&self.whiten(arma)?);
        let (indicators, regressors) = white.columns.split_at(white.indicators);
        for (b, column) in beta.iter().zip(regressors) {
            white.y.iter_mut().zip(column).for_each(|(y, x)| *y -= b * x);
        }
        let fit = least_squares(indicators, &white.y)?;
        let log_det = white.log_det + 2.0 * fit.log_diagonal.iter().sum::<f64>();
        let value = gaussian(white.used as f64, sigma2, log_det, fit.rss);
        value.is_finite().then_some(value)
    }

    /// Innovations over their standard deviations.
    fn standardise(&self, innovations: &Innovations) -> White {
        let root: Vec<f64> = innovations.variances.iter().map(|f| f.sqrt()).collect();
        let white = |c: &Vec<f64>| c.iter().zip(&root).map(|(v, r)| v / r).collect::<Vec<f64>>();
        let mut columns: Vec<Vec<f64>> = innovations.columns[1..].iter().map(white).collect();
        columns.rotate_left(self.regressors());
        let indicators = columns.len() - self.regressors();
        let log_det = innovations.variances.iter().map(|f| f.ln()).sum::<f64>() + innovations.log_det_diffuse;
        White {
            y: white(&innovations.columns[0]),
            columns,
            indicators,
            log_det,
            used: root.len().saturating_sub(indicators),
        }
    }

    /// Log-likelihood of each observation at given parameters, nothing concentrated.
    pub(crate) fn loglik_by_observation(&self, arma: &Arma, beta: &[f64], sigma2: f64) -> Option<Vec<f64>> {
        // Only the filter says what a single observation adds when others are missing.
        let got = if self.missing { kalman::innovations(arma, &self.delta, &self.levels)? } else { self.whiten(arma)? };
        let term = |t: usize| {
            let fitted: f64 = beta.iter().zip(&got.columns[1..]).map(|(b, c)| b * c[t]).sum();
            let (e, f) = (got.columns[0][t] - fitted, sigma2 * got.variances[t]);
            -0.5 * ((2.0 * std::f64::consts::PI * f).ln() + e * e / f)
        };
        Some((0..got.variances.len()).map(term).collect())
    }
}

/// Differences of every column, with indicators of the missing observations (see the head of this file); nothing if those
/// are so many that the filter in levels is cheaper.
fn difference_all(model: &Sarima, levels: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let apply = |x: &[f64]| difference(x, model.d, model.seasonal.d, model.seasonal.period);
    let y = &levels[0];
    let holes: Vec<usize> = (0..y.len()).filter(|&t| y[t].is_nan()).collect();
    let s = &model.seasonal;
    let state = (model.p + s.p * s.period).max(model.q + s.q * s.period + 1);
    // Operations a step: holes·(state + holes) in the recursion and in least squares, about 5·m² in the filter.
    if holes.len() * (state + holes.len()) > 5 * (state + model.lost()).pow(2) {
        return Vec::new();
    }
    // Any value will do; one near its neighbours keeps the sums small.
    let first = y.iter().copied().find(|y| !y.is_nan()).unwrap_or(0.0);
    let carry = |last: &mut f64, y: &f64| {
        *last = if y.is_nan() { *last } else { *y };
        Some(*last)
    };
    let filled: Vec<f64> = y.iter().scan(first, carry).collect();
    let indicator = |&hole: &usize| apply(&(0..y.len()).map(|t| f64::from(u8::from(t == hole))).collect::<Vec<_>>());
    let regressors = levels[1..].iter().map(|c| apply(c));
    std::iter::once(apply(&filled)).chain(regressors).chain(holes.iter().map(indicator)).collect()
}

/// A series whose differences are all equal leaves no variance.
fn check_varies(levels: &[f64], differenced: &[f64]) -> Result<()> {
    let known = |x: &[f64]| -> (f64, f64) {
        x.iter().filter(|x| !x.is_nan()).fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)))
    };
    let ((lo, hi), (low, high)) = (known(levels), known(differenced));
    // Differences of numbers of this size carry rounding of this size.
    let rounding = 1e-12 * lo.abs().max(hi.abs());
    if lo == hi || (low <= high && high - low <= rounding) {
        return Err(Error::Constant { what: "the series after differencing" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn indicators_of_missing_values_give_the_likelihood_of_the_filter(
            y in prop::collection::vec(-2.0..2.0f64, 30..50),
            holes in prop::collection::vec(0usize..50, 1..6),
            x in prop::collection::vec(-1.0..1.0f64, 3),
            constant in any::<bool>(),
            (d, seasonal_d) in (0usize..2, 0usize..2),
        ) {
            let mut y = y;
            holes.iter().filter(|&&t| t < 50).for_each(|&t| if let Some(y) = y.get_mut(t) { *y = f64::NAN });
            let model = Sarima { constant, ..Sarima::new(1, d, 1).seasonal(0, seasonal_d, 1, 4) };
            let z: Vec<f64> = (0..y.len()).map(|t| (1.7 * t as f64).sin()).collect();
            let fast = Problem::new(model, &y, &[&z]).expect("enough observations");
            let slow = Problem { differenced: Vec::new(), ..fast.clone() };
            let arma = model.arma(&fast.coefficients(&x));
            let profile = |p: &Problem| p.profile(&p.whiten(&arma).expect("stationary")).expect("finite");
            let (a, b) = (profile(&fast), profile(&slow));
            prop_assert_eq!(a.used, b.used);
            // Given its own β and σ², the likelihood is that of the profile; a little beside them it is lower.
            let at = |scale: f64| fast.loglik(&arma, &a.beta, scale * a.sigma2).expect("finite");
            prop_assert!((at(1.0) - a.loglik).abs() < 1e-8 * (1.0 + a.loglik.abs()));
            prop_assert!(at(1.1) < a.loglik && at(0.9) < a.loglik);
            prop_assert!((a.loglik - b.loglik).abs() < 1e-7 * (1.0 + b.loglik.abs()), "{} {}", a.loglik, b.loglik);
            for (a, b) in a.beta.iter().zip(&b.beta) {
                prop_assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{} {}", a, b);
            }
        }
    }
}
