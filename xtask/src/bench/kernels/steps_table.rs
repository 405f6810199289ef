//! Whole steps of ours and of other libraries, side by side, for the page.
//!
//! The lines are those of `bench steps --json` and of any program that prints the same keys for the same workloads: the
//! numbers of one run on one machine, or the ratios mean nothing.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::page::{distinct, plural};

/// One workload by one library.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// `etude`, or a peer and its variant.
    peer: String,
    workload: String,
    /// `f32`, `high`, `bf16`; other libraries may have variants of their own.
    #[serde(default)]
    precision: Option<String>,
    /// Absent where the library cannot do it.
    #[serde(default)]
    median_ms: Option<f64>,
    /// Peak of the resident memory.
    #[serde(default)]
    rss_mb: Option<f64>,
    /// 2 where the line does not say.
    #[serde(default = "two", deserialize_with = "number_or_text")]
    threads: usize,
}

fn two() -> usize {
    2
}

/// Some programs print the number as they found it in the environment.
fn number_or_text<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Threads {
        Number(usize),
        Text(String),
    }
    match Threads::deserialize(from)? {
        Threads::Number(n) => Ok(n),
        Threads::Text(text) => text.parse().map_err(Error::custom),
    }
}

/// The lines of a file.
pub fn read(path: &Path) -> Result<Vec<Step>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--steps: cannot read {}", path.display()))?;
    let parse = |(i, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("--steps: {}, line {}", path.display(), i + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// A table for each number of threads: milliseconds, the ratio to the fastest other library at f32, and peak memory.
pub fn table(steps: &[Step]) -> String {
    let mut text = String::new();
    for threads in distinct(steps.iter().map(|step| step.threads)) {
        let of_threads: Vec<&Step> = steps.iter().filter(|step| step.threads == threads).collect();
        let columns = distinct(of_threads.iter().map(|step| column(step)));
        let heads = columns.join(" | ");
        let rule = "---|".repeat(columns.len() + 2);
        let plural = plural(threads);
        write!(
            text,
            "\n## whole steps, {plural}: ms (peak MiB)\n\n| workload | {heads} | best peer / étude |\n|{rule}\n"
        )
        .expect("a string takes everything");
        let mut ratios = Vec::new();
        for workload in distinct(of_threads.iter().map(|step| step.workload.as_str())) {
            let line: Vec<&Step> = of_threads.iter().copied().filter(|step| step.workload == workload).collect();
            let cells: Vec<String> = columns.iter().map(|head| cell(&line, head)).collect();
            let ratio = ratio(&line);
            ratios.extend(ratio);
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            writeln!(text, "| {workload} | {} | {ratio} |", cells.join(" | ")).expect("a string takes everything");
        }
        if !ratios.is_empty() {
            let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
            write!(text, "\nGeometric mean of the ratios: {mean:.2} over {} workloads.\n", ratios.len())
                .expect("a string takes everything");
        }
    }
    text
}

/// The column of a step.
fn column(step: &Step) -> String {
    match step.precision.as_deref() {
        Some(precision) if step.peer.starts_with("etude") => format!("étude {precision}"),
        _ => step.peer.clone(),
    }
}

fn cell(line: &[&Step], head: &str) -> String {
    let Some(step) = line.iter().find(|step| column(step) == head) else { return String::new() };
    let memory = step.rss_mb.map_or_else(String::new, |mib| format!(" ({mib:.0})"));
    step.median_ms.map_or_else(|| "fails".into(), |ms| format!("{}{memory}", significant(ms)))
}

/// Three digits.
fn significant(value: f64) -> String {
    let decimals = (2 - value.max(1e-9).log10().floor() as i32).clamp(0, 6);
    format!("{value:.0$}", decimals as usize)
}

/// The fastest other library's time over ours at f32. Variants of PyTorch that compute in bf16 do not count.
fn ratio(line: &[&Step]) -> Option<f64> {
    let is_ours = |step: &&&Step| step.peer.starts_with("etude");
    let ours = line.iter().find(|step| is_ours(step) && step.precision.as_deref() == Some("f32"))?.median_ms?;
    let is_f32 = |step: &&&Step| !["torch-medium", "torch-autocast"].contains(&step.peer.as_str());
    let others = line.iter().filter(|step| !is_ours(step)).filter(is_f32).filter_map(|step| step.median_ms);
    others.min_by(f64::total_cmp).map(|best| best / ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(lines: &str) -> Vec<Step> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), lines).expect("written");
        read(file.path()).expect("lines of JSON")
    }

    #[test]
    fn a_table_has_a_column_for_each_library_and_the_ratio_to_the_best() {
        let table = table(&steps(
            r#"{"peer":"etude","workload":"w1","precision":"f32","median_ms":2.0,"rss_mb":19,"threads":2}
{"peer":"torch-eager","workload":"w1","median_ms":5.0,"rss_mb":700,"threads":2}
{"peer":"torch-autocast","workload":"w1","median_ms":1.0,"threads":2}
{"peer":"candle","workload":"w1","median_ms":8.0,"threads":"2"}

{"peer":"etude","workload":"w9f","precision":"f32","median_ms":0.00523,"threads":2}
{"peer":"torch-eager","workload":"w9f","error":"timeout"}
{"peer":"etude","workload":"w1","precision":"f32","median_ms":3.0,"threads":1}"#,
        ));
        for part in [
            "## whole steps, 2 threads: ms (peak MiB)\n\n| workload | étude f32 | torch-eager | torch-autocast | candle | best peer / étude |\n|---|---|---|---|---|---|\n",
            "| w1 | 2.00 (19) | 5.00 (700) | 1.00 | 8.00 | 2.50 |\n",
            "| w9f | 0.00523 | fails |  |  |  |\n",
            "Geometric mean of the ratios: 2.50 over 1 workloads.",
            "## whole steps, 1 thread: ms (peak MiB)\n\n| workload | étude f32 | best peer / étude |\n|---|---|---|\n| w1 | 3.00 |  |\n",
        ] {
            assert!(table.contains(part), "{part:?} is missing in\n{table}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "{\"peer\":\"a\",\"workload\":\"w1\"}\nnonsense").expect("written");
        let error = format!("{:#}", read(file.path()).expect_err("no JSON"));
        assert!(error.contains("line 2"), "{error}");
        assert!(table(&[]).is_empty());
    }
}
