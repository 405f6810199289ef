//! Maximum-likelihood estimation and the fitted model.
//!
//! Starting values are the conditional-sum-of-squares estimate (Box–Jenkins §7.1.3) and two fixed points; the exact
//! likelihood is climbed from each and the best end is kept, because mixed models have local maxima where φ(B) and θ(B)
//! nearly cancel.

use crate::bfgs::{Minimum, Status, minimise};
use crate::error::{Error, Result};
use crate::inference::{self, Covariance};
use crate::likelihood::{Problem, Profile};
use crate::model::{Coefficients, Sarima};
use crate::partial::step_down;
use crate::polynomial::Arma;

/// Settings of the estimation.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FitOptions {
    /// Largest gradient component of the mean log-likelihood that counts as zero.
    pub tolerance: f64,
    /// Iterations of each climb.
    pub max_iterations: usize,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { tolerance: 1e-7, max_iterations: 200 }
    }
}

impl FitOptions {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            let value = self.tolerance.to_string();
            return Err(Error::BadArgument { what: "tolerance", value, expected: "a positive number" });
        }
        if self.max_iterations == 0 {
            return Err(Error::BadArgument { what: "max_iterations", value: "0".into(), expected: "at least 1" });
        }
        Ok(())
    }
}

/// A SARIMA model fitted by exact maximum likelihood.
#[derive(Clone, Debug)]
pub struct Fit {
    pub(crate) problem: Problem,
    pub(crate) coefficients: Coefficients,
    pub(crate) profile: Profile,
    status: Status,
    iterations: usize,
}

impl Sarima {
    /// Fits the model. NaN in `y` stands for a missing observation; infinite values are an error.
    pub fn fit(&self, y: &[f64]) -> Result<Fit> {
        self.fit_with(y, &[], &FitOptions::default())
    }

    /// Fits with exogenous regressors, one slice a column, each as long as `y` (which are differenced with it: the model is
    /// a regression with SARIMA errors).
    pub fn fit_with(&self, y: &[f64], regressors: &[&[f64]], options: &FitOptions) -> Result<Fit> {
        options.validate()?;
        let problem = Problem::new(*self, y, regressors)?;
        let end = climb(&problem, options).ok_or_else(|| problem.no_likelihood())?;
        Fit::at(problem, end)
    }

    /// Evaluates the model at given coefficients: only β and σ² are estimated.
    pub fn fit_fixed(&self, y: &[f64], regressors: &[&[f64]], coefficients: Coefficients) -> Result<Fit> {
        let problem = Problem::new(*self, y, regressors)?;
        let given = [&coefficients.ar, &coefficients.ma, &coefficients.seasonal_ar, &coefficients.seasonal_ma];
        for ((what, expected), list) in
            [("ar", self.p), ("ma", self.q), ("seasonal_ar", self.seasonal.p), ("seasonal_ma", self.seasonal.q)]
                .into_iter()
                .zip(given)
        {
            if list.len() != expected {
                return Err(Error::Length { what: what.to_owned(), expected, found: list.len() });
            }
            crate::error::check_series(what, list, false)?;
        }
        Fit::with_coefficients(problem, coefficients, Status::Converged, 0)
    }
}

/// Minus the mean log-likelihood by unconstrained parameters.
fn objective<'a>(problem: &'a Problem, exact: bool) -> impl Fn(&[f64]) -> f64 + 'a {
    move |x: &[f64]| {
        let arma = problem.model.arma(&problem.coefficients(x));
        let innovations = if exact { problem.whiten(&arma) } else { problem.whiten_conditionally(&arma) };
        let Some(innovations) = innovations else { return f64::INFINITY };
        problem.profile(&innovations).map_or(f64::INFINITY, |p| -p.loglik / p.used.max(1) as f64)
    }
}

/// Climbs from every start; the best end, or `None` if no start has a likelihood.
fn climb(problem: &Problem, options: &FitOptions) -> Option<Minimum> {
    let model = &problem.model;
    let zero = vec![0.0; model.arma_parameters()];
    let exact = objective(problem, true);
    let mut starts = vec![zero.clone()];
    let conditional = minimise(&objective(problem, false), &zero, 1e-4, 50);
    if conditional.value.is_finite() {
        // CSS may end at the edge of the region, where the exact likelihood is flat: stay where it can still move.
        starts.push(conditional.x.iter().map(|x| x.clamp(-2.0, 2.0)).collect());
    }
    if model.p + model.seasonal.p > 0 && model.q + model.seasonal.q > 0 {
        // In the units of the optimiser θ has the opposite sign, so φ and θ here do not cancel.
        let part = |c: &[f64], moving_average: bool| vec![if moving_average { -0.7 } else { 0.7 }; c.len()];
        starts.push(model.split(&zero, part).to_vec());
    }
    starts
        .iter()
        .filter(|start| exact(start).is_finite())
        .map(|start| minimise(&exact, start, options.tolerance, options.max_iterations))
        .min_by(|a, b| a.value.total_cmp(&b.value))
}

impl Fit {
    fn at(problem: Problem, end: Minimum) -> Result<Self> {
        let coefficients = problem.coefficients(&end.x);
        Self::with_coefficients(problem, coefficients, end.status, end.iterations)
    }

