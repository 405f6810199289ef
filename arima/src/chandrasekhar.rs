//! Exact innovations of a stationary ARMA process in O(n·r): the Kalman filter without its covariance matrix.
//!
//! Started from the stationary covariance, the increments P_{t+1} − P_t of Harvey's filter have rank one and stay so:
//! P_{t+1} − P_t = M_t W_t W_tᵀ. The gain and the innovation variance can therefore be carried along by the vector W alone
//! (Morf, Sidhu & Kailath 1974; in this notation Herbst 2015, eq. (16) to (19)). The usual filter costs O(r²) a step even
//! with a sparse transition; at a season of 168 this is 340 times less work, in memory O(r) instead of O(r²).
//! Missing values break the time invariance that this rests on: they enter as regressors, see [`crate::likelihood`].

use crate::autocovariance::state_covariance_column;
use crate::polynomial::Arma;

/// What a filter leaves of a series: one-step errors and their variances, in units of σ².
#[derive(Clone, Debug)]
pub(crate) struct Innovations {
    /// One list of innovations per filtered column, all with the same gains.
    pub(crate) columns: Vec<Vec<f64>>,
    /// F_t of each innovation.
    pub(crate) variances: Vec<f64>,
    /// Σ log F∞ over the observations that only served to fix the diffuse initial values.
    pub(crate) log_det_diffuse: f64,
}

/// Relative size of the covariance increment below which the filter has reached its steady state: the sum of all later
/// increments is then below the rounding error of F.
const STEADY: f64 = 1e-17;

/// The gain sequence K_t = T P_t Zᵀ and F_t = Z P_t Zᵀ of a stationary ARMA process.
#[derive(Clone, Debug)]
pub(crate) struct Gains<'a> {
    arma: &'a Arma,
    /// F_t.
    pub(crate) variance: f64,
    /// K_t, not divided by F_t.
    pub(crate) gain: Vec<f64>,
    w: Vec<f64>,
    m: f64,
    steady: bool,
}

impl<'a> Gains<'a> {
    /// F_1 and K_1 from the stationary moments; W_1 = K_1, M_1 = −1/F_1 (Herbst 2015, §2.3). `None` if not stationary.
    pub(crate) fn new(arma: &'a Arma) -> Option<Self> {
        let mut column = state_covariance_column(arma)?;
        let variance = column[0];
        transition(arma, &mut column);
        (variance > 0.0 && variance.is_finite()).then(|| Self {
            arma,
            variance,
            w: column.clone(),
            gain: column,
            m: -1.0 / variance,
            steady: false,
        })
    }

    /// Moves to t + 1; false if rounding has made the variance lose its meaning.
    pub(crate) fn advance(&mut self) -> bool {
        if self.steady {
            return true;
        }
        let z = self.w[0];
        let previous = self.variance;
        // Herbst 2015, eq. (16): F_t = F_{t−1} + Z W M Wᵀ Zᵀ.
        self.variance += self.m * z * z;
        // Innovations are at least as uncertain as ε itself, whose variance is the unit; NaN fails here too.
        if !(self.variance > 0.5) {
            return false;
        }
        // eq. (17): K_t = K_{t−1} + T W M Wᵀ Zᵀ.
        transition(self.arma, &mut self.w);
        let step = self.m * z;
        self.gain.iter_mut().zip(&self.w).for_each(|(k, w)| *k += step * w);
        // eq. (18): W_t = (T − K_t F_t⁻¹ Z) W_{t−1}.
        let correction = z / self.variance;
        let mut largest: f64 = 0.0;
        for (w, k) in self.w.iter_mut().zip(&self.gain) {
            *w -= correction * k;
            largest = largest.max(w.abs());
        }
        // eq. (19): M_t = M_{t−1} + M Wᵀ Zᵀ F_{t−1}⁻¹ Z W M, which is M_{t−1} F_t / F_{t−1} for one series.
        self.m *= self.variance / previous;
        self.steady = self.m.abs() * largest * largest < STEADY * self.variance;
        true
    }
}

