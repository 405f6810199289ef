//! `cargo xtask bench [FILTER]`: kernels side by side.

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

#[cfg(feature = "bench")]
pub use gemm::main;

/// Which kernels to measure, and how.
#[derive(clap::Args, Debug)]
pub struct KernelArgs {
    /// Only kernels whose name contains one of these [default: all]
    filter: Vec<String>,
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
