//! `cargo xtask bench`: kernels side by side, in one run on one machine.
//!
//! The bench links the library and its peers, which the other commands must not wait for: without the feature `bench`
//! this module only starts the program again with the feature switched on.

#[cfg(feature = "bench")]
mod engines;
#[cfg(feature = "bench")]
mod gemm;
#[cfg(feature = "bench")]
mod peak;
#[cfg(feature = "bench")]
mod rows;
#[cfg(feature = "bench")]
mod time;

use std::path::PathBuf;

use anyhow::Result;

/// What to measure.
#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    #[command(subcommand)]
    kernel: Kernel,
}

/// The kernels that have a bench.
#[derive(clap::Subcommand, Debug)]
enum Kernel {
    /// Matrix products: ours on every instruction set, the gemm crate, faer, and the naive loop
    Gemm(GemmArgs),
}

/// How to measure matrix products.
#[derive(clap::Args, Debug)]
struct GemmArgs {
    /// Numbers of threads
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Our instruction sets, as ETUDE_ISA names them [default: all that the machine has]
    #[arg(long, value_name = "ISA,…", value_delimiter = ',')]
    isa: Vec<String>,
    /// Also write the rows as one JSON array
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only 1024³ and 2048³
    #[arg(long)]
    quick: bool,
}

/// Measures, and prints a table.
#[cfg(feature = "bench")]
pub fn main(args: &BenchArgs) -> Result<bool> {
    match &args.kernel {
        Kernel::Gemm(args) => gemm::main(args),
    }
}

/// Starts this program again with the feature `bench`.
#[cfg(not(feature = "bench"))]
pub fn main(args: &BenchArgs) -> Result<bool> {
    let Kernel::Gemm(_) = args.kernel;
    crate::again::with("bench")
}
