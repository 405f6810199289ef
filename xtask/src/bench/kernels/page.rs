//! The page of a run: `BENCHMARKS.md`.
//!
//! The machine, its roofline, then a table for each group of kernels and each number of threads, with a column for every
//! engine on every instruction set. The best of a line is bold.

use std::fmt::Write;

use super::roofline::{Roofline, size};
use super::rows::Row;

/// Where and when the rows were measured.
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// The processor's features, as detected.
    pub features: Vec<&'static str>,
    /// The operating system.
    pub system: String,
    /// The compiler.
    pub compiler: String,
    /// Days since 1 January 1970.
    pub days: u64,
    /// The commit.
    pub commit: String,
}

const INTRODUCTION: &str = "# Benchmarks

Written by `cargo xtask bench --page`; do not edit. Every figure is the median of interleaved runs: the engines take turns,
so that whatever disturbs the machine meets all of them. In brackets is the share of what bounds the kernel in the same run:
the multiply-adds of its instruction set, or the memory traffic that it cannot avoid at the bandwidth of its working set,
whichever takes longer. The errors are those of our best instruction set against f64: relative to Σ|a||b| for a product,
to the largest result elsewhere.
";

/// Groups whose figures are GB/s; the others' are GFLOP/s.
const BY_TRAFFIC: [&str; 6] = ["elementwise", "softmax", "norm", "optim", "reduce", "copy"];

/// The page; `steps` is the table of whole steps, which may be empty.
pub fn text(machine: &Machine, rooflines: &[Roofline], steps: &str, rows: &[Row]) -> String {
    let mut text = String::from(INTRODUCTION);
    let Machine { processor, cores, system, compiler, commit, .. } = machine;
    let (date, features) = (date(machine.days), machine.features.join(" "));
    let mut add = |part: String| text.push_str(&part);
    add(format!("\n* processor: {processor}, {cores} cores, {system}; features: {features}\n"));
    add(format!("* {compiler}; commit {commit}; {date}\n"));
    add(roofline_table(rooflines));
    add(steps.to_string());
    for group in distinct(rows.iter().map(|row| row.group.as_str())) {
        for threads in distinct(rows.iter().map(|row| row.threads)) {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group && row.threads == threads).collect();
            add(table(group, threads, &rows));
        }
    }
    text
}

/// The values in the order of their first appearance.
pub fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// A number of threads in words.
pub fn plural(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

fn roofline_table(rooflines: &[Roofline]) -> String {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: String, value: String| match lines.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) => values.push(value),
        None => lines.push((name, vec![value])),
    };
    for roofline in rooflines {
        for peak in &roofline.peaks {
            let value = format!("{:.0} ({:.0}) GFLOP/s", peak.registers, peak.fed);
            add(format!("f32 multiply-adds, {} (with a micro-kernel's loads)", peak.isa), value);
        }
        if let Some(tiles) = roofline.tiles {
            add("bf16 products of the tile unit, with its loads".into(), format!("{tiles:.0} GFLOP/s"));
        }
        for level in &roofline.memory {
            let value = format!("{:.0} / {:.0} / {:.0} GB/s", level.read, level.copy, level.update);
            add(format!("read / copy / update in place, {} touched", size(level.bytes)), value);
        }
    }
    let heads: Vec<String> = rooflines.iter().map(|roofline| plural(roofline.threads)).collect();
    let mut text =
        format!("\n## The machine's limits\n\n| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (name, values) in lines {
        text.push_str(&format!("| {name} | {} |\n", values.join(" | ")));
    }
    text
}