    fn with_coefficients(
        problem: Problem,
        coefficients: Coefficients,
        status: Status,
        iterations: usize,
    ) -> Result<Self> {
        let arma = problem.model.arma(&coefficients);
        let innovations = problem.whiten(&arma).ok_or_else(|| problem.no_likelihood())?;
        let profile = problem.profile(&innovations).ok_or_else(|| problem.no_likelihood())?;
        Ok(Self { problem, coefficients, profile, status, iterations })
    }

    pub(crate) fn arma(&self) -> Arma {
        self.problem.model.arma(&self.coefficients)
    }

    /// The model that was fitted.
    pub fn model(&self) -> &Sarima {
        &self.problem.model
    }

    /// φ, θ, Φ and Θ.
    pub fn coefficients(&self) -> &Coefficients {
        &self.coefficients
    }

    /// Coefficients of the regressors (the constant not among them).
    pub fn beta(&self) -> &[f64] {
        &self.profile.beta[usize::from(self.model().constant)..]
    }

    /// Mean of the differenced series, if the model has a constant.
    pub fn mean(&self) -> Option<f64> {
        self.model().constant.then(|| self.profile.beta[0])
    }

    /// Intercept of the recursion, mean · φ(1)Φ(1): what statsmodels calls `intercept`.
    pub fn intercept(&self) -> Option<f64> {
        self.mean().map(|mean| mean * (1.0 - self.arma().ar.iter().sum::<f64>()))
    }

    /// Maximum-likelihood estimate of the innovation variance, RSS/n.
    pub fn sigma2(&self) -> f64 {
        self.profile.sigma2
    }

    /// Exact log-likelihood: of the differenced series, or the exact diffuse one with missing observations.
    pub fn loglik(&self) -> f64 {
        self.profile.loglik
    }

    /// Observations that enter the likelihood: without missing ones and without the d + sD that differencing uses up.
    pub fn used(&self) -> usize {
        self.profile.used
    }

    /// Estimated parameters, σ² included.
    pub fn parameters(&self) -> usize {
        self.problem.parameters()
    }

    /// Akaike's criterion, 2k − 2 log L.
    pub fn aic(&self) -> f64 {
        2.0 * self.parameters() as f64 - 2.0 * self.loglik()
    }

    /// AIC with the correction for small samples, + 2k(k+1)/(n−k−1) (Hurvich & Tsai 1989); infinite if n ≤ k + 1.
    pub fn aicc(&self) -> f64 {
        let (n, k) = (self.used() as f64, self.parameters() as f64);
        if n > k + 1.0 { self.aic() + 2.0 * k * (k + 1.0) / (n - k - 1.0) } else { f64::INFINITY }
    }

    /// Schwarz's criterion, k log n − 2 log L.
    pub fn bic(&self) -> f64 {
        self.parameters() as f64 * (self.used() as f64).ln() - 2.0 * self.loglik()
    }

    /// How the maximisation ended.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Iterations of the climb that won.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Largest absolute partial autocorrelation of the four polynomials: how near the model is to a unit root. Above about
    /// 0.99 the usual standard errors no longer hold, and another difference (or one less) should be tried.
    pub fn unit_root_distance(&self) -> f64 {
        let c = &self.coefficients;
        let negated = |list: &[f64]| list.iter().map(|x| -x).collect::<Vec<_>>();
        let lists = [c.ar.clone(), negated(&c.ma), c.seasonal_ar.clone(), negated(&c.seasonal_ma)];
        let partials = lists.iter().flat_map(|list| step_down(list).unwrap_or_default());
        1.0 - partials.map(|stage| stage[stage.len() - 1].abs()).fold(0.0, f64::max)
    }

    /// Names of the parameters in the order of [`Fit::parameter_values`] and the standard errors.
    pub fn parameter_names(&self) -> Vec<String> {
        let m = self.model();
        let lags = |name: &str, count: usize, step: usize| {
            (1..=count).map(move |k| format!("{name}{}", k * step)).collect::<Vec<_>>()
        };
        let s = m.seasonal.period;
        let mut names = [
            lags("ar", m.p, 1),
            lags("ma", m.q, 1),
            lags("seasonal_ar", m.seasonal.p, s),
            lags("seasonal_ma", m.seasonal.q, s),
        ]
        .concat();
        names.extend(m.constant.then(|| "mean".to_owned()));
        names.extend((0..self.beta().len()).map(|j| format!("x{j}")));
        names.push("sigma2".to_owned());
        names
    }

    /// φ, θ, Φ, Θ, mean, β, σ².
    pub fn parameter_values(&self) -> Vec<f64> {
        [&self.coefficients.to_vec()[..], &self.profile.beta, &[self.profile.sigma2]].concat()
    }

    /// Standard errors of [`Fit::parameter_values`]; `None` where the information matrix is not positive definite, as
    /// happens at the edge of the stationary or invertible region.
    pub fn std_errors(&self, covariance: Covariance) -> Option<Vec<f64>> {
        let k = self.parameters();
        let matrix = inference::covariance(self, covariance)?;
        Some((0..k).map(|i| matrix[i * k + i].sqrt()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let options = FitOptions { tolerance: 0.0, ..FitOptions::default() };
        let error = Sarima::new(1, 0, 0).fit_with(&[1.0; 9], &[], &options).expect_err("no tolerance");
        assert_eq!(error.to_string(), "tolerance is 0, expected a positive number");
    }
}
