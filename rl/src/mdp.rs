//! Finite Markov decision processes with known probabilities, and dynamic programming on them.
//!
//! This is the oracle: what a learner finds from samples is compared with what the Bellman equations say.
//! Invariant: the outcomes of every (state, action) are a probability distribution over existing states.
//! Source: Sutton & Barto 2018, *Reinforcement Learning*, 2nd edition, chapters 3 and 4.

use etude_kernels::rng::Rng;

use crate::error::require;
use crate::{Env, Episode, RlError, Space, Transition};

/// Sweeps after which dynamic programming gives up.
const MAX_SWEEPS: usize = 100_000;

/// One thing that may happen after an action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// How likely it is.
    pub probability: f64,
    /// The state that follows.
    pub next: usize,
    /// The reward.
    pub reward: f64,
    /// Whether the episode ends with it.
    pub terminated: bool,
}

/// A decision process as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Mdp {
    actions: usize,
    start: Vec<f64>,
    /// Row `state * actions + action`.
    outcomes: Vec<Vec<Outcome>>,
}

/// The best values and a policy that has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The value of each state.
    pub values: Vec<f64>,
    /// The greedy action of each state; ties go to the lowest action.
    pub policy: Vec<usize>,
    /// The sweeps it took.
    pub sweeps: usize,
}

impl Mdp {
    /// A process with `start[state]` probabilities and the outcomes of row `state * actions + action`.
    ///
    /// # Errors
    /// A row that is missing, does not sum to 1, leads to an unknown state or has a number that is not finite.
    pub fn new(actions: usize, start: Vec<f64>, outcomes: Vec<Vec<Outcome>>) -> Result<Mdp, RlError> {
        let states = start.len();
        let bad = |row: usize, reason: String| {
            Err(RlError::Model { state: row / actions.max(1), action: row % actions.max(1), reason })
        };
        if outcomes.len() != states * actions {
            return bad(0, format!("{} rows for {states} states × {actions} actions", outcomes.len()));
        }
        if !is_distribution(start.iter().copied()) {
            return bad(0, format!("start probabilities sum to {}, not 1", start.iter().sum::<f64>()));
        }
        for (row, outcomes) in outcomes.iter().enumerate() {
            if !is_distribution(outcomes.iter().map(|o| o.probability)) {
                let sum: f64 = outcomes.iter().map(|o| o.probability).sum();
                return bad(row, format!("outcome probabilities sum to {sum}, not 1, or are negative"));
            }
            if let Some(o) = outcomes.iter().find(|o| o.next >= states || !o.reward.is_finite()) {
                return bad(row, format!("outcome {o:?} leads outside {states} states or has no finite reward"));
            }
        }
        Ok(Mdp { actions, start, outcomes })
    }

