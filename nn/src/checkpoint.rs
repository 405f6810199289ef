//! Checkpoints: everything that a run needs to go on, bit for bit, in one safetensors file.
//!
//! The parts are named once and serve both directions, so a part that is saved cannot be forgotten when resuming. Tensors
//! are stored under `PART/name`; numbers, generators and the step as strings in the metadata. Saving replaces the file
//! all at once; loading compares every part before it changes the first.
//!
//! | part | saved with |
//! |---|---|
//! | parameters and buffers | [`Checkpoint::model`] |
//! | moments, counts, learning rates and settings | [`Checkpoint::optimizer`]: other settings are refused |
//! | random numbers | [`Checkpoint::rng`] |
//! | the schedule | nothing: it is a function of the step; a [`Plateau`](crate::schedule::Plateau) by [`Checkpoint::data`] |
//! | the data loader's place | [`Checkpoint::cursor`] |
//! | the [journal's position](crate::Journal::position), curves for a chart | [`Checkpoint::data`] |
//! | a state that is carried from batch to batch | [`Checkpoint::tensors`] |
//! | a replay buffer, other long arrays | [`Checkpoint::floats`], [`Checkpoint::ints`] |
//! | single numbers | [`Checkpoint::scalar`], [`Checkpoint::counter`] |
//! | what must be as it was: sizes, the seed | [`Checkpoint::config`] |
//!
//! ```
//! # fn main() -> Result<(), etude_nn::Error> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("run.safetensors");
//! # use etude_autograd::Tensor;
//! use etude_nn::{Adam, Checkpoint, Ctx, Optimizer, Param};
//!
//! /// All that changes while it trains.
//! struct Run {
//!     model: Param,
//!     opt: Adam,
//!     cx: Ctx,
//!     losses: Vec<f32>,
//! }
//!
//! impl Run {
//!     fn parts(&mut self) -> Checkpoint<'_> {
//!         Checkpoint::new()
//!             .model("model", &self.model)
//!             .optimizer("opt", &mut self.opt)
//!             .rng("rng", &mut self.cx.rng)
//!             .floats("losses", &mut self.losses)
//!             .keep_previous()
//!     }
//! }
//!
//! let model = Param::new(Tensor::ones([3]));
//! let opt = Adam::new(&model, 1e-3);
//! let mut run = Run { model, opt, cx: Ctx::train(0), losses: Vec::new() };
//! let first = run.parts().resume(&path)?.map_or(0, |found| found.step);
//! for step in first..100 {
//!     let loss = (run.model.get() - Tensor::randn([3], &mut run.cx)).square().mean();
//!     run.losses.push(loss.item());
//!     run.opt.step(&loss.backward());
//!     if (step + 1) % 50 == 0 {
//!         run.parts().save(&path, step + 1)?;
//!     }
//! }
//! # assert_eq!(run.parts().load(&path)?, 100);
//! # Ok(())
//! # }
//! ```

mod part;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::file::{self, CHECKSUM, FileProblem};
use crate::matching::Mismatch;
use crate::module::Module;
use crate::optim::Optimizer;
use crate::state::refuse_packed;
use part::{Part, Place, Typed};

/// The metadata entry with the step.
const STEP: &str = "etude.step";

/// Whether the file uses this metadata entry for itself.
fn is_reserved(key: &str) -> bool {
    [STEP, CHECKSUM, "format"].contains(&key)
}

/// The parts of a run: see the [module's page](self).
#[derive(Default)]
pub struct Checkpoint<'a> {
    parts: Vec<(String, Part<'a>)>,
    keep: bool,
}

/// Where a run goes on: see [`Checkpoint::resume`].
#[derive(Debug)]
pub struct Resumed {
    /// The number of steps done.
    pub step: u64,
    /// What is wrong with the newest checkpoint, if the one before it had to stand in.
    pub damaged: Option<Error>,
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

    /// Numbers, kept bit for bit. As many as the file has are read; whoever needs a certain count checks it.
    #[track_caller]
    pub fn floats(self, name: &str, values: &'a mut Vec<f32>) -> Self {
        self.with(name, Part::Floats(values))
    }

    /// As [`Checkpoint::floats`] for integers.
    #[track_caller]
    pub fn ints(self, name: &str, values: &'a mut Vec<i64>) -> Self {
        self.with(name, Part::Ints(values))
    }

    /// Tensors, kept bit for bit and without their history, such as the state of a recurrent net. The file's must have
    /// their shapes.
    #[track_caller]
    pub fn tensors(self, name: &str, tensors: impl IntoIterator<Item = &'a mut Tensor>) -> Self {
        self.with(name, Part::Tensors(tensors.into_iter().collect()))
    }

