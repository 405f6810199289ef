//! What a workload is: a model with its step, at full size or as a narrow twin.
//!
//! Weights and data come from the hash in `etude_nn::testing`, as in the PyTorch program that wrote the golden losses.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_nn::{Ctx, Module, Optimizer, testing};

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

/// Makes a workload.
pub type Make = fn(Size) -> Result<Job>;

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
