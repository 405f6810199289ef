//! The JSON that an example leaves behind, read without trust.
//!
//! An example is a program of its own and may be wrong in any way: the file may be missing, cut off, of another example,
//! or hold a figure that is not finite (JSON has no NaN: serde writes `null`). Each of these is an error that says what
//! was found, and the tour goes on with the next example.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// What one example trained, measured and drew.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// The family's folder.
    pub family: String,
    /// The example's name.
    pub example: String,
    /// One line for the heading.
    pub title: String,
    /// What was trained and on what; what to look at.
    pub about: Vec<String>,
    /// The seed that the run used.
    pub seed: u64,
    /// The instruction set that the kernels chose.
    #[serde(default)]
    pub isa: Option<String>,
    /// The threads that the kernels used.
    #[serde(default)]
    pub threads: Option<usize>,
    /// The figures, the headline first.
    pub results: Vec<Measured>,
    /// Pictures, curves and texts.
    #[serde(default)]
    pub figures: Vec<Figure>,
}

/// One figure with its threshold.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// The name in `results.json`.
    pub metric: String,
    /// `None` when the example wrote `null`.
    pub value: Option<f64>,
    /// Which direction is good.
    pub better: Better,
    /// The value that it must reach.
    pub threshold: Option<f64>,
}

/// Which direction is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// As with an accuracy.
    Higher,
    /// As with an error.
    Lower,
}

/// Something to look at.
#[derive(Clone, Debug, Deserialize)]
pub struct Figure {
    /// Whether `file` or `text` holds it.
    pub kind: Kind,
    /// A file beside the report.
    #[serde(default)]
    pub file: Option<String>,
    /// The text itself.
    #[serde(default)]
    pub text: Option<String>,
    /// What it shows; also the alternative text.
    pub caption: String,
}

/// The kinds of figures that the page can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A raster picture.
    Png,
    /// A drawing.
    Svg,
    /// Plain text, as a model wrote it.
    Text,
}

/// Reads the report of `example` from the folder that the example wrote into.
pub fn read(folder: &Path, family: &str, example: &str, owed: &[&str]) -> Result<Report> {
    let path = folder.join(format!("{family}-{example}.json"));
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the example left no readable report {}", path.display()))?;
    let report: Report = serde_json::from_str(&text).with_context(|| format!("{} is not a report", path.display()))?;
    ensure!(
        report.family == family && report.example == example,
        "{} says that it is {} {}, not {family} {example}",
        path.display(),
        report.family,
        report.example
    );
    for (at, measured) in report.results.iter().enumerate() {
        for (what, value) in [("value", measured.value), ("threshold", measured.threshold)] {
            if !value.is_some_and(f64::is_finite) {
                bail!("{}: its {what} is not a finite number", measured.metric);
            }
        }
        if report.results[..at].iter().any(|earlier| earlier.metric == measured.metric) {
            bail!("{} is reported twice", measured.metric);
        }
    }
    for name in owed {
        ensure!(
            report.results.iter().any(|measured| measured.metric == *name),
            "the promised figure {name} is missing from {}",
            path.display()
        );
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, owed: &[&str]) -> Result<Report> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("gan-toy.json"), text).expect("it is writable");
        read(folder.path(), "gan", "toy", owed)
    }

    fn report(results: &str) -> String {
        format!(
            r#"{{"family": "gan", "example": "toy", "title": "T", "about": ["a", "b"], "seed": 1, "quick": true,
                "seconds": 0.5, "results": [{results}], "figures": [{{"kind": "text", "text": "x", "caption": "c"}}]}}"#
        )
    }

    #[test]
    fn a_whole_report_is_read() {
        let row = r#"{"metric": "m", "value": 1.5, "better": "higher", "threshold": 1}"#;
        let read = read_text(&report(row), &["m"]).expect("a valid report");
        assert_eq!(read.results[0].value, Some(1.5));
        assert_eq!(read.results[0].better, Better::Higher);
        assert_eq!(read.figures[0].kind, Kind::Text);
    }

    #[test]
    fn every_defect_is_named() {
        let row = |value: &str| format!(r#"{{"metric": "m", "value": {value}, "better": "lower", "threshold": 1}}"#);
        let twice = format!("{}, {}", row("1"), row("2"));
        let cases = [
            (report(&row("null")), "m: its value is not a finite number"),
            (report(&twice), "m is reported twice"),
            (report(""), "promised figure m is missing"),
            (report(&row("1")).replace("toy", "doy"), "says that it is gan doy, not gan toy"),
            (report(&row("1"))[..80].to_string(), "is not a report"),
        ];
        for (text, expected) in cases {
            let error = format!("{:#}", read_text(&text, &["m"]).expect_err(expected));
            assert!(error.contains(expected), "{error}");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = read(folder.path(), "gan", "toy", &[]).expect_err("nothing there");
        assert!(error.to_string().contains("left no readable report"), "{error}");
    }
}