    /// The number of states.
    pub fn states(&self) -> usize {
        self.start.len()
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// The probability of starting in each state.
    pub fn start(&self) -> &[f64] {
        &self.start
    }

    /// What may happen.
    pub fn outcomes(&self, state: usize, action: usize) -> &[Outcome] {
        &self.outcomes[state * self.actions + action]
    }

    /// The expected value at the start.
    pub fn start_value(&self, values: &[f64]) -> f64 {
        self.start.iter().zip(values).map(|(p, v)| p * v).sum()
    }

    /// `q(s, a) = Σ p (r + γ v(s'))`, the Bellman backup; a terminated outcome has no v(s').
    pub fn action_value(&self, state: usize, action: usize, values: &[f64], gamma: f64) -> f64 {
        let future = |o: &Outcome| if o.terminated { 0.0 } else { gamma * values[o.next] };
        self.outcomes(state, action).iter().map(|o| o.probability * (o.reward + future(o))).sum()
    }

    /// Value iteration, Sutton & Barto eq. (4.10), until no value changes by more than `tolerance`.
    ///
    /// # Errors
    /// γ outside 0..=1, or no convergence (possible with γ = 1 only).
    pub fn value_iteration(&self, gamma: f64, tolerance: f64) -> Result<Solution, RlError> {
        let best = |state: usize, values: &[f64]| {
            (0..self.actions).map(|a| self.action_value(state, a, values, gamma)).fold(f64::NEG_INFINITY, f64::max)
        };
        let (values, sweeps) = self.sweep("value iteration", gamma, tolerance, best)?;
        let policy = (0..self.states())
            .map(|s| greedy((0..self.actions).map(|a| self.action_value(s, a, &values, gamma))))
            .collect();
        Ok(Solution { values, policy, sweeps })
    }

    /// The values of a fixed policy, Sutton & Barto eq. (4.5), until no value changes by more than `tolerance`.
    ///
    /// # Errors
    /// γ outside 0..=1, an action outside the space, or no convergence (possible with γ = 1 only).
    pub fn policy_values(&self, policy: &[usize], gamma: f64, tolerance: f64) -> Result<Vec<f64>, RlError> {
        self.check_policy(policy)?;
        let backup = |state: usize, values: &[f64]| self.action_value(state, policy[state], values, gamma);
        Ok(self.sweep("policy evaluation", gamma, tolerance, backup)?.0)
    }

    /// The expected undiscounted return from each state when the episode is cut after `horizon` steps.
    ///
    /// # Errors
    /// An action outside the space.
    pub fn policy_return(&self, policy: &[usize], horizon: usize) -> Result<Vec<f64>, RlError> {
        self.check_policy(policy)?;
        let mut values = vec![0.0; self.states()];
        for _ in 0..horizon {
            values = (0..self.states()).map(|s| self.action_value(s, policy[s], &values, 1.0)).collect();
        }
        Ok(values)
    }

    fn check_policy(&self, policy: &[usize]) -> Result<(), RlError> {
        let known = policy.len() == self.states() && policy.iter().all(|a| *a < self.actions);
        require(known, "policy", format!("{policy:?}"), "one existing action for each state")
    }

    fn sweep(
        &self,
        method: &'static str,
        gamma: f64,
        tolerance: f64,
        backup: impl Fn(usize, &[f64]) -> f64,
    ) -> Result<(Vec<f64>, usize), RlError> {
        require((0.0..=1.0).contains(&gamma), "gamma", gamma, "0 ≤ gamma ≤ 1")?;
        let mut values = vec![0.0; self.states()];
        let mut change = 0.0;
        for sweep in 1..=MAX_SWEEPS {
            change = 0.0;
            for state in 0..self.states() {
                let value = backup(state, &values);
                change = f64::max(change, (value - values[state]).abs());
                values[state] = value;
            }
            if change <= tolerance {
                return Ok((values, sweep));
            }
        }
        Err(RlError::NotConverged { method, change, sweeps: MAX_SWEEPS, tolerance })
    }
}

fn is_distribution(probabilities: impl Iterator<Item = f64> + Clone) -> bool {
    probabilities.clone().all(|p| p >= 0.0) && (probabilities.sum::<f64>() - 1.0).abs() <= 1e-9
}

/// The index of the largest number; the first one of equals.
pub(crate) fn greedy(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (action, value) in values.enumerate() {
        if value > best.1 {
            best = (action, value);
        }
    }
    best.0
}

/// A decision process as an environment: the learner sees the states and samples, not the table.
#[derive(Clone, Debug)]
pub struct TabularEnv {
    mdp: Mdp,
    state: usize,
    rng: Rng,
    episode: Episode,
}

impl TabularEnv {
    /// An environment that waits for its first `reset`, truncated after `limit` steps.
    pub fn new(name: &'static str, mdp: Mdp, limit: Option<usize>) -> TabularEnv {
        let episode = Episode::new(name, mdp.actions(), limit);
        TabularEnv { mdp, state: 0, rng: Rng::new(0), episode }
    }

    /// The table.
    pub fn mdp(&self) -> &Mdp {
        &self.mdp
    }

    /// The present state.
    pub fn state(&self) -> usize {
        self.state
    }
}

impl Env for TabularEnv {
    type Obs = usize;

    fn name(&self) -> &'static str {
        self.episode.name()
    }

    fn observation_space(&self) -> Space {
        Space::Discrete { n: self.mdp.states() }
    }

    fn actions(&self) -> usize {
        self.mdp.actions()
    }

    fn reset(&mut self, seed: u64) -> usize {
        self.rng = Rng::new(seed);
        self.state = draw(self.mdp.start.iter().copied(), &mut self.rng);
        self.episode.begin();
        self.state
    }

    fn step(&mut self, action: usize) -> Result<Transition<usize>, RlError> {
        self.episode.check(action)?;
        let outcomes = self.mdp.outcomes(self.state, action);
        let outcome = outcomes[draw(outcomes.iter().map(|o| o.probability), &mut self.rng)];
        self.state = outcome.next;
        let truncated = self.episode.advance(outcome.terminated);
        Ok(Transition { obs: outcome.next, reward: outcome.reward, terminated: outcome.terminated, truncated })
    }
}

/// An index with the given probabilities, which sum to 1 up to rounding.
pub(crate) fn draw(probabilities: impl Iterator<Item = f64>, rng: &mut Rng) -> usize {
    let u = rng.f64();
    let mut sum = 0.0;
    let mut last = 0;
    for (i, p) in probabilities.enumerate() {
        if p > 0.0 {
            last = i;
        }
        sum += p;
        if u < sum {
            return i;
        }
    }
    // The sum was rounded below u: the last index that is possible at all.
    last
}
