//! Harvey's state-space form in levels and the Kalman filter with an exact diffuse start: forecasts, residuals and missing values.
//!
//! The state is (α_t of the differenced process, y_{t−1} … y_{t−d−sD}); the lagged levels have no stationary distribution
//! and start diffuse. The exact treatment splits P = P_* + κP_∞, κ → ∞ (Durbin & Koopman 2012, §5.2), so there is no
//! "large" constant to choose: without missing values the likelihood is exactly that of the differenced series.
//! The transition is kept as lists of non-zero entries (about two a row); products cost O(m²), never O(m³).
//! Source of the form: Harvey 1989, §3.4.1 and §4.1; Durbin & Koopman 2012, §3.4.

use crate::autocovariance::state_covariance;
use crate::chandrasekhar::Innovations;
use crate::polynomial::Arma;

/// F_∞ below this counts as zero: the diffuse part consists of small integers, so a true zero is zero up to rounding.
const DIFFUSE_TOLERANCE: f64 = 1e-7;

/// y_t = Z a_t, a_{t+1} = T a_t + R ε_{t+1}, in units of σ.
#[derive(Clone, Debug)]
pub(crate) struct StateSpace {
    /// Non-zero entries (column, value) of each row of T.
    transition: Vec<Vec<(usize, f64)>>,
    /// Non-zero entries of Z.
    observation: Vec<(usize, f64)>,
    /// Non-zero entries of R.
    shock: Vec<(usize, f64)>,
    /// Length of the ARMA block.
    arma_len: usize,
}

impl StateSpace {
    /// The ARIMA model φ(B)Δ(B)y = θ(B)ε with Δ(B) = 1 − Σ δ_k Bᵏ.
    pub(crate) fn new(arma: &Arma, delta: &[f64]) -> Self {
        let r = arma.state_len();
        let mut transition: Vec<Vec<(usize, f64)>> =
            (0..r).map(|i| if i + 1 < r { vec![(i + 1, 1.0)] } else { vec![] }).collect();
        for &(k, phi) in &arma.ar_terms {
            transition[k - 1].insert(0, (0, phi));
        }
        let lags = delta.iter().enumerate().filter(|(_, c)| **c != 0.0).map(|(k, &c)| (r + k, c));
        let observation: Vec<(usize, f64)> = std::iter::once((0, 1.0)).chain(lags).collect();
        for k in 0..delta.len() {
            // y_t itself becomes the first lag; the others move on.
            transition.push(if k == 0 { observation.clone() } else { vec![(r + k - 1, 1.0)] });
        }
        let shock = std::iter::once((0, 1.0)).chain(arma.ma_terms.iter().copied()).collect();
        Self { transition, observation, shock, arma_len: r }
    }

    fn len(&self) -> usize {
        self.transition.len()
    }

    fn observe(&self, state: &[f64]) -> f64 {
        self.observation.iter().map(|&(i, c)| c * state[i]).sum()
    }

    /// P Zᵀ for a symmetric P.
    fn observe_covariance(&self, p: &[f64]) -> Vec<f64> {
        let m = self.len();
        let mut out = vec![0.0; m];
        for &(i, c) in &self.observation {
            out.iter_mut().zip(&p[i * m..(i + 1) * m]).for_each(|(o, x)| *o += c * x);
        }
        out
    }

    fn advance_mean(&self, a: &[f64]) -> Vec<f64> {
        self.transition.iter().map(|row| row.iter().map(|&(k, c)| c * a[k]).sum()).collect()
    }

    /// T P Tᵀ by rows, then by columns.
    fn advance_covariance(&self, p: &[f64]) -> Vec<f64> {
        let m = self.len();
        let mut left = vec![0.0; m * m];
        for (row, out) in self.transition.iter().zip(left.chunks_exact_mut(m)) {
            for &(k, c) in row {
                out.iter_mut().zip(&p[k * m..(k + 1) * m]).for_each(|(o, x)| *o += c * x);
            }
        }
        let mut out = vec![0.0; m * m];
        for (from, to) in left.chunks_exact(m).zip(out.chunks_exact_mut(m)) {
            for (row, o) in self.transition.iter().zip(to) {
                *o = row.iter().map(|&(k, c)| c * from[k]).sum();
            }
        }
        out
    }
}

