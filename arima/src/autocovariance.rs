//! The stationary second moments of an ARMA process: autocovariances, ψ weights and Harvey's initial state covariance.
//!
//! Harvey's state α_t solves α_{t+1} = T α_t + R ε_{t+1} with the companion T; its stationary covariance solves the discrete
//! Lyapunov equation P = T P Tᵀ + R Rᵀ (Harvey 1989, eq. (3.3.21)). A dense solver costs O(r⁶) (Kronecker) or O(r³)
//! (doubling). Here the companion structure gives it in O(r²): the first column of P is a sum of autocovariances, and the
//! remaining entries follow from it by one backward substitution. Only the first column is needed without missing data.

use crate::partial::step_down;
use crate::polynomial::Arma;

/// γ(0) … γ(lags) of the autoregression φ with unit innovations; `None` if it is not stationary.
///
/// The step-down recursion gives the predictor of every order; γ(0) = 1/∏(1 − κ_k²) and the Levinson recursion read
/// forwards gives the rest: γ(k) = κ_k v_{k−1} + Σ_{j<k} φ_{k−1,j} γ(k−j) (Brockwell & Davis 1991, prop. 5.2.1). O(p²).
pub(crate) fn ar_autocovariances(phi: &[f64], lags: usize) -> Option<Vec<f64>> {
    let stages = step_down(phi)?;
    let kappa = |k: usize| stages[k - 1][k - 1];
    let mut variance: f64 = (1..=phi.len()).map(|k| 1.0 / ((1.0 - kappa(k)) * (1.0 + kappa(k)))).product();
    let mut gamma = Vec::with_capacity(lags + 1);
    gamma.push(variance);
    for k in 1..=lags {
        let lower: &[f64] = match k {
            1 => &[],
            _ if k <= phi.len() => &stages[k - 2],
            _ => phi,
        };
        let mut value: f64 = lower.iter().zip(gamma.iter().rev()).map(|(c, g)| c * g).sum();
        if k <= phi.len() {
            value += kappa(k) * variance;
            variance *= (1.0 - kappa(k)) * (1.0 + kappa(k));
        }
        gamma.push(value);
    }
    gamma.iter().all(|g| g.is_finite()).then_some(gamma)
}

/// γ(0) … γ(lags) of the ARMA process: y = θ(B)u with u the autoregression, so
/// γ(h) = Σ_i Σ_j θ_i θ_j γ_u(h + j − i) over the non-zero terms of θ (with θ_0 = 1).
pub(crate) fn autocovariances(arma: &Arma, lags: usize) -> Option<Vec<f64>> {
    let gamma_u = ar_autocovariances(&arma.ar, lags + arma.ma.len())?;
    let theta: Vec<(usize, f64)> = std::iter::once((0, 1.0)).chain(arma.ma_terms.iter().copied()).collect();
    let gamma = (0..=lags).map(|h| {
        let row =
            |&(i, x): &(usize, f64)| theta.iter().map(|&(j, y)| x * y * gamma_u[(h + j).abs_diff(i)]).sum::<f64>();
        theta.iter().map(row).sum()
    });
    Some(gamma.collect())
}

/// ψ_0 … ψ_{count−1} of ψ(B) = θ(B)/φ(B): ψ_j = θ_j + Σ φ_k ψ_{j−k} (Box–Jenkins eq. (4.2.3)).
pub(crate) fn psi_weights(arma: &Arma, count: usize) -> Vec<f64> {
    let mut psi: Vec<f64> = Vec::with_capacity(count);
    for j in 0..count {
        let theta = if j == 0 { 1.0 } else { arma.ma.get(j - 1).copied().unwrap_or(0.0) };
        let past: f64 = arma.ar_terms.iter().take_while(|(k, _)| *k <= j).map(|&(k, c)| c * psi[j - k]).sum();
        psi.push(theta + past);
    }
    psi
}

