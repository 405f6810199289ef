//! The tour in the terminal: a line after each showpiece, a table at the end.

use super::report::Better;
use super::showpieces::Unit;
use super::{Outcome, Visit};
use crate::columns::columns;

/// A value as a reader wants it: four significant digits, shares in per cent, tiny values in scientific notation.
pub fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => format!("{} %", digits(value * 100.0)),
        Unit::Number("") => digits(value),
        Unit::Number(unit) => format!("{} {unit}", digits(value)),
    }
}

/// The threshold with its direction: `≥ 98 %`.
pub fn threshold(threshold: f64, better: Better, unit: Unit) -> String {
    let sign = match better {
        Better::Higher => '≥',
        Better::Lower => '≤',
    };
    let text = match unit {
        Unit::Share => value(threshold, unit),
        Unit::Number(_) => digits(threshold),
    };
    format!("{sign} {text}")
}

fn digits(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || value.fract() == 0.0 && magnitude < 1e6 {
        return format!("{value:.0}");
    }
    if !(1e-3..1e6).contains(&magnitude) {
        return format!("{value:.1e}");
    }
    let before = magnitude.log10().floor() as i32 + 1;
    let text = format!("{value:.*}", (4 - before.max(0)).max(0) as usize);
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    text
}

/// The unit of a metric, if the showpiece has a word for it.
pub fn unit(visit: &Visit, metric: &str) -> Unit {
    let promised = visit.showpiece.metrics.iter().find(|promised| promised.name == metric);
    promised.map_or(Unit::Number(""), |promised| promised.unit)
}

/// One line after a showpiece: its time and its headline.
pub fn line(visit: &Visit) -> String {
    let name = format!("{} {}", visit.family.folder, visit.showpiece.example);
    let outcome = match &visit.outcome {
        Outcome::Failed(reason) => format!("failed: {}", reason.lines().next().unwrap_or_default()),
        Outcome::Done(report) => match report.results.first() {
            None => "done".to_string(),
            Some(first) => {
                let unit = unit(visit, &first.metric);
                format!("{} {}", first.metric, value(first.numbers().0, unit))
            }
        },
    };
    format!("{name:<22} {:>6.1} s  {outcome}", visit.seconds)
}

/// The closing table: one row a figure, one row a failure.
pub fn render(visits: &[Visit]) -> String {
    let mut rows = vec![["family", "example", "metric", "value", "threshold", "", "seconds"].map(String::from)];
    for visit in visits {
        let row = |metric: &str, value: String, threshold: String, mark: &str| {
            let (family, example) = (visit.family.folder.into(), visit.showpiece.example.into());
            let seconds = format!("{:.1}", visit.seconds);
            [family, example, metric.into(), value, threshold, mark.into(), seconds]
        };
        match &visit.outcome {
            Outcome::Failed(_) => rows.push(row("–", "–".into(), "–".into(), "FAILED")),
            Outcome::Done(report) => rows.extend(report.results.iter().map(|measured| {
                let unit = unit(visit, &measured.metric);
                let (got, limit) = measured.numbers();
                let mark = if measured.passed() { "ok" } else { "MISSED" };
                row(&measured.metric, value(got, unit), threshold(limit, measured.better, unit), mark)
            })),
        }
    }
    let mut text = columns(&rows);
    for visit in visits {
        if let Outcome::Failed(reason) = &visit.outcome {
            let (family, example) = (visit.family.folder, visit.showpiece.example);
            text.push_str(&format!("\n{family} {example} failed: {reason}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::fake;

    #[test]
    fn values_read_well_at_every_size() {
        let number = Unit::Number("");
        let cases = [
            (0.9845, Unit::Share, "98.45 %"),
            (1.0, Unit::Share, "100 %"),
            (104.2371, Unit::Number("nats"), "104.2 nats"),
            (24.0, number, "24"),
            (2.214, number, "2.214"),
            (0.0296, number, "0.0296"),
            (3.1e-5, number, "3.1e-5"),
            (123456.7, number, "123457"),
            (-2.5, number, "-2.5"),
            (0.0, number, "0"),
        ];
        for (number, unit, expected) in cases {
            assert_eq!(value(number, unit), expected);
        }
        assert_eq!(threshold(0.98, Better::Higher, Unit::Share), "≥ 98 %");
        assert_eq!(threshold(2.25, Better::Lower, Unit::Number("bits")), "≤ 2.25");
    }

    #[test]
    fn the_table_shows_passes_misses_and_failures() {
        let text = render(&[fake::done(0.99), fake::done(0.1), fake::failed("no such example")]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].contains("lenet_accuracy") && lines[1].contains("ok"), "{text}");
        assert!(lines[2].contains("10 %") && lines[2].contains("MISSED"), "{text}");
        assert!(lines[3].contains("FAILED"), "{text}");
        assert!(text.contains("failed: no such example"), "{text}");
    }
}
