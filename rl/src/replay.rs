//! Experience replay (Lin 1992): the last transitions, drawn uniformly and with replacement.
//!
//! Invariant: `terminated` and `truncated` are kept apart. A learner must bootstrap from `next` where the time ran out
//! and must not where the task ended; a buffer that keeps only "done" has lost the difference.
//! The storage is allocated once, so memory does not grow with training.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;

use crate::error::require;
use crate::{RlError, Transition};

/// A ring of transitions with observations of `dim` features.
#[derive(Clone, Debug)]
pub struct Replay {
    capacity: usize,
    dim: usize,
    pushed: usize,
    obs: Vec<f32>,
    next: Vec<f32>,
    action: Vec<i64>,
    reward: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
}

/// All that a [`Replay`] holds, as arrays for a checkpoint: see [`Replay::contents`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayContents {
    /// Observations, `[len, dim]`.
    pub obs: Vec<f32>,
    /// The observations after the steps, `[len, dim]`.
    pub next: Vec<f32>,
    /// `[len]`
    pub reward: Vec<f32>,
    /// `[len]`
    pub action: Vec<i64>,
    /// `[len]`: 1 for terminated, 2 for truncated, 3 for both.
    pub ended: Vec<i64>,
    /// Transitions ever pushed.
    pub pushed: u64,
}

