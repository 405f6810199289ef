//! `cargo xtask neon`: the kernels' tests as an ARM program with NEON, on an x86-64 machine.
//!
//! The compiler and the emulator come from Debian packages that are unpacked outside the checkout (`neon.sh` beside this
//! crate's manifest). Where they cannot be fetched the command says so and succeeds, because a machine without them can
//! prove nothing about NEON; `--require` makes that a failure. The emulator says nothing about speed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// What to run.
#[derive(clap::Args, Debug)]
pub struct NeonArgs {
    /// Fail where the compiler or the emulator cannot be fetched, instead of skipping
    #[arg(long)]
    require: bool,
    /// Arguments for `cargo test`, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs the tests; `false` when one failed.
pub fn main(args: &NeonArgs) -> Result<bool> {
    // The unpacked compiler is large, and survives `cargo clean`.
    let cache = workspace::cache("neon")?;
    if let Err(reason) = prepare(&cache) {
        println!("neon: skipped: {reason:#}");
        return Ok(!args.require);
    }
    let target = workspace::metadata()?.target_directory.join("neon");
    let status = workspace::cargo()
        .args(["test", "--package", "etude-kernels", "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        .args(&args.arguments)
        .env("RUSTC", cache.join("rustc"))
        .env("RUSTDOC", cache.join("rustdoc"))
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64-static -L /usr/aarch64-linux-gnu")
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}

/// Makes sure that compiler, linker and emulator are there.
fn prepare(cache: &Path) -> Result<()> {
    let here =
        |program: &Path| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let complete = || {
        ["aarch64-linux-gnu-gcc", "qemu-aarch64-static"].iter().all(|program| here(Path::new(program)))
            && here(&cache.join("rustc"))
    };
    if complete() {
        return Ok(());
    }
    anyhow::ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")) && here(Path::new("apt-get")),
        "the recipe is for Debian on x86-64"
    );
    eprintln!("neon: unpacking an ARM toolchain into {} …", cache.display());
    let output = Command::new("bash")
        .arg(workspace::root().join("xtask/neon.sh"))
        .arg(cache)
        .output()
        .context("cannot start bash")?;
    anyhow::ensure!(
        output.status.success() && complete(),
        "the packages could not be fetched: {}",
        String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason given")
    );
    Ok(())
}
