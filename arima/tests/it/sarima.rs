//! Exact maximum likelihood and forecasts against statsmodels 0.15 (simple differencing) and Stata.

use crate::reference::{all_close, close, log_air, number, numbers, orders, reference, sarimax_defaults, series};
use etude_arima::{Coefficients, Covariance, Fit, FitOptions, Sarima, Status};
use etude_kernels::rng::Rng;
use serde_json::Value;

fn data_of(name: &str) -> Vec<f64> {
    match name {
        "air-raw-211-010" => series("air"),
        "air-first-120" => log_air()[..120].to_vec(),
        _ if name.starts_with("air") => log_air(),
        _ => series(name.split('-').next().expect("a name")),
    }
}

fn model_of(entry: &Value) -> Sarima {
    let (o, s) = (orders(&entry["order"]), orders(&entry["seasonal"]));
    let model = Sarima::new(o[0], o[1], o[2]).seasonal(s[0], s[1], s[2], s[3]);
    if entry["trend"].is_string() { model.with_constant() } else { model }
}

fn coefficients_of(model: &Sarima, list: &[f64]) -> Coefficients {
    let (p, q, sp) = (model.p, model.p + model.q, model.p + model.q + model.seasonal.p);
    Coefficients {
        ar: list[..p].to_vec(),
        ma: list[p..q].to_vec(),
        seasonal_ar: list[q..sp].to_vec(),
        seasonal_ma: list[sp..sp + model.seasonal.q].to_vec(),
    }
}

/// Parameters in the reference's order: intercept, regressors, φ, θ, Φ, Θ, σ² (statsmodels) against ours.
fn in_reference_order(fit: &Fit) -> Vec<f64> {
    let c = fit.coefficients();
    let mut out: Vec<f64> = fit.intercept().into_iter().chain(fit.beta().iter().copied()).collect();
    out.extend(c.ar.iter().chain(&c.ma).chain(&c.seasonal_ar).chain(&c.seasonal_ma));
    out.push(fit.sigma2());
    out
}

fn reference_parameters(entry: &Value) -> Vec<(String, f64)> {
    let rank = |name: &str| {
        ["intercept", "x", "ar.L", "ma.L", "ar.S", "ma.S", "sigma2"].iter().position(|p| name.starts_with(p))
    };
    let object = entry["params"].as_object().expect("an object");
    let mut list: Vec<_> = object.iter().map(|(name, v)| (name.clone(), number(v))).collect();
    list.sort_by(|a, b| (rank(&a.0), &a.0).cmp(&(rank(&b.0), &b.0)));
    list
}

#[test]
fn maximum_likelihood_is_that_of_statsmodels() {
    // A2 to A13 of the reference table: airline, other seasonal orders, Nile, sunspots, wpi1 (Stata's A9, A10).
    for entry in reference()["fits"].as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        if name == "airline-exog" {
            continue;
        }
        let fit = model_of(entry).fit(&data_of(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        // The reference optimiser stops a little early on the flat ones; ours may only be higher.
        let want = number(&entry["llf"]);
        assert!(fit.loglik() > want - 1e-6, "{name}: {} below {want}", fit.loglik());
        close(&format!("{name} loglik"), fit.loglik(), want, 2e-6);
        close(&format!("{name} aic"), fit.aic(), number(&entry["aic"]), 2e-6);
        close(&format!("{name} bic"), fit.bic(), number(&entry["bic"]), 2e-6);
        // The likelihood is flat at its top: parameters agree to a hundredth of their standard errors.
        let errors = numbers(&entry["bse_oim"]);
        for ((got, (parameter, want)), error) in
            in_reference_order(&fit).iter().zip(reference_parameters(entry)).zip(errors)
        {
            assert!((got - want).abs() < 0.01 * error, "{name} {parameter}: {got}, reference {want} ± {error}");
        }
        assert_eq!(fit.status(), Status::Converged, "{name}");
    }
}

#[test]
fn likelihood_at_the_reference_parameters() {
    // No optimiser between: at statsmodels' own parameters the likelihood agrees to nine digits.
    for entry in reference()["fits"].as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        if entry["trend"].is_string() || name == "airline-exog" {
            continue;
        }
        let model = model_of(entry);
        let list: Vec<f64> = reference_parameters(entry).iter().map(|(_, v)| *v).collect();
        let fit = model.fit_fixed(&data_of(name), &[], coefficients_of(&model, &list)).expect("a likelihood");
        // σ² is profiled here; at the reference's optimum that changes the likelihood to second order only.
        close(name, fit.loglik(), number(&entry["llf"]), 1e-8);
        let forecast = fit.forecast(numbers(&entry["forecast"]).len()).expect("a forecast");
        all_close(name, &forecast.mean, &numbers(&entry["forecast"]), 1e-7);
        all_close(name, &forecast.std_error, &numbers(&entry["forecast_se"]), 1e-5);
    }
}

