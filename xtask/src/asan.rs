//! `cargo xtask asan`: the kernels' tests under AddressSanitizer, which sees every read and write beyond a slice.
//!
//! The sanitizer needs a nightly compiler with its runtime. Where there is none the command says so and succeeds, because
//! a machine without it can prove nothing; `--require` makes that a failure.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What to run.
#[derive(clap::Args, Debug)]
pub struct AsanArgs {
    /// Fail where no nightly compiler with the sanitizer's runtime is there, instead of skipping
    #[arg(long)]
    require: bool,
    /// Arguments for `cargo test`, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs the tests; `false` when one failed.
pub fn main(args: &AsanArgs) -> Result<bool> {
    if let Err(reason) = find_runtime() {
        println!("asan: skipped: {reason:#}");
        return Ok(!args.require);
    }
    let status = Command::new("rustup")
        .args(["run", "nightly", "cargo", "test", "--package", "etude-kernels", "--lib", "--target", TARGET])
        .arg("--target-dir")
        .arg(workspace::metadata()?.target_directory.join("asan"))
        .args(&args.arguments)
        .current_dir(workspace::root())
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // The checks are what is wanted: full optimisation of them would only take a quarter of an hour to compile.
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_TEST_DEBUG", "line-tables-only")
        // What the stable cargo that started this program tells its children.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .status()
        .context("cannot start rustup")?;
    Ok(status.success())
}

/// An error that says what is missing.
fn find_runtime() -> Result<()> {
    anyhow::ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "the recipe is for Linux on x86-64");
    let output = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .output()
        .context("there is no rustup")?;
    anyhow::ensure!(output.status.success(), "there is no nightly compiler");
    let sysroot = String::from_utf8(output.stdout).context("the compiler's folder has an odd name")?;
    let runtime = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib/librustc-nightly_rt.asan.a");
    anyhow::ensure!(runtime.is_file(), "the nightly compiler has no {}", runtime.display());
    Ok(())
}
