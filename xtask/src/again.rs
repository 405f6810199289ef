//! Starts this program again with a cargo feature switched on.
//!
//! Some commands link the library or its peers, which the others must not wait for. Without the feature they build and
//! start the same program with it, and the same arguments.

#![cfg_attr(all(feature = "bench", feature = "ops"), expect(dead_code, reason = "every command is already here"))]

use anyhow::{Context, Result};

use crate::workspace;

/// Runs this command line again with `feature`, built by a profile of cargo's; `false` when it failed. Both profiles
/// optimise; `dev` finds the other crates that the tests need already built.
pub fn with(feature: &str, profile: &str) -> Result<bool> {
    eprintln!("Building xtask with the feature \"{feature}\" …");
    // Not `workspace::cargo()`: a relative path among the arguments means a file in the folder that we were started in.
    let status = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--profile", profile, "--package", "xtask", "--features", feature, "--manifest-path"])
        .arg(workspace::root().join("Cargo.toml"))
        .arg("--")
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}