/// One table: a line for each kernel on each shape.
fn table(group: &str, threads: usize, rows: &[&Row]) -> String {
    let mut text = String::new();
    let engines = distinct(rows.iter().map(|row| head(row)));
    let by_traffic = BY_TRAFFIC.contains(&group);
    let unit = if by_traffic { "GB/s" } else { "GFLOP/s" };
    let heads = engines.join(" | ");
    let rule = "---|".repeat(engines.len() + 3);
    let plural = plural(threads);
    write!(text, "\n## {group}, {plural}: {unit}\n\n| kernel | shape | {heads} | max error |\n|{rule}\n")
        .expect("a string takes everything");
    for (kernel, shape) in distinct(rows.iter().map(|row| (&row.kernel, &row.shape))) {
        let line: Vec<&&Row> = rows.iter().filter(|row| row.kernel == *kernel && row.shape == *shape).collect();
        let best = line.iter().map(|row| row.seconds).fold(f64::INFINITY, f64::min);
        let cell = |engine: &String| {
            let Some(row) = line.iter().find(|row| head(row) == *engine) else { return String::new() };
            let rate = if by_traffic { row.gbps } else { row.gflops };
            let mark = if row.seconds == best && line.len() > 1 { "**" } else { "" };
            format!("{mark}{}{mark} ({:.2})", digits(rate), row.fraction)
        };
        let cells: Vec<String> = engines.iter().map(cell).collect();
        let ours = line.iter().rev().find(|row| row.engine == "etude" && row.dtype == "f32");
        let error = ours.and_then(|row| row.max_error).map_or_else(String::new, |error| format!("{error:.1e}"));
        let name = if line[0].note.is_empty() { String::new() } else { format!(" {}", line[0].note) };
        let sizes = line[0].sizes();
        writeln!(text, "| {kernel} | {sizes}{name} | {} | {error} |", cells.join(" | "))
            .expect("a string takes everything");
    }
    text
}

/// The column of a row.
fn head(row: &Row) -> String {
    match (row.engine.as_str(), row.dtype.as_str()) {
        ("etude", "f32") => format!("étude {}", row.isa),
        ("etude", dtype) => format!("étude {dtype}"),
        (peer, "f32") => peer.to_string(),
        (peer, dtype) => format!("{peer} {dtype}"),
    }
}

/// Three digits, more for large numbers.
fn digits(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// The calendar date (Gregorian) of a day since 1 January 1970.
fn date(days: u64) -> String {
    // Counted from 1 March of the year 0, so that a leap day is a year's last: 400 years have 146 097 days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31, … days: 153 in every five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (400 * era + year, month + 3) } else { (400 * era + year + 1, month - 9) };
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::super::roofline::tests::machine as limits;
    use super::super::rows::tests::row;
    use super::*;

    #[test]
    fn dates_of_known_days() {
        // Days counted by hand: 30 years with 7 leap days to 2000, 59 days to its 29 February.
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(30 * 365 + 7), "2000-01-01");
        assert_eq!(date(30 * 365 + 7 + 59), "2000-02-29");
        assert_eq!(date(30 * 365 + 7 + 60), "2000-03-01");
        assert_eq!(date(31 * 365 + 8 - 1), "2000-12-31");
    }

    #[test]
    fn the_page_names_the_machine_and_has_a_table_for_each_group_and_number_of_threads() {
        let machine = Machine {
            processor: "A CPU".into(),
            cores: 2,
            features: vec!["avx2", "fma"],
            system: "linux".into(),
            compiler: "rustc 1.95.0".into(),
            days: 0,
            commit: "abc".into(),
        };
        let rows = [
            row("etude", "avx2", 1, 1e-3, 0.0),
            row("faer", "avx512", 1, 2e-3, 0.0),
            row("etude", "avx2", 2, 1e-3, 0.0),
            Row { kernel: "exp".into(), group: "elementwise".into(), ..row("etude", "avx2", 1, 1e-3, 0.0) },
        ];
        let page = text(&machine, &[limits(1), limits(2)], "\n## Steps\n", &rows);
        for part in [
            "A CPU, 2 cores, linux; features: avx2 fma",
            "commit abc; 1970-01-01",
            "\n## Steps\n",
            "| bf16 products of the tile unit, with its loads | 2400 GFLOP/s | 2400 GFLOP/s |",
            "| read / copy / update in place, 1 KiB touched | 400 / 200 / 300 GB/s |",
            "## gemm, 1 thread: GFLOP/s\n\n| kernel | shape | étude avx2 | faer | max error |\n|---|---|---|---|---|",
            "| gemm | 64×32×16 a note | **0.07** (0.25) | 0.03 (0.25) |  |",
            "## gemm, 2 threads: GFLOP/s",
            "## elementwise, 1 thread: GB/s",
        ] {
            assert!(page.contains(part), "{part:?} is missing in\n{page}");
        }
    }
}
