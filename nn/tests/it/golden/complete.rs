//! Nothing that this crate exports goes without a golden comparison: the names come from the sources.

use std::collections::BTreeSet;

use super::{golden, modules};

/// The words of a text.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// The names that `pub use` statements in a source list.
fn exported(source: &str) -> BTreeSet<&str> {
    let statements = source.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap_or(rest));
    let listed = statements.map(|statement| statement.rsplit("::").next().unwrap_or(statement));
    listed.flat_map(words).collect()
}

/// What follows `start` in the lines of a source that begin with it, up to the end of the word.
fn defined<'a>(source: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    source
        .lines()
        .filter_map(move |line| line.trim().strip_prefix(start))
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

#[test]
fn every_layer_has_a_golden_comparison() {
    let subjects = modules::all(&golden());
    let compared: BTreeSet<&str> = subjects.iter().flat_map(|subject| words(subject.types)).collect();
    let others = [
        // Traits, functions, and what layers take or give.
        "Layer",
        "Weighted",
        "Mask",
        "LstmState",
        "InProj",
        "Running",
        "Interpolation",
        "Nonlinearity",
        "batch_major",
        "time_major",
        // Other names of BatchNorm and InstanceNorm.
        "BatchNorm1d",
        "BatchNorm2d",
        "InstanceNorm1d",
        "InstanceNorm2d",
    ];
    let mut layers = exported(include_str!("../../../src/layers/mod.rs"));
    layers.extend(["Act", "Mlp", "LeNet"]);
    assert!(layers.contains("Linear") && layers.contains("Lstm") && layers.contains("Upsample"), "{layers:?}");
    let missing: Vec<_> = layers.iter().filter(|name| !compared.contains(*name) && !others.contains(name)).collect();
    assert!(missing.is_empty(), "without a golden case in tests/it/golden/modules.rs: {missing:?}");
}

#[test]
fn every_activation_has_a_golden_comparison() {
    let source = include_str!("../../../src/act.rs");
    let acts: BTreeSet<&str> = defined(source, "Act::").collect();
    let compared: Vec<String> = modules::ACTS.iter().map(|(_, act)| format!("{act:?}")).collect();
    let compared: BTreeSet<&str> = compared.iter().flat_map(|name| words(name).into_iter().next_back()).collect();
    assert_eq!(acts, compared);
}

#[test]
fn every_loss_has_a_golden_comparison() {
    let cases = crate::functions::cases();
    // The options of cross_entropy_with.
    let losses = exported(include_str!("../../../src/loss/mod.rs"));
    assert!(losses.contains("mse") && losses.contains("ctc"), "{losses:?}");
    let missing: Vec<_> = losses.iter().filter(|name| **name != "CrossEntropy" && !cases.contains(*name)).collect();
    assert!(missing.is_empty(), "without a golden case in tests/it/functions.rs: {missing:?}");
}

#[test]
fn every_option_of_an_optimiser_has_a_golden_comparison() {
    let settings = include_str!("../optimisers.rs");
    let sources = [
        include_str!("../../../src/optim/sgd.rs"),
        include_str!("../../../src/optim/adam.rs"),
        include_str!("../../../src/optim/rmsprop.rs"),
        include_str!("../../../src/optim/engine.rs"),
        include_str!("../../../src/optim/group.rs"),
    ];
    let optimisers = exported(include_str!("../../../src/optim/mod.rs"));
    for rule in optimisers.iter().filter(|name| name.ends_with("Rule") && **name != "Rule") {
        let kind = rule.trim_end_matches("Rule");
        assert!(settings.contains(&format!("{kind}::new(model")), "{kind} without a golden case");
    }
    assert!(settings.contains("AdamW::new(model"), "AdamW without a golden case");
    let builders = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter(|line| line.contains("self") && line.contains("-> Self"));
    let options: BTreeSet<&str> = builders.filter_map(|line| defined(line, "pub fn ").next()).collect();
    assert!(options.contains("nesterov") && options.contains("clip_norm"), "{options:?}");
    // These let a step or a run go on, and change none.
    let others = ["allow_missing", "allow_other_settings"];
    let missing: Vec<_> =
        options.iter().filter(|o| !others.contains(o) && !settings.contains(&format!(".{o}("))).collect();
    assert!(settings.contains(".group("), "groups without a golden case");
    assert!(missing.is_empty(), "without a golden case in tests/it/optimisers.rs: {missing:?}");
}

#[test]
fn every_schedule_has_a_golden_comparison() {
    let source = include_str!("../../../src/schedule.rs");
    let curves: BTreeSet<&str> = defined(source, "Curve::").collect();
    let compared = crate::schedules::golden_curves();
    let compared: BTreeSet<&str> = compared.iter().map(String::as_str).collect();
    assert!(curves.contains("Cosine"), "{curves:?}");
    assert_eq!(curves, compared);
}
