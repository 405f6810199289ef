//! Checkpoints: everything that a run needs to go on, bit for bit, in one safetensors file.
//!
//! The parts are named once and serve both directions, so a part that is saved cannot be forgotten when resuming. Tensors
//! are stored under `PART/name`; numbers, generators and the step as strings in the metadata. Saving replaces the file
//! all at once; loading compares every part before it changes the first.
//!
//! ```
//! # fn main() -> Result<(), etude_nn::Error> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("run.safetensors");
//! # use etude_autograd::Tensor;
//! # let model = etude_nn::Param::new(Tensor::ones([3]));
//! use etude_nn::{Adam, Checkpoint, Ctx};
//!
//! let mut opt = Adam::new(&model, 1e-3);
//! let mut cx = Ctx::train(0);
//! let mut best = f64::INFINITY;
//! let mut run =
//!     Checkpoint::new().model("model", &model).optimizer("opt", &mut opt).rng("rng", &mut cx.rng).scalar("best", &mut best);
//! let first = if path.exists() { run.load(&path)? } else { 0 };
//! // … steps first, first + 1, …; then
//! run.save(&path, first + 100)?;
//! # assert_eq!(run.load(&path)?, 100);
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use etude_kernels::rng::{Rng, RngState};

use crate::error::Error;
use crate::file::{self, CHECKSUM, Contents};
use crate::matching::{Found, Mismatch, Needed, compare};
use crate::module::{Module, Value};
use crate::optim::{OptimState, Optimizer};
use crate::state::{assign, needed, refuse_packed, state_dict, tied_differences};

/// The metadata entry with the step.
const STEP: &str = "etude.step";

/// Whether the file uses this metadata entry for itself.
fn is_reserved(key: &str) -> bool {
    [STEP, CHECKSUM, "format"].contains(&key)
}

/// The parts of a run.
#[derive(Default)]
pub struct Checkpoint<'a> {
    parts: Vec<(String, Part<'a>)>,
}