/// Rows drawn from a [`Replay`].
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, dim]`
    pub obs: Tensor,
    /// `[batch, 1]`, as `gather` wants it.
    pub action: Tensor<i64>,
    /// `[batch]`
    pub reward: Tensor,
    /// `[batch, dim]`: the observation after the step, of the same episode even where it ended.
    pub next: Tensor,
    /// `[batch]`
    pub terminated: Tensor<bool>,
    /// `[batch]`
    pub truncated: Tensor<bool>,
}

impl Batch {
    /// 0 where the task ended, else 1: the factor of the value of `next`.
    pub fn not_terminated(&self) -> Tensor {
        self.terminated.not().to_float()
    }
}

impl Replay {
    /// An empty buffer.
    ///
    /// # Errors
    /// A capacity or a dimension of 0.
    pub fn new(capacity: usize, dim: usize) -> Result<Replay, RlError> {
        require(capacity > 0, "Replay.capacity", capacity, "at least 1")?;
        require(dim > 0, "Replay.dim", dim, "at least 1")?;
        Ok(Replay {
            capacity,
            dim,
            pushed: 0,
            obs: vec![0.0; capacity * dim],
            next: vec![0.0; capacity * dim],
            action: vec![0; capacity],
            reward: vec![0.0; capacity],
            terminated: vec![false; capacity],
            truncated: vec![false; capacity],
        })
    }

    /// The number of transitions held: those pushed, at most the capacity.
    pub fn len(&self) -> usize {
        self.pushed.min(self.capacity)
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.pushed == 0
    }

    /// Stores the step from `obs` by `action`, in the place of the oldest one when full.
    ///
    /// # Errors
    /// An observation of another length, a number that is not finite.
    pub fn push<O: AsRef<[f32]>>(&mut self, obs: &O, action: usize, t: &Transition<O>) -> Result<(), RlError> {
        for (features, what) in [(obs.as_ref(), "observation"), (t.obs.as_ref(), "next observation")] {
            require(features.len() == self.dim, "Replay.push", features.len(), "as many features as `dim`")?;
            self.finite(what, features.iter().map(|x| f64::from(*x)))?;
        }
        self.finite("reward", std::iter::once(t.reward))?;
        let i = self.pushed % self.capacity;
        let row = i * self.dim..(i + 1) * self.dim;
        self.obs[row.clone()].copy_from_slice(obs.as_ref());
        self.next[row].copy_from_slice(t.obs.as_ref());
        self.action[i] = action as i64;
        self.reward[i] = t.reward as f32;
        self.terminated[i] = t.terminated;
        self.truncated[i] = t.truncated;
        self.pushed += 1;
        Ok(())
    }

    /// What is held, in the order of the ring.
    pub fn contents(&self) -> ReplayContents {
        let n = self.len();
        ReplayContents {
            obs: self.obs[..n * self.dim].to_vec(),
            next: self.next[..n * self.dim].to_vec(),
            reward: self.reward[..n].to_vec(),
            action: self.action[..n].to_vec(),
            ended: (0..n).map(|i| i64::from(self.terminated[i]) + 2 * i64::from(self.truncated[i])).collect(),
            pushed: self.pushed as u64,
        }
    }

    /// Takes over what another buffer of the same capacity and dimension held.
    ///
    /// # Errors
    /// Arrays of other lengths, a number that is not finite, a flag that is none. Nothing is changed then.
    pub fn restore(&mut self, contents: &ReplayContents) -> Result<(), RlError> {
        let ReplayContents { obs, next, reward, action, ended, pushed } = contents;
        let n = (*pushed).min(self.capacity as u64) as usize;
        let lengths = [obs.len() / self.dim, next.len() / self.dim, reward.len(), action.len(), ended.len()];
        let whole = obs.len() % self.dim == 0 && next.len() % self.dim == 0;
        let same = whole && lengths.iter().all(|&length| length == n);
        require(same, "Replay.restore", format!("{lengths:?}"), "min(pushed, capacity) rows of `dim` features")?;
        let numbers = obs.iter().chain(next).chain(reward);
        self.finite("restored number", numbers.map(|x| f64::from(*x)))?;
        let flags = ended.iter().all(|flag| (0..4).contains(flag)) && action.iter().all(|&a| a >= 0);
        require(flags, "Replay.restore", "a flag or an action", "flags from 0 to 3, actions from 0")?;
        self.obs[..n * self.dim].copy_from_slice(obs);
        self.next[..n * self.dim].copy_from_slice(next);
        self.reward[..n].copy_from_slice(reward);
        self.action[..n].copy_from_slice(action);
        for (i, flag) in ended.iter().enumerate() {
            (self.terminated[i], self.truncated[i]) = (flag & 1 != 0, flag & 2 != 0);
        }
        self.pushed = *pushed as usize;
        Ok(())
    }

    /// `batch` rows, each drawn uniformly from those held.
    ///
    /// # Errors
    /// An empty buffer.
    pub fn sample(&self, batch: usize, rng: &mut Rng) -> Result<Batch, RlError> {
        if self.is_empty() {
            return Err(RlError::EmptyReplay { batch });
        }
        let rows: Vec<usize> = (0..batch).map(|_| rng.below(self.len())).collect();
        Ok(self.rows(&rows))
    }

    /// The rows with these places in the ring.
    fn rows(&self, rows: &[usize]) -> Batch {
        let n = rows.len();
        Batch {
            obs: Tensor::from_vec(pick(&self.obs, self.dim, rows), [n, self.dim]),
            action: Tensor::from_vec(pick(&self.action, 1, rows), [n, 1]),
            reward: Tensor::from_vec(pick(&self.reward, 1, rows), [n]),
            next: Tensor::from_vec(pick(&self.next, self.dim, rows), [n, self.dim]),
            terminated: Tensor::from_vec(pick(&self.terminated, 1, rows), [n]),
            truncated: Tensor::from_vec(pick(&self.truncated, 1, rows), [n]),
        }
    }

    fn finite(&self, what: &str, mut numbers: impl Iterator<Item = f64>) -> Result<(), RlError> {
        match numbers.find(|x| !x.is_finite()) {
            None => Ok(()),
            Some(value) => Err(RlError::NotFinite { what: format!("replay: {what}"), step: self.pushed, value }),
        }
    }
}

/// Rows of `width` items.
pub(crate) fn pick<T: Copy>(items: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&i| &items[i * width..(i + 1) * width]).copied().collect()
}
