//! `cargo xtask bench`: kernels and whole workloads, measured in one run on one machine.
//!
//! Without a subcommand it measures kernels. A workload is a subcommand with arguments of its own.
//!
//! The bench links the library and its peers, which the other commands must not wait for: without the feature `bench`
//! this module only starts the program again with the feature switched on.

mod kernels;
mod steps;

use anyhow::Result;

/// What to measure.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    kernels: kernels::KernelArgs,
}

/// What has a bench of its own, beside the kernels.
#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Whole training and inference steps, as the programs of other libraries measure them
    Steps(steps::StepsArgs),
}

/// Measures, and prints a table.
#[cfg(feature = "bench")]
pub fn main(args: &BenchArgs) -> Result<bool> {
    match &args.command {
        Some(Command::Steps(args)) => steps::main(args),
        None => kernels::main(&args.kernels),
    }
}

/// Starts this program again with the feature `bench`.
#[cfg(not(feature = "bench"))]
pub fn main(args: &BenchArgs) -> Result<bool> {
    let BenchArgs { command: _, kernels: _ } = args;
    crate::again::with("bench", "release")
}
