//! A guard around the training step: NaN and infinity stop it before anything moves, and a policy says what happens then.
//!
//! A guarded step is all or nothing. If the loss or a gradient is not finite, the optimiser has not moved and the buffers
//! (running statistics, which a forward pass changes) are put back; only the random numbers are not, so that the next
//! step does not repeat the failure. Then the step is run again from the same random numbers, to find the place: once for
//! NaN and, where there was none, once for infinities. So the loss must be a function of its [`Ctx`] and the model: draw the
//! batch outside, and count nothing inside.
//!
//! ```
//! # fn main() -> Result<(), etude_nn::Error> {
//! use etude_autograd::Tensor;
//! use etude_nn::guard::{Guard, Outcome, Policy};
//! use etude_nn::{Adam, Ctx, Param};
//!
//! let w = Param::new(Tensor::ones([2]));
//! let mut opt = Adam::new(&w, 0.1);
//! let mut cx = Ctx::train(0);
//! let mut guard = Guard::new(Policy::Skip { limit: 3 });
//! for step in 0..10 {
//!     let x = if step == 4 { f32::NAN } else { 1.0 };
//!     match guard.step(step, &w, &mut opt, &mut cx, |cx| (cx.get(&w) * x).square().sum())? {
//!         Outcome::Stepped { loss } => assert!(loss.is_finite()),
//!         Outcome::Skipped { cause } | Outcome::RolledBack { cause, .. } => assert!(cause.to_string().contains("step 4")),
//!     }
//! }
//! assert_eq!(guard.failures(), 1);
//! # Ok(())
//! # }
//! ```

use etude_autograd::{Anomaly, Tensor, Watch, detect_anomaly, no_grad};
use etude_kernels::rng::Rng;
use serde::{Deserialize, Serialize};

use crate::ctx::Ctx;
use crate::error::{Error, check_finite};
use crate::module::{Module, Slot, Value};
use crate::optim::{OptimState, Optimizer};

/// What happens when a loss or a gradient is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// The error ends the run.
    Stop,
    /// The batch is left out.
    Skip {
        /// Failures in a row after which the next one is an error all the same.
        limit: u64,
    },
    /// Model and optimiser go back to the last snapshot; the data and the random numbers go on.
    ///
    /// A snapshot is taken before every step whose number is a multiple of `every`, and before the first. A run that saves
    /// its checkpoints at such steps resumes with the snapshot it had. A model that is not finite replaces no snapshot.
    RollBack {
        /// Steps between two snapshots, at least 1. A snapshot copies the model and the optimiser's state.
        every: u64,
        /// Failures in a row after which the next one is an error all the same.
        limit: u64,
    },
}

/// What became of a step.
#[derive(Debug)]
pub enum Outcome {
    /// The optimiser stepped.
    Stepped {
        /// The loss before it did.
        loss: f32,
    },
    /// Nothing changed but the random numbers.
    Skipped {
        /// Why.
        cause: Error,
    },
    /// Model and optimiser are what they were before step `to`.
    RolledBack {
        /// The step of the snapshot.
        to: u64,
        /// Why.
        cause: Error,
    },
}

/// The guard of one optimiser's steps: see the [module's page](self).
pub struct Guard {
    policy: Policy,
    failures: u64,
    in_a_row: u64,
    snapshot: Option<Snapshot>,
}

/// Copies that nobody else holds: the optimiser goes on updating in place.
struct Snapshot {
    step: u64,
    model: Vec<Value>,
    optimizer: OptimState,
}

impl Guard {
    /// A guard that has seen no step.
    ///
    /// # Panics
    /// If a snapshot is to be taken every 0 steps.
    #[track_caller]
    pub fn new(policy: Policy) -> Self {
        assert!(!matches!(policy, Policy::RollBack { every: 0, .. }), "Guard: a snapshot every 0 steps");
        Guard { policy, failures: 0, in_a_row: 0, snapshot: None }
    }

    /// Steps that were not taken.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// One step of `opt` down the loss, if loss and gradients are finite. `model` is what the loss changes besides the
    /// optimiser's parameters (its buffers), and what is rolled back.
    ///
    /// `loss` is called up to three times, after a failure with a copy of the same `cx`: a batch that it draws from anywhere
    /// else would be another one each time.
    ///
    /// # Errors
    /// The failure with its step and its place: always under [`Policy::Stop`], else after `limit` of them in a row. Model and
    /// optimiser are as they were before the step. Also what [`Optimizer::try_step`] refuses for another reason.
    pub fn step(
        &mut self,
        step: u64,
        model: &dyn Module,
        opt: &mut dyn Optimizer,
        cx: &mut Ctx,
        mut loss: impl FnMut(&mut Ctx) -> Tensor,
    ) -> Result<Outcome, Error> {
        if let Policy::RollBack { every, .. } = self.policy
            && (self.snapshot.is_none() || step.is_multiple_of(every) && not_finite(model).is_none())
        {
            self.snapshot = Some(Snapshot::take(step, model, opt));
        }
        let (buffers, rng) = (buffers(model), cx.rng.state());
        let refused = match attempt(step, opt, cx, &mut loss) {
            Ok(loss) => {
                self.in_a_row = 0;
                return Ok(Outcome::Stepped { loss });
            }
            Err(error) => error,
        };
        put_back(model, &buffers);
        if !matches!(refused, Error::Loss { .. } | Error::Gradient { .. }) {
            return Err(refused);
        }
        let mut before = cx.clone();
        before.rng = Rng::from_state(rng);
        let place = place(model, &before, &mut loss);
        put_back(model, &buffers);
        let cause = Error::NotFinite { step, refused: Box::new(refused), place };
        self.failures += 1;
        self.in_a_row += 1;
        match (self.policy, &self.snapshot) {
            (Policy::Skip { limit }, _) if self.in_a_row <= limit => Ok(Outcome::Skipped { cause }),
            (Policy::RollBack { limit, .. }, Some(snapshot)) if self.in_a_row <= limit => {
                snapshot.restore(model, opt)?;
                Ok(Outcome::RolledBack { to: snapshot.step, cause })
            }
            _ => Err(cause),
        }
    }
}