/// Predicted state a_t with its covariance P_* (and P_∞ while anything is diffuse), for several columns at once.
#[derive(Clone, Debug)]
pub(crate) struct State {
    means: Vec<Vec<f64>>,
    p: Vec<f64>,
    p_inf: Option<Vec<f64>>,
}

/// What one observation did.
pub(crate) enum Step {
    /// Missing: nothing was learnt.
    Missing,
    /// It fixed a diffuse direction; log F_∞ enters the likelihood, the error itself does not.
    Diffuse(f64),
    /// An ordinary innovation per column, with its variance.
    Regular(Vec<f64>, f64),
}

impl State {
    /// Stationary ARMA block, diffuse lagged levels; `None` if the ARMA block is not stationary.
    pub(crate) fn initial(space: &StateSpace, arma: &Arma, columns: usize) -> Option<Self> {
        let (m, r) = (space.len(), space.arma_len);
        let block = state_covariance(arma)?;
        let mut p = vec![0.0; m * m];
        for i in 0..r {
            p[i * m..i * m + r].copy_from_slice(&block[i * r..(i + 1) * r]);
        }
        let mut levels = vec![0.0; m * m];
        (r..m).for_each(|i| levels[i * m + i] = 1.0);
        let p_inf = (m > r).then_some(levels);
        Some(Self { means: vec![vec![0.0; m]; columns], p, p_inf })
    }

    /// Predicted observation of a column.
    pub(crate) fn prediction(&self, space: &StateSpace, column: usize) -> f64 {
        space.observe(&self.means[column])
    }

    /// F_t of the coming observation, in units of σ².
    pub(crate) fn variance(&self, space: &StateSpace) -> f64 {
        space.observe(&space.observe_covariance(&self.p))
    }

    /// How many initial values the data have not determined yet.
    pub(crate) fn undetermined(&self) -> usize {
        // P_∞ is a projection up to the unimodular transition: the trace is zero exactly when the rank is.
        self.p_inf.as_ref().map_or(0, |p| {
            let m = self.means[0].len();
            (0..m).filter(|i| p[i * m + i] > DIFFUSE_TOLERANCE).count()
        })
    }

    /// Conditions on the observation of time t (Durbin & Koopman 2012, eq. (4.26) regular, (5.7), (5.13), (5.15) diffuse).
    pub(crate) fn update(&mut self, space: &StateSpace, observed: &[f64]) -> Step {
        if observed.iter().any(|y| y.is_nan()) {
            return Step::Missing;
        }
        let m_star = space.observe_covariance(&self.p);
        let f_star = space.observe(&m_star);
        if let Some(p_inf) = &mut self.p_inf {
            let m_inf = space.observe_covariance(p_inf);
            let f_inf = space.observe(&m_inf);
            if f_inf > DIFFUSE_TOLERANCE {
                rank_one(p_inf, &m_inf, &m_inf, -1.0 / f_inf);
                rank_one(&mut self.p, &m_inf, &m_inf, f_star / (f_inf * f_inf));
                rank_one(&mut self.p, &m_inf, &m_star, -1.0 / f_inf);
                rank_one(&mut self.p, &m_star, &m_inf, -1.0 / f_inf);
                self.correct_means(space, observed, &m_inf, f_inf);
                if self.undetermined() == 0 {
                    self.p_inf = None;
                }
                return Step::Diffuse(f_inf.ln());
            }
        }
        rank_one(&mut self.p, &m_star, &m_star, -1.0 / f_star);
        Step::Regular(self.correct_means(space, observed, &m_star, f_star), f_star)
    }

    /// a ← a + M v / F for every column; returns the v.
    fn correct_means(&mut self, space: &StateSpace, observed: &[f64], m: &[f64], f: f64) -> Vec<f64> {
        let correct = |(a, y): (&mut Vec<f64>, &f64)| {
            let v = y - space.observe(a);
            a.iter_mut().zip(m).for_each(|(a, m)| *a += m * v / f);
            v
        };
        self.means.iter_mut().zip(observed).map(correct).collect()
    }

