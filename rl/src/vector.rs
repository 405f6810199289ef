//! Several copies of an environment stepped together, restarted by themselves.
//!
//! When an episode ends, the copy is reset in the same call: `obs` is the first observation of the new episode and the
//! step's `next` keeps the final observation of the old one, which a learner needs to bootstrap a truncated episode.
//! Invariant: copy `i` draws its episodes from a stream of its own, [`episode_seeds`]`(seed, i)`, so it sees the same
//! episodes whatever the other copies do. Every observation and reward is checked here, where it enters.

use etude_kernels::rng::{Rng, RngState};

use crate::error::require;
use crate::training::stream;
use crate::{Env, Observation, RlError, Space, Transition};

/// The generator of the seeds of the episodes of a copy.
pub fn episode_seeds(seed: u64, copy: usize) -> Rng {
    Rng::with_stream(seed, stream::EPISODES + copy as u64)
}

/// The environments and the generators of their episodes.
#[derive(Clone, Debug)]
pub struct VecEnv<E: Env> {
    copies: Vec<Slot<E>>,
    space: Space,
    obs: Vec<E::Obs>,
    steps: usize,
}

#[derive(Clone, Debug)]
struct Slot<E> {
    env: E,
    seeds: Rng,
    /// The seed of the running episode and what was done in it.
    seed: u64,
    actions: Vec<usize>,
    total: f64,
}

/// Where a [`VecEnv`] stands, for a checkpoint: an episode is a function of its seed and actions, so these bring any
/// environment back. The actions of a running episode are remembered; an episode that never ends grows.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct VecEnvState {
    steps: usize,
    copies: Vec<SlotState>,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct SlotState {
    /// Draws from the copy's generator of seeds.
    drawn: u64,
    seed: u64,
    actions: Vec<usize>,
    total: f64,
}

/// What one step of all copies brought; index `i` belongs to copy `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct VecStep<O> {
    /// The rewards.
    pub reward: Vec<f64>,
    /// Whether the task ended.
    pub terminated: Vec<bool>,
    /// Whether the time ran out.
    pub truncated: Vec<bool>,
    /// The observation after the step, of the old episode even where it ended.
    pub next: Vec<O>,
    /// The episodes that ended with this step.
    pub finished: Vec<EpisodeEnd>,
}

impl<O: Clone> VecStep<O> {
    /// The step of one copy.
    pub fn transition(&self, copy: usize) -> Transition<O> {
        Transition {
            obs: self.next[copy].clone(),
            reward: self.reward[copy],
            terminated: self.terminated[copy],
            truncated: self.truncated[copy],
        }
    }
}

/// A finished episode.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpisodeEnd {
    /// The copy it ran in.
    pub copy: usize,
    /// The step of the vector, counted from 0, with which it ended.
    pub step: usize,
    /// The undiscounted sum of its rewards.
    pub total: f64,
    /// The number of its steps.
    pub length: usize,
}

impl<E: Env> VecEnv<E> {
    /// `n` copies made by `make`, each reset to its first episode.
    ///
    /// # Errors
    /// `n` = 0, or a first observation outside the space.
    pub fn new(n: usize, seed: u64, mut make: impl FnMut() -> E) -> Result<VecEnv<E>, RlError> {
        require(n > 0, "VecEnv.n", n, "at least 1")?;
        let copy = |i| Slot { env: make(), seeds: episode_seeds(seed, i), seed: 0, actions: Vec::new(), total: 0.0 };
        let mut copies: Vec<Slot<E>> = (0..n).map(copy).collect();
        let space = copies[0].env.observation_space();
        let mut obs = Vec::with_capacity(n);
        for copy in &mut copies {
            obs.push(copy.reset(&space, 0)?);
        }
        Ok(VecEnv { copies, space, obs, steps: 0 })
    }

    /// Where it stands, for [`VecEnv::restore`].
    pub fn state(&self) -> VecEnvState {
        let copy = |slot: &Slot<E>| SlotState {
            drawn: slot.seeds.state().position,
            seed: slot.seed,
            actions: slot.actions.clone(),
            total: slot.total,
        };
        VecEnvState { steps: self.steps, copies: self.copies.iter().map(copy).collect() }
    }

