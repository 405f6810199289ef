//! What a run of DQN or PPO tells while it trains and hands back when it ends.
//!
//! The policy of a value-based learner goes up and down to the last step (CleanRL's and the RL Zoo's curves do, too),
//! so the run keeps the best one. *Best* is judged on validation episodes whose seeds come from their own stream: they
//! are neither training episodes nor those that a caller reports results on.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::Optimizer;

use crate::{EpisodeEnd, RlError};

/// Streams of a run's seed, one for each use, so that no use disturbs another. Stream 0 is the context's.
pub(crate) mod stream {
    /// Actions and minibatches.
    pub const AGENT: u64 = 1;
    /// Validation episodes.
    pub const VALIDATION: u64 = 2;
    /// Episodes that results are reported on.
    pub const TEST: u64 = 3;
    /// Training episodes of copy 0; those of the other copies follow.
    pub const EPISODES: u64 = 1 << 32;
}

/// The greedy policy's mean return on the validation episodes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// Steps in the environment before it.
    pub step: usize,
    /// The mean return.
    pub mean: f64,
}

/// News of a run, given to the caller's closure now and then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps in the environment so far, over all copies.
    pub step: usize,
    /// Steps in the environment in all.
    pub steps: usize,
    /// The latest loss, 0 before the first update.
    pub loss: f32,
    /// The mean return of the last 20 finished training episodes, 0 before the first.
    pub train_return: f64,
    /// The latest validation, if there was one.
    pub validation: Option<Validation>,
}

/// A trained model and the record of its training.
#[derive(Clone, Debug)]
pub struct Trained<M> {
    /// The model of the best validation; the later one of equals. The last model of a run without validations.
    pub model: M,
    /// Which validation that was; without any, the mean return of the last 20 finished training episodes.
    pub best: Validation,
    /// Every validation in order.
    pub validations: Vec<Validation>,
    /// Every finished training episode; `step` counts steps over all copies.
    pub episodes: Vec<EpisodeEnd>,
}

/// One gradient step; gives the loss.
pub(crate) fn descend(
    algorithm: &'static str,
    loss: Tensor,
    opt: &mut impl Optimizer,
    step: usize,
) -> Result<f32, RlError> {
    let value = loss.item();
    if !value.is_finite() {
        return Err(RlError::NotFinite { what: format!("{algorithm} loss"), step, value: f64::from(value) });
    }
    let update = opt.try_step(&loss.backward());
    update.map_err(|e| RlError::Update { algorithm, step, reason: e.to_string() })?;
    Ok(value)
}

/// Collects the record.
pub(crate) struct Record<M> {
    pub episodes: Vec<EpisodeEnd>,
    pub validations: Vec<Validation>,
    pub best: Option<(Validation, M)>,
}

impl<M> Record<M> {
    pub fn new() -> Record<M> {
        Record { episodes: Vec::new(), validations: Vec::new(), best: None }
    }

    /// Keeps a copy of the model if it is the best so far.
    pub fn validated(&mut self, step: usize, mean: f64, model: impl FnOnce() -> M) {
        let validation = Validation { step, mean };
        self.validations.push(validation);
        if self.best.as_ref().is_none_or(|(best, _)| mean >= best.mean) {
            self.best = Some((validation, model()));
        }
    }

    /// A copy of the best model so far, or of the present one before the first validation.
    pub fn best_or(&self, present: &M) -> M
    where
        M: Clone,
    {
        self.best.as_ref().map_or(present, |(_, model)| model).clone()
    }

    pub fn progress(&self, step: usize, steps: usize, loss: f32) -> Progress {
        let train_return = self.train_return(20);
        Progress { step, steps, loss, train_return, validation: self.validations.last().copied() }
    }

    /// The mean return of the last `n` finished training episodes, 0 before the first.
    pub fn train_return(&self, n: usize) -> f64 {
        let last = &self.episodes[self.episodes.len().saturating_sub(n)..];
        last.iter().map(|end| end.total).sum::<f64>() / last.len().max(1) as f64
    }

    /// The result of a run that ended at this step with this model.
    pub fn finish(self, step: usize, model: M) -> Trained<M> {
        let last = Validation { step, mean: self.train_return(20) };
        let (best, model) = self.best.unwrap_or((last, model));
        Trained { model, best, validations: self.validations, episodes: self.episodes }
    }
}

/// Seeds of the episodes that choose the best model of a run.
pub(crate) fn validation_seeds(seed: u64, episodes: usize) -> Vec<u64> {
    let mut rng = Rng::with_stream(seed, stream::VALIDATION);
    (0..episodes).map(|_| rng.next_u64()).collect()
}

/// Fresh seeds for reporting a result of a run: its training and its validation never see them.
pub fn test_seeds(seed: u64, episodes: usize) -> Vec<u64> {
    let mut rng = Rng::with_stream(seed, stream::TEST);
    (0..episodes).map(|_| rng.next_u64()).collect()
}