/// Where the first NaN of a step was born, or the first infinity if there is no NaN: the step is run again, forward and
/// backward, under the engine's eyes. A parameter or buffer that was not finite before comes first.
fn place(model: &dyn Module, before: &Ctx, mut loss: impl FnMut(&mut Ctx) -> Tensor) -> Option<String> {
    let mut again = || {
        let loss = loss(&mut before.clone());
        if loss.is_tracked() {
            loss.backward();
        }
    };
    not_finite(model).or_else(|| {
        // Infinities second: a mask uses them on purpose.
        let found =
            [Watch::Nan, Watch::NonFinite].into_iter().find_map(|watch| detect_anomaly(watch, &mut again).err());
        found.map(|anomaly| describe(&anomaly, model))
    })
}

/// The anomaly, and the parameter of `model` that is nearest to it.
fn describe(anomaly: &Anomaly, model: &dyn Module) -> String {
    match anomaly.leaf.and_then(|leaf| model.param_name(leaf)) {
        Some(name) => format!("{anomaly}; the nearest parameter is {name}"),
        None => anomaly.to_string(),
    }
}

/// The step itself; an error leaves the optimiser as it was.
fn attempt(
    step: u64,
    opt: &mut dyn Optimizer,
    cx: &mut Ctx,
    loss: &mut impl FnMut(&mut Ctx) -> Tensor,
) -> Result<f32, Error> {
    let loss = loss(cx);
    let value = check_finite(loss.item(), step)?;
    opt.try_step(&loss.backward())?;
    Ok(value)
}

/// The first parameter or buffer with a number that is not finite.
fn not_finite(model: &dyn Module) -> Option<String> {
    let mut found = None;
    model.each(&mut |name, slot| {
        if let (None, Value::Float(x)) = (&found, slot.value())
            && let Some(value) = x.to_vec().into_iter().find(|x| !x.is_finite())
        {
            found = Some(format!("{name} holds {value} already"));
        }
    });
    found
}

/// The buffers' present values; a parameter's place is empty.
fn buffers(model: &dyn Module) -> Vec<Option<Value>> {
    let mut out = Vec::new();
    model.each(&mut |_, slot| out.push((!matches!(slot, Slot::Param(_))).then(|| slot.value())));
    out
}

fn put_back(model: &dyn Module, values: &[Option<Value>]) {
    let mut values = values.iter();
    model.each(&mut |_, slot| match (slot, values.next()) {
        (Slot::Buffer(b), Some(Some(Value::Float(x)))) => b.set(x),
        (Slot::Counter(b), Some(Some(Value::Int(x)))) => b.set(x),
        _ => {}
    });
}

/// The same values in memory of their own.
fn copy(value: &Value) -> Value {
    match value {
        Value::Float(x) => Value::Float(Tensor::from_vec(x.to_vec(), x.shape())),
        Value::Int(x) => Value::Int(Tensor::from_vec(x.to_vec(), x.shape())),
    }
}

impl Snapshot {
    fn take(step: u64, model: &dyn Module, opt: &dyn Optimizer) -> Self {
        let mut values = Vec::new();
        no_grad(|| model.each(&mut |_, slot| values.push(copy(&slot.value()))));
        let mut optimizer = opt.state();
        optimizer.tensors.iter_mut().for_each(|(_, value)| *value = copy(value));
        Snapshot { step, model: values, optimizer }
    }

    fn restore(&self, model: &dyn Module, opt: &mut dyn Optimizer) -> Result<(), Error> {
        let mut optimizer = self.optimizer.clone();
        optimizer.tensors.iter_mut().for_each(|(_, value)| *value = copy(value));
        opt.set_state(&optimizer)?;
        let mut values = self.model.iter();
        model.each(&mut |_, slot| match (slot, values.next()) {
            (Slot::Param(p), Some(Value::Float(x))) => p.copy_from(x),
            (Slot::Buffer(b), Some(Value::Float(x))) => b.set(x),
            (Slot::Counter(b), Some(Value::Int(x))) => b.set(x),
            _ => {}
        });
        Ok(())
    }
}
