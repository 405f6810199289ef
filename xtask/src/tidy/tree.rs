//! Rules on files as wholes: what is committed, and what ARCHITECTURE.md must name.

use std::path::Path;

use super::Finding;
use crate::workspace::Package;

/// The largest file that may be committed: data sets are embedded small, or read from the user's files.
const LARGEST: u64 = 3 * 1024 * 1024;

/// A file too large for the repository.
pub fn size(file: &Path, bytes: u64) -> Option<Finding> {
    let message = format!("{bytes} bytes; at most {LARGEST} may be committed");
    (bytes > LARGEST).then(|| Finding::new(file, 1, message))
}

/// ARCHITECTURE.md's code map must name the folder of every crate, in backticks.
pub fn code_map(packages: &[Package], root: &Path) -> Vec<Finding> {
    let file = Path::new("ARCHITECTURE.md");
    let Ok(text) = std::fs::read_to_string(root.join(file)) else {
        return vec![Finding::new(file, 1, "missing")];
    };
    packages
        .iter()
        .map(Package::folder)
        .filter(|folder| !text.contains(&format!("`{folder}`")))
        .map(|folder| Finding::new(file, 1, format!("the code map does not name `{folder}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn a_file_over_the_limit_is_found() {
        let file = Path::new("data/huge.gz");
        assert_eq!(size(file, LARGEST), None);
        assert!(size(file, LARGEST + 1).is_some());
    }

    #[test]
    fn a_crate_without_a_line_in_the_code_map_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let package = |name: &str| Package {
            name: format!("etude-{name}"),
            manifest_path: workspace::root().join(name).join("Cargo.toml"),
            dependencies: vec![],
            targets: vec![],
        };
        let packages = [package("gan"), package("ae-vae")];
        let missing = code_map(&packages, folder.path());
        assert_eq!(missing[0].to_string(), "ARCHITECTURE.md:1: missing");
        std::fs::write(folder.path().join("ARCHITECTURE.md"), "* `gan`: …").expect("it is writable");
        let findings = code_map(&packages, folder.path());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("`ae-vae`"), "{}", findings[0]);
    }
}
