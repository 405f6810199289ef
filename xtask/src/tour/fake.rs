//! Made-up visits for the tests of the page, the table and the list.

use std::path::PathBuf;

use super::report::{Better, Measured, Report};
use super::showpieces::FAMILIES;
use super::{Outcome, Visit};

/// A LeNet that reached this accuracy; its threshold is a half.
pub fn done(accuracy: f64) -> Visit {
    visit(Outcome::Done(Box::new(Report {
        family: "cnn".into(),
        example: "lenet".into(),
        title: "A network reads digits".into(),
        about: vec!["It was trained.".into(), "Look at it.".into()],
        seed: 7,
        isa: Some("avx512".into()),
        threads: Some(2),
        results: vec![Measured {
            metric: "lenet_accuracy".into(),
            value: Some(accuracy),
            better: Better::Higher,
            threshold: Some(0.5),
        }],
        figures: vec![],
    })))
}

/// A LeNet that failed.
pub fn failed(reason: &str) -> Visit {
    visit(Outcome::Failed(reason.into()))
}

fn visit(outcome: Outcome) -> Visit {
    Visit {
        family: &FAMILIES[0],
        showpiece: &FAMILIES[0].showpieces[0],
        folder: PathBuf::from("nowhere"),
        seconds: 2.0,
        outcome,
    }
}
