//! Rules on manifests: names, lints, and who may depend on whom.
//!
//! The layers are the backbone of the design: kernels under autograd under nn under the families, and no family beside
//! a family. A user who wants one model must not build the others, nor the data sets.

use anyhow::{Context, Result, bail};

use super::Finding;
use crate::workspace::{self, Package};

/// The crates of this workspace that a crate may use in its library; families have one rule in common.
const LAYERS: &[(&str, &[&str])] = &[
    ("kernels", &[]),
    ("autograd", &["kernels"]),
    ("nn", &["kernels", "autograd"]),
    ("data", &["kernels", "autograd"]),
    ("arima", &["kernels"]),
    ("som", &["kernels"]),
];
const FAMILY: &[&str] = &["kernels", "autograd", "nn"];

/// Families that another family's examples may set beside it, as a dev-dependency: what is said of one kind of model against
/// another has to be measured on the same data in the same run. Its users build none of it; nothing else is shared this way.
const COMPARED: &[(&str, &str)] = &[
    // `sharpness`: the blur of a variational autoencoder's samples beside a GAN's.
    ("ae-vae", "gan"),
];

/// The package whose tree is counted, and how many packages it may have: what a user pays to train a GAN.
const BUDGET: (&str, usize) = ("etude-gan", 80);

/// Checks one member's manifest.
pub fn check(package: &Package, manifest: &str) -> Vec<Finding> {
    let folder = package.folder();
    let file = std::path::PathBuf::from(&folder).join("Cargo.toml");
    let mut findings = Vec::new();
    if !inherits_lints(manifest) {
        findings.push(Finding::new(&file, 1, "wanted: [lints] with workspace = true"));
    }
    if folder == "xtask" {
        return findings;
    }
    if package.name != format!("etude-{folder}") {
        let message = format!("package \"{}\" in `{folder}`; wanted: etude-{folder}", package.name);
        findings.push(Finding::new(&file, 1, message));
    }
    let layer = LAYERS.iter().find(|(name, _)| *name == folder);
    let allowed = layer.map_or(FAMILY, |(_, allowed)| allowed);
    for dependency in &package.dependencies {
        let Some(other) = dependency.name.strip_prefix("etude-") else {
            continue;
        };
        // A crate may name itself for a feature in tests; examples and tests train on data, which comes as tensors.
        let in_tests = dependency.kind.as_deref() == Some("dev");
        let for_tests = other == folder || other == "data" || !is_layer(&folder) && FAMILY.contains(&other);
        let compared = COMPARED.contains(&(folder.as_str(), other));
        if allowed.contains(&other) || in_tests && (for_tests || compared) {
            continue;
        }
        let name = &dependency.name;
        let line = 1 + manifest.lines().position(|line| line.starts_with(name)).unwrap_or(0);
        let message = format!("`{folder}` must not depend on {name}; it may use: {}", allowed.join(", "));
        findings.push(Finding::new(&file, line, message));
    }
    findings
}

/// Whether other crates build on this one; only families may reach up to all layers in their tests.
fn is_layer(folder: &str) -> bool {
    FAMILY.contains(&folder) || folder == "data"
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == "workspace = true")
}

/// Counts the packages of the budgeted crate's normal tree.
pub fn budget() -> Result<Option<Finding>> {
    let (package, most) = BUDGET;
    let output = workspace::cargo()
        .args(["tree", "-p", package, "-e", "normal", "--prefix", "none"])
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let count = count(&String::from_utf8_lossy(&output.stdout));
    let file = std::path::PathBuf::from(package.trim_start_matches("etude-")).join("Cargo.toml");
    let message = format!("{package} needs {count} packages; at most {most} are allowed");
    Ok((count > most).then(|| Finding::new(&file, 1, message)))
}

/// Distinct packages in cargo's flat listing, by name and version.
fn count(tree: &str) -> usize {
    let package = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut packages: Vec<_> = tree.lines().filter(|line| !line.is_empty()).map(package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const LINTS: &str = "[package]\n[lints]\nworkspace = true\n[dependencies]\netude-gan.workspace = true\n";

    fn findings(folder: &str, name: &str, dependencies: &[(&str, Option<&str>)], manifest: &str) -> Vec<String> {
        let package = Package {
            name: name.into(),
            manifest_path: workspace::root().join(folder).join("Cargo.toml"),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: name.to_string(), kind: kind.map(Into::into) })
                .collect(),
            targets: vec![],
        };
        check(&package, manifest).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_family_may_use_the_layers_and_data_in_tests() {
        let fine = [
            ("etude-nn", None),
            ("etude-autograd", Some("dev")),
            ("etude-data", Some("dev")),
            ("etude-rnn", Some("dev")),
            ("serde", None),
        ];
        assert_eq!(findings("rnn", "etude-rnn", &fine, LINTS), [""; 0]);
        let tensors = [("etude-kernels", None), ("etude-autograd", Some("dev"))];
        assert_eq!(findings("som", "etude-som", &tensors, LINTS), [""; 0]);
    }

    #[test]
    fn a_listed_comparison_is_a_dev_dependency_and_has_one_direction() {
        for &(family, other) in COMPARED {
            let [of, to] = [family, other].map(|folder| format!("etude-{folder}"));
            let edge = |folder, name: &str, to: &str, kind| findings(folder, name, &[(to, kind)], LINTS).len();
            assert_eq!(edge(family, &of, &to, Some("dev")), 0);
            assert_eq!(edge(family, &of, &to, None), 1);
            assert_eq!(edge(family, &of, &to, Some("build")), 1);
            assert_eq!(edge(other, &to, &of, Some("dev")), 1);
        }
    }

    #[test]
    fn a_wrong_edge_is_found_at_its_line() {
        let cases: [(&str, &str, Option<&str>); 7] = [
            ("rnn", "etude-gan", None),
            ("rnn", "etude-gan", Some("dev")),
            ("rnn", "etude-data", None),
            ("kernels", "etude-autograd", None),
            ("kernels", "etude-autograd", Some("dev")),
            ("som", "etude-nn", None),
            ("data", "etude-nn", None),
        ];
        for (folder, dependency, kind) in cases {
            let found = findings(folder, &format!("etude-{folder}"), &[(dependency, kind)], LINTS);
            assert_eq!(found.len(), 1, "{folder} {dependency}");
            assert!(found[0].contains(&format!("must not depend on {dependency}")), "{found:?}");
        }
        let found = findings("rnn", "etude-rnn", &[("etude-gan", None)], LINTS);
        assert!(found[0].starts_with("rnn/Cargo.toml:5: "), "{found:?}");
    }

    #[test]
    fn names_and_lints_are_checked() {
        assert_eq!(findings("rnn", "rnn", &[], LINTS).len(), 1);
        for manifest in ["[package]", "[lints]\n[x]\nworkspace = true", "[lints]\nworkspace = false"] {
            assert_eq!(findings("rnn", "etude-rnn", &[], manifest).len(), 1, "{manifest}");
        }
    }

    #[test]
    fn a_package_counts_once_however_often_it_appears() {
        assert_eq!(count("a v1 (/x)\nb v1\nb v1 (*)\nb v2\n\nb v2\n"), 3);
    }
}
