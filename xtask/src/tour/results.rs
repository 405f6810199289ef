//! `results.json`: every figure of the tour as one flat list, for programs.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::report::{Better, Measured};
use super::{Outcome, Visit};

/// One row of the list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    family: &'a str,
    metric: &'a str,
    value: f64,
    example: &'a str,
    better: &'static str,
    threshold: f64,
    seconds: f64,
    seed: u64,
}

impl Better {
    /// The word in `results.json`.
    pub fn word(self) -> &'static str {
        match self {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }
}

impl Measured {
    /// The value and the threshold, which `report::read` has found to be finite.
    pub fn numbers(&self) -> (f64, f64) {
        (self.value.unwrap_or(f64::NAN), self.threshold.unwrap_or(f64::NAN))
    }

    /// Whether the value is at least as good as its threshold; NaN is not.
    pub fn passed(&self) -> bool {
        let (value, threshold) = self.numbers();
        match self.better {
            Better::Higher => value >= threshold,
            Better::Lower => value <= threshold,
        }
    }
}

/// Writes the rows of all examples that succeeded.
pub fn write(path: &Path, visits: &[Visit]) -> Result<()> {
    let rows: Vec<Row> = visits
        .iter()
        .filter_map(|visit| match &visit.outcome {
            Outcome::Done(report) => Some((visit, report)),
            Outcome::Failed(_) => None,
        })
        .flat_map(|(visit, report)| {
            report.results.iter().map(move |measured| {
                let (value, threshold) = measured.numbers();
                Row {
                    family: visit.family.folder,
                    metric: &measured.metric,
                    value,
                    example: visit.showpiece.example,
                    better: measured.better.word(),
                    threshold,
                    seconds: visit.seconds,
                    seed: report.seed,
                }
            })
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&rows).context("results.json")?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::fake;

    #[test]
    fn rows_have_exactly_the_promised_fields_and_failures_have_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("results.json");
        write(&path, &[fake::done(0.5), fake::failed("boom")]).expect("it is writable");
        let text = std::fs::read_to_string(&path).expect("just written");
        let rows: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&text).expect("a list of objects");
        assert_eq!(rows.len(), 1);
        let mut keys: Vec<_> = rows[0].keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["better", "example", "family", "metric", "seconds", "seed", "threshold", "value"]);
        assert_eq!(rows[0]["family"], "cnn");
        assert_eq!(rows[0]["better"], "higher");
        assert_eq!(rows[0]["value"], 0.5);
    }

    #[test]
    fn a_threshold_is_met_by_equality_and_never_by_nan() {
        let measured =
            |value, better| Measured { metric: String::new(), value: Some(value), better, threshold: Some(0.5) };
        for (value, higher, lower) in [(0.4, false, true), (0.5, true, true), (0.6, true, false)] {
            assert_eq!(measured(value, Better::Higher).passed(), higher);
            assert_eq!(measured(value, Better::Lower).passed(), lower);
        }
        assert!(!measured(f64::NAN, Better::Higher).passed());
        assert!(!measured(f64::NAN, Better::Lower).passed());
    }
}
