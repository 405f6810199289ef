//! `cargo xtask`: the project's own commands.
//!
//! `tour` is the first thing a newcomer runs, so this program stays light: it never links the library. `tour` runs the
//! families' examples as programs and reads the JSON that they write; heavier commands re-execute this program with a
//! cargo feature.

#![forbid(unsafe_code)]

mod again;
mod asan;
mod bench;
mod columns;
mod fetch;
mod golden;
mod neon;
mod ops;
mod tidy;
mod tour;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Étude's project commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the showpieces of every family and write one page with what they learned
    Tour(tour::TourArgs),
    /// Compare kernels with their peers and with the machine's peak
    Bench(Box<bench::BenchArgs>),
    /// Check the rules of the source tree that a program can check
    Tidy,
    /// List the operations of autograd with their formulas
    Ops(ops::OpsArgs),
    /// Run the kernels' tests as an ARM program with NEON, under qemu
    Neon(neon::NeonArgs),
    /// Run the kernels' tests under AddressSanitizer, with a nightly compiler
    Asan(asan::AsanArgs),
    /// Bring a data set that is too large to embed from the package that ships it
    Fetch(fetch::FetchArgs),
    /// Run the scripts beside the golden files again, name the files that changed, and load our weights into PyTorch
    Golden(golden::GoldenArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Tour(args) => tour::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Tidy => tidy::main(),
        Command::Ops(args) => ops::main(&args),
        Command::Neon(args) => neon::main(&args),
        Command::Asan(args) => asan::main(&args),
        Command::Fetch(args) => fetch::main(&args),
        Command::Golden(args) => golden::main(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
