//! Bad input: a typed error that names the argument and the numbers, never a panic and never a silent bad fit.

use crate::reference::{log_air, series};
use etude_arima::correlation::Divisor;
use etude_arima::unit_root::{Lags, Trend, adf, kpss};
use etude_arima::{Coefficients, Error, FitOptions, Sarima, ar};

fn message(model: Sarima, y: &[f64]) -> String {
    model.fit(y).expect_err("bad input").to_string()
}

#[test]
fn too_short_for_the_orders() {
    let air = log_air();
    assert_eq!(
        message(Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12), &air[..16]),
        "ARIMA(0,1,1)(0,1,1)[12]: 3 usable observations, at least 4 needed"
    );
    assert!(matches!(Sarima::new(1, 0, 0).fit(&[]), Err(Error::TooFewObservations { have: 0, .. })));
    // d + D larger than the series.
    assert!(matches!(Sarima::new(0, 9, 0).fit(&air[..5]), Err(Error::TooFewObservations { have: 0, .. })));
    assert!(matches!(Sarima::new(1, 0, 0).fit(&[f64::NAN; 30]), Err(Error::TooFewObservations { have: 0, .. })));
}

#[test]
fn the_shortest_accepted_series_is_fitted_or_refused_but_never_worse() {
    let air = log_air();
    for n in 17..30 {
        if let Ok(fit) = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&air[..n]) {
            assert!(fit.loglik().is_finite() && fit.sigma2() > 0.0, "n = {n}");
        }
    }
}

#[test]
fn infinite_values_are_named() {
    let mut y = log_air();
    y[7] = f64::INFINITY;
    assert_eq!(
        message(Sarima::new(1, 0, 0), &y),
        "series[7] is inf, expected a finite number, or NaN for a missing observation"
    );
}

#[test]
fn constant_series_have_nothing_to_model() {
    assert_eq!(
        message(Sarima::new(1, 0, 1), &[5.0; 40]),
        "the series after differencing is constant: there is no variance to model"
    );
    // A straight line is constant after one difference.
    let line: Vec<f64> = (0..40).map(|t| 0.1 * f64::from(t)).collect();
    assert!(matches!(Sarima::new(0, 1, 1).fit(&line), Err(Error::Constant { .. })));
    assert!(matches!(ar::burg(&[2.0; 9], 1), Err(Error::Constant { .. })));
    assert!(matches!(adf(&[2.0; 60], Trend::Constant, Lags::Automatic), Err(Error::Constant { .. })));
    assert!(matches!(kpss(&[0.1; 60], Trend::Constant, Lags::Automatic), Err(Error::Constant { .. })));
    assert!(matches!(kpss(&line, Trend::Linear, Lags::Automatic), Err(Error::Constant { .. })));
}

#[test]
fn regressors_are_checked() {
    let y = log_air();
    let options = FitOptions::default();
    let short = Sarima::new(1, 0, 0).fit_with(&y, &[&y[1..]], &options).expect_err("short");
    assert_eq!(short.to_string(), "regressor 0 has length 143, expected 144");
    let mut holed = y.clone();
    holed[3] = f64::NAN;
    let hole = Sarima::new(1, 0, 0).fit_with(&y, &[&holed], &options).expect_err("NaN");
    assert_eq!(hole.to_string(), "regressor 0[3] is NaN, expected a finite number");
    let ramp: Vec<f64> = (0..144).map(f64::from).collect();
    let twice: Vec<f64> = ramp.iter().map(|x| 2.0 * x + 1.0).collect();
    let same = Sarima::new(0, 1, 0).fit_with(&y, &[&ramp, &twice], &options).expect_err("collinear");
    assert_eq!(same, Error::Collinear { column: 1 });
    // A level regressor vanishes under differencing.
    let ones = Sarima::new(0, 1, 0).fit_with(&y, &[&[1.0; 144]], &options).expect_err("vanishes");
    assert_eq!(ones, Error::Collinear { column: 0 });
    let fit = Sarima::new(1, 0, 0).with_constant().fit_with(&y, &[&ramp], &options).expect("a trend");
    assert_eq!(fit.forecast(3).expect_err("no future").to_string(), "list of regressors has length 0, expected 1");
    assert!(fit.forecast_with(3, &[&[1.0, 2.0]]).is_err());
    assert!(fit.forecast_with(1, &[&[f64::INFINITY]]).is_err());
    assert!(fit.forecast_with(0, &[&[]]).expect("nothing").mean.is_empty());
}

#[test]
fn given_coefficients_are_checked() {
    let y = series("nile");
    let fit = |ar: Vec<f64>| Sarima::new(1, 0, 0).fit_fixed(&y, &[], Coefficients { ar, ..Coefficients::default() });
    assert!(matches!(fit(vec![]), Err(Error::Length { .. })));
    assert!(matches!(fit(vec![f64::NAN]), Err(Error::BadValue { .. })));
    assert!(matches!(fit(vec![1.5]), Err(Error::NoLikelihood { .. })));
    assert!(fit(vec![0.5]).is_ok());
}

#[test]
fn missing_at_the_end_leaves_the_state_undetermined() {
    // 13 levels must be seen; here only enough observations are left to pass the first check, none in month 5.
    let mut y = log_air();
    y.iter_mut().skip(5).step_by(12).for_each(|x| *x = f64::NAN);
    let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&y).expect("a fit of the other months");
    assert_eq!(fit.forecast(12).expect_err("no month 5"), Error::Undetermined { undetermined: 1 });
}

#[test]
fn a_unit_root_ends_at_the_edge_and_says_so() {
    // A random walk fitted without difference, and an over-differenced white noise (θ → −1).
    let mut rng = etude_kernels::rng::Rng::new(1);
    let noise: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
    let over: Vec<f64> = noise.windows(2).map(|w| w[1] - w[0]).collect();
    let fit = Sarima::new(0, 0, 1).fit(&over).expect("a fit");
    assert!(fit.unit_root_distance() < 0.05, "{:?}", fit.coefficients());
    assert!(fit.coefficients().ma[0] < -0.95 && fit.coefficients().ma[0] >= -1.0);
    let walk: Vec<f64> = noise
        .iter()
        .scan(0.0, |s, e| {
            *s += e;
            Some(*s + 50.0)
        })
        .collect();
    let fit = Sarima::new(1, 0, 0).fit(&walk).expect("a fit");
    assert!(fit.unit_root_distance() < 0.05 && fit.coefficients().ar[0] < 1.0, "{:?}", fit.coefficients());
}

#[test]
fn orders_of_the_estimators_are_checked() {
    let y = series("nile");
    assert!(matches!(ar::ols(&y, 0), Err(Error::BadArgument { .. })));
    assert!(matches!(ar::ols(&y, usize::MAX), Err(Error::TooFewObservations { .. })));
    assert!(matches!(ar::yule_walker(&y, 100, Divisor::Observations), Err(Error::TooFewObservations { .. })));
    assert!(matches!(ar::burg(&[1.0, f64::NAN, 2.0], 1), Err(Error::BadValue { index: 1, .. })));
    assert!(adf(&y[..4], Trend::Constant, Lags::Automatic).is_err());
    assert!(adf(&y, Trend::Constant, Lags::Fixed(usize::MAX)).is_err());
    assert!(kpss(&y, Trend::Constant, Lags::Fixed(100)).is_err());
}