#[test]
fn airline_model_is_that_of_stata_and_the_issue() {
    // A1 (Stata): log-likelihood 244.69651, θ −.4018324, Θ −.5569342, σ .0367167; BIC −474.7674;
    // OPG errors .0730307, .0963129; OIM errors .0896442, .0731055.
    let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&log_air()).expect("the classic");
    assert!((fit.loglik() - 244.69651).abs() < 1e-4, "{}", fit.loglik());
    assert!((fit.bic() + 474.7674).abs() < 1e-3);
    assert!((fit.coefficients().ma[0] + 0.4018324).abs() < 1e-4, "{:?}", fit.coefficients());
    assert!((fit.coefficients().seasonal_ma[0] + 0.5569342).abs() < 1e-4, "{:?}", fit.coefficients());
    assert!((fit.sigma2().sqrt() - 0.0367167).abs() < 1e-5);
    let opg = fit.std_errors(Covariance::OuterProduct).expect("inside the region");
    let oim = fit.std_errors(Covariance::ObservedInformation).expect("inside the region");
    all_close("OPG", &opg[..2], &[0.0730307, 0.0963129], 5e-5);
    all_close("OIM", &oim[..2], &[0.0896442, 0.0731055], 5e-5);
}

#[test]
fn stata_figures_for_wpi_and_friedman() {
    // A9, A10, A11: Stata manual [TS] arima, as quoted in statsmodels' own tests.
    let wpi = series("wpi");
    let a9 = Sarima::new(3, 1, 0).fit(&wpi).expect("a fit");
    close("A9", a9.loglik(), -136.21782, 1e-6);
    all_close("A9", &a9.coefficients().ar, &[0.52707154, 0.09526127, 0.25803547], 1e-4);
    let a10 = Sarima::new(1, 1, 1).with_constant().fit(&wpi).expect("a fit");
    close("A10", a10.loglik(), -135.35131, 1e-6);
    all_close("A10", &a10.parameter_values(), &[0.8742288, -0.4120458, 0.7498197, 0.7250436f64.powi(2)], 1e-4);
    let oim = a10.std_errors(Covariance::ObservedInformation).expect("inside the region");
    let opg = a10.std_errors(Covariance::OuterProduct).expect("inside the region");
    all_close("A10 OIM", &oim[..3], &[0.0637705, 0.1220756, 0.2920992], 5e-4);
    all_close("A10 OPG", &opg[..3], &[0.0545435, 0.1000284, 0.3340968], 5e-4);
    // Money and consumption: 1959q1 to 1981q4, ARMA(1, 1) errors.
    let (consumption, m2) = (series("consump"), series("m2"));
    let n = 92.min(consumption.len());
    let a11 = Sarima::new(1, 0, 1)
        .with_constant()
        .fit_with(&consumption[..n], &[&m2[..n]], &FitOptions::default())
        .expect("a fit");
    close("A11", a11.loglik(), -340.50774, 1e-6);
    all_close("A11 AR, MA", &a11.parameter_values()[..2], &[0.9348486, 0.3090592], 1e-4);
    close("A11 constant", a11.mean().expect("a constant"), -36.09872, 1e-3);
    close("A11 m2", a11.beta()[0], 1.122029, 1e-5);
    // Stata's parameter is σ, ours σ²; the errors of the others do not depend on that.
    let oim = a11.std_errors(Covariance::ObservedInformation).expect("inside the region");
    all_close("A11 OIM", &oim[..4], &[0.039903, 0.1125186, 33.95924, 0.0324069], 1e-2);
}