/// x ← T x for the companion T: x_i ← φ_{i+1} x_0 + x_{i+1}.
pub(crate) fn transition(arma: &Arma, x: &mut [f64]) {
    let head = x[0];
    let last = x.len() - 1;
    x.copy_within(1.., 0);
    x[last] = 0.0;
    for &(k, phi) in &arma.ar_terms {
        x[k - 1] += phi * head;
    }
}

/// Innovations of several series under one model. `None` if the model is not stationary.
pub(crate) fn innovations(arma: &Arma, columns: &[Vec<f64>]) -> Option<Innovations> {
    let n = columns[0].len();
    let mut gains = Gains::new(arma)?;
    let mut states = vec![vec![0.0; arma.state_len()]; columns.len()];
    let mut out = Innovations {
        columns: vec![Vec::with_capacity(n); columns.len()],
        variances: Vec::with_capacity(n),
        log_det_diffuse: 0.0,
    };
    for t in 0..n {
        if t > 0 && !gains.advance() {
            return None;
        }
        for ((column, state), errors) in columns.iter().zip(&mut states).zip(&mut out.columns) {
            let v = column[t] - state[0];
            errors.push(v);
            transition(arma, state);
            let scaled = v / gains.variance;
            state.iter_mut().zip(&gains.gain).for_each(|(a, k)| *a += k * scaled);
        }
        out.variances.push(gains.variance);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autocovariance::autocovariances;
    use crate::partial::coefficients_from_unconstrained;
    use faer::prelude::*;
    use proptest::prelude::*;

    /// log det and quadratic form of the dense multivariate normal: the definition of the exact likelihood.
    fn dense(gamma: &[f64], y: &[f64]) -> (f64, f64) {
        let n = y.len();
        let covariance = Mat::from_fn(n, n, |i, j| gamma[i.abs_diff(j)]);
        let llt = covariance.llt(faer::Side::Lower).expect("positive definite");
        let b = Mat::from_fn(n, 1, |i, _| y[i]);
        let x = llt.solve(&b);
        let log_det = (0..n).map(|i| 2.0 * llt.L()[(i, i)].ln()).sum();
        (log_det, (0..n).map(|i| x[(i, 0)] * y[i]).sum())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn likelihood_is_that_of_the_dense_normal(
            x in prop::collection::vec(-1.5..1.5f64, 0..4),
            m in prop::collection::vec(-1.5..1.5f64, 0..4),
            sar in prop::collection::vec(-0.8..0.8f64, 0..2),
            sma in prop::collection::vec(-0.8..0.8f64, 0..2),
            y in prop::collection::vec(-2.0..2.0f64, 1..40),
        ) {
            let ma: Vec<f64> = coefficients_from_unconstrained(&m).iter().map(|c| -c).collect();
            let arma = Arma::seasonal(&coefficients_from_unconstrained(&x), &ma, &sar, &sma, 4);
            let gamma = autocovariances(&arma, y.len()).expect("stationary");
            let (log_det, quadratic) = dense(&gamma, &y);
            let got = innovations(&arma, std::slice::from_ref(&y)).expect("stationary");
            let got_det: f64 = got.variances.iter().map(|f| f.ln()).sum();
            let got_quadratic: f64 = got.columns[0].iter().zip(&got.variances).map(|(v, f)| v * v / f).sum();
            prop_assert!((got_det - log_det).abs() < 1e-8 * (1.0 + log_det.abs()), "{} {}", got_det, log_det);
            prop_assert!((got_quadratic - quadratic).abs() < 1e-8 * (1.0 + quadratic), "{} {}", got_quadratic, quadratic);
        }
    }

    #[test]
    fn an_autoregression_is_steady_after_p_steps() {
        let arma = Arma::new(vec![0.5, 0.3], vec![]);
        let mut gains = Gains::new(&arma).expect("stationary");
        for _ in 0..3 {
            assert!(gains.advance());
        }
        assert!(gains.steady);
        assert!((gains.variance - 1.0).abs() < 1e-12);
    }
}
