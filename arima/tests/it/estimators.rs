//! AR estimators, correlations and unit-root tests against statsmodels.

use crate::reference::{all_close, close, log_air, number, numbers, reference, series};
use etude_arima::ar::{burg, ols, yule_walker};
use etude_arima::correlation::{Divisor, acf, ljung_box, pacf};
use etude_arima::unit_root::{Lags, Trend, UnitRoot, adf, kpss};
use etude_arima::{Coefficients, Sarima};
use etude_kernels::rng::Rng;
use serde_json::Value;

#[test]
fn autoregressions_of_the_sunspots() {
    // A14: OLS 14.907148, 1.391805, −.690287; Yule–Walker 1.375227, −.676694, σ 17.010969; Burg 1.392042, −.690128.
    let y = series("sunspots");
    let want = &reference()["ar_sunspots"];
    let got = ols(&y, 2).expect("a fit");
    all_close("ols", &[got.intercept, got.coefficients[0], got.coefficients[1]], &numbers(&want["ols"]), 1e-9);
    close("ols variance", got.sigma2, number(&want["ols_sigma2"]), 1e-9);
    let flat = |fit: &etude_arima::ar::Autoregression, last: f64| [fit.coefficients[0], fit.coefficients[1], last];
    let got = yule_walker(&y, 2, Divisor::Products).expect("a fit");
    all_close("adjusted", &flat(&got, got.sigma2.sqrt()), &numbers(&want["yule_walker"]), 1e-9);
    let got = yule_walker(&y, 2, Divisor::Observations).expect("a fit");
    all_close("plain", &flat(&got, got.sigma2.sqrt()), &numbers(&want["yule_walker_mle"]), 1e-9);
    let got = burg(&y, 2).expect("a fit");
    all_close("burg", &flat(&got, got.sigma2), &numbers(&want["burg"]), 1e-9);
}

#[test]
fn four_estimators_recover_a_simulated_autoregression() {
    // Standard error of each coefficient is about √((1 − φ₂²)/n) ≈ 0.014; five of them.
    let truth = Coefficients { ar: vec![1.2, -0.5], ..Coefficients::default() };
    for seed in 0..3 {
        let y = Sarima::new(2, 0, 0).simulate(&truth, 0.0, 1.0, 4000, &mut Rng::new(seed)).expect("a series");
        let exact = Sarima::new(2, 0, 0).fit(&y).expect("a fit").coefficients().ar.clone();
        let plain = yule_walker(&y, 2, Divisor::Observations).expect("a fit").coefficients;
        let estimates =
            [ols(&y, 2).expect("a fit").coefficients, plain, burg(&y, 2).expect("a fit").coefficients, exact];
        for estimate in estimates {
            for (got, want) in estimate.iter().zip(&truth.ar) {
                assert!((got - want).abs() < 0.07, "seed {seed}: {estimate:?}");
            }
        }
    }
}

#[test]
fn forecasts_of_an_autoregression_follow_the_recursion() {
    // y = 1 + 0.5 y₋₁: from 6 to 4 to 3 to 2.5, towards the mean 2.
    let fit = etude_arima::ar::Autoregression { intercept: 1.0, coefficients: vec![0.5], sigma2: 1.0 };
    assert_eq!(fit.forecast(&[0.0, 6.0], 3).expect("history"), vec![4.0, 3.0, 2.5]);
    assert!(fit.forecast(&[], 1).is_err());
}

#[test]
fn correlations_of_the_air_passengers() {
    let (air, nile, all) = (series("air"), series("nile"), reference());
    all_close("acf", &acf(&air, 30, Divisor::Observations).expect("varies"), &numbers(&all["acf_air"]), 1e-12);
    all_close(
        "adjusted",
        &acf(&nile, 20, Divisor::Products).expect("varies"),
        &numbers(&all["acf_nile_adjusted"]),
        1e-12,
    );
    all_close("pacf", &pacf(&air, 20, Divisor::Products).expect("varies"), &numbers(&all["pacf_air_yw"]), 1e-9);
    all_close("pacf", &pacf(&air, 20, Divisor::Observations).expect("varies"), &numbers(&all["pacf_air_ywm"]), 1e-9);
}

#[test]
fn ljung_box_of_the_nile() {
    let (nile, all) = (series("nile"), reference());
    let entry = &all["ljung_box_nile"];
    for ((lags, stat), p) in numbers(&entry["lags"]).iter().zip(numbers(&entry["stat"])).zip(numbers(&entry["p"])) {
        let got = ljung_box(&nile, *lags as usize, 0).expect("a test");
        close("Q", got.statistic, stat, 1e-10);
        assert!((got.p_value - p).abs() < 1e-10 * p, "{} {p}", got.p_value);
    }
    for (lags, p) in [(5, 0), (10, 1)] {
        let want = numbers(&all["ljung_box_nile_df2"]["p"])[p];
        let got = ljung_box(&nile, lags, 2).expect("a test").p_value;
        assert!((got - want).abs() < 1e-9 * want, "{got} {want}");
    }
}

#[track_caller]
fn same_test(got: UnitRoot, want: &Value) {
    close("statistic", got.statistic, number(&want[0]), 1e-8);
    close("p", got.p_value, number(&want[1]), 1e-8);
    assert_eq!(got.lags, number(&want[2]) as usize);
}

#[test]
fn dickey_fuller_statistics() {
    // A15: AirPassengers .8154 (p .9919, 13 lags).
    let all = reference();
    same_test(adf(&series("air"), Trend::Constant, Lags::Automatic).expect("a test"), &all["adf_air"]);
    same_test(adf(&series("nile"), Trend::Constant, Lags::Automatic).expect("a test"), &all["adf_nile"]);
    same_test(adf(&log_air(), Trend::Linear, Lags::Fixed(4)).expect("a test"), &all["adf_logair_ct"]);
}

#[test]
fn kpss_statistics() {
    // A15: AirPassengers 1.65131 with 8 lags.
    let all = reference();
    same_test(kpss(&series("air"), Trend::Constant, Lags::Fixed(8)).expect("a test"), &all["kpss_air"]);
    same_test(kpss(&series("nile"), Trend::Constant, Lags::Automatic).expect("a test"), &all["kpss_nile"]);
    same_test(kpss(&log_air(), Trend::Linear, Lags::Fixed(13)).expect("a test"), &all["kpss_logair_ct"]);
}