    /// Moves from t to t + 1: a ← T a, P_* ← T P_* Tᵀ + R Rᵀ, P_∞ ← T P_∞ Tᵀ.
    pub(crate) fn predict(&mut self, space: &StateSpace) {
        self.means.iter_mut().for_each(|a| *a = space.advance_mean(a));
        self.p = space.advance_covariance(&self.p);
        let m = space.len();
        for &(i, x) in &space.shock {
            for &(j, y) in &space.shock {
                self.p[i * m + j] += x * y;
            }
        }
        if let Some(p) = &mut self.p_inf {
            *p = space.advance_covariance(p);
        }
    }
}

/// P ← P + scale · u vᵀ.
fn rank_one(p: &mut [f64], u: &[f64], v: &[f64], scale: f64) {
    for (row, x) in p.chunks_exact_mut(v.len()).zip(u) {
        let factor = scale * x;
        if factor != 0.0 {
            row.iter_mut().zip(v).for_each(|(p, y)| *p += factor * y);
        }
    }
}

/// Innovations in levels from an exact diffuse start. `None` if the model is not stationary after differencing.
pub(crate) fn innovations(arma: &Arma, delta: &[f64], columns: &[Vec<f64>]) -> Option<Innovations> {
    let space = StateSpace::new(arma, delta);
    let mut state = State::initial(&space, arma, columns.len())?;
    let mut out = Innovations { columns: vec![Vec::new(); columns.len()], variances: Vec::new(), log_det_diffuse: 0.0 };
    for t in 0..columns[0].len() {
        let observed: Vec<f64> = columns.iter().map(|c| c[t]).collect();
        match state.update(&space, &observed) {
            Step::Missing => {}
            Step::Diffuse(log_f) => out.log_det_diffuse += log_f,
            Step::Regular(v, f) if f > 0.0 => {
                out.columns.iter_mut().zip(v).for_each(|(list, v)| list.push(v));
                out.variances.push(f);
            }
            Step::Regular(..) => return None,
        }
        state.predict(&space);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chandrasekhar;
    use crate::partial::coefficients_from_unconstrained;
    use crate::polynomial::{difference, difference_terms};
    use proptest::prelude::*;

    fn likelihood_parts(i: &Innovations) -> (f64, f64) {
        let log_det = i.variances.iter().map(|f| f.ln()).sum::<f64>() + i.log_det_diffuse;
        (log_det, i.columns[0].iter().zip(&i.variances).map(|(v, f)| v * v / f).sum())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn diffuse_likelihood_in_levels_is_that_of_the_differences(
            x in prop::collection::vec(-1.2..1.2f64, 0..3),
            ma in prop::collection::vec(-0.7..0.7f64, 0..3),
            sma in prop::collection::vec(-0.8..0.8f64, 0..2),
            (d, seasonal_d) in (0usize..3, 0usize..2),
            y in prop::collection::vec(-2.0..2.0f64, 12..40),
        ) {
            let arma = Arma::seasonal(&coefficients_from_unconstrained(&x), &ma, &[], &sma, 4);
            let levels = innovations(&arma, &difference_terms(d, seasonal_d, 4), std::slice::from_ref(&y)).expect("stationary");
            let fast = chandrasekhar::innovations(&arma, &[difference(&y, d, seasonal_d, 4)]).expect("stationary");
            prop_assert_eq!(levels.variances.len(), fast.variances.len());
            let ((a, b), (c, e)) = (likelihood_parts(&levels), likelihood_parts(&fast));
            prop_assert!((a - c).abs() < 1e-7 * (1.0 + c.abs()), "log det {} {}", a, c);
            prop_assert!((b - e).abs() < 1e-7 * (1.0 + e), "quadratic {} {}", b, e);
        }
    }

    #[test]
    fn a_missing_observation_is_integrated_out() {
        // AR(1), φ = 0.5, y = (1, ?, 2): y₃ given y₁ has mean φ²·1 and variance 1 + φ².
        let arma = Arma::new(vec![0.5], vec![]);
        let got = innovations(&arma, &[], &[vec![1.0, f64::NAN, 2.0]]).expect("stationary");
        let want = [(1.0, 4.0 / 3.0), (1.75, 1.25)];
        for ((v, f), (want_v, want_f)) in got.columns[0].iter().zip(&got.variances).zip(want) {
            assert!((v - want_v).abs() < 1e-14 && (f - want_f).abs() < 1e-14, "{v} {f}");
        }
    }
}
