//! Reads the reference figures that `tests/golden/statsmodels_reference.py` wrote.

use serde_json::Value;

/// The whole file.
pub fn reference() -> Value {
    serde_json::from_str(include_str!("../data/statsmodels.json")).expect("the reference file is JSON")
}

/// The fits made with the default of statsmodels' SARIMAX, kept beside the time series.
pub fn sarimax_defaults() -> Value {
    serde_json::from_str(include_str!("../data/sarima_reference.json")).expect("the reference file is JSON")
}

/// A list of numbers.
pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

/// One number.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A list of orders.
pub fn orders(value: &Value) -> Vec<usize> {
    numbers(value).iter().map(|x| *x as usize).collect()
}

/// One of the series of the file.
pub fn series(name: &str) -> Vec<f64> {
    numbers(&reference()["data"][name])
}

/// log AirPassengers.
pub fn log_air() -> Vec<f64> {
    series("air").iter().map(|x| x.ln()).collect()
}

/// Asserts |got − want| ≤ tolerance · (1 + |want|), naming the quantity.
#[track_caller]
pub fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * (1.0 + want.abs()), "{what}: {got}, reference {want}");
}

/// The same for lists.
#[track_caller]
pub fn all_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        close(&format!("{what}[{i}]"), *g, *w, tolerance);
    }
}
