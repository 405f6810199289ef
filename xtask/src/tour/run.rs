//! Runs one showpiece as a program and reads what it leaves.
//!
//! The example's stderr carries its progress; its latest line is handed to the caller, its last lines are kept for the
//! case that the program fails. Its stdout is a summary for a person who runs it alone and goes to a log file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use super::report::{self, Report};
use super::showpieces::{Family, Showpiece};
use super::{Outcome, Visit};

/// How many lines of stderr a failure shows.
const TAIL: usize = 12;

/// The status of an example whose results missed a threshold: what `main` gives for an error.
const MISSED: i32 = 1;

/// How a program ended, and its last lines.
struct End {
    status: ExitStatus,
    tail: String,
}

/// Runs `program` into the fresh folder `out`, and reads its report.
pub fn visit(
    family: &'static Family,
    showpiece: &'static Showpiece,
    program: std::result::Result<&Path, &String>,
    arguments: &[String],
    out: &Path,
    on_line: &mut dyn FnMut(&str),
) -> Visit {
    let start = Instant::now();
    let outcome = match program {
        Err(reason) => Outcome::Failed(reason.clone()),
        Ok(program) => {
            let owed: Vec<&str> = showpiece.metrics.iter().map(|metric| metric.name).collect();
            let report = run(program, arguments, out, on_line)
                .and_then(|end| judge(&end, report::read(out, family.folder, showpiece.example, &owed)));
            match report {
                Ok(report) => Outcome::Done(Box::new(report)),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            }
        }
    };
    Visit { family, showpiece, folder: out.to_path_buf(), seconds: start.elapsed().as_secs_f64(), outcome }
}

/// The report, if the program came to its end: it succeeded, or it wrote of a missed threshold before it said so.
fn judge(end: &End, report: Result<Report>) -> Result<Report> {
    let missed = |report: &Report| report.results.iter().any(|measured| !measured.passed());
    match report {
        report if end.status.success() => report,
        Ok(report) if end.status.code() == Some(MISSED) && missed(&report) => Ok(report),
        _ => anyhow::bail!("the example ended with {}\n{}", end.status, end.tail),
    }
}

