//! Order search: properties of the result, and orders recovered from simulation.

use crate::reference::{log_air, series};
use etude_arima::search::{Criterion, SearchOptions, seasonal_strength, stepwise};
use etude_arima::{Coefficients, Error, Sarima};
use etude_kernels::rng::Rng;

#[test]
fn air_passengers_get_both_differences_and_a_good_model() {
    let options = SearchOptions { period: 12, ..SearchOptions::default() };
    let found = stepwise(&log_air(), &options).expect("a model");
    let model = found.best.model();
    assert_eq!((model.d, model.seasonal.d), (1, 1), "{model}");
    // The airline model is the textbook's answer; the search may only find one at least as good.
    let airline = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).fit(&log_air()).expect("a fit");
    assert!(found.best.aicc() <= airline.aicc() + 1e-6, "{model}: {} against {}", found.best.aicc(), airline.aicc());
    let smallest = found.tried.iter().map(|t| t.1).fold(f64::INFINITY, f64::min);
    assert_eq!(smallest, found.best.aicc());
    let mut models: Vec<String> = found.tried.iter().map(|t| t.0.to_string()).collect();
    let count = models.len();
    models.sort();
    models.dedup();
    assert_eq!(models.len(), count, "a model was tried twice");
}

#[test]
fn orders_of_a_clear_process_are_recovered() {
    let truth = Coefficients { ar: vec![1.3, -0.6], ..Coefficients::default() };
    let mut right = 0;
    for seed in 0..5 {
        let y = Sarima::new(2, 0, 0).simulate(&truth, 0.0, 1.0, 800, &mut Rng::new(seed)).expect("a series");
        let options = SearchOptions { criterion: Criterion::Bic, ..SearchOptions::default() };
        let found = stepwise(&y, &options).expect("a model");
        let m = found.best.model();
        right += usize::from((m.p, m.d, m.q) == (2, 0, 0));
    }
    // BIC is consistent; at this length a stray order is the exception.
    assert!(right >= 4, "{right} of 5");
}

#[test]
fn a_random_walk_needs_one_difference() {
    let mut rng = Rng::new(8);
    let walk: Vec<f64> = (0..300)
        .scan(0.0, |s, _| {
            *s += rng.normal();
            Some(*s)
        })
        .collect();
    let found = stepwise(&walk, &SearchOptions::default()).expect("a model");
    assert_eq!(found.best.model().d, 1, "{}", found.best.model());
}

#[test]
fn seasonal_strength_knows_season_from_noise() {
    assert!(seasonal_strength(&log_air(), 12).expect("long enough") > 0.9);
    assert!(seasonal_strength(&series("nile"), 12).expect("long enough") < 0.5);
    assert!(seasonal_strength(&series("nile"), 1).is_err());
    assert!(seasonal_strength(&series("nile"), usize::MAX).is_err());
}

#[test]
fn refusals() {
    let holed = [1.0, f64::NAN, 2.0, 4.0, 3.0, 3.0, 2.0, 2.0];
    assert!(matches!(stepwise(&holed, &SearchOptions::default()), Err(Error::BadValue { index: 1, .. })));
    let options = SearchOptions { seasonal_d: Some(1), ..SearchOptions::default() };
    assert!(matches!(stepwise(&log_air(), &options), Err(Error::BadArgument { what: "seasonal_d", .. })));
    assert!(stepwise(&[1.0, 2.0], &SearchOptions::default()).is_err());
}
