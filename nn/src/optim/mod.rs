//! Optimisers: what happens to the parameters once there are gradients.
//!
//! An optimiser holds the parameters of the module that it was made from, each with its state, by name. It works in
//! place: after `backward()` has consumed the loss, it is the only owner of the values. The rules, their names and their
//! defaults are PyTorch's.
//!
//! Invariant: a step is all or nothing. Gradients that are missing or not finite are found before the first parameter
//! changes.
//!
//! ```
//! use etude_autograd::Tensor;
//! use etude_nn::{Adam, Optimizer, Param};
//!
//! let w = Param::new(Tensor::from_slice(&[3.0, -2.0], [2]));
//! let mut opt = Adam::new(&w, 0.1).betas(0.9, 0.99).clip_norm(1.0);
//! for _ in 0..200 {
//!     let loss = w.get().square().sum();
//!     opt.step(&loss.backward());
//! }
//! assert!(w.get().to_vec().iter().all(|x| x.abs() < 1e-2));
//! ```

mod adam;
mod engine;
mod group;
mod rmsprop;
mod settings;
mod sgd;

use etude_autograd::Grads;

pub use adam::{Adam, AdamRule, AdamW};
pub use engine::{MOST_STATES, Optim, Rule};
pub use group::GroupLr;
pub use rmsprop::{RmsProp, RmsPropRule};
pub use settings::{GroupState, Settings};
pub use sgd::{Sgd, SgdRule};

use crate::error::Error;
use crate::matching::{Mismatch, compare_values};
use crate::module::Value;

/// A setting that would turn parameters into NaN, or descents into ascents, is found where it is made.
#[track_caller]
fn check_setting(name: &str, value: f64) {
    assert!(value >= 0.0 && value.is_finite(), "{name}: {value} is negative or not finite");
}

/// What a training loop does with an optimiser, whichever it is.
pub trait Optimizer {
    /// One update from these gradients. Those of parameters that are not registered here are ignored.
    ///
    /// # Errors
    /// If a registered parameter got no gradient (unless [`Optim::allow_missing`]), or a gradient holds NaN or infinity.
    /// Nothing is changed then, neither parameters nor state.
    fn try_step(&mut self, grads: &Grads) -> Result<(), Error>;

    /// [`Optimizer::try_step`] for loops that cannot go on without it.
    ///
    /// # Panics
    /// With the error's message, which names the parameters.
    #[track_caller]
    fn step(&mut self, grads: &Grads) {
        if let Err(error) = self.try_step(grads) {
            panic!("{error}");
        }
    }

    /// The learning rate: that of the parameters in no [`Optim::group`].
    fn lr(&self) -> f64;

    /// Changes the learning rate: `opt.set_lr(schedule.at(step))`. Groups with one of their own follow in proportion, also to
    /// 0 and back.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    fn set_lr(&mut self, lr: f64);

    /// How many steps were taken.
    fn steps(&self) -> u64;

    /// The global gradient norm of the last step, before clipping; 0 before the first.
    fn grad_norm(&self) -> f64;

    /// All that a checkpoint needs to continue.
    fn state(&self) -> OptimState;

    /// What keeps this optimiser from continuing with a state: [`Optimizer::set_state`] refuses unless there is nothing.
    fn mismatches(&self, state: &OptimState) -> Vec<Mismatch>;

    /// Takes over a state that has the same kind, settings, names and shapes as [`Optimizer::state`]; the learning rates are
    /// the state's. [`Optim::allow_other_settings`] lets the settings differ.
    ///
    /// # Errors
    /// If it has not, or the parameters of one group have several learning rates in the state; nothing is changed then.
    fn set_state(&mut self, state: &OptimState) -> Result<(), Error>;
}

/// What an optimiser remembers: moments and counts by parameter name, the learning rate, and with which settings it ran.
#[derive(Clone, Debug)]
pub struct OptimState {
    /// PyTorch's name of the optimiser.
    pub kind: String,
    /// The learning rate.
    pub lr: f64,
    /// Steps taken.
    pub steps: u64,
    /// The settings of every parameter.
    pub groups: Vec<GroupState>,
    /// `PARAMETER/exp_avg` and so on, shaped as the parameter, and `PARAMETER/step`, an integer without axes.
    pub tensors: Vec<(String, Value)>,
}

impl OptimState {
    /// What keeps this state from continuing an optimiser whose state is `own`, whatever the settings of both.
    fn unfit(&self, own: &OptimState) -> Vec<Mismatch> {
        let wrong = |key: &str, found: String, expected: &str| Mismatch::Metadata {
            key: key.into(),
            found,
            expected: expected.into(),
        };
        let mut out = Vec::new();
        if self.kind != own.kind {
            out.push(wrong("the kind of optimiser", self.kind.clone(), &own.kind));
        }
        if !self.lr.is_finite() || self.lr < 0.0 {
            out.push(wrong("the learning rate", self.lr.to_string(), "a finite number, at least 0"));
        }
        if i64::try_from(self.steps).is_err() {
            out.push(wrong("the number of steps", self.steps.to_string(), "a count below 2⁶³"));
        }
        out.extend(settings::malformed(&self.groups, self.lr));
        out.extend(compare_values(&own.tensors, &self.tensors));
        for (name, value) in &self.tensors {
            if let Value::Int(count) = value
                && count.to_vec().iter().any(|&n| n < 0)
            {
                out.push(wrong(name, format!("{:?}", count.to_vec()), "a count"));
            }
        }
        out
    }
}
