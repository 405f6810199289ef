//! `cargo xtask bench steps`: whole training and inference steps, as programs of other libraries measure them.
//!
//! The workloads have the shapes, the parameter counts and the mathematics of their PyTorch programs, and each prints one
//! line of JSON. Before a time counts, the first loss at full size and ten losses of a narrow twin must be PyTorch's.
//!
//! Invariant: a workload has a process to itself, so that peak memory and the start are its own. Asked for several, the
//! program starts itself once for each.
//!
//! The environment may say BENCH_SECONDS (time for the steps of a workload, 5), BENCH_THREADS (2), BENCH_SEED (1),
//! BENCH_MAX_STEPS (20000) and BENCH_T0 (when the process was started, in seconds since 1970).

#[cfg(feature = "bench")]
mod control;
#[cfg(feature = "bench")]
mod language;
#[cfg(feature = "bench")]
mod measure;
#[cfg(feature = "bench")]
mod precision;
#[cfg(feature = "bench")]
mod report;
#[cfg(feature = "bench")]
mod vision;
#[cfg(feature = "bench")]
mod workload;

/// Which workloads to measure, and how.
#[derive(clap::Args, Debug)]
pub struct StepsArgs {
    /// Workloads, as in w1 w5a [default: all]
    workloads: Vec<String>,
    /// Write one line of JSON a workload to this file, or to the standard output for -
    #[arg(long, value_name = "FILE|-")]
    json: Option<String>,
    /// How matrix products are computed
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
}

/// How matrix products are computed.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// In f32
    F32,
    /// In three products of bf16 parts, nearly as exact
    High,
    /// In one product of bf16
    Bf16,
}

/// Measures, and prints a table or JSON; `false` when a workload failed.
#[cfg(feature = "bench")]
pub use report::main;