/// First column of the stationary state covariance: Cov(α_{t,i}, y_t), i = 0 … r−1.
///
/// From α_{t,i} = Σ_{k>i} φ_k y_{t+i−k} + Σ_{k≥i} θ_k ε_{t+i−k} and Cov(y_t, ε_{t−j}) = ψ_j.
pub(crate) fn state_covariance_column(arma: &Arma) -> Option<Vec<f64>> {
    let gamma = autocovariances(arma, arma.ar.len())?;
    let psi = psi_weights(arma, arma.ma.len() + 1);
    let mut column = vec![0.0; arma.state_len()];
    for &(k, phi) in &arma.ar_terms {
        for (i, c) in column.iter_mut().enumerate().take(k) {
            *c += phi * gamma[k - i];
        }
    }
    for (k, theta) in std::iter::once((0, 1.0)).chain(arma.ma_terms.iter().copied()) {
        for (i, c) in column.iter_mut().enumerate().take(k + 1) {
            *c += theta * psi[k - i];
        }
    }
    Some(column)
}

/// The whole stationary state covariance, row by row: the Lyapunov equation read entry by entry from the last one,
/// P_{i,j} = P_{i+1,j+1} + φ_{i+1}φ_{j+1}P_{0,0} + φ_{i+1}P_{0,j+1} + φ_{j+1}P_{0,i+1} + θ_iθ_j.
pub(crate) fn state_covariance(arma: &Arma) -> Option<Vec<f64>> {
    let first = state_covariance_column(arma)?;
    let r = arma.state_len();
    let phi = |i: usize| arma.ar.get(i).copied().unwrap_or(0.0);
    let theta = |i: usize| if i == 0 { 1.0 } else { arma.ma.get(i - 1).copied().unwrap_or(0.0) };
    let column = |i: usize| first.get(i).copied().unwrap_or(0.0);
    let mut p = vec![0.0; r * r];
    for i in (0..r).rev() {
        for j in (0..=i).rev() {
            let inner = if i + 1 < r { p[(i + 1) * r + j + 1] } else { 0.0 };
            let value = inner
                + phi(i) * phi(j) * first[0]
                + phi(i) * column(j + 1)
                + phi(j) * column(i + 1)
                + theta(i) * theta(j);
            p[i * r + j] = value;
            p[j * r + i] = value;
        }
    }
    Some(p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partial::coefficients_from_unconstrained;
    use proptest::prelude::*;

    #[test]
    fn first_order_closed_forms() {
        // AR(1): γ(h) = φʰ/(1−φ²). MA(1): γ(0) = 1+θ², γ(1) = θ. ARMA(1,1): γ(0) = (1+2φθ+θ²)/(1−φ²).
        let ar = autocovariances(&Arma::new(vec![0.6], vec![]), 3).expect("stationary");
        assert!((ar[3] - 0.216 / 0.64).abs() < 1e-14);
        assert_eq!(autocovariances(&Arma::new(vec![], vec![0.5]), 2).expect("stationary"), vec![1.25, 0.5, 0.0]);
        let arma = autocovariances(&Arma::new(vec![0.6], vec![0.5]), 1).expect("stationary");
        assert!((arma[0] - (1.0 + 0.6 + 0.25) / 0.64).abs() < 1e-14);
        // γ(1) = φγ(0) + θ.
        assert!((arma[1] - (0.6 * arma[0] + 0.5)).abs() < 1e-14);
    }

    #[test]
    fn unit_root_has_no_stationary_moments() {
        assert!(state_covariance(&Arma::new(vec![1.0], vec![])).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn state_covariance_solves_the_lyapunov_equation(
            x in prop::collection::vec(-1.5..1.5f64, 0..4),
            ma in prop::collection::vec(-1.0..1.0f64, 0..4),
            seasonal in prop::collection::vec(-0.8..0.8f64, 0..2),
        ) {
            let arma = Arma::seasonal(&coefficients_from_unconstrained(&x), &ma, &seasonal, &[0.3], 3);
            let (r, p) = (arma.state_len(), state_covariance(&arma).expect("stationary by construction"));
            let phi = |i: usize| arma.ar.get(i).copied().unwrap_or(0.0);
            let theta = |i: usize| if i == 0 { 1.0 } else { arma.ma.get(i - 1).copied().unwrap_or(0.0) };
            let t = |i: usize, k: usize| phi(i) * f64::from(u8::from(k == 0)) + f64::from(u8::from(k == i + 1));
            let size = p.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            for i in 0..r {
                for j in 0..r {
                    let mut right = theta(i) * theta(j);
                    for k in 0..r { for l in 0..r { right += t(i, k) * p[k * r + l] * t(j, l); } }
                    prop_assert!((right - p[i * r + j]).abs() < 1e-10 * size, "({}, {}): {} {}", i, j, right, p[i * r + j]);
                }
            }
        }
    }
}
