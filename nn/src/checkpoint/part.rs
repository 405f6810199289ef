//! One part of a checkpoint: how it becomes tensors and a string, and how it comes back.

use std::collections::HashMap;
use std::fmt::Display;

use etude_autograd::Tensor;
use etude_kernels::rng::{Rng, RngState};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::file::Contents;
use crate::matching::{Found, Mismatch, Needed, compare, compare_values};
use crate::module::{Module, Value};
use crate::optim::{GroupState, OptimState, Optimizer};
use crate::state::{assign, needed, state_dict, tied_differences};

/// The name of the one tensor of a part that has no names of its own.
const VALUES: &str = "values";

pub(super) enum Part<'a> {
    Model(&'a dyn Module),
    Optimizer(&'a mut dyn Optimizer),
    Rng(&'a mut Rng),
    Scalar(&'a mut f64),
    Counter(&'a mut u64),
    Floats(&'a mut Vec<f32>),
    Ints(&'a mut Vec<i64>),
    Tensors(Vec<&'a mut Tensor>),
    Data(Box<dyn Data + 'a>),
    /// JSON that must be the same.
    Config(String),
}

/// A part's new value, checked.
pub(super) enum Update {
    Model(HashMap<String, Value>),
    Optimizer(OptimState),
    Rng(RngState),
    Scalar(f64),
    Counter(u64),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Tensors(Vec<Tensor>),
    /// JSON that was read once without an error.
    Data(String),
    Config,
}

/// A value that serde writes and reads, whatever its type.
pub(super) trait Data {
    /// JSON that gives the same value again.
    fn write(&self) -> Result<String, String>;
    /// Whether it could be read.
    fn check(&self, json: &str) -> Result<(), String>;
    fn read(&mut self, json: &str) -> Result<(), String>;
}

/// A borrowed value with its type.
pub(super) struct Typed<'a, T>(pub(super) &'a mut T);

impl<T: Serialize + DeserializeOwned> Data for Typed<'_, T> {
    fn write(&self) -> Result<String, String> {
        to_json(self.0)
    }

    fn check(&self, json: &str) -> Result<(), String> {
        from_json::<T>(json).map(drop)
    }

    fn read(&mut self, json: &str) -> Result<(), String> {
        *self.0 = from_json(json)?;
        Ok(())
    }
}

/// Something that tells its place and goes to another.
pub(super) struct Place<'a, S, G, P> {
    pub(super) source: &'a mut S,
    pub(super) get: G,
    pub(super) go: P,
}

impl<S: Clone, C: Serialize + DeserializeOwned, E: Display, G: Fn(&S) -> C, P: Fn(&mut S, &C) -> Result<(), E>> Data
    for Place<'_, S, G, P>
{
    fn write(&self) -> Result<String, String> {
        to_json(&(self.get)(self.source))
    }

    fn check(&self, json: &str) -> Result<(), String> {
        (self.go)(&mut self.source.clone(), &from_json(json)?).map_err(|e| e.to_string())
    }

    fn read(&mut self, json: &str) -> Result<(), String> {
        (self.go)(self.source, &from_json(json)?).map_err(|e| e.to_string())
    }
}

fn to_json<T: Serialize + DeserializeOwned>(value: &T) -> Result<String, String> {
    let text = |value: &T| serde_json::to_string(value).map_err(|e| e.to_string());
    let json = text(value)?;
    let again: T = serde_json::from_str(&json).map_err(|e| format!("it would not come back: {e}"))?;
    if text(&again)? == json { Ok(json) } else { Err("it would come back changed".into()) }
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|e| e.to_string())
}

impl Contents {
    /// Takes out the tensors of a part, under their names without it.
    pub(super) fn take(&mut self, part: &str) -> Vec<(String, Value)> {
        let prefix = format!("{part}/");
        let (ours, rest) =
            std::mem::take(&mut self.tensors).into_iter().partition(|(name, _)| name.starts_with(&prefix));
        self.tensors = rest;
        let ours: Vec<(String, Value)> = ours;
        ours.into_iter().map(|(name, value)| (name[prefix.len()..].to_string(), value)).collect()
    }

    /// Reads a string of the metadata.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
        mismatches: &mut Vec<Mismatch>,
    ) -> Option<T> {
        let text = self.metadata.get(key);
        let value = text.and_then(|text| read(text));
        if value.is_none() {
            let found = text.map_or("missing".to_string(), |text| format!("{:?}", start(text, expected)));
            mismatches.push(Mismatch::Metadata { key: key.into(), found, expected: expected.into() });
        }
        value
    }
}

/// The part of a text that may be long which says most: from a little before where it parts from what was expected, or
/// from its beginning if that is near.
fn start(text: &str, expected: &str) -> String {
    const SHOWN: usize = 200;
    const BEFORE: usize = 40;
    let common = text.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
    if common + BEFORE < SHOWN {
        return text.chars().take(SHOWN).collect();
    }
    std::iter::once('…').chain(text.chars().skip(common - BEFORE).take(SHOWN)).collect()
}

/// An optimiser's state but for its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    kind: String,
    lr: f64,
    steps: u64,
    groups: Vec<GroupState>,
}

/// A count from a file. No run comes near 2⁶³, and whoever counts on from 2⁶⁴ − 1 would overflow.
pub(super) fn count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|&count| i64::try_from(count).is_ok())
}