#[test]
fn regressors_are_estimated_with_the_errors() {
    let all = reference();
    let entry = all["fits"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|e| e["name"] == "airline-exog")
        .expect("the entry")
        .clone();
    let rows: Vec<Vec<f64>> = all["data"]["exog"].as_array().expect("rows").iter().map(numbers).collect();
    let column = |j: usize| rows.iter().map(|r| r[j]).collect::<Vec<f64>>();
    let (a, b) = (column(0), column(1));
    let fit = model_of(&entry).fit_with(&log_air(), &[&a[..144], &b[..144]], &FitOptions::default()).expect("a fit");
    close("loglik", fit.loglik(), number(&entry["llf"]), 1e-6);
    for (got, (name, want)) in in_reference_order(&fit).iter().zip(reference_parameters(&entry)) {
        assert!((got - want).abs() < 2e-4, "{name}: {got} {want}");
    }
    let forecast = fit.forecast_with(12, &[&a[144..], &b[144..]]).expect("a forecast");
    all_close("forecast", &forecast.mean, &numbers(&entry["forecast"]), 1e-4);
    all_close("errors", &forecast.std_error, &numbers(&entry["forecast_se"]), 1e-4);
}

#[test]
fn missing_observations_follow_the_exact_diffuse_filter() {
    for entry in reference()["missing"].as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        let mut y = match name {
            "ar" => series("nile"),
            "stationary" => {
                let y = series("sunspots");
                let mean = y.iter().sum::<f64>() / y.len() as f64;
                y.iter().map(|x| x - mean).collect()
            }
            _ => log_air(),
        };
        orders(&entry["holes"]).into_iter().for_each(|t| y[t] = f64::NAN);
        let model = model_of(entry);
        let params = numbers(&entry["params"]);
        let fit = model.fit_fixed(&y, &[], coefficients_of(&model, &params)).expect("a likelihood");
        // statsmodels counts log 2π for the observations that fix the diffuse states too, and its σ² is given, ours is
        // profiled: take the first out and put the second in. Σ v²/F = n σ̂².
        let (n, sigma2) = (fit.used() as f64, params[params.len() - 1]);
        let at_sigma2 = fit.loglik() - 0.5 * n * ((sigma2 / fit.sigma2()).ln() + fit.sigma2() / sigma2 - 1.0);
        let constant = 0.5 * model.lost() as f64 * (2.0 * std::f64::consts::PI).ln();
        close(name, at_sigma2 - constant, number(&entry["llf"]), 1e-7);
        let forecast = fit.forecast(12).expect("a forecast");
        all_close(name, &forecast.mean, &numbers(&entry["forecast"]), 1e-6);
        let scale = (sigma2 / fit.sigma2()).sqrt();
        let errors: Vec<f64> = forecast.std_error.iter().map(|s| s * scale).collect();
        all_close(name, &errors, &numbers(&entry["forecast_se"]), 1e-6);
    }
}

#[test]
fn the_default_of_statsmodels_is_within_its_own_approximation() {
    // Variance 10⁶ instead of a diffuse start: the airline model agrees to 10⁻³ as the issue asks. Models in levels
    // (no differencing) have no approximation and agree to 10⁻⁵.
    let defaults = sarimax_defaults();
    let entry = &defaults["air_log_sarima_011_011_12"];
    let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&log_air()).expect("the classic");
    assert!((fit.loglik() - number(&entry["llf"])).abs() < 1e-3);
    assert!((fit.coefficients().ma[0] - number(&entry["params"]["ma.L1"])).abs() < 1e-3);
    assert!((fit.coefficients().seasonal_ma[0] - number(&entry["params"]["ma.S.L12"])).abs() < 1e-3);
    all_close("forecast", &fit.forecast(12).expect("a forecast").mean, &numbers(&entry["forecast"]), 1e-4);
    let entry = &defaults["sunspots_ar2_c"];
    let fit = Sarima::new(2, 0, 0).with_constant().fit(&series("sunspots")).expect("a fit");
    close("sunspots", fit.loglik(), number(&entry["llf"]), 1e-8);
    all_close(
        "sunspots",
        &fit.coefficients().ar,
        &[number(&entry["params"]["ar.L1"]), number(&entry["params"]["ar.L2"])],
        1e-5,
    );
    all_close("sunspots", &fit.forecast(12).expect("a forecast").mean, &numbers(&entry["forecast"]), 1e-4);
}

#[test]
fn hold_out_of_two_years_is_that_of_the_table() {
    // A8: parameters −.342280, −.540504 (approximate start; exact −.342355, −.540517), RMSE 43.187 in passengers.
    let (air, y) = (series("air"), log_air());
    let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&y[..120]).expect("a fit");
    let forecast = fit.forecast(24).expect("a forecast");
    let mse = forecast.mean.iter().zip(&air[120..]).map(|(m, a)| (m.exp() - a).powi(2)).sum::<f64>() / 24.0;
    assert!((mse.sqrt() - 43.187).abs() < 0.05, "{}", mse.sqrt());
}

