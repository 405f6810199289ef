//! Measures one workload in this process: the checks against PyTorch, the timing loop, memory and start.
//!
//! The loop is that of the PyTorch programs: one step, three to warm up, then steps until the time is spent.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use etude_kernels::par;
use etude_nn::testing::{self, agrees, golden};
use serde::{Deserialize, Serialize};

use super::workload::{Job, Make, Size};
use super::{Precision, precision};

/// Steps between the first and the timed ones.
const WARM_UP: usize = 3;

/// At least so many steps are timed.
const LEAST: usize = 5;

/// A workload's line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Whose program this is.
    pub peer: String,
    /// As in w1.
    pub workload: String,
    /// How matrix products were computed.
    pub precision: String,
    /// Milliseconds of a step.
    pub median_ms: f64,
    /// The fastest.
    pub min_ms: f64,
    /// How many were timed.
    pub steps: usize,
    /// What `per_s` counts.
    pub unit: String,
    /// Units a second, by the median.
    pub per_s: f64,
    /// Trainable elements.
    pub params: usize,
    /// The loss of the first step.
    pub loss_first: f64,
    /// The loss of the last.
    pub loss_last: f64,
    /// Peak resident memory in MiB.
    pub rss_mb: u64,
    /// Milliseconds from the start of the process to the end of the first step.
    pub start_ms: f64,
    /// Threads that the kernels used.
    pub threads: usize,
}

/// Measures a workload, or says in which loss it differs from PyTorch.
pub fn measure(workload: &str, make: Make, accuracy: Precision) -> Result<Row> {
    let begin = setting("BENCH_T0", now())?;
    let threads = setting("BENCH_THREADS", 2)?;
    ensure!(threads > 0, "BENCH_THREADS=0: expected at least 1");
    par::with_threads(threads, || {
        let row = precision::with(accuracy, || timed(workload, make(Size::Full)?, begin))?;
        let row = Row { precision: precision::name(accuracy).into(), threads, ..row };
        // Last, so that its memory and its time are not the workload's; an error here still keeps the times back.
        let mut twin = make(Size::Twin)?;
        testing::compare_twin(workload, |_| (twin.step)()).map_err(anyhow::Error::msg)?;
        Ok(row)
    })
}

fn timed(workload: &str, mut job: Job, begin: f64) -> Result<Row> {
    let first = (job.step)();
    let start = now() - begin;
    let golden = golden(workload).with_context(|| format!("{workload} has no golden losses"))?;
    ensure!(
        agrees(first, golden.first, golden.scale),
        "{workload}: the first loss is {first}, PyTorch's is {}: not timed",
        golden.first
    );
    ensure!(job.params == golden.params, "{workload}: {} parameters, PyTorch's {}", job.params, golden.params);
    (0..WARM_UP).for_each(|_| {
        (job.step)();
    });
    let (mut times, last) = sample(&mut job)?;
    times.sort_by(f64::total_cmp);
    let median = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0;
    Ok(Row {
        peer: "etude".into(),
        workload: workload.into(),
        precision: String::new(),
        median_ms: rounded(median * 1e3, 4),
        min_ms: rounded(times[0] * 1e3, 4),
        steps: times.len(),
        unit: job.unit.into(),
        per_s: rounded(job.items as f64 / median, 1),
        params: job.params,
        loss_first: rounded(first, 4),
        loss_last: rounded(last, 4),
        rss_mb: peak_rss_mb()?,
        start_ms: rounded(start * 1e3, 1),
        threads: 0,
    })
}

/// Seconds of each step, and the last loss.
fn sample(job: &mut Job) -> Result<(Vec<f64>, f64)> {
    let (budget, most) = (setting("BENCH_SECONDS", 5.0)?, setting("BENCH_MAX_STEPS", 20_000)?);
    let (mut times, mut last) = (Vec::new(), 0.0);
    let begin = Instant::now();
    while (begin.elapsed().as_secs_f64() < budget || times.len() < LEAST) && times.len() < most.max(1) {
        let start = Instant::now();
        last = (job.step)();
        times.push(start.elapsed().as_secs_f64());
    }
    Ok((times, last))
}

/// A number from the environment.
pub fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().with_context(|| format!("{name}={text}: expected a number")),
        Err(_) => Ok(default),
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The high-water mark of resident memory.
pub fn peak_rss_mb() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("/proc/self/status has no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).context("VmHWM is not a number")?;
    Ok(kib / 1024)
}

/// To so many decimals.
pub fn rounded(x: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    (x * unit).round() / unit
}