/// Exactly three numbers, separated by blanks, of which the last is a count.
fn generator(text: &str) -> Option<RngState> {
    let mut parts = text.split(' ');
    let mut next = || parts.next();
    let (seed, stream, position) = (next()?.parse().ok()?, next()?.parse().ok()?, count(next()?)?);
    next().is_none().then_some(RngState { seed, stream, position })
}

/// The tensors of a part and its string.
type Saved = (Vec<(String, Value)>, Option<String>);

impl Part<'_> {
    /// What the file holds of this part.
    pub(super) fn save(&self, name: &str) -> Result<Saved, Error> {
        let one = |value| (vec![(VALUES.to_string(), value)], None);
        let text = |text| (Vec::new(), Some(text));
        Ok(match self {
            Part::Model(model) => (state_dict(*model)?, None),
            Part::Optimizer(optimizer) => {
                let OptimState { kind, lr, steps, groups, tensors } = optimizer.state();
                let head = serde_json::to_string(&Head { kind, lr, steps, groups });
                let name = name.to_string();
                (tensors, Some(head.map_err(|e| Error::Unsaved { name, reason: e.to_string() })?))
            }
            Part::Rng(rng) => {
                let RngState { seed, stream, position } = rng.state();
                text(format!("{seed} {stream} {position}"))
            }
            // The bits: a NaN keeps its payload, and nothing depends on how a number is printed.
            Part::Scalar(value) => text(format!("{:016x}", value.to_bits())),
            Part::Counter(value) => text(value.to_string()),
            Part::Floats(values) => one(Value::Float(Tensor::from_slice(values, [values.len()]))),
            Part::Ints(values) => one(Value::Int(Tensor::from_slice(values, [values.len()]))),
            Part::Tensors(tensors) => (numbered(tensors), None),
            Part::Data(data) => {
                let name = name.to_string();
                text(data.write().map_err(|reason| Error::Unsaved { name, reason })?)
            }
            Part::Config(json) => text(json.clone()),
        })
    }

    /// What this part would become; differences go to `mismatches`.
    pub(super) fn plan(
        &self,
        name: &str,
        tensors: Vec<(String, Value)>,
        contents: &Contents,
        mismatches: &mut Vec<Mismatch>,
    ) -> Option<Update> {
        let before = mismatches.len();
        let update = match self {
            Part::Model(model) => {
                let needed = needed(*model);
                mismatches.extend(within(name, compare_loaded(&needed, &tensors)));
                let values: HashMap<String, Value> = tensors.into_iter().collect();
                mismatches.extend(within(name, tied_differences(&needed, &values)));
                Some(Update::Model(values))
            }
            Part::Optimizer(optimizer) => {
                let read = |text: &str| serde_json::from_str(text).ok();
                let expected = "an optimiser's kind, learning rate, steps and settings";
                contents.parse(name, expected, read, mismatches).map(|Head { kind, lr, steps, groups }| {
                    let state = OptimState { kind, lr, steps, groups, tensors };
                    mismatches.extend(within(name, optimizer.mismatches(&state)));
                    Update::Optimizer(state)
                })
            }
            Part::Rng(_) => {
                contents.parse(name, "a generator's seed, stream and position", generator, mismatches).map(Update::Rng)
            }
            Part::Scalar(_) => contents
                .parse(name, "the 16 hexadecimal digits of a number", |t| u64::from_str_radix(t, 16).ok(), mismatches)
                .map(|bits| Update::Scalar(f64::from_bits(bits))),
            Part::Counter(_) => contents.parse(name, "a count", count, mismatches).map(Update::Counter),
            Part::Floats(_) => match alone(tensors) {
                Ok(Value::Float(values)) if values.rank() == 1 => Some(Update::Floats(values.to_vec())),
                other => {
                    mismatches.push(other_array(name, other, "floats along one axis"));
                    None
                }
            },
            Part::Ints(_) => match alone(tensors) {
                Ok(Value::Int(values)) if values.rank() == 1 => Some(Update::Ints(values.to_vec())),
                other => {
                    mismatches.push(other_array(name, other, "integers along one axis"));
                    None
                }
            },
            Part::Tensors(now) => {
                mismatches.extend(within(name, compare_values(&numbered(now), &tensors)));
                let mut values: HashMap<String, Value> = tensors.into_iter().collect();
                let float = |i: usize| match values.remove(&i.to_string()) {
                    Some(Value::Float(x)) => Some(x),
                    _ => None,
                };
                (0..now.len()).map(float).collect::<Option<_>>().map(Update::Tensors)
            }
            Part::Data(data) => {
                contents.parse(name, "JSON", |text| Some(text.to_string()), mismatches).and_then(|json| {
                    let wrong = data.check(&json).err().map(|error| Mismatch::Metadata {
                        key: name.into(),
                        found: start(&json, ""),
                        expected: format!("a value that fits ({error})"),
                    });
                    let good = wrong.is_none();
                    mismatches.extend(wrong);
                    good.then_some(Update::Data(json))
                })
            }
            Part::Config(json) => {
                contents.parse(name, json, |text| (text == json).then_some(Update::Config), mismatches)
            }
        };
        update.filter(|_| mismatches.len() == before)
    }

    pub(super) fn apply(&mut self, update: Update) -> Result<(), Error> {
        match (self, update) {
            (Part::Model(model), Update::Model(values)) => assign(*model, &values),
            (Part::Optimizer(optimizer), Update::Optimizer(state)) => optimizer.set_state(&state)?,
            (Part::Rng(rng), Update::Rng(state)) => **rng = Rng::from_state(state),
            (Part::Scalar(scalar), Update::Scalar(value)) => **scalar = value,
            (Part::Counter(counter), Update::Counter(value)) => **counter = value,
            (Part::Floats(values), Update::Floats(new)) => **values = new,
            (Part::Ints(values), Update::Ints(new)) => **values = new,
            (Part::Tensors(tensors), Update::Tensors(new)) => {
                tensors.iter_mut().zip(new).for_each(|(x, new)| **x = new);
            }
            (Part::Data(data), Update::Data(json)) => data.read(&json).expect("it was read once without an error"),
            (Part::Config(_), Update::Config) => {}
            _ => unreachable!("a part plans an update of its own kind"),
        }
        Ok(())
    }
}