#[test]
fn residuals_of_the_true_model_are_white_and_of_unit_variance() {
    let model = Sarima::new(1, 1, 1).seasonal(0, 0, 1, 4);
    let truth = Coefficients { ar: vec![0.6], ma: vec![0.4], seasonal_ar: vec![], seasonal_ma: vec![-0.5] };
    let y = model.simulate(&truth, 0.0, 4.0, 1500, &mut Rng::new(3)).expect("a series");
    let fit = model.fit(&y).expect("a fit");
    let standard = fit.standardised_residuals().expect("residuals");
    assert!(standard[0].is_nan() && standard[1..].iter().all(|r| r.is_finite()));
    let variance = standard[1..].iter().map(|r| r * r).sum::<f64>() / 1499.0;
    // σ̂² is the mean of the squared standardised residuals by definition.
    assert!((variance - 1.0).abs() < 1e-9, "{variance}");
    assert!(fit.ljung_box(20).expect("a test").p_value > 0.001);
    let wrong = Sarima::new(0, 1, 0).fit(&y).expect("a fit");
    assert!(wrong.ljung_box(20).expect("a test").p_value < 1e-6);
}

#[test]
fn simulated_parameters_are_recovered_over_seeds() {
    // Each estimate is within four of its own standard errors; 4 seeds × 3 parameters.
    let model = Sarima::new(1, 0, 1).seasonal(1, 0, 0, 6).with_constant();
    let truth = Coefficients { ar: vec![0.5], ma: vec![0.3], seasonal_ar: vec![0.4], seasonal_ma: vec![] };
    for seed in 0..4 {
        let y = model.simulate(&truth, 10.0, 2.0, 1200, &mut Rng::new(seed)).expect("a series");
        let fit = model.fit(&y).expect("a fit");
        let errors = fit.std_errors(Covariance::ObservedInformation).expect("inside the region");
        for ((got, want), (error, name)) in
            fit.parameter_values().iter().zip([0.5, 0.3, 0.4, 10.0, 2.0]).zip(errors.iter().zip(fit.parameter_names()))
        {
            assert!((got - want).abs() < 4.0 * error, "seed {seed} {name}: {got} ± {error}, truth {want}");
            assert!(*error < 0.5, "{name}: {error}");
        }
    }
}

#[test]
fn intervals_hold_what_they_promise() {
    // 400 simulated futures of a random walk plus noise: the 80 % interval must hold about 80 % of them; four standard
    // deviations of that share are 8 %.
    let model = Sarima::new(0, 1, 1);
    let truth = Coefficients { ma: vec![-0.4], ..Coefficients::default() };
    let mut held = 0;
    for seed in 0..400 {
        let y = model.simulate(&truth, 0.0, 1.0, 130, &mut Rng::new(seed)).expect("a series");
        let fit = model.fit_fixed(&y[..120], &[], truth.clone()).expect("a fit");
        let interval = fit.forecast(10).expect("a forecast").interval(0.8).expect("a probability");
        held += usize::from(interval.lower[9] <= y[129] && y[129] <= interval.upper[9]);
    }
    assert!((288..=352).contains(&held), "{held} of 400");
}

#[test]
fn long_seasons_are_usable() {
    // A16: statsmodels was stopped after 15 minutes on this; here the whole fit is a test like the others.
    let model = Sarima::new(1, 0, 1).seasonal(0, 1, 1, 168);
    let truth = Coefficients { ar: vec![0.6], ma: vec![0.2], seasonal_ar: vec![], seasonal_ma: vec![-0.6] };
    let y = model.simulate(&truth, 0.0, 1.0, 1440, &mut Rng::new(5)).expect("a series");
    let fit = model.fit(&y).expect("a fit");
    let errors = fit.std_errors(Covariance::ObservedInformation).expect("inside the region");
    for ((got, want), error) in fit.parameter_values().iter().zip([0.6, 0.2, -0.6, 1.0]).zip(&errors) {
        assert!((got - want).abs() < 4.0 * error, "{got} ± {error}, truth {want}");
    }
    assert_eq!(fit.forecast(24).expect("a forecast").mean.len(), 24);
}
