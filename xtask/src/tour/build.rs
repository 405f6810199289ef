//! Builds the showpieces once, before any clock starts.
//!
//! One cargo call for all of them, with cargo's own progress on the terminal. `--keep-going` lets the other families
//! build when one does not compile; where the programs lie is what cargo says, not a guess about the target folder.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use super::showpieces::Family;
use crate::workspace::{self, Metadata};

/// The programs by folder and example, or why there is none.
pub type Programs = HashMap<(&'static str, &'static str), std::result::Result<PathBuf, String>>;

/// Builds every showpiece of `families` in release mode.
pub fn build(families: &[&'static Family]) -> Result<Programs> {
    let (mut programs, present) = locate(families, &workspace::metadata()?);
    if present.is_empty() {
        return Ok(programs);
    }
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--keep-going"]);
    cargo.arg("--message-format=json-render-diagnostics");
    for (family, example) in &present {
        cargo.arg("--package").arg(family.package());
        cargo.args(["--example", example]);
    }
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
    for line in BufReader::new(stdout).lines() {
        if let Some((folder, example, program)) = artifact(&line.context("cargo's messages")?) {
            let wanted =
                |(family, name): &&(&'static Family, &'static str)| family.folder == folder && *name == example;
            if let Some((family, name)) = present.iter().find(wanted) {
                programs.insert((family.folder, name), Ok(program));
            }
        }
    }
    child.wait().context("cargo build")?;
    Ok(programs)
}

/// Marks each showpiece as absent or as not yet built, and lists those that cargo can build.
fn locate(families: &[&'static Family], metadata: &Metadata) -> (Programs, Vec<(&'static Family, &'static str)>) {
    let mut programs = Programs::new();
    let mut present = Vec::new();
    for family in families {
        let package = family.package();
        let found = metadata.packages.iter().find(|found| found.name == package);
        for showpiece in family.showpieces {
            let example = showpiece.example;
            let reason = match found {
                None => format!("the workspace has no package {package}"),
                Some(found) if !found.has_example(example) => {
                    format!("{package} has no example \"{example}\"")
                }
                Some(_) => {
                    present.push((*family, example));
                    "it did not compile; cargo's messages above say why".to_string()
                }
            };
            programs.insert((family.folder, example), Err(reason));
        }
    }
    (programs, present)
}

/// The folder, the example and the program of one of cargo's JSON messages, if it announces an example.
fn artifact(line: &str) -> Option<(String, String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["kind"] != Value::from(["example"].to_vec()) {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.file_name()?.to_str()?.to_string();
    let example = message["target"]["name"].as_str()?.to_string();
    Some((folder, example, message["executable"].as_str()?.into()))
}

#[cfg(test)]
mod tests {
    use super::super::showpieces::FAMILIES;
    use super::*;
    use crate::workspace::{Package, Target};

    #[test]
    fn cargos_message_gives_the_program() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///e/gan#etude-gan@0.1.0",
            "manifest_path":"/e/gan/Cargo.toml","target":{"kind":["example"],"crate_types":["bin"],"name":"dcgan"},
            "executable":"/e/target/release/examples/dcgan","fresh":true}"#;
        let expected = ("gan".to_string(), "dcgan".to_string(), PathBuf::from("/e/target/release/examples/dcgan"));
        assert_eq!(artifact(line), Some(expected));
        assert_eq!(artifact(&line.replace("\"example\"", "\"lib\"")), None);
        assert_eq!(artifact("warning: text"), None);
    }

    #[test]
    fn an_absent_example_is_named_and_the_present_one_is_built() {
        let metadata = Metadata {
            packages: vec![Package {
                name: "etude-gan".into(),
                manifest_path: workspace::root().join("gan/Cargo.toml"),
                dependencies: vec![],
                targets: vec![Target { name: "dcgan".into(), kind: vec!["example".into()] }],
            }],
            target_directory: PathBuf::new(),
        };
        let families: Vec<_> = FAMILIES.iter().filter(|family| ["gan", "cnn"].contains(&family.folder)).collect();
        let (programs, present) = locate(&families, &metadata);
        let present: Vec<_> = present.iter().map(|(family, example)| (family.folder, *example)).collect();
        assert_eq!(present, [("gan", "dcgan")]);
        let reason = |key| programs[&key].clone().expect_err("nothing is built yet");
        assert_eq!(reason(("gan", "wgan_gp")), "etude-gan has no example \"wgan_gp\"");
        assert_eq!(reason(("cnn", "lenet")), "the workspace has no package etude-cnn");
    }
}