/// Runs the program to its end. What an earlier tour left in `out` goes first: a stale report must not pass for a new one.
fn run(program: &Path, arguments: &[String], out: &Path, on_line: &mut dyn FnMut(&str)) -> Result<End> {
    if out.exists() {
        std::fs::remove_dir_all(out).with_context(|| format!("cannot clear {}", out.display()))?;
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let log = File::create(out.join("stdout.log")).context("cannot create the log file")?;
    let mut child = Command::new(program)
        .args(arguments)
        .arg("--out")
        .arg(out)
        // A backtrace would push the message out of the last lines; whoever wants one runs the example alone.
        .env("RUST_BACKTRACE", "0")
        .env("RUST_LIB_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
    let mut tail = VecDeque::new();
    // A reading error ends the lines early; the exit status then still tells how the program ended.
    let _ = each_line(BufReader::new(stderr), &mut |line| {
        on_line(line);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.to_string());
    });
    let status = child.wait().context("waiting for the example")?;
    Ok(End { status, tail: Vec::from(tail).join("\n") })
}

/// Calls `f` with every line that is not blank; a carriage return ends a line too, as in hand-written progress.
fn each_line(reader: impl BufRead, f: &mut dyn FnMut(&str)) -> std::io::Result<()> {
    let mut line = Vec::new();
    for byte in reader.bytes().chain([Ok(b'\n')]) {
        match byte? {
            b'\n' | b'\r' => {
                let text = String::from_utf8_lossy(&line);
                if !text.trim().is_empty() {
                    f(text.trim_end());
                }
                line.clear();
            }
            byte => line.push(byte),
        }
    }
    Ok(())
}

impl Visit {
    /// The report, if the example gave one.
    pub fn report(&self) -> Option<&Report> {
        match &self.outcome {
            Outcome::Done(report) => Some(report),
            Outcome::Failed(_) => None,
        }
    }

    /// Whether it ran and met every threshold.
    pub fn passed(&self) -> bool {
        self.report().is_some_and(|report| report.results.iter().all(|measured| measured.passed()))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::showpieces::FAMILIES;
    use super::*;

    /// Runs a shell script in the place of the LeNet; gives the visit and the lines that it printed.
    fn visit_script(script: &str) -> (Visit, Vec<String>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("lenet");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("it is writable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
        let out = folder.path().join("out");
        std::fs::create_dir(&out).expect("it is writable");
        std::fs::write(out.join("cnn-lenet.json"), REPORT).expect("a stale report");
        let mut lines = Vec::new();
        let visit = visit(
            &FAMILIES[0],
            &FAMILIES[0].showpieces[0],
            Ok(&program),
            &["--seed".into(), "7".into()],
            &out,
            &mut |line| lines.push(line.to_string()),
        );
        (visit, lines)
    }

    const REPORT: &str = r#"{"family": "cnn", "example": "lenet", "title": "T", "about": ["a", "b"], "seed": 7, "quick": true,
        "seconds": 0.5, "results": [{"metric": "lenet_accuracy", "value": 0.99, "better": "higher", "threshold": 0.98},
        {"metric": "lenet_loss", "value": 0.05, "better": "lower", "threshold": 0.1}]}"#;

    #[test]
    fn a_good_example_gives_its_report_and_its_lines() {
        let script = format!(
            "echo summary; printf 'step 1\\rstep 2\\n\\n' >&2; [ \"$1 $2 $3\" = '--seed 7 --out' ] || exit 9
             printf '%s' '{REPORT}' > \"$4/cnn-lenet.json\""
        );
        let (visit, lines) = visit_script(&script);
        assert!(visit.passed(), "{:?}", visit.outcome);
        assert_eq!(lines, ["step 1", "step 2"]);
    }

    #[test]
    fn a_failing_example_shows_its_status_and_its_last_words() {
        let (visit, _) = visit_script("echo 'loss is NaN at step 3' >&2; exit 3");
        let Outcome::Failed(reason) = &visit.outcome else {
            panic!("it must fail");
        };
        assert!(reason.contains("exit status: 3"), "{reason}");
        assert!(reason.contains("loss is NaN at step 3"), "{reason}");
        assert!(!visit.passed());
    }

    #[test]
    fn a_missed_threshold_is_no_failure_but_another_bad_end_is() {
        let ending = |accuracy: &str, status: i32| {
            let report = REPORT.replace("0.99", accuracy);
            visit_script(&format!("printf '%s' '{report}' > \"$4/cnn-lenet.json\"; exit {status}")).0
        };
        let missed = ending("0.5", 1);
        assert!(missed.report().is_some() && !missed.passed(), "{:?}", missed.outcome);
        for (accuracy, status) in [("0.99", 1), ("0.5", 101)] {
            let visit = ending(accuracy, status);
            assert!(matches!(visit.outcome, Outcome::Failed(_)), "{accuracy}, {status}");
        }
    }

    #[test]
    fn a_stale_report_does_not_pass_for_a_new_one() {
        let (visit, _) = visit_script("exit 0");
        let Outcome::Failed(reason) = &visit.outcome else {
            panic!("it must fail");
        };
        assert!(reason.contains("left no readable report"), "{reason}");
    }

    #[test]
    fn a_program_that_was_not_built_fails_with_its_reason() {
        let visit = visit(
            &FAMILIES[0],
            &FAMILIES[0].showpieces[0],
            Err(&"no such example".to_string()),
            &[],
            Path::new("nowhere"),
            &mut |_| (),
        );
        assert!(matches!(&visit.outcome, Outcome::Failed(reason) if reason == "no such example"));
    }
}
