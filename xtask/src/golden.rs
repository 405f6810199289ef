//! `cargo xtask golden`: makes the golden files again and names those that changed.
//!
//! Golden files hold what PyTorch, statsmodels or gymnasium compute. The script that made a file is `*/tests/golden/*.py`,
//! and writes somewhere below its crate's `tests`. The Python that runs them needs those packages; which ones, each
//! script says in its first lines.
//!
//! Golden files bring PyTorch's weights to us; the other direction needs PyTorch there. So the command ends with it: a test
//! writes our weights, and `nn/tests/pytorch_load.py` loads them into PyTorch's modules and compares what they compute.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// What loads our weights into PyTorch.
const LOAD: &str = "nn/tests/pytorch_load.py";

/// What to run.
#[derive(clap::Args, Debug)]
pub struct GoldenArgs {
    /// The Python to run the scripts with, as in venv/bin/python
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Only scripts whose path contains this; nn/tests/pytorch_load.py, which loads our weights into PyTorch, is the last
    filter: Option<String>,
}

/// Runs the scripts; `false` when one failed.
pub fn main(args: &GoldenArgs) -> Result<bool> {
    let filter = args.filter.as_deref();
    let (scripts, loads) = (scripts(&workspace::files()?, filter), matches(Path::new(LOAD), filter));
    ensure!(loads || !scripts.is_empty(), "neither a script */tests/golden/*.py nor {LOAD} matches");
    let python = program(&args.python)?;
    let mut succeeded = true;
    for script in scripts {
        let path = workspace::root().join(&script);
        let folder = path.parent().context("a script lies in a folder")?;
        let tests = folder.parent().context("golden lies in tests")?;
        let before = fingerprints(tests)?;
        succeeded &= run(&python, &[&path], folder)?;
        let changes = changes(&before, &fingerprints(tests)?);
        match changes.len() {
            0 => println!("{}: nothing changed", script.display()),
            _ => changes.iter().for_each(|change| println!("{}: {change}", script.display())),
        }
    }
    if loads {
        succeeded &= load(&python)?;
    }
    Ok(succeeded)
}

/// Runs a script, whose path is the first argument; `false` when it failed.
fn run(python: &Path, arguments: &[&Path], folder: &Path) -> Result<bool> {
    let status = Command::new(python)
        .args(arguments)
        .current_dir(folder)
        // What several scripts share lies in a folder of its own, which stays as it is.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .with_context(|| format!("cannot start {}", python.display()))?;
    if !status.success() {
        let script = arguments[0].strip_prefix(workspace::root()).unwrap_or(arguments[0]);
        println!("{}: {status}", script.display());
    }
    Ok(status.success())
}

/// Writes our weights and loads them into PyTorch, whose script prints how many there were; `false` when something differs.
fn load(python: &Path) -> Result<bool> {
    let (script, weights) = (workspace::root().join(LOAD), workspace::root().join("target/weights"));
    let test = ["test", "-p", "etude-nn", "--test", "it", "--", "--ignored", "--exact", "pytorch::weights_for_pytorch"];
    let output = workspace::cargo().args(test).env("WEIGHTS_DIR", &weights).output().context("cannot start cargo")?;
    if !output.status.success() {
        let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        println!("our weights were not written:\n{err}{out}");
        return Ok(false);
    }
    run(python, &[&script, &weights], workspace::root())
}

/// A path as seen from here, since the scripts run in their own folders; a bare name is looked up in `PATH`.
fn program(python: &Path) -> Result<PathBuf> {
    if python.components().count() < 2 {
        return Ok(python.to_path_buf());
    }
    std::path::absolute(python).with_context(|| format!("--python {}", python.display()))
}

/// The scripts in `golden` folders of tests.
fn scripts(files: &[PathBuf], filter: Option<&str>) -> Vec<PathBuf> {
    let in_golden = |file: &&PathBuf| {
        file.extension().is_some_and(|extension| extension == "py")
            && file.parent().is_some_and(|folder| folder.ends_with("tests/golden"))
    };
    files.iter().filter(in_golden).filter(|file| matches(file, filter)).cloned().collect()
}

fn matches(file: &Path, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| file.to_string_lossy().contains(filter))
}

/// A hash of every file below the folder, by its path from there.
fn fingerprints(folder: &Path) -> Result<BTreeMap<String, u64>> {
    let mut prints = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut hasher = DefaultHasher::new();
            std::fs::read(&path)?.hash(&mut hasher);
            let name = path.strip_prefix(folder).unwrap_or(&path);
            prints.insert(name.display().to_string(), hasher.finish());
        }
    }
    Ok(prints)
}

fn changes(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, print) in after {
        match before.get(name) {
            None => changes.push(format!("new: {name}")),
            Some(earlier) if earlier != print => changes.push(format!("changed: {name}")),
            Some(_) => (),
        }
    }
    changes.extend(before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("gone: {name}")));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scripts_in_golden_folders_run() {
        let files =
            ["rl/tests/golden/cartpole.py", "rl/tests/golden/cartpole.json", "nn/tests/golden/torch.py", "a/b.py"];
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        assert_eq!(scripts(&files, None).len(), 2);
        assert_eq!(scripts(&files, Some("rl/")), [PathBuf::from("rl/tests/golden/cartpole.py")]);
    }

    #[test]
    fn our_weights_are_loaded_when_nothing_else_is_asked_for() {
        assert!(workspace::root().join(LOAD).exists());
        for (filter, loads) in [(None, true), (Some("nn/"), true), (Some("pytorch_load"), true), (Some("rl/"), false)] {
            assert_eq!(matches(Path::new(LOAD), filter), loads, "{filter:?}");
        }
    }

    #[test]
    fn a_python_given_by_a_path_is_found_from_any_folder() {
        assert_eq!(program(Path::new("python3")).expect("a name"), Path::new("python3"));
        assert_eq!(program(Path::new("/usr/bin/python3")).expect("absolute"), Path::new("/usr/bin/python3"));
        let here = std::env::current_dir().expect("a working directory");
        for path in ["venv/bin/python", "./venv/bin/python"] {
            assert_eq!(program(Path::new(path)).expect("relative"), here.join("venv/bin/python"));
        }
    }

    #[test]
    fn new_changed_and_vanished_files_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it is writable");
        std::fs::create_dir(folder.path().join("data")).expect("it is writable");
        write("same", "1");
        write("data/other", "1");
        write("old", "1");
        let before = fingerprints(folder.path()).expect("readable");
        write("data/other", "2");
        write("new", "1");
        std::fs::remove_file(folder.path().join("old")).expect("it was written");
        let after = fingerprints(folder.path()).expect("readable");
        assert_eq!(changes(&before, &after), ["changed: data/other", "new: new", "gone: old"]);
    }
}
