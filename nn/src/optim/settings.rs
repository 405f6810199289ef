//! The settings of an optimiser as data: what a state carries, and what a resumed run is compared with.
//!
//! A setting is a name and a text, for instance `betas` and `[0.9,0.999]`. The names and values of a rule come from its own
//! fields, so that a new field is carried and compared without another word. Texts give every number back exactly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::error::list;
use crate::matching::Mismatch;

/// Settings by name.
pub type Settings = BTreeMap<String, String>;

/// Parameters whose settings are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// Their names.
    pub params: Vec<String>,
    /// The learning rate of the group over that of the whole: see [`crate::optim::Optim::group`].
    pub lr_factor: f64,
    /// Everything else that the program chose.
    pub settings: Settings,
}

/// The fields of a rule.
pub(super) fn fields(rule: &impl Serialize) -> Settings {
    match serde_json::to_value(rule) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(k, v)| (k, v.to_string())).collect(),
        other => unreachable!("a rule is a struct with named fields, not {other:?}"),
    }
}

/// The group of each parameter.
fn by_param(groups: &[GroupState]) -> HashMap<&str, &GroupState> {
    groups.iter().flat_map(|group| group.params.iter().map(move |name| (name.as_str(), group))).collect()
}

/// The one factor that all these parameters have in a state; `None` if there is no such thing.
pub(super) fn common_factor<'a>(groups: &[GroupState], mut params: impl Iterator<Item = &'a str>) -> Option<f64> {
    let groups = by_param(groups);
    let factor = |name| groups.get(name).map(|group| group.lr_factor);
    let first = factor(params.next()?)?;
    params.all(|name| factor(name) == Some(first)).then_some(first)
}

/// What is wrong with the groups of a state whatever they are compared with.
pub(super) fn malformed(groups: &[GroupState]) -> Vec<Mismatch> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for GroupState { params, lr_factor, .. } in groups {
        if !lr_factor.is_finite() || *lr_factor < 0.0 {
            out.push(metadata("the learning rate's factor of", params, lr_factor, "a finite number, at least 0"));
        }
        let twice = params.iter().filter(|name| !seen.insert(*name)).cloned().collect::<Vec<_>>();
        if !twice.is_empty() {
            out.push(metadata("the settings of", &twice, "there twice", "there once"));
        }
    }
    out
}

fn metadata(what: &str, params: &[String], found: impl ToString, expected: &str) -> Mismatch {
    let key = format!("{what} {}", list(params));
    Mismatch::Metadata { key, found: found.to_string(), expected: expected.into() }
}

/// Settings that differ, each with the parameters that it differs for. Parameters that only one side has stand among the
/// differences of tensors.
pub(super) fn differences(own: &[GroupState], found: &[GroupState]) -> Vec<Mismatch> {
    let theirs = by_param(found);
    let nothing = Settings::new();
    // By name, what there is and what is expected: which parameters.
    let mut differing: BTreeMap<[&str; 3], Vec<String>> = BTreeMap::new();
    let named = own.iter().flat_map(|group| group.params.iter().map(move |param| (param, &group.settings)));
    for (param, here) in named.clone() {
        let there = theirs.get(param.as_str()).map_or(&nothing, |group| &group.settings);
        let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        for name in names.into_iter().filter(|name| here.get(*name) != there.get(*name)) {
            let [found, expected] = [there, here].map(|of| of.get(name).map_or("missing", String::as_str));
            differing.entry([name, found, expected]).or_default().push(param.clone());
        }
    }
    let all = named.count();
    let mismatch = |([name, found, expected], params): ([&str; 3], Vec<String>)| {
        let key = if params.len() == all { name.to_string() } else { format!("{name} of {}", list(&params)) };
        Mismatch::Metadata { key, found: found.into(), expected: expected.into() }
    };
    differing.into_iter().map(mismatch).collect()
}
