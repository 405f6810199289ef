//! What a workload is: a model with its step, at full size or as a narrow twin.
//!
//! Weights, data and the noise of the first step come from the hash in `etude_nn::testing`, as in the PyTorch program that
//! wrote the golden losses; a twin draws all of its noise from it.

use anyhow::Result;
use etude_autograd::{Tensor, no_grad};
use etude_nn::{Ctx, Module, Optimizer, testing};

use super::Precision;
use super::control::Run;

/// How large a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As measured.
    Full,
    /// As compared with PyTorch over ten steps.
    Twin,
}

impl Size {
    /// The value for this size.
    pub fn pick<T>(self, full: T, twin: T) -> T {
        match self {
            Size::Full => full,
            Size::Twin => twin,
        }
    }
}

/// A workload that is ready to take steps.
pub struct Job {
    /// One step; gives its loss, or the sum of its outputs where nothing is trained.
    pub step: Box<dyn FnMut() -> f64>,
    /// Trainable elements.
    pub params: usize,
    /// What a step works off.
    pub unit: &'static str,
    /// How many of them.
    pub items: usize,
}

/// What there is to measure.
pub struct Workload {
    /// As in w1.
    pub name: &'static str,
    /// Makes its steps.
    pub make: fn(Size) -> Result<Job>,
    /// What is timed.
    pub timed: Timed,
    /// The workload whose golden losses are its own too, within what its numbers allow.
    pub golden: &'static str,
    /// Of its weights at full size, where that is less than the command's.
    pub accuracy: Option<Precision>,
}

/// What is timed of a workload.
pub enum Timed {
    /// Its steps.
    Step,
    /// A whole loop of DQN from a seed; steps are only compared.
    Dqn(fn(u64) -> Result<Run>),
    /// A whole loop of PPO from a seed; steps are only compared.
    Ppo(fn(u64) -> Result<Run>),
}

impl Workload {
    /// One whose steps are timed.
    pub const fn of_steps(name: &'static str, make: fn(Size) -> Result<Job>) -> Self {
        Workload::timed(name, make, Timed::Step)
    }

    /// One whose weights at full size are bf16, and everything else as in `golden`.
    pub const fn in_bf16(name: &'static str, golden: &'static str, make: fn(Size) -> Result<Job>) -> Self {
        Workload { golden, accuracy: Some(Precision::Bf16), ..Workload::of_steps(name, make) }
    }

    /// One of which something else is timed.
    pub const fn timed(name: &'static str, make: fn(Size) -> Result<Job>, timed: Timed) -> Self {
        Workload { name, make, timed, golden: name, accuracy: None }
    }
}

/// Random numbers of a step, as the PyTorch programs draw them anew in each.
pub struct Noise {
    size: Size,
    step: usize,
    cx: Ctx,
}

impl Noise {
    /// The numbers of the first step and of those after it.
    pub fn new(size: Size) -> Self {
        Noise { size, step: 0, cx: Ctx::train(0) }
    }

    /// Mean 0, variance 1.
    pub fn standard(&mut self, name: &str, shape: &[usize]) -> Tensor {
        match self.hashed(name) {
            Some(name) => testing::standard(&name, shape),
            None => Tensor::randn(shape, &mut self.cx),
        }
    }

    /// In [0, 1).
    pub fn uniform(&mut self, name: &str, shape: &[usize]) -> Tensor {
        match self.hashed(name) {
            Some(name) => testing::uniform(&name, shape, 0.0, 1.0),
            None => Tensor::rand(shape, &mut self.cx),
        }
    }

    /// The name under which this step's numbers are hashed, if they are. A step asks once.
    fn hashed(&mut self, name: &str) -> Option<String> {
        let step = self.step;
        self.step += 1;
        (self.size == Size::Twin || step == 0).then(|| format!("{name}{step}"))
    }
}

/// A job that descends on a loss.
pub fn descend<M: Module + 'static>(
    model: M,
    mut opt: impl Optimizer + 'static,
    (unit, items): (&'static str, usize),
    mut loss: impl FnMut(&M, &mut Ctx) -> Tensor + 'static,
) -> Job {
    let params = model.count();
    let mut cx = Ctx::train(0);
    let step = move || testing::descend(&mut opt, loss(&model, &mut cx));
    Job { step: Box::new(step), params, unit, items }
}

/// A job that only sums its outputs.
pub fn infer(
    params: usize,
    (unit, items): (&'static str, usize),
    mut outputs: impl FnMut() -> Tensor + 'static,
) -> Job {
    let step = move || f64::from(no_grad(|| outputs().sum().item()));
    Job { step: Box::new(step), params, unit, items }
}
