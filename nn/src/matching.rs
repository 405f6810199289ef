//! Comparing what a model or an optimiser needs with what there is: all differences at once, before anything changes.

use std::collections::{HashMap, HashSet};

use crate::file::{Dtype, Kind};
use crate::module::Value;

/// A difference between what is needed and what there is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Needed, not there.
    #[error("{name} is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// There, not needed.
    #[error("{name} is unexpected")]
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// Another shape.
    #[error("{name} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape in the model.
        expected: Vec<usize>,
    },
    /// Another kind of number.
    #[error("{name} is of type {found}, expected {expected}")]
    Type {
        /// The tensor.
        name: String,
        /// Its type in the file.
        found: &'static str,
        /// What would do.
        expected: &'static str,
    },
    /// Names of one tied parameter with different values.
    #[error("{first} and {second} are one parameter, but their values differ")]
    Tied {
        /// One name.
        first: String,
        /// Another.
        second: String,
    },
    /// A string that is missing or wrong.
    #[error("{key} is {found}, expected {expected}")]
    Metadata {
        /// What it is about.
        key: String,
        /// What there is.
        found: String,
        /// What would do.
        expected: String,
    },
}

impl Mismatch {
    /// The same with `PART/` in front of the names.
    pub(crate) fn within(mut self, part: &str) -> Self {
        let names: [Option<&mut String>; 2] = match &mut self {
            Mismatch::Missing { name } | Mismatch::Unexpected { name } => [Some(name), None],
            Mismatch::Shape { name, .. } | Mismatch::Type { name, .. } => [Some(name), None],
            Mismatch::Tied { first, second } => [Some(first), Some(second)],
            Mismatch::Metadata { key, .. } => [Some(key), None],
        };
        for name in names.into_iter().flatten() {
            *name = format!("{part}/{name}");
        }
        self
    }
}

/// A tensor that is needed, under any of its names.
pub(crate) struct Needed {
    pub(crate) names: Vec<String>,
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: Kind,
}

impl Needed {
    pub(crate) fn like(name: String, value: &Value) -> Self {
        let kind = match value {
            Value::Float(_) => Kind::Float,
            Value::Int(_) => Kind::Int,
        };
        Needed { names: vec![name], shape: value.shape().to_vec(), kind }
    }
}

/// A tensor that is there.
pub(crate) struct Found<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) dtype: Dtype,
}

impl<'a> Found<'a> {
    pub(crate) fn in_memory(name: &'a str, value: &'a Value) -> Self {
        let dtype = if matches!(value, Value::Float(_)) { Dtype::F32 } else { Dtype::I64 };
        Found { name, shape: value.shape(), dtype }
    }
}

/// Every difference, in the order of what is needed; what is unexpected comes last.
pub(crate) fn compare(needed: &[Needed], found: &[Found<'_>]) -> Vec<Mismatch> {
    let by_name: HashMap<&str, &Found<'_>> = found.iter().map(|f| (f.name, f)).collect();
    let mut used = HashSet::new();
    let mut out = Vec::new();
    for Needed { names, shape, kind } in needed {
        let present: Vec<&&Found<'_>> = names.iter().filter_map(|name| by_name.get(name.as_str())).collect();
        if present.is_empty() {
            out.push(Mismatch::Missing { name: names.join(" = ") });
        }
        for there in present {
            used.insert(there.name);
            let name = there.name.to_string();
            if there.shape != &shape[..] {
                out.push(Mismatch::Shape { name: name.clone(), found: there.shape.to_vec(), expected: shape.clone() });
            }
            if there.dtype.kind() != Some(*kind) {
                let expected = match kind {
                    Kind::Float => "a float",
                    Kind::Int => "an integer",
                };
                out.push(Mismatch::Type { name, found: there.dtype.name(), expected });
            }
        }
    }
    let unexpected = found.iter().filter(|f| !used.contains(f.name));
    out.extend(unexpected.map(|f| Mismatch::Unexpected { name: f.name.into() }));
    out
}

/// [`compare`] for values in memory.
pub(crate) fn compare_values(needed: &[(String, Value)], found: &[(String, Value)]) -> Vec<Mismatch> {
    let needed: Vec<Needed> = needed.iter().map(|(name, value)| Needed::like(name.clone(), value)).collect();
    let found: Vec<Found<'_>> = found.iter().map(|(name, value)| Found::in_memory(name, value)).collect();
    compare(&needed, &found)
}