/// Tensors whose names are their places.
fn numbered(tensors: &[&mut Tensor]) -> Vec<(String, Value)> {
    tensors.iter().enumerate().map(|(i, x)| (i.to_string(), Value::Float(x.detach()))).collect()
}

/// The one tensor of a part; otherwise the number of its tensors.
fn alone(tensors: Vec<(String, Value)>) -> Result<Value, usize> {
    let count = tensors.len();
    let mut tensors = tensors.into_iter();
    match (tensors.next(), tensors.next()) {
        (Some((name, value)), None) if name == VALUES => Ok(value),
        _ => Err(count),
    }
}

fn other_array(part: &str, found: Result<Value, usize>, expected: &str) -> Mismatch {
    let found = match found {
        Ok(Value::Float(x)) => format!("floats of shape {:?}", x.shape()),
        Ok(Value::Int(x)) => format!("integers of shape {:?}", x.shape()),
        Err(0) => "missing".to_string(),
        Err(count) => format!("{count} tensors"),
    };
    Mismatch::Metadata { key: format!("{part}/{VALUES}"), found, expected: expected.to_string() }
}

/// [`compare`] for tensors of a file that was written by [`Checkpoint::save`]: f32 and i64 only.
fn compare_loaded(needed: &[Needed], tensors: &[(String, Value)]) -> Vec<Mismatch> {
    let found: Vec<Found<'_>> = tensors.iter().map(|(name, value)| Found::in_memory(name, value)).collect();
    compare(needed, &found)
}

/// Puts the part's name in front of the tensors'.
fn within(part: &str, mismatches: Vec<Mismatch>) -> impl Iterator<Item = Mismatch> {
    mismatches.into_iter().map(move |mismatch| mismatch.within(part))
}
