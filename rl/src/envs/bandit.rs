//! Two environments whose answer is known, for testing learners: do they solve what cannot be misunderstood?
//!
//! They are those of Stable-Baselines3's `IdentityEnv` tests. An agent that fails here has a bug; one that passes may
//! still have one in what these do not ask for (time, exploration).

use etude_kernels::rng::Rng;

use crate::{Env, Episode, RlError, Space, Transition};

/// Name the symbol that is shown: reward 1 if action = symbol, else 0; a new symbol follows, whatever was done.
///
/// Best return: the number of steps. Best action value: 1 + γ/(1 − γ) by infinite continuation.
#[derive(Clone, Debug)]
pub struct Identity {
    symbols: usize,
    shown: usize,
    rng: Rng,
    episode: Episode,
}

impl Identity {
    /// Shows one of `symbols` symbols, one-hot, for `steps` steps.
    pub fn new(symbols: usize, steps: usize) -> Identity {
        Identity { symbols, shown: 0, rng: Rng::new(0), episode: Episode::new("Identity", symbols, Some(steps)) }
    }

    fn observation(&self) -> Vec<f32> {
        (0..self.symbols).map(|i| if i == self.shown { 1.0 } else { 0.0 }).collect()
    }
}

impl Env for Identity {
    type Obs = Vec<f32>;

    fn name(&self) -> &'static str {
        self.episode.name()
    }

    fn observation_space(&self) -> Space {
        Space::Box { low: vec![0.0; self.symbols], high: vec![1.0; self.symbols] }
    }

    fn actions(&self) -> usize {
        self.symbols
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        self.rng = Rng::new(seed);
        self.shown = self.rng.below(self.symbols);
        self.episode.begin();
        self.observation()
    }

    fn step(&mut self, action: usize) -> Result<Transition<Vec<f32>>, RlError> {
        self.episode.check(action)?;
        let reward = if action == self.shown { 1.0 } else { 0.0 };
        self.shown = self.rng.below(self.symbols);
        let truncated = self.episode.advance(false);
        Ok(Transition { obs: self.observation(), reward, terminated: false, truncated })
    }
}

/// Pull one arm: the reward is 1 with the arm's probability, and the episode ends.
///
/// The best action value is the largest probability.
#[derive(Clone, Debug)]
pub struct Bandit {
    arms: Vec<f64>,
    rng: Rng,
    episode: Episode,
}

impl Bandit {
    /// One probability for each arm.
    pub fn new(arms: &[f64]) -> Bandit {
        Bandit { arms: arms.to_vec(), rng: Rng::new(0), episode: Episode::new("Bandit", arms.len(), None) }
    }
}

impl Env for Bandit {
    type Obs = [f32; 1];

    fn name(&self) -> &'static str {
        self.episode.name()
    }

    fn observation_space(&self) -> Space {
        Space::Box { low: vec![1.0], high: vec![1.0] }
    }

    fn actions(&self) -> usize {
        self.arms.len()
    }

    fn reset(&mut self, seed: u64) -> [f32; 1] {
        self.rng = Rng::new(seed);
        self.episode.begin();
        [1.0]
    }

    fn step(&mut self, action: usize) -> Result<Transition<[f32; 1]>, RlError> {
        self.episode.check(action)?;
        let reward = if self.rng.f64() < self.arms[action] { 1.0 } else { 0.0 };
        let truncated = self.episode.advance(true);
        Ok(Transition { obs: [1.0], reward, terminated: true, truncated })
    }
}
