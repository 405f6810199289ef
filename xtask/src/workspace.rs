//! Where the workspace is and what cargo says about it.
//!
//! Commands work from any folder inside the checkout: paths come from the manifest folder that cargo compiled in, the
//! rest from `cargo metadata`, so that no command parses a `Cargo.toml` by itself where cargo can answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask's manifest folder lies in the workspace root")
}

/// Where etude-data looks for what was fetched; its file is compiled here, so that this program need not link the library.
#[path = "../../data/src/cache.rs"]
mod cache;

/// Where the large files of something lie, which survive `cargo clean`: its folder in `etude` in the user's cache folder.
pub fn cache(name: &str) -> Result<PathBuf> {
    cache::folder(name).context("neither XDG_CACHE_HOME nor HOME names a folder")
}

/// A `cargo` call in the workspace root, with the cargo that started this program.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// What `cargo metadata --no-deps` says: the members only, which needs no registry.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// The workspace's packages.
    pub packages: Vec<Package>,
    /// Where cargo builds.
    pub target_directory: PathBuf,
}

/// One member.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name, as in `etude-gan`.
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// What it declares to depend on.
    pub dependencies: Vec<Dependency>,
    /// Its library, programs, examples and tests.
    pub targets: Vec<Target>,
}

/// One declared dependency.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
}

/// One thing that cargo can build.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// `lib`, `bin`, `example`, `test`, …
    pub kind: Vec<String>,
}

impl Package {
    /// The folder, relative to the workspace root: `ae-vae` for `etude-ae-vae`.
    pub fn folder(&self) -> String {
        let folder = self.manifest_path.parent().unwrap_or(Path::new(""));
        let folder = folder.strip_prefix(root()).unwrap_or(folder);
        folder.to_string_lossy().into_owned()
    }

    /// Whether the package has an example of that name.
    pub fn has_example(&self, name: &str) -> bool {
        self.targets.iter().any(|target| target.name == name && target.kind.iter().any(|kind| kind == "example"))
    }
}

/// Asks cargo for the members.
pub fn metadata() -> Result<Metadata> {
    let output =
        cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata printed something else than expected")
}

/// Files that git tracks or would track, relative to the root, sorted.
pub fn files() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "-co", "--exclude-standard"])
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        // A file deleted in the work tree but not yet in the index is listed all the same.
        .filter(|path| root().join(path).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
