//! `cargo xtask tidy`: the rules of the source tree that a program can check.
//!
//! ARCHITECTURE.md states the invariants; each finding names the place and the rule. A rule looks at text or at what
//! cargo says and returns findings; none of them changes a file.

mod lexer;
mod manifests;
mod sources;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::workspace;

/// The one crate that may hold `unsafe`.
const KERNELS: &str = "kernels";

/// One violation.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root.
    file: PathBuf,
    /// Its line; 1 where the file as a whole is meant.
    line: usize,
    /// What is wrong and what is wanted.
    message: String,
}

impl Finding {
    fn new(file: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_path_buf(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// Checks the work tree; `false` when there are findings.
pub fn main() -> Result<bool> {
    let files = workspace::files()?;
    let metadata = workspace::metadata()?;
    let mut findings = Vec::new();
    for file in &files {
        let path = workspace::root().join(file);
        findings.extend(tree::size(file, std::fs::metadata(&path)?.len()));
        if file.extension().is_some_and(|extension| extension == "rs") {
            findings.extend(sources::check(file, &std::fs::read_to_string(&path)?));
        }
    }
    for package in &metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        findings.extend(manifests::check(package, &manifest));
    }
    findings.extend(tree::code_map(&metadata.packages, workspace::root()));
    findings.extend(manifests::budget()?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, no findings", files.len()),
        count => println!("tidy: {} files, {count} findings", files.len()),
    }
    Ok(findings.is_empty())
}
