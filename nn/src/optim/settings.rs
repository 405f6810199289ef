//! The settings of an optimiser as data: what a state carries, and what a resumed run is compared with.
//!
//! A setting is a name and a text, for instance `betas` and `[0.9,0.999]`. The names and values of a rule come from its own
//! fields, so that a new field is carried and compared without another word. Texts give every number back exactly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::group::GroupLr;
use crate::error::list;
use crate::matching::Mismatch;

/// Settings by name.
pub type Settings = BTreeMap<String, String>;

/// Parameters whose settings are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// Their names.
    pub params: Vec<String>,
    /// The learning rate of their group: see [`crate::optim::Optim::group`].
    pub lr: GroupLr,
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

/// The one rate that all these parameters have in a state; `None` if there is no such thing.
pub(super) fn common_rate(params: Vec<&str>, groups: &[GroupState]) -> Option<GroupLr> {
    let groups = by_param(groups);
    let mut rates = params.iter().map(|name| groups.get(name).map(|group| group.lr));
    let first = rates.next()??;
    rates.all(|rate| rate == Some(first)).then_some(first)
}

/// The groups whose parameters have more than one rate in a state, each with which has which: the first few by name.
pub(super) fn several_rates<'a>(
    own: impl Iterator<Item = Vec<&'a str>>,
    groups: &[GroupState],
) -> impl Iterator<Item = Mismatch> {
    let groups = by_param(groups);
    own.filter_map(move |params| {
        // Texts give every number back exactly, and can be sorted.
        let mut rates: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for name in params {
            if let Some(group) = groups.get(name) {
                rates.entry(group.lr.to_string()).or_default().push(name);
            }
        }
        let which: Vec<String> = rates.iter().map(|(rate, params)| format!("{rate} for {}", list(params))).collect();
        let (key, expected) = ("the learning rate of a group".into(), "one for all its parameters".into());
        (which.len() > 1).then(|| Mismatch::Metadata { key, found: list(&which), expected })
    })
}

/// What is wrong with the groups of a state whatever they are compared with.
pub(super) fn malformed(groups: &[GroupState], whole: f64) -> Vec<Mismatch> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for GroupState { params, lr, .. } in groups {
        let (GroupLr::Times(number) | GroupLr::Fixed(number)) = *lr;
        let endless = whole.is_finite() && !lr.at(whole).is_finite();
        if !number.is_finite() || number < 0.0 || endless {
            out.push(metadata("the learning rate of", params, lr, "a finite number, at least 0"));
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
///
/// The memory is bounded by the size of both sides, not by their product: a file may invent as many names as it likes.
pub(super) fn differences(own: &[GroupState], found: &[GroupState]) -> Vec<Mismatch> {
    let theirs = by_param(found);
    let nothing = Settings::new();
    // By name, what there is and what is expected: which parameters. The names are the program's.
    let mut differing: BTreeMap<[&str; 3], Vec<&str>> = BTreeMap::new();
    let named = own.iter().flat_map(|group| group.params.iter().map(move |param| (param.as_str(), &group.settings)));
    for (param, here) in named.clone() {
        let there = theirs.get(param).map_or(&nothing, |group| &group.settings);
        for (name, expected) in here {
            let found = there.get(name);
            if found != Some(expected) {
                differing.entry([name, found.map_or("missing", String::as_str), expected]).or_default().push(param);
            }
        }
    }
    let all = named.count();
    let mismatch = |([name, found, expected], params): ([&str; 3], Vec<&str>)| {
        let key = if params.len() == all { name.to_string() } else { format!("{name} of {}", list(&params)) };
        Mismatch::Metadata { key, found: found.into(), expected: expected.into() }
    };
    let mut out: Vec<Mismatch> = differing.into_iter().map(mismatch).collect();
    // All parameters of an optimiser have the same names of settings.
    let known = own.first().map_or(&nothing, |group| &group.settings);
    out.extend(found.iter().filter_map(|group| {
        let names: Vec<&String> = group.settings.keys().filter(|name| !known.contains_key(*name)).collect();
        (!names.is_empty()).then(|| metadata("an unknown setting of", &group.params, list(&names), "none"))
    }));
    out
}
