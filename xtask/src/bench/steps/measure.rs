//! Measures one workload in this process: the checks against PyTorch, the timing loop, memory and start.
//!
//! The loop is that of the PyTorch programs: one step, three to warm up, then steps until the time is spent.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use etude_kernels::par;
use etude_nn::testing::{self, agrees, golden};
use serde::Serialize;

use super::control::Run;
use super::workload::{Job, Size, Timed, Workload};
use super::{Precision, precision};

/// Steps between the first and the timed ones.
const WARM_UP: usize = 3;

/// At least so many steps are timed.
const LEAST: usize = 5;

/// A workload's line of JSON; what a kind of workload lacks is left out.
#[derive(Clone, Debug, Serialize)]
struct Row {
    peer: &'static str,
    workload: &'static str,
    precision: &'static str,
    /// Milliseconds of a step.
    median_ms: f64,
    /// What `per_s` counts.
    unit: &'static str,
    /// Units a second, by the median.
    per_s: f64,
    /// Trainable elements.
    params: usize,
    #[serde(flatten)]
    rest: Rest,
    /// Peak resident memory in MiB.
    rss_mb: u64,
    /// Threads that the kernels used.
    threads: usize,
}

/// What differs between steps and loops.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Rest {
    /// Of steps, with the fastest, their number, the first and the last loss, and the time from the start of the process to
    /// the end of the first step.
    Steps { min_ms: f64, steps: usize, loss_first: f64, loss_last: f64, start_ms: f64 },
    /// Of DQN's loop.
    Dqn { seed: u64, return_last20: f64, wall_s: f64 },
    /// Of PPO's loop.
    Ppo { seed: u64, env_steps: usize, solved_s: Option<f64>, return_last100: f64, wall_s: f64 },
}

/// Measures a workload and gives its line of JSON, or says in which loss it differs from PyTorch.
pub fn measure(workload: &Workload, accuracy: Precision) -> Result<String> {
    let begin = setting("BENCH_T0", now())?;
    let threads = setting("BENCH_THREADS", 2)?;
    ensure!(threads > 0, "BENCH_THREADS=0: expected at least 1");
    par::with_threads(threads, || {
        let row = precision::with(accuracy, || {
            let mut job = (workload.make)(Size::Full)?;
            let first = (job.step)();
            let start = now() - begin;
            let reached = workload.accuracy.unwrap_or(accuracy);
            check(workload, &job, first, reached)?;
            match workload.timed {
                Timed::Step => step_row(job, first, start),
                Timed::Dqn(run) => loop_row(job.params, run, |run, seed| Rest::Dqn {
                    seed,
                    return_last20: rounded(run.last_return, 1),
                    wall_s: rounded(run.seconds, 3),
                }),
                Timed::Ppo(run) => loop_row(job.params, run, |run, seed| Rest::Ppo {
                    seed,
                    env_steps: run.steps,
                    solved_s: run.solved.map(|s| rounded(s, 2)),
                    return_last100: rounded(run.last_return, 1),
                    wall_s: rounded(run.seconds, 3),
                }),
            }
        })?;
        // Last, so that its memory and its time are not the workload's; an error here still keeps the times back.
        let mut twin = (workload.make)(Size::Twin)?;
        testing::compare_twin(workload.golden, |_| (twin.step)()).map_err(anyhow::Error::msg)?;
        let precision = precision::name(workload.accuracy.unwrap_or(accuracy));
        let row = Row { workload: workload.name, precision, threads, ..row };
        Ok(serde_json::to_string(&row)?)
    })
}

/// Compares the first loss and the number of parameters at full size with PyTorch's.
fn check(workload: &Workload, job: &Job, first: f64, accuracy: Precision) -> Result<()> {
    let Workload { name: workload, golden: name, .. } = workload;
    let golden = golden(name).with_context(|| format!("{name} has no golden losses"))?;
    // Operands of 8 bits cannot give the loss of f32 to 1e-4; twice 2⁻⁷ they must.
    let scale = if accuracy == Precision::Bf16 { 156.0 * golden.scale } else { golden.scale };
    ensure!(
        agrees(first, golden.first, scale),
        "{workload}: the first loss is {first}, PyTorch's is {}: not timed",
        golden.first
    );
    ensure!(job.params == golden.params, "{workload}: {} parameters, PyTorch's {}", job.params, golden.params);
    Ok(())
}

/// Times steps after the first one.
fn step_row(mut job: Job, first: f64, start: f64) -> Result<Row> {
    (0..WARM_UP).for_each(|_| {
        (job.step)();
    });
    let (mut times, last) = sample(&mut job)?;
    times.sort_by(f64::total_cmp);
    let median = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0;
    let rest = Rest::Steps {
        min_ms: rounded(times[0] * 1e3, 4),
        steps: times.len(),
        loss_first: rounded(first, 4),
        loss_last: rounded(last, 4),
        start_ms: rounded(start * 1e3, 1),
    };
    row(median, job.items as f64 / median, job.unit, job.params, rest)
}

/// Runs a whole loop.
fn loop_row(params: usize, run: fn(u64) -> Result<Run>, rest: impl FnOnce(&Run, u64) -> Rest) -> Result<Row> {
    let seed = setting("BENCH_SEED", 1)?;
    let run = run(seed)?;
    let step = run.seconds / run.steps as f64;
    row(step, step.recip(), "env steps", params, rest(&run, seed))
}

/// A row whose workload, precision and threads are still to be set.
fn row(seconds: f64, per_s: f64, unit: &'static str, params: usize, rest: Rest) -> Result<Row> {
    Ok(Row {
        peer: "etude",
        workload: "",
        precision: "",
        median_ms: rounded(seconds * 1e3, 4),
        unit,
        per_s: rounded(per_s, 1),
        params,
        rest,
        rss_mb: peak_rss_mb()?,
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
fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
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
fn peak_rss_mb() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("/proc/self/status has no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).context("VmHWM is not a number")?;
    Ok(kib / 1024)
}

/// To so many decimals.
fn rounded(x: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    (x * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_keys_of_the_other_libraries_programs() {
        let rest = Rest::Steps { min_ms: 1.0, steps: 5, loss_first: 2.0, loss_last: 1.0, start_ms: 3.0 };
        let row = row(0.00123456, 128.0 / 0.00123456, "samples", 7, rest).expect("/proc is mounted");
        let line: serde_json::Value = serde_json::to_value(&row).expect("numbers and text");
        let keys =
            "peer workload precision median_ms min_ms steps unit per_s params loss_first loss_last rss_mb start_ms";
        for key in keys.split(' ').chain(["threads"]) {
            assert!(line.get(key).is_some(), "no {key} in {line}");
        }
        assert_eq!((line["median_ms"].as_f64(), line["per_s"].as_f64()), (Some(1.2346), Some(103680.7)));
    }

    #[test]
    fn a_setting_that_is_no_number_is_named() {
        assert_eq!(setting("NOBODY_SETS_THIS", 3).expect("the default"), 3);
        // PATH is set everywhere, and no number.
        let error = setting("PATH", 3).expect_err("no number");
        assert!(error.to_string().starts_with("PATH="), "{error}");
    }
}