    /// The place of something that walks through data: `get` tells it, `go` goes there, or refuses and changes nothing. For
    /// the loaders of `etude_data`: `.cursor("batches", &mut batches, Batches::cursor, Batches::resume)`.
    #[track_caller]
    pub fn cursor<S: Clone, C: Serialize + DeserializeOwned, E: Display>(
        self,
        name: &str,
        source: &'a mut S,
        get: impl Fn(&S) -> C + 'a,
        go: impl Fn(&mut S, &C) -> Result<(), E> + 'a,
    ) -> Self {
        self.with(name, Part::Data(Box::new(Place { source, get, go })))
    }

    /// Any value that serde can write as JSON and read again: a position, a curve. Finite floats keep their bits;
    /// a value that would not come back (JSON has no NaN) is an error of [`Checkpoint::save`]. Only a NaN within an `Option`
    /// goes unnoticed and comes back as `None`: [`Checkpoint::scalar`] keeps it.
    #[track_caller]
    pub fn data<T: Serialize + DeserializeOwned>(self, name: &str, value: &'a mut T) -> Self {
        self.with(name, Part::Data(Box::new(Typed(value))))
    }

    /// What must be the same when resuming, such as the seed and the sizes: a checkpoint with another value does not fit.
    ///
    /// # Panics
    /// Also if serde cannot write it as JSON.
    #[track_caller]
    pub fn config(self, name: &str, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(json) => self.with(name, Part::Config(json)),
            Err(error) => panic!("Checkpoint: {name} cannot be written: {error}"),
        }
    }

    /// Keeps the checkpoint before the newest as well, under its name with `.previous` behind, for the case that the
    /// newest is damaged after it was saved. [`Checkpoint::resume`] finds it.
    pub fn keep_previous(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Saves every part and the number of steps done, all or nothing: `path` holds the old checkpoint or the new one.
    ///
    /// # Errors
    /// If the file cannot be written, a parameter is packed, or a value would not come back. Nothing is saved then.
    pub fn save(&self, path: impl AsRef<Path>, step: u64) -> Result<(), Error> {
        let mut tensors = Vec::new();
        let mut metadata = BTreeMap::from([(STEP.to_string(), step.to_string())]);
        for (part, content) in &self.parts {
            let (values, text) = content.save(part)?;
            tensors.extend(values.into_iter().map(|(name, value)| (format!("{part}/{name}"), value)));
            metadata.extend(text.map(|text| (part.clone(), text)));
        }
        file::write_keeping(path.as_ref(), self.keep, &tensors, &metadata)
    }

    /// Restores every part and returns the number of steps done.
    ///
    /// # Errors
    /// If the file is damaged, or with everything in it that does not fit the parts. Nothing is changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        let path = path.as_ref();
        self.restore(path, file::read(path)?)
    }

    /// [`Checkpoint::load`] for a checkpoint that is already in memory; `name` stands in errors.
    ///
    /// # Errors
    /// As there.
    pub fn load_bytes(&mut self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<u64, Error> {
        self.restore(name.as_ref(), file::read_bytes(name.as_ref(), bytes)?)
    }

    /// [`Checkpoint::load`] for what [`Checkpoint::save`] left: that has a checksum. Damage to the entry's own name would
    /// otherwise leave a file unchecked.
    fn load_saved(&mut self, path: &Path) -> Result<u64, Error> {
        let contents = file::read(path)?;
        if !contents.metadata.contains_key(CHECKSUM) {
            return Err(Error::File { path: path.into(), problem: FileProblem::NoChecksum { key: CHECKSUM } });
        }
        self.restore(path, contents)
    }

    fn restore(&mut self, path: &Path, mut contents: file::Contents) -> Result<u64, Error> {
        for (_, part) in &self.parts {
            if let Part::Model(model) = part {
                refuse_packed(*model)?;
            }
        }
        let mut mismatches = Vec::new();
        let step = contents.parse(STEP, "a count of steps", part::count, &mut mismatches);
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

    /// As [`Checkpoint::load`] for a run that may be the first: `None` if there is no checkpoint. Where the newest one is
    /// damaged, cannot be read or is gone, the one that [`Checkpoint::keep_previous`] kept stands in, and
    /// [`Resumed::damaged`] says what is wrong with a newest one that is there. What a killed save left beside them is
    /// removed.
    ///
    /// # Errors
    /// If there is a checkpoint but none that is whole, or the one found does not fit the parts. Nothing is changed then.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<Option<Resumed>, Error> {
        let path = path.as_ref();
        file::sweep(path);
        let absent = |error: &Error| matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound);
        let newest = match self.load_saved(path) {
            Ok(step) => return Ok(Some(Resumed { step, damaged: None })),
            Err(error) if absent(&error) => None,
            Err(error @ (Error::File { .. } | Error::Io { .. })) => Some(error),
            Err(error) => return Err(error),
        };
        match (self.load_saved(&file::previous(path)), newest) {
            (Ok(step), damaged) => Ok(Some(Resumed { step, damaged })),
            (Err(error), None) if absent(&error) => Ok(None),
            (Err(error), None) => Err(error),
            (Err(_), Some(newest)) => Err(newest),
        }
    }
}
