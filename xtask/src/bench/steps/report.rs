//! The command itself: which workloads there are, a process for each, and what is printed.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::measure::{self, Row};
use super::workload::Make;
use super::{StepsArgs, language, precision, vision};

/// Every workload.
const WORKLOADS: &[(&str, Make)] = &[
    ("w1", vision::w1),
    ("w2a", vision::w2a),
    ("w2b", vision::w2b),
    ("w3", vision::w3),
    ("w4", vision::w4),
    ("w5a", language::w5a),
    ("w5b", language::w5b),
    ("w5c", language::w5c),
    ("w5d", language::w5d),
    ("w6", language::w6),
    ("w7p", language::w7p),
    ("w7d", language::w7d),
    ("w8a", language::w8a),
    ("w8b", language::w8b),
    ("w9t", vision::w9t),
    ("w9f", vision::w9f),
    ("w11", vision::w11),
    ("w12", vision::w12),
];

/// Measures, and prints a table or JSON; `false` when a workload failed.
pub fn main(args: &StepsArgs) -> Result<bool> {
    let names = chosen(&args.workloads)?;
    if let ([(name, make)], Some("-")) = (&names[..], args.json.as_deref()) {
        println!("{}", serde_json::to_string(&measure::measure(name, *make, args.precision)?)?);
        return Ok(true);
    }
    let mut file = match args.json.as_deref() {
        None | Some("-") => None,
        Some(path) => Some(std::fs::File::create(path).with_context(|| format!("cannot write {path}"))?),
    };
    if args.json.is_none() {
        println!(
            "{:<8} {:>10} {:>10} {:>20} {:>8} {:>9}",
            "workload", "median ms", "min ms", "rate", "MiB", "start ms"
        );
    }
    let mut succeeded = true;
    for (name, _) in names {
        let line = match line_of(name, args) {
            Ok(line) => line,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                succeeded = false;
                continue;
            }
        };
        match (&mut file, args.json.as_deref()) {
            (Some(file), _) => writeln!(file, "{line}")?,
            (None, Some(_)) => println!("{line}"),
            (None, None) => println!("{}", table_row(&line)?),
        }
    }
    Ok(succeeded)
}

/// The workloads of these names, in order; all without a name.
fn chosen(names: &[String]) -> Result<Vec<(&'static str, Make)>> {
    if names.is_empty() {
        return Ok(WORKLOADS.to_vec());
    }
    let find = |name: &String| WORKLOADS.iter().find(|(known, _)| known == name).copied();
    let known = || WORKLOADS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    names.iter().map(|name| find(name).with_context(|| format!("no workload {name}; there are {}", known()))).collect()
}

/// The line that a process of its own prints for this workload.
fn line_of(name: &str, args: &StepsArgs) -> Result<String> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(program)
        .args(["bench", "steps", name, "--json", "-", "--precision", precision::name(args.precision)])
        .env("BENCH_T0", measure::now().to_string())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start this program again")?;
    ensure!(output.status.success(), "{}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next_back() {
        Some(line) if line.starts_with('{') => Ok(line.to_string()),
        _ => bail!("printed no line of JSON"),
    }
}

fn table_row(line: &str) -> Result<String> {
    let row: Row = serde_json::from_str(line)?;
    let rate = format!("{} {}/s", row.per_s, row.unit);
    Ok(format!(
        "{:<8} {:>10.4} {:>10.4} {:>20} {:>8} {:>9.0}",
        row.workload, row.median_ms, row.min_ms, rate, row.rss_mb, row.start_ms
    ))
}
