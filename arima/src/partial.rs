//! Stationarity and invertibility by construction: partial autocorrelations in (−1, 1) instead of coefficients.
//!
//! A polynomial 1 − φ₁B − … − φ_pBᵖ has all its roots outside the unit circle exactly when its p partial
//! autocorrelations lie in (−1, 1), and the Durbin–Levinson recursion maps one to the other without a gap.
//! Sources: Barndorff-Nielsen & Schou 1973; Monahan 1984, *A note on enforcing stationarity in ARMA models*, eq. (1);
//! Jones 1980 §3 uses the same recursion with tanh(x/2), which reaches the bounds faster and is therefore flatter there.

/// φ from unconstrained numbers: partial autocorrelation x/√(1+x²) (Monahan 1984, §2), then Durbin–Levinson.
pub(crate) fn coefficients_from_unconstrained(x: &[f64]) -> Vec<f64> {
    let partials: Vec<f64> = x.iter().map(|x| x / x.hypot(1.0)).collect();
    coefficients_from_partials(&partials)
}

/// Durbin–Levinson: φ_{k,j} = φ_{k−1,j} − κ_k φ_{k−1,k−j}, φ_{k,k} = κ_k (Monahan 1984, eq. (1)).
pub(crate) fn coefficients_from_partials(partials: &[f64]) -> Vec<f64> {
    let mut phi: Vec<f64> = Vec::with_capacity(partials.len());
    for &kappa in partials {
        let previous = phi.clone();
        for (now, mirrored) in phi.iter_mut().zip(previous.iter().rev()) {
            *now -= kappa * mirrored;
        }
        phi.push(kappa);
    }
    phi
}

/// The best predictors of every order k = 1 … p implied by φ, from the recursion run backwards:
/// φ_{k−1,j} = (φ_{k,j} + κ_k φ_{k,k−j}) / (1 − κ_k²). `None` if any |κ_k| ≥ 1, i.e. φ is not stationary.
pub(crate) fn step_down(phi: &[f64]) -> Option<Vec<Vec<f64>>> {
    let mut stages = vec![phi.to_vec()];
    for k in (1..=phi.len()).rev() {
        let current = &stages[stages.len() - 1];
        let kappa = current[k - 1];
        // Written so that NaN fails too.
        if !(kappa.abs() < 1.0) {
            return None;
        }
        let scale = (1.0 - kappa) * (1.0 + kappa);
        let lower = (0..k - 1).map(|j| (current[j] + kappa * current[k - 2 - j]) / scale).collect();
        stages.push(lower);
    }
    stages.pop();
    stages.reverse();
    Some(stages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn second_order_triangle() {
        // AR(2) is stationary inside φ₂ < 1 − |φ₁|, φ₂ > −1 (Box–Jenkins eq. (3.2.18)).
        for (phi, stationary) in [([0.5, 0.4], true), ([0.5, 0.6], false), ([-1.2, -0.3], true), ([0.0, -1.01], false)]
        {
            assert_eq!(step_down(&phi).is_some(), stationary, "{phi:?}");
        }
    }

    #[test]
    fn nan_is_not_stationary() {
        assert!(step_down(&[f64::NAN, 0.2]).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn round_trip(x in prop::collection::vec(-3.0..3.0f64, 0..6)) {
            let stages = step_down(&coefficients_from_unconstrained(&x)).expect("stationary by construction");
            prop_assert_eq!(stages.len(), x.len());
            for (stage, b) in stages.iter().zip(&x) {
                let r = stage[stage.len() - 1];
                let a = r / ((1.0 - r) * (1.0 + r)).sqrt();
                prop_assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{} {}", a, b);
            }
        }
    }
}
