//! State dictionaries: the values of a module by name, saved to and loaded from safetensors files.
//!
//! Loading is strict and all or nothing: everything is compared and read before the first value is set, and every
//! mismatch stands in the one error. A tied parameter is saved under its first name and loads under any of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use etude_autograd::LeafId;

use crate::error::Error;
use crate::file::{self, Dtype, Kind, Reader};
use crate::matching::{Found, Mismatch, Needed, compare};
use crate::module::{Module, Slot, Value};

/// What a successful load did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// How many tensors were read.
    pub tensors: usize,
    /// Those that were stored in another type than they have here, with that type.
    pub converted: Vec<(String, Dtype)>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors", self.tensors)?;
        for (i, (name, dtype)) in self.converted.iter().enumerate() {
            write!(f, "{}{name} from {}", if i == 0 { "; converted: " } else { ", " }, dtype.name())?;
        }
        Ok(())
    }
}

/// An error if a parameter has no tensor.
pub(crate) fn refuse_packed(model: &dyn Module) -> Result<(), Error> {
    model.packed().map_or(Ok(()), |(name, storage)| Err(Error::Packed { name, storage }))
}

/// The values by name, a tied one once; an error if one is packed.
pub(crate) fn state_dict(model: &dyn Module) -> Result<Vec<(String, Value)>, Error> {
    refuse_packed(model)?;
    let mut seen = Vec::new();
    let mut out = Vec::new();
    model.each(&mut |name, slot| {
        if let Slot::Param(p) = slot {
            if seen.contains(&p.id()) {
                return;
            }
            seen.push(p.id());
        }
        out.push((name.to_string(), slot.value()));
    });
    Ok(out)
}

/// What the module needs, a tied parameter once with all its names.
pub(crate) fn needed(model: &dyn Module) -> Vec<Needed> {
    let mut place: HashMap<LeafId, usize> = HashMap::new();
    let mut out: Vec<Needed> = Vec::new();
    model.each(&mut |name, slot| {
        if let Slot::Param(p) = slot {
            if let Some(&at) = place.get(&p.id()) {
                out[at].names.push(name.to_string());
                return;
            }
            place.insert(p.id(), out.len());
        }
        out.push(Needed::like(name.to_string(), &slot.value()));
    });
    out
}

/// Names of one parameter whose values differ.
pub(crate) fn tied_differences(needed: &[Needed], values: &HashMap<String, Value>) -> Vec<Mismatch> {
    let mut out = Vec::new();
    for Needed { names, .. } in needed {
        let mut present = names.iter().filter(|name| values.contains_key(*name));
        let Some(first) = present.next() else { continue };
        for second in present.filter(|name| !values[*name].same_bits(&values[first])) {
            out.push(Mismatch::Tied { first: first.clone(), second: second.clone() });
        }
    }
    out
}

/// Sets every value that is there; names, shapes and kinds have been compared.
pub(crate) fn assign(model: &dyn Module, values: &HashMap<String, Value>) {
    model.each(&mut |name, slot| match (slot, values.get(name)) {
        (Slot::Param(p), Some(Value::Float(v))) => p.set(v),
        (Slot::Buffer(b), Some(Value::Float(v))) => b.set(v),
        (Slot::Counter(b), Some(Value::Int(v))) => b.set(v),
        _ => {}
    });
}

pub(crate) fn save(model: &dyn Module, path: &Path) -> Result<(), Error> {
    file::write(path, &state_dict(model)?, &BTreeMap::new())
}

pub(crate) fn load(model: &dyn Module, path: &Path) -> Result<LoadReport, Error> {
    refuse_packed(model)?;
    let wrong = |mismatches: Vec<Mismatch>| match mismatches.is_empty() {
        true => Ok(()),
        false => Err(Error::Mismatch { path: path.to_path_buf(), mismatches }),
    };
    let reader = Reader::open(path)?;
    let needed = needed(model);
    let found: Vec<Found<'_>> =
        reader.entries.iter().map(|e| Found { name: &e.name, shape: &e.shape, dtype: e.dtype }).collect();
    wrong(compare(&needed, &found))?;
    let as_here = |dtype: Dtype| match dtype.kind() {
        Some(Kind::Float) => dtype == Dtype::F32,
        _ => dtype == Dtype::I64,
    };
    let converted = reader.entries.iter().filter(|e| !as_here(e.dtype)).map(|e| (e.name.clone(), e.dtype)).collect();
    let values: HashMap<String, Value> = reader.read()?.into_iter().collect();
    wrong(tied_differences(&needed, &values))?;
    assign(model, &values);
    Ok(LoadReport { tensors: values.len(), converted })
}
