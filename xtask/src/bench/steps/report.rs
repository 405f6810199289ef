//! The command itself: which workloads there are, a process for each, and what is printed.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use serde_json::Value;

use super::workload::{Timed, Workload};
use super::{StepsArgs, control, language, measure, precision, vision};

/// Every workload.
const WORKLOADS: &[Workload] = &[
    Workload::of_steps("w1", vision::w1),
    Workload::of_steps("w2a", vision::w2a),
    Workload::of_steps("w2b", vision::w2b),
    Workload::of_steps("w3", vision::w3),
    Workload::of_steps("w4", vision::w4),
    Workload::of_steps("w5a", language::w5a),
    Workload::of_steps("w5b", language::w5b),
    Workload::of_steps("w5c", language::w5c),
    Workload::of_steps("w5d", language::w5d),
    Workload::of_steps("w6", language::w6),
    Workload::of_steps("w7p", language::w7p),
    Workload::of_steps("w7d", language::w7d),
    Workload::in_bf16("w7p16", "w7p", language::w7p16),
    Workload::in_bf16("w7d16", "w7d", language::w7d16),
    Workload::of_steps("w8a", language::w8a),
    Workload::of_steps("w8b", language::w8b),
    Workload::of_steps("w9t", vision::w9t),
    Workload::of_steps("w9f", vision::w9f),
    Workload::timed("w10dqn", control::w10dqn, Timed::Dqn(control::run_dqn)),
    Workload::timed("w10ppo", control::w10ppo, Timed::Ppo(control::run_ppo)),
    Workload::of_steps("w11", vision::w11),
    Workload::of_steps("w12", vision::w12),
];

/// Measures, and prints a table or JSON; `false` when a workload failed.
pub fn main(args: &StepsArgs) -> Result<bool> {
    let workloads = chosen(&args.workloads)?;
    if let ([workload], Some("-")) = (&workloads[..], args.json.as_deref()) {
        println!("{}", measure::measure(workload, args.precision)?);
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
    for Workload { name, .. } in workloads {
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
fn chosen(names: &[String]) -> Result<Vec<&'static Workload>> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    let known = || WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(" ");
    let find = |name: &String| {
        let found = WORKLOADS.iter().find(|workload| workload.name == name);
        found.with_context(|| format!("no workload {name}; there are {}", known()))
    };
    names.iter().map(find).collect()
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

/// A line of JSON as a line of the table; a dash where a loop has no such number.
fn table_row(line: &str) -> Result<String> {
    let row: Value = serde_json::from_str(line)?;
    let text = |key: &str| row[key].as_str().unwrap_or("-").to_string();
    let number = |key: &str| row[key].as_f64().map_or("-".into(), |x| x.to_string());
    let (rate, unit) = (number("per_s"), text("unit"));
    Ok(format!(
        "{:<8} {:>10} {:>10} {:>20} {:>8} {:>9}",
        text("workload"),
        number("median_ms"),
        number("min_ms"),
        format!("{rate} {unit}/s"),
        number("rss_mb"),
        number("start_ms")
    ))
}

#[cfg(test)]
mod tests {
    use etude_nn::testing;

    use super::super::workload::Size;
    use super::*;

    #[test]
    fn ten_losses_of_every_twin_are_pytorchs() {
        for workload in WORKLOADS {
            let mut twin = (workload.make)(Size::Twin).expect("the sizes are valid");
            testing::compare_twin(workload.golden, |_| (twin.step)()).expect("the losses are PyTorch's");
        }
    }

    #[test]
    fn an_unknown_workload_is_answered_with_the_known_ones() {
        assert_eq!(chosen(&[]).expect("all").len(), WORKLOADS.len());
        assert_eq!(chosen(&["w12".into(), "w1".into()]).expect("both")[0].name, "w12");
        let Err(error) = chosen(&["w99".into()]) else { panic!("there is no w99") };
        assert!(error.to_string().contains("w99") && error.to_string().contains("w5a"), "{error}");
    }

    #[test]
    fn loops_have_dashes_in_the_table() {
        let line = r#"{"workload":"w10dqn","median_ms":0.02,"unit":"env steps","per_s":50000.0,"rss_mb":7}"#;
        let row = table_row(line).expect("JSON");
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["w10dqn", "0.02", "-", "50000", "env", "steps/s", "7", "-"]
        );
    }
}
