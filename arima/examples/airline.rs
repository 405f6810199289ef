//! The classic of seasonal forecasting: SARIMA(0,1,1)(0,1,1)₁₂ on the logarithms of AirPassengers.
//!
//! `cargo run --release -p etude-arima --example airline -- [--out DIR]`. Maximum likelihood has no randomness, so `--seed`
//! and `--quick` change nothing.

use etude_arima::correlation::{Divisor, acf};
use etude_arima::search::{SearchOptions, stepwise};
use etude_arima::{Covariance, Fit, Forecast, Sarima, log};
use etude_data::example::{Args, Better, Report};
use etude_data::plot::Chart;
use etude_data::series::{Series, air_passengers};

/// Log-likelihood, θ and Θ of the same model by Stata, rounded (as quoted in statsmodels' own tests).
const REFERENCE: [f64; 3] = [244.6965, -0.4018, -0.5569];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "arima", "airline", "A seasonal ARIMA model forecasts airline passengers")?;
    report.about(
        "The model ARIMA(0,1,1)(0,1,1)₁₂ was fitted to the logarithms of 144 monthly passenger counts by exact maximum likelihood.",
        "Look at the forecast of 1961 and 1962, whose season keeps growing with the trend and whose bands widen; below, the last two years are forecast from the first ten and compared with repeating the last known year.",
    );
    let air = air_passengers();
    let y = log(&air.values)?;
    let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&y)?;
    let c = fit.coefficients();
    report.result("airline_loglik_abs_diff", (fit.loglik() - REFERENCE[0]).abs(), Better::Lower, 1e-3);
    report.result("airline_theta_abs_diff", (c.ma[0] - REFERENCE[1]).abs(), Better::Lower, 1e-3);
    report.result("airline_seasonal_theta_abs_diff", (c.seasonal_ma[0] - REFERENCE[2]).abs(), Better::Lower, 1e-3);

    report.figure_svg(
        fan("Airline passengers", &air, y.len(), &fit.forecast(24)?)?.svg()?,
        "forecast.svg",
        "Two years beyond the data: medians with 80 % and 95 % intervals, transformed back from the logarithms.",
    )?;
    hold_out(&air, &y, &mut report)?;
    report.text(
        "model",
        summary(&fit)?,
        "Estimates with their standard errors from the observed information and from the outer product of gradients.",
    );
    residual_correlations(&fit, &mut report)?;

    let found = stepwise(&y, &SearchOptions { period: 12, ..SearchOptions::default() })?;
    let text =
        format!("{} models tried; smallest AICc {:.2}: {}", found.tried.len(), found.best.aicc(), found.best.model());
    report.text("search", text, "Order search: differences by tests, the rest stepwise by AICc.");
    report.finish()?;
    Ok(())
}

/// A chart of the forecast from month `start` on, in passengers: both intervals, the median, and what was observed over it.
fn fan(title: &str, air: &Series, start: usize, forecast: &Forecast) -> anyhow::Result<Chart> {
    let year = |h: usize| air.year(start + h);
    let mut chart = Chart::new(title).x("year").y("thousands a month");
    for (name, level) in [("95 % and 80 % interval", 0.95), ("", 0.80)] {
        let interval = forecast.interval(level)?;
        let edges = interval.lower.iter().zip(&interval.upper).enumerate();
        chart = chart.band(name, edges.map(|(h, (l, u))| (year(h), l.exp(), u.exp())));
    }
    let median = forecast.mean.iter().enumerate().map(|(h, m)| (year(h), m.exp()));
    let known = air.values.iter().enumerate().skip(start - 48).map(|(t, v)| (air.year(t), *v));
    Ok(chart.line("forecast", median).line("observed", known))
}

/// Fits on all but the last two years, forecasts them, and compares with the seasonal naive forecast.
fn hold_out(air: &Series, y: &[f64], report: &mut Report) -> anyhow::Result<()> {
    let (n, held) = (y.len() - 24, &air.values[y.len() - 24..]);
    let fit = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&y[..n])?;
    let forecast = fit.forecast(24)?;
    let model: Vec<f64> = forecast.mean.iter().map(|m| m.exp()).collect();
    let naive: Vec<f64> = (0..24).map(|h| air.values[n - 12 + h % 12]).collect();
    let rmse = |f: &[f64]| (f.iter().zip(held).map(|(f, a)| (f - a).powi(2)).sum::<f64>() / 24.0).sqrt();
    let mape = |f: &[f64]| 100.0 * f.iter().zip(held).map(|(f, a)| ((f - a) / a).abs()).sum::<f64>() / 24.0;
    report.result("airline_holdout_rmse", rmse(&model), Better::Lower, rmse(&naive));
    let points = |list: &[f64]| list.iter().enumerate().map(|(h, v)| (air.year(n + h), *v)).collect::<Vec<_>>();
    let chart = fan("Two years held out", air, n, &forecast)?.dashed("last year again", points(&naive));
    let caption = format!(
        "Forecast from the first ten years: root mean squared error {:.1}, mean absolute error {:.1} %; repeating the last known year: {:.1} and {:.1} %.",
        rmse(&model),
        mape(&model),
        rmse(&naive),
        mape(&naive),
    );
    report.figure_svg(chart.svg()?, "hold-out.svg", caption)?;
    Ok(())
}

fn summary(fit: &Fit) -> anyhow::Result<String> {
    let missing = || anyhow::anyhow!("the information matrix is not positive definite");
    let oim = fit.std_errors(Covariance::ObservedInformation).ok_or_else(missing)?;
    let opg = fit.std_errors(Covariance::OuterProduct).ok_or_else(missing)?;
    let mut lines =
        vec![fit.model().to_string(), format!("{:<16}{:>12}{:>12}{:>12}", "parameter", "estimate", "OIM", "OPG")];
    for ((name, value), (o, g)) in fit.parameter_names().iter().zip(fit.parameter_values()).zip(oim.iter().zip(&opg)) {
        lines.push(format!("{name:<16}{value:>12.6}{o:>12.6}{g:>12.6}"));
    }
    let test = fit.ljung_box(24)?;
    lines.push(format!(
        "log-likelihood {:.5}, AIC {:.3}, BIC {:.3}, n {}",
        fit.loglik(),
        fit.aic(),
        fit.bic(),
        fit.used()
    ));
    lines.push(format!("Ljung–Box over 24 lags: Q {:.2}, p {:.3}", test.statistic, test.p_value));
    Ok(lines.join("\n"))
}

fn residual_correlations(fit: &Fit, report: &mut Report) -> anyhow::Result<()> {
    let residuals: Vec<f64> = fit.standardised_residuals()?.into_iter().filter(|r| !r.is_nan()).collect();
    let rho = acf(&residuals, 36, Divisor::Observations)?;
    // 1.96/√n: the 95 % band of a white series (Bartlett 1946).
    let bound = 1.96 / (residuals.len() as f64).sqrt();
    let chart = Chart::new("Residual autocorrelation")
        .x("lag in months")
        .y("autocorrelation")
        .y_range(-0.4..0.4)
        .band("95 % of white noise", (0..=36).map(|k| (f64::from(k), -bound, bound)))
        .scatter("residuals", rho.iter().enumerate().skip(1).map(|(k, r)| (k as f64, *r)));
    report.figure_svg(
        chart.svg()?,
        "residuals.svg",
        "What the model leaves: almost all autocorrelations lie within the band of white noise.",
    )?;
    Ok(())
}
