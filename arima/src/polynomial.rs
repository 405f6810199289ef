//! Lag polynomials: expansion of seasonal products, differencing and its inverse.
//!
//! Signs follow Box and Jenkins for the autoregressive side and statsmodels/Stata for the moving average:
//! φ(B) = 1 − φ₁B − …, θ(B) = 1 + θ₁B + …. A multiplicative seasonal polynomial has (p+1)(P+1) terms spread over p + sP
//! lags, so every recursion of this crate walks the list of its non-zero terms, never the dense lags.
//! Source: Box, Jenkins, Reinsel & Ljung, *Time Series Analysis*, 5th ed., eq. (9.2.1) to (9.2.4).

/// An expanded ARMA model: y_t = Σ φ_k y_{t−k} + ε_t + Σ θ_k ε_{t−k}, Var ε = 1.
#[derive(Clone, Debug)]
pub(crate) struct Arma {
    /// φ_1 … φ_p, dense.
    pub(crate) ar: Vec<f64>,
    /// θ_1 … θ_q, dense.
    pub(crate) ma: Vec<f64>,
    /// Non-zero (lag, φ_lag).
    pub(crate) ar_terms: Vec<(usize, f64)>,
    /// Non-zero (lag, θ_lag), without the leading 1.
    pub(crate) ma_terms: Vec<(usize, f64)>,
}

impl Arma {
    /// Expands φ(B)Φ(Bˢ) and θ(B)Θ(Bˢ).
    pub(crate) fn seasonal(ar: &[f64], ma: &[f64], seasonal_ar: &[f64], seasonal_ma: &[f64], period: usize) -> Self {
        let negated = |c: &[f64]| c.iter().map(|x| -x).collect::<Vec<_>>();
        let ar_product = product(&negated(ar), &negated(seasonal_ar), period);
        let ma_product = product(ma, seasonal_ma, period);
        Self::new(negated(&ar_product[1..]), ma_product[1..].to_vec())
    }

    pub(crate) fn new(ar: Vec<f64>, ma: Vec<f64>) -> Self {
        let terms = |c: &[f64]| c.iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(k, &x)| (k + 1, x)).collect();
        let (ar_terms, ma_terms) = (terms(&ar), terms(&ma));
        Self { ar, ma, ar_terms, ma_terms }
    }

    /// Length of Harvey's state, max(p, q + 1).
    pub(crate) fn state_len(&self) -> usize {
        self.ar.len().max(self.ma.len() + 1)
    }
}

/// Coefficients by power of B of (1 + Σ a_k Bᵏ)(1 + Σ b_k B^{k·period}).
fn product(a: &[f64], b: &[f64], period: usize) -> Vec<f64> {
    let mut out = vec![0.0; 1 + a.len() + period * b.len()];
    for (i, x) in std::iter::once(&1.0).chain(a).enumerate() {
        for (j, y) in std::iter::once(&1.0).chain(b).enumerate() {
            out[i + j * period] += x * y;
        }
    }
    out
}

/// δ_1 … δ_{d+sD} of (1−B)^d (1−Bˢ)^D = 1 − Σ δ_k Bᵏ.
pub(crate) fn difference_terms(d: usize, seasonal_d: usize, period: usize) -> Vec<f64> {
    let mut poly = vec![1.0];
    for step in std::iter::repeat_n(1, d).chain(std::iter::repeat_n(period, seasonal_d)) {
        let mut next = vec![0.0; poly.len() + step];
        for (k, c) in poly.iter().enumerate() {
            next[k] += c;
            next[k + step] -= c;
        }
        poly = next;
    }
    poly[1..].iter().map(|c| -c).collect()
}

/// Applies (1−B)^d (1−Bˢ)^D; the result is d + sD shorter. NaN spreads to every difference that uses it.
pub(crate) fn difference(series: &[f64], d: usize, seasonal_d: usize, period: usize) -> Vec<f64> {
    let mut out = series.to_vec();
    for step in std::iter::repeat_n(1, d).chain(std::iter::repeat_n(period, seasonal_d)) {
        out = if out.len() > step {
            out[step..].iter().zip(&out).map(|(now, past)| now - past).collect()
        } else {
            Vec::new()
        };
    }
    out
}

/// The series whose differences are `differences` and whose values before the first are zero.
pub(crate) fn integrate(differences: &[f64], delta: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::with_capacity(differences.len());
    for (t, &w) in differences.iter().enumerate() {
        let past: f64 = delta.iter().enumerate().take(t).map(|(k, c)| c * out[t - 1 - k]).sum();
        out.push(w + past);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airline_moving_average_has_its_three_terms() {
        // (1 + aB)(1 + bB¹²) = 1 + aB + bB¹² + abB¹³.
        let arma = Arma::seasonal(&[], &[-0.4], &[], &[-0.5], 12);
        assert_eq!(arma.ma_terms, vec![(1, -0.4), (12, -0.5), (13, 0.2)]);
        assert_eq!((arma.ar.len(), arma.state_len()), (0, 14));
    }

    #[test]
    fn seasonal_autoregression_keeps_its_sign() {
        // (1 − aB)(1 − bB⁴) = 1 − aB − bB⁴ + abB⁵.
        let arma = Arma::seasonal(&[0.5], &[], &[0.25], &[], 4);
        assert_eq!(arma.ar_terms, vec![(1, 0.5), (4, 0.25), (5, -0.125)]);
    }

    #[test]
    fn integration_undoes_differencing() {
        for (d, seasonal_d, period) in [(1, 0, 0), (2, 0, 0), (1, 1, 4), (0, 2, 3)] {
            let delta = difference_terms(d, seasonal_d, period);
            let w: Vec<f64> = (0..30).map(|t| f64::from(t * t % 7) - 2.5).collect();
            let y = integrate(&w, &delta);
            let back = difference(&y, d, seasonal_d, period);
            assert_eq!(back.len(), w.len() - delta.len());
            for (a, b) in back.iter().zip(&w[delta.len()..]) {
                assert!((a - b).abs() < 1e-9, "{a} {b}");
            }
        }
    }

    #[test]
    fn differencing_a_short_series_leaves_nothing() {
        assert!(difference(&[1.0, 2.0], 1, 1, 12).is_empty());
    }
}
