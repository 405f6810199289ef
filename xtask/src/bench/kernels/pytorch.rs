//! PyTorch as a peer: a Python process that runs its own form of each kernel, in turn with ours.
//!
//! The process times its calls itself, so that no pipe stands in a figure; what a call costs in Python does.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::engines::best;
use super::subject::Competitor;

/// Answers for PyTorch: what it is asked, it says itself.
const SCRIPT: &str = include_str!("pytorch.py");

/// The process.
pub struct PyTorch {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl PyTorch {
    /// Starts `python`.
    ///
    /// # Errors
    /// If it cannot be started, or has no PyTorch.
    pub fn start(python: &Path) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            // A worker of OpenMP that wakes on its master's core gets nothing until the master has ceased to look for it:
            // 8 ms for a call of 50 µs, as measured on two cores. Threads with cores of their own are not disturbed.
            .env("OMP_PROC_BIND", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("--python: cannot start {}", python.display()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the process has an output")?);
        let mut pytorch = Self { child, requests, answers };
        // A kernel that nobody has: the answer comes when PyTorch has been imported.
        pytorch.ask(&json!({ "kernel": "", "shape": [], "threads": 1 }))?;
        Ok(pytorch)
    }

    /// Makes the operands of a kernel; who takes part, nobody where PyTorch has no such kernel.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn prepare(&mut self, kernel: &str, shape: &[usize], threads: usize) -> Result<Vec<Competitor>> {
        let answer = self.ask(&json!({ "kernel": kernel, "shape": shape, "threads": threads }))?;
        let competitors = answer.as_array().context("--python: a list of competitors was expected")?;
        // Names live as long as the program: the table's columns are static everywhere else.
        let name = |value: &Value, known: &[&'static str]| known.iter().copied().find(|&known| value == known);
        competitors
            .iter()
            .map(|pair| {
                let engine = name(&pair[0], &["torch", "torch-nhwc"]);
                let dtype = name(&pair[1], &["f32", "bf16"]);
                let (engine, dtype) = engine.zip(dtype).with_context(|| format!("--python: what is {pair}?"))?;
                Ok(Competitor { engine, isa: best().name(), dtype })
            })
            .collect()
    }

    /// How long so many calls of a competitor take.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn seconds(&mut self, competitor: usize, calls: usize) -> Result<f64> {
        let answer = self.ask(&json!({ "competitor": competitor, "calls": calls }))?;
        answer["seconds"].as_f64().context("--python: seconds were expected")
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        let requests = self.requests.as_mut().context("--python: the process was told to end")?;
        // A process that has ended says why on its standard error; the empty answer below is ours.
        let sent = writeln!(requests, "{request}").and_then(|()| requests.flush());
        let mut line = String::new();
        self.answers.read_line(&mut line).context("--python")?;
        ensure!(sent.is_ok() && !line.is_empty(), "--python: PyTorch ended at the request {request}");
        serde_json::from_str(&line).with_context(|| format!("--python: not an answer: {line}"))
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        // Without requests it ends by itself.
        self.requests = None;
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_no_python_is_named() {
        let error = PyTorch::start(Path::new("no-such-python")).err().expect("nothing to start").to_string();
        assert!(error.contains("no-such-python"), "{error}");
        let error = PyTorch::start(Path::new("true")).err().expect("it answers nothing").to_string();
        assert!(error.contains("PyTorch ended"), "{error}");
    }
}
