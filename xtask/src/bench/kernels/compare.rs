//! Rows of an earlier run: stored under `target/bench`, and set against the rows of this one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::rows::{Row, time};
use crate::columns::columns;

/// Writes the rows as one JSON array.
pub fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let mut text = serde_json::to_string_pretty(rows)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Stores the rows under a name in `folder`.
pub fn save(folder: &Path, name: &str, rows: &[Row]) -> Result<()> {
    let path = path(folder, name)?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&path, rows)?;
    println!("{} rows saved in {}", rows.len(), path.display());
    Ok(())
}

/// The rows that were stored under a name.
pub fn load(folder: &Path, name: &str) -> Result<Vec<Row>> {
    let path = path(folder, name)?;
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("--compare: nothing was saved as \"{name}\" ({})", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} does not hold rows of this bench", path.display()))
}

fn path(folder: &Path, name: &str) -> Result<PathBuf> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        bail!("\"{name}\" cannot name stored rows: letters, digits, '-', '_' and '.' can");
    }
    Ok(folder.join(format!("{name}.json")))
}

/// What became of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    /// Old time over new time: above 1 it became faster.
    ratio: f64,
    /// Whether it differs by more than the spreads of both runs together.
    is_beyond_spread: bool,
}

impl Change {
    fn of(old: &Row, new: &Row) -> Self {
        let spread = old.spread + new.spread;
        let difference = (old.seconds - new.seconds).abs() / old.seconds.min(new.seconds);
        Self { ratio: old.seconds / new.seconds, is_beyond_spread: difference > spread }
    }

    fn mark(self) -> &'static str {
        match self {
            Change { is_beyond_spread: false, .. } => "",
            Change { ratio, .. } if ratio > 1.0 => "faster",
            _ => "SLOWER",
        }
    }
}

/// A table of the measurements that both runs have, and their geometric mean.
pub fn table(old: &[Row], new: &[Row]) -> String {
    let mut cells =
        vec![["kernel", "shape", "dtype", "engine", "isa", "threads", "then", "now", "ratio", ""].map(String::from)];
    let mut logarithms = Vec::new();
    for row in new {
        let Some(before) = old.iter().find(|before| before.is_same_measurement(row)) else { continue };
        let change = Change::of(before, row);
        logarithms.push(change.ratio.ln());
        cells.push([
            row.kernel.clone(),
            row.sizes(),
            row.dtype.clone(),
            row.engine.clone(),
            row.isa.clone(),
            row.threads.to_string(),
            time(before.seconds),
            time(row.seconds),
            format!("{:.2}", change.ratio),
            change.mark().into(),
        ]);
    }
    let count = logarithms.len();
    let mean = (logarithms.iter().sum::<f64>() / count.max(1) as f64).exp();
    let rest = new.len() - count;
    let mut text = columns(&cells);
    text.push_str(&format!("{count} rows compared, geometric mean {mean:.3} (above 1: faster now); {rest} are new\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::row;
    use super::*;

    #[test]
    fn a_change_counts_when_it_exceeds_the_spreads() {
        let change = |then: f64, spread: f64, now: f64| {
            Change::of(&row("etude", "avx2", 1, then, spread), &row("etude", "avx2", 1, now, 0.05)).mark()
        };
        assert_eq!(change(1.0, 0.0, 1.04), "", "within the new run's spread");
        assert_eq!(change(1.0, 0.3, 1.32), "", "within both spreads");
        assert_eq!(change(1.0, 0.1, 1.2), "SLOWER");
        assert_eq!(change(1.2, 0.1, 1.0), "faster");
    }

    #[test]
    fn only_equal_measurements_meet() {
        let old = [row("etude", "avx2", 1, 2.0, 0.0), row("faer", "avx2", 1, 4.0, 0.0)];
        let new =
            [row("etude", "avx2", 1, 1.0, 0.0), row("etude", "avx2", 2, 1.0, 0.0), row("faer", "avx2", 1, 8.0, 0.0)];
        let table = table(&old, &new);
        assert!(table.contains("2 rows compared, geometric mean 1.000") && table.contains("1 are new"), "{table}");
    }

    #[test]
    fn rows_survive_the_file_but_for_the_page_s_words() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rows = [Row {
            max_error: Some(1e-7),
            note: String::new(),
            group: String::new(),
            ..row("etude", "avx2", 1, 2e-6, 0.125)
        }];
        save(folder.path(), "before", &rows).expect("saved");
        assert_eq!(load(folder.path(), "before").expect("loaded"), rows);
        let missing = load(folder.path(), "other").expect_err("nothing there").to_string();
        assert!(missing.contains("\"other\""), "{missing}");
        for name in ["", "../x", "a/b", ".x"] {
            assert!(save(folder.path(), name, &rows).is_err(), "{name}");
        }
    }
}