    /// Goes to where another vector of the same environments and seed stood: plays the running episodes again.
    ///
    /// # Errors
    /// Another number of copies, a count from which counting on would overflow, an error of an environment, an episode that
    /// runs otherwise than it did. The vector is of no use then.
    pub fn restore(&mut self, state: &VecEnvState) -> Result<(), RlError> {
        let (n, found) = (self.len(), state.copies.len());
        require(found == n, "VecEnv.restore copies", found, "as many as there are")?;
        let mut counts = state.copies.iter().map(|copy| copy.drawn).chain([state.steps as u64]);
        let endless = counts.find(|&count| i64::try_from(count).is_err());
        require(endless.is_none(), "VecEnv.restore", endless.unwrap_or(0), "counts below 2⁶³")?;
        for (i, (copy, state)) in self.copies.iter_mut().zip(&state.copies).enumerate() {
            let SlotState { drawn, seed, actions, total } = state;
            let at = copy.seeds.state();
            copy.seeds = Rng::from_state(RngState { position: *drawn, ..at });
            self.obs[i] = copy.env.reset(*seed);
            checked(&copy.env, &self.obs[i], &self.space, self.steps)?;
            (copy.seed, copy.total) = (*seed, 0.0);
            copy.actions.clone_from(actions);
            for (step, &action) in actions.iter().enumerate() {
                let t = copy.env.step(action)?;
                copy.total += t.reward;
                if t.done() {
                    let breach = format!("the episode of seed {seed} ended with step {step}, but went on before");
                    return Err(RlError::Breach { env: copy.env.name(), breach });
                }
                self.obs[i] = t.obs;
            }
            if copy.total.to_bits() != total.to_bits() {
                let breach =
                    format!("the episode of seed {seed} brought {} where it brought {total} before", copy.total);
                return Err(RlError::Breach { env: copy.env.name(), breach });
            }
        }
        self.steps = state.steps;
        Ok(())
    }

    /// The number of copies.
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Never: there is at least one copy.
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// The name of the environments.
    pub fn name(&self) -> &'static str {
        self.copies[0].env.name()
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.copies[0].env.actions()
    }

    /// The space of each observation.
    pub fn observation_space(&self) -> &Space {
        &self.space
    }

    /// The observations to act on now.
    pub fn obs(&self) -> &[E::Obs] {
        &self.obs
    }

    /// One step of every copy; afterwards `obs()` shows the new episode where an old one ended.
    ///
    /// # Errors
    /// A wrong number of actions, an error of an environment, an observation outside the space, a reward that is not
    /// finite.
    pub fn step(&mut self, actions: &[usize]) -> Result<VecStep<E::Obs>, RlError> {
        let n = self.len();
        require(actions.len() == n, "VecEnv.step actions", actions.len(), "one action for each copy")?;
        let mut out = VecStep {
            reward: Vec::with_capacity(n),
            terminated: Vec::with_capacity(n),
            truncated: Vec::with_capacity(n),
            next: Vec::with_capacity(n),
            finished: Vec::new(),
        };
        for (i, (copy, &action)) in self.copies.iter_mut().zip(actions).enumerate() {
            let t = copy.env.step(action)?;
            checked(&copy.env, &t.obs, &self.space, self.steps)?;
            if !t.reward.is_finite() {
                let what = format!("reward of {} (copy {i})", copy.env.name());
                return Err(RlError::NotFinite { what, step: self.steps, value: t.reward });
            }
            copy.total += t.reward;
            copy.actions.push(action);
            if t.done() {
                let (total, length) = (copy.total, copy.actions.len());
                out.finished.push(EpisodeEnd { copy: i, step: self.steps, total, length });
                self.obs[i] = copy.reset(&self.space, self.steps)?;
            } else {
                self.obs[i] = t.obs.clone();
            }
            out.reward.push(t.reward);
            out.terminated.push(t.terminated);
            out.truncated.push(t.truncated);
            out.next.push(t.obs);
        }
        self.steps += 1;
        Ok(out)
    }
}

impl<E: Env> Slot<E> {
    fn reset(&mut self, space: &Space, step: usize) -> Result<E::Obs, RlError> {
        (self.seed, self.total) = (self.seeds.next_u64(), 0.0);
        self.actions.clear();
        let obs = self.env.reset(self.seed);
        checked(&self.env, &obs, space, step)?;
        Ok(obs)
    }
}

/// An error unless the observation is in the space.
pub(crate) fn checked<E: Env>(env: &E, obs: &E::Obs, space: &Space, step: usize) -> Result<(), RlError> {
    if obs.inside(space) {
        return Ok(());
    }
    Err(RlError::OutsideSpace { env: env.name(), observation: format!("{obs:?}"), space: space.to_string(), step })
}
