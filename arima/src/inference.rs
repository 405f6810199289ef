//! Covariance of the estimates: observed information (OIM) and outer product of gradients (OPG).
//!
//! Both are numerical derivatives of the full likelihood in the natural parameters (φ, θ, Φ, Θ, β, σ²), with steps scaled
//! to each parameter. OIM inverts minus the Hessian, OPG inverts Σ_t s_t s_tᵀ (Berndt, Hall, Hall & Hausman 1974); they
//! agree in large samples under a correct model (Harvey 1989, §3.4.5).

use crate::fit::Fit;
use crate::linear::inverse_positive_definite;
use crate::polynomial::Arma;

/// Which estimate of the information matrix to invert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Covariance {
    /// Observed information matrix: minus the Hessian of the log-likelihood.
    ObservedInformation,
    /// Outer product of the gradients of the single observations.
    OuterProduct,
}

/// Differences are taken over this share of a parameter's scale; truncation is its square, rounding ε over its square.
const STEP: f64 = 1e-3;

/// Parameters by scaled coordinates around the estimate.
struct Neighbourhood<'a> {
    fit: &'a Fit,
    centre: Vec<f64>,
    scale: Vec<f64>,
}

impl Neighbourhood<'_> {
    fn new(fit: &Fit) -> Neighbourhood<'_> {
        let centre = fit.parameter_values();
        let arma = fit.model().arma_parameters();
        // ARMA coefficients are of order one; β has its own standard error; σ² its own size. STEP · 0.3 keeps clear of the
        // curvature of the likelihood near unit roots.
        let mut scale = vec![0.3; arma];
        scale.extend(&fit.profile.beta_scale);
        scale.push(fit.sigma2());
        Neighbourhood { fit, centre, scale }
    }

    /// ARMA model, β and σ² at an offset from the estimate.
    fn at(&self, offset: &[(usize, f64)]) -> (Arma, Vec<f64>, f64) {
        let mut x = self.centre.clone();
        for &(i, o) in offset {
            x[i] += o * self.scale[i];
        }
        let model = self.fit.model();
        let (arma, rest) = x.split_at(model.arma_parameters());
        let (beta, sigma2) = rest.split_at(rest.len() - 1);
        (model.arma(&model.split(arma, |part, _| part.to_vec())), beta.to_vec(), sigma2[0])
    }

    fn by_observation(&self, offset: &[(usize, f64)]) -> Option<Vec<f64>> {
        let (arma, beta, sigma2) = self.at(offset);
        self.fit.problem.loglik_by_observation(&arma, &beta, sigma2)
    }

    fn total(&self, offset: &[(usize, f64)]) -> Option<f64> {
        let (arma, beta, sigma2) = self.at(offset);
        self.fit.problem.loglik(&arma, &beta, sigma2)
    }
}

/// Covariance matrix of the parameters, row by row.
pub(crate) fn covariance(fit: &Fit, kind: Covariance) -> Option<Vec<f64>> {
    let around = Neighbourhood::new(fit);
    let k = around.centre.len();
    let information = match kind {
        Covariance::ObservedInformation => hessian(&around, k)?.iter().map(|h| -h).collect(),
        Covariance::OuterProduct => outer_product(&around, k)?,
    };
    let inverse = inverse_positive_definite(&information, k)?;
    Some((0..k * k).map(|ij| inverse[ij] * around.scale[ij / k] * around.scale[ij % k]).collect())
}

/// Second differences, four points for the mixed ones.
fn hessian(around: &Neighbourhood<'_>, k: usize) -> Option<Vec<f64>> {
    let h = STEP;
    let centre = around.total(&[])?;
    let mut out = vec![0.0; k * k];
    for i in 0..k {
        let (right, left) = (around.total(&[(i, h)])?, around.total(&[(i, -h)])?);
        out[i * k + i] = (right - 2.0 * centre + left) / (h * h);
        for j in 0..i {
            let corner = |a: f64, b: f64| around.total(&[(i, a), (j, b)]);
            let value = (corner(h, h)? - corner(h, -h)? - corner(-h, h)? + corner(-h, -h)?) / (4.0 * h * h);
            out[i * k + j] = value;
            out[j * k + i] = value;
        }
    }
    Some(out)
}

fn outer_product(around: &Neighbourhood<'_>, k: usize) -> Option<Vec<f64>> {
    let scores: Option<Vec<Vec<f64>>> = (0..k)
        .map(|i| {
            let (right, left) = (around.by_observation(&[(i, STEP)])?, around.by_observation(&[(i, -STEP)])?);
            Some(right.iter().zip(&left).map(|(r, l)| (r - l) / (2.0 * STEP)).collect())
        })
        .collect();
    let scores = scores?;
    Some((0..k * k).map(|ij| crate::linear::dot(&scores[ij / k], &scores[ij % k])).collect())
}
