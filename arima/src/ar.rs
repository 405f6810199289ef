//! Autoregressions without likelihood: least squares, Yule–Walker and Burg.
//!
//! Exact maximum likelihood of the same model is `Sarima::new(p, 0, 0).with_constant().fit(y)`.

use crate::correlation::{Divisor, autocovariance, levinson};
use crate::error::{Error, Result, check_series};
use crate::linear::{dot, least_squares, mean};

/// y_t = c + φ_1 y_{t−1} + … + φ_p y_{t−p} + ε_t.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoregression {
    /// c.
    pub intercept: f64,
    /// φ_1 … φ_p.
    pub coefficients: Vec<f64>,
    /// Variance of ε.
    pub sigma2: f64,
}

impl Autoregression {
    /// Continues a series by `horizon` steps; `history` holds at least p values.
    pub fn forecast(&self, history: &[f64], horizon: usize) -> Result<Vec<f64>> {
        let p = self.coefficients.len();
        if history.len() < p {
            return Err(Error::TooFewObservations {
                what: format!("forecast of AR({p})"),
                have: history.len(),
                need: p,
            });
        }
        let mut values = history[history.len() - p..].to_vec();
        check_series("history", &values, false)?;
        for _ in 0..horizon {
            let past = self.coefficients.iter().zip(values.iter().rev()).map(|(c, y)| c * y).sum::<f64>();
            values.push(self.intercept + past);
        }
        Ok(values.split_off(p))
    }
}

fn check(series: &[f64], order: usize, what: &str, need: usize) -> Result<()> {
    check_series("series", series, false)?;
    if order == 0 {
        return Err(Error::BadArgument { what: "order", value: "0".into(), expected: "at least 1" });
    }
    if series.len() < need {
        return Err(Error::TooFewObservations { what: format!("AR({order}) by {what}"), have: series.len(), need });
    }
    if series.iter().all(|x| *x == series[0]) {
        return Err(Error::Constant { what: "the series" });
    }
    Ok(())
}

/// Conditional least squares: regression of y_t on 1 and its p predecessors (Box–Jenkins §7.1.4). The result need not be
/// stationary. σ² is RSS/(n−p), as in statsmodels' `AutoReg`.
pub fn ols(series: &[f64], order: usize) -> Result<Autoregression> {
    // p + 1 coefficients from n − p equations, with one to spare for the variance.
    check(series, order, "least squares", order.saturating_mul(2).saturating_add(2))?;
    let n = series.len();
    let lag = |k: usize| series[order - k..n - k].to_vec();
    let columns: Vec<Vec<f64>> = std::iter::once(vec![1.0; n - order]).chain((1..=order).map(lag)).collect();
    let fit = least_squares(&columns, &series[order..]).ok_or(Error::Collinear { column: order })?;
    Ok(Autoregression {
        intercept: fit.beta[0],
        coefficients: fit.beta[1..].to_vec(),
        sigma2: fit.rss / (n - order) as f64,
    })
}

/// Yule–Walker: the autoregression with the sample's first p autocorrelations (Box–Jenkins eq. (3.2.6)). Stationary with
/// [`Divisor::Observations`]; with [`Divisor::Products`] (statsmodels' default, "adjusted") it need not be.
pub fn yule_walker(series: &[f64], order: usize, divisor: Divisor) -> Result<Autoregression> {
    check(series, order, "Yule–Walker", order.saturating_add(1))?;
    let gamma = autocovariance(series, order, divisor)?;
    let (coefficients, sigma2) = levinson(&gamma).pop().expect("the order is at least one");
    let intercept = mean(series) * (1.0 - coefficients.iter().sum::<f64>());
    if !(sigma2 > 0.0 && intercept.is_finite()) {
        return Err(Error::NoLikelihood {
            what: format!("AR({order}) by Yule–Walker: the autocovariances are not positive definite"),
        });
    }
    Ok(Autoregression { intercept, coefficients, sigma2 })
}

/// Burg 1975: each partial autocorrelation minimises the forward and backward prediction errors of the order below,
/// κ_k = 2 Σ f_t b_{t−1} / Σ (f_t² + b_{t−1}²), which lies in [−1, 1]: always stationary, sharper than Yule–Walker near
/// unit roots (Brockwell & Davis 2002, §5.1.2).
pub fn burg(series: &[f64], order: usize) -> Result<Autoregression> {
    check(series, order, "Burg", order.saturating_add(2))?;
    let centre = mean(series);
    let mut forward: Vec<f64> = series.iter().map(|y| y - centre).collect();
    let mut backward = forward.clone();
    let (mut phi, mut sigma2) = (Vec::<f64>::new(), 0.0);
    for k in 1..=order {
        // f_{k−1,t} against b_{k−1,t−1} for t = k … n−1.
        let (f, b) = (&forward[1..], &backward[..backward.len() - 1]);
        let energy = dot(f, f) + dot(b, b);
        if !(energy > 0.0) {
            return Err(Error::Constant { what: "the prediction error" });
        }
        let kappa = 2.0 * dot(f, b) / energy;
        let next_forward: Vec<f64> = f.iter().zip(b).map(|(f, b)| f - kappa * b).collect();
        let next_backward: Vec<f64> = f.iter().zip(b).map(|(f, b)| b - kappa * f).collect();
        (forward, backward) = (next_forward, next_backward);
        let previous = phi.clone();
        phi.iter_mut().zip(previous.iter().rev()).for_each(|(now, mirrored)| *now -= kappa * mirrored);
        phi.push(kappa);
        sigma2 = (1.0 - kappa * kappa) * energy / (2 * (series.len() - k)) as f64;
    }
    let intercept = centre * (1.0 - phi.iter().sum::<f64>());
    Ok(Autoregression { intercept, coefficients: phi, sigma2 })
}
