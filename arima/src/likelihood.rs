//! The Gaussian log-likelihood of a SARIMA model, with regression coefficients and variance concentrated out.
//!
//! Whitening y and every regressor with the same filter turns maximum likelihood for β and σ² into ordinary least squares
//! (Harvey 1989, §3.4.2; Brockwell & Davis 1991, §8.7), so the optimiser only sees the ARMA parameters:
//! −2 log L = n (log 2π + 1 + log σ̂²) + Σ log F_t (+ Σ log F_∞), σ̂² = RSS/n.

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
    /// The same columns differenced; empty if observations are missing.
    differenced: Vec<Vec<f64>>,
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
        let apply = |x: &[f64]| difference(x, model.d, model.seasonal.d, model.seasonal.period);
        check_varies(y, &apply(y))?;
        let differenced = if observed == y.len() { levels.iter().map(|c| apply(c)).collect() } else { Vec::new() };
        let problem = Self { model, levels, differenced, delta };
        let white = problem.whiten(&Arma::new(vec![], vec![])).ok_or_else(|| problem.no_likelihood())?;
        match collinear_column(&white.columns[1..]) {
            Some(column) => Err(Error::Collinear { column }),
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

    /// Exact innovations of every column: in O(n·r) on the differenced series, in levels if observations are missing.
    pub(crate) fn whiten(&self, arma: &Arma) -> Option<Innovations> {
        if self.differenced.is_empty() {
            kalman::innovations(arma, &self.delta, &self.levels)
        } else {
            chandrasekhar::innovations(arma, &self.differenced)
        }
    }

    /// Innovations conditional on zeros before the start (Box–Jenkins §7.1.3), for starting values. The first p
    /// equations, which have no complete past, are dropped. `None` if observations are missing.
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
        let root: Vec<f64> = innovations.variances.iter().map(|f| f.sqrt()).collect();
        let white = |c: &Vec<f64>| c.iter().zip(&root).map(|(v, r)| v / r).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = innovations.columns.iter().map(white).collect();
        let LeastSquares { beta, inverse_gram, rss, .. } = least_squares(&columns[1..], &columns[0])?;
        let n = root.len() as f64;
        let sigma2 = rss / n;
        let log_det: f64 = innovations.variances.iter().map(|f| f.ln()).sum::<f64>() + innovations.log_det_diffuse;
        let loglik = -0.5 * (n * ((2.0 * std::f64::consts::PI).ln() + 1.0 + sigma2.ln()) + log_det);
        let k = beta.len();
        let beta_scale = (0..k).map(|j| (sigma2 * inverse_gram[j * k + j]).sqrt()).collect();
        loglik.is_finite().then_some(Profile { beta, beta_scale, sigma2, loglik })
    }

    /// Log-likelihood of each observation at given parameters, nothing concentrated.
    pub(crate) fn loglik_by_observation(&self, arma: &Arma, beta: &[f64], sigma2: f64) -> Option<Vec<f64>> {
        let got = self.whiten(arma)?;
        let term = |t: usize| {
            let fitted: f64 = beta.iter().zip(&got.columns[1..]).map(|(b, c)| b * c[t]).sum();
            let (e, f) = (got.columns[0][t] - fitted, sigma2 * got.variances[t]);
            -0.5 * ((2.0 * std::f64::consts::PI * f).ln() + e * e / f)
        };
        Some((0..got.variances.len()).map(term).collect())
    }
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