enum Part<'a> {
    Model(&'a dyn Module),
    Optimizer(&'a mut dyn Optimizer),
    Rng(&'a mut Rng),
    Scalar(&'a mut f64),
    Counter(&'a mut u64),
}

/// A part's new value, checked.
enum Update {
    Model(HashMap<String, Value>),
    Optimizer(OptimState),
    Rng(RngState),
    Scalar(f64),
    Counter(u64),
}

impl<'a> Checkpoint<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    #[track_caller]
    fn with(mut self, name: &str, part: Part<'a>) -> Self {
        assert!(self.parts.iter().all(|(other, _)| other != name), "Checkpoint: two parts are called {name:?}");
        assert!(!is_reserved(name) && !name.contains('/'), "Checkpoint: {name:?} is no name for a part");
        self.parts.push((name.into(), part));
        self
    }

    /// The parameters and buffers of a model.
    ///
    /// # Panics
    /// Here and below: if there is a part of this name, or the name holds a slash or is one that the file itself uses.
    #[track_caller]
    pub fn model(self, name: &str, model: &'a dyn Module) -> Self {
        self.with(name, Part::Model(model))
    }

    /// The state of an optimiser and its learning rate.
    #[track_caller]
    pub fn optimizer(self, name: &str, optimizer: &'a mut dyn Optimizer) -> Self {
        self.with(name, Part::Optimizer(optimizer))
    }

    /// A random number generator.
    #[track_caller]
    pub fn rng(self, name: &str, rng: &'a mut Rng) -> Self {
        self.with(name, Part::Rng(rng))
    }

    /// A number, kept bit for bit.
    #[track_caller]
    pub fn scalar(self, name: &str, value: &'a mut f64) -> Self {
        self.with(name, Part::Scalar(value))
    }

    /// A count, such as the position in the data.
    #[track_caller]
    pub fn counter(self, name: &str, value: &'a mut u64) -> Self {
        self.with(name, Part::Counter(value))
    }

    /// Saves every part and the number of steps done, all or nothing: `path` holds the old checkpoint or the new one.
    pub fn save(&self, path: impl AsRef<Path>, step: u64) -> Result<(), Error> {
        let mut tensors = Vec::new();
        let mut metadata = BTreeMap::from([(STEP.to_string(), step.to_string())]);
        for (part, content) in &self.parts {
            let mut put = |values: Vec<(String, Value)>| {
                tensors.extend(values.into_iter().map(|(name, value)| (format!("{part}/{name}"), value)));
            };
            let text = match content {
                Part::Model(model) => {
                    put(state_dict(*model)?);
                    continue;
                }
                Part::Optimizer(optimizer) => {
                    let OptimState { kind, lr, steps, tensors } = optimizer.state();
                    put(tensors);
                    format!("{kind} {lr:?} {steps}")
                }
                Part::Rng(rng) => {
                    let RngState { seed, stream, position } = rng.state();
                    format!("{seed} {stream} {position}")
                }
                // The bits: a NaN keeps its payload, and nothing depends on how a number is printed.
                Part::Scalar(value) => format!("{:016x}", value.to_bits()),
                Part::Counter(value) => value.to_string(),
            };
            metadata.insert(part.clone(), text);
        }
        file::write(path, &tensors, &metadata)
    }

    /// Restores every part and returns the number of steps done.
    ///
    /// # Errors
    /// If the file is damaged, or with everything in it that does not fit the parts. Nothing is changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        let path = path.as_ref();
        for (_, part) in &self.parts {
            if let Part::Model(model) = part {
                refuse_packed(*model)?;
            }
        }
        let mut contents = file::read(path)?;
        let mut mismatches = Vec::new();
        let step = contents.parse(STEP, "a count of steps", |text| text.parse().ok(), &mut mismatches);
        let mut updates = Vec::new();
        for (name, part) in &self.parts {
            let tensors = contents.take(name);
            updates.push(part.plan(name, tensors, &contents, &mut mismatches));
        }
        let rest = contents.tensors.into_iter().map(|(name, _)| name);
        let known = |key: &String| is_reserved(key) || self.parts.iter().any(|(name, _)| name == key);
        let strings = contents.metadata.into_keys().filter(|key| !known(key));
        mismatches.extend(rest.chain(strings).map(|name| Mismatch::Unexpected { name }));
        let (Some(step), true) = (step, mismatches.is_empty()) else {
            return Err(Error::Mismatch { path: path.into(), mismatches });
        };
        for ((_, part), update) in self.parts.iter_mut().zip(updates.into_iter().flatten()) {
            part.apply(update)?;
        }
        Ok(step)
    }
}

impl Contents {
    /// Takes out the tensors of a part, under their names without it.
    fn take(&mut self, part: &str) -> Vec<(String, Value)> {
        let prefix = format!("{part}/");
        let (ours, rest) =
            std::mem::take(&mut self.tensors).into_iter().partition(|(name, _)| name.starts_with(&prefix));
        self.tensors = rest;
        let ours: Vec<(String, Value)> = ours;
        ours.into_iter().map(|(name, value)| (name[prefix.len()..].to_string(), value)).collect()
    }

    /// Reads a string of the metadata.
    fn parse<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
        mismatches: &mut Vec<Mismatch>,
    ) -> Option<T> {
        let text = self.metadata.get(key);
        let value = text.and_then(|text| read(text));
        if value.is_none() {
            let found = text.map_or("missing".to_string(), |text| format!("{text:?}"));
            mismatches.push(Mismatch::Metadata { key: key.into(), found, expected: expected.into() });
        }
        value
    }
}

/// Exactly these numbers, separated by blanks.
fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = text.split(' ').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

impl Part<'_> {
    /// What this part would become; differences go to `mismatches`.
    fn plan(
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
                let read = |text: &str| {
                    let (kind, rest) = text.split_once(' ')?;
                    let (lr, steps) = rest.split_once(' ')?;
                    Some((kind.to_string(), lr.parse().ok()?, steps.parse().ok()?))
                };
                let head = contents.parse(name, "an optimiser's kind, learning rate and steps", read, mismatches);
                head.map(|(kind, lr, steps)| {
                    let state = OptimState { kind, lr, steps, tensors };
                    mismatches.extend(within(name, state.mismatches(&optimizer.state())));
                    Update::Optimizer(state)
                })
            }
            Part::Rng(_) => contents
                .parse(name, "a generator's seed, stream and position", numbers::<3>, mismatches)
                .map(|[seed, stream, position]| Update::Rng(RngState { seed, stream, position })),
            Part::Scalar(_) => contents
                .parse(name, "the 16 hexadecimal digits of a number", |t| u64::from_str_radix(t, 16).ok(), mismatches)
                .map(|bits| Update::Scalar(f64::from_bits(bits))),
            Part::Counter(_) => {
                contents.parse(name, "a count", |text| text.parse().ok(), mismatches).map(Update::Counter)
            }
        };
        update.filter(|_| mismatches.len() == before)
    }

    fn apply(&mut self, update: Update) -> Result<(), Error> {
        match (self, update) {
            (Part::Model(model), Update::Model(values)) => assign(*model, &values),
            (Part::Optimizer(optimizer), Update::Optimizer(state)) => optimizer.set_state(&state)?,
            (Part::Rng(rng), Update::Rng(state)) => **rng = Rng::from_state(state),
            (Part::Scalar(scalar), Update::Scalar(value)) => **scalar = value,
            (Part::Counter(counter), Update::Counter(value)) => **counter = value,
            _ => unreachable!("a part plans an update of its own kind"),
        }
        Ok(())
    }
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
