//! Q-learning and SARSA on tables.
//!
//! Both learn action values from samples. Q-learning backs up the best next action and so learns the greedy policy
//! while it explores; SARSA backs up the action really taken and so learns the value of the exploring policy.
//! Sources: Watkins & Dayan 1992; Sutton & Barto 2018, sections 6.4 and 6.5.

use etude_kernels::rng::Rng;

use crate::error::require;
use crate::mdp::greedy;
use crate::training::stream;
use crate::vector::episode_seeds;
use crate::{Env, RlError, Space};

/// How a table is learnt.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TabularConfig {
    /// Steps in the environment.
    pub steps: usize,
    /// Discount of the future, 0 ≤ γ ≤ 1.
    pub gamma: f64,
    /// Learning rate of the first visit of a (state, action).
    pub alpha: f64,
    /// The n-th visit learns at α / n^power: 0 is a constant rate, 0.5 < power ≤ 1 converges with probability 1
    /// (Robbins & Monro 1951), and powers below 1 converge faster (Even-Dar & Mansour 2003).
    pub alpha_power: f64,
    /// Probability of a random action at the first step.
    pub epsilon_start: f64,
    /// Probability of a random action at the last step; linear between.
    pub epsilon_end: f64,
    /// The value that every entry starts with. Above the true values it drives exploration.
    pub initial: f64,
    /// Seed of the actions and of the episodes.
    pub seed: u64,
}

impl Default for TabularConfig {
    fn default() -> TabularConfig {
        TabularConfig {
            steps: 200_000,
            gamma: 0.99,
            alpha: 1.0,
            alpha_power: 0.6,
            epsilon_start: 1.0,
            epsilon_end: 0.1,
            initial: 0.0,
            seed: 0,
        }
    }
}

impl TabularConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), RlError> {
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        require(self.steps > 0, "TabularConfig.steps", self.steps, "at least 1")?;
        require(unit(self.gamma), "TabularConfig.gamma", self.gamma, "0 ≤ gamma ≤ 1")?;
        require(self.alpha > 0.0 && self.alpha <= 1.0, "TabularConfig.alpha", self.alpha, "0 < alpha ≤ 1")?;
        require(unit(self.alpha_power), "TabularConfig.alpha_power", self.alpha_power, "0 ≤ power ≤ 1")?;
        require(unit(self.epsilon_start), "TabularConfig.epsilon_start", self.epsilon_start, "a probability")?;
        require(unit(self.epsilon_end), "TabularConfig.epsilon_end", self.epsilon_end, "a probability")?;
        require(self.initial.is_finite(), "TabularConfig.initial", self.initial, "a finite number")
    }

    fn epsilon(&self, step: usize) -> f64 {
        let done = step as f64 / self.steps as f64;
        self.epsilon_start + (self.epsilon_end - self.epsilon_start) * done
    }
}

/// Action values of every state, and what training saw.
#[derive(Clone, Debug, PartialEq)]
pub struct QTable {
    actions: usize,
    values: Vec<f64>,
    visits: Vec<u32>,
    /// The undiscounted return of every finished training episode.
    pub returns: Vec<f64>,
}

impl QTable {
    /// The learnt value of an action.
    pub fn value(&self, state: usize, action: usize) -> f64 {
        self.values[state * self.actions + action]
    }

    /// The learnt values of a state's actions.
    pub fn row(&self, state: usize) -> &[f64] {
        &self.values[state * self.actions..][..self.actions]
    }

    /// The best action of a state; ties go to the lowest.
    pub fn best(&self, state: usize) -> usize {
        greedy(self.row(state).iter().copied())
    }

    /// The best action of every state.
    pub fn policy(&self) -> Vec<usize> {
        (0..self.values.len() / self.actions).map(|state| self.best(state)).collect()
    }

    fn epsilon_greedy(&self, state: usize, epsilon: f64, rng: &mut Rng) -> usize {
        if rng.f64() < epsilon { rng.below(self.actions) } else { self.best(state) }
    }

    /// Q ← Q + α_n (target − Q).
    fn update(&mut self, state: usize, action: usize, target: f64, config: &TabularConfig) {
        let i = state * self.actions + action;
        self.visits[i] += 1;
        let alpha = config.alpha / f64::from(self.visits[i]).powf(config.alpha_power);
        self.values[i] += alpha * (target - self.values[i]);
    }
}

/// Q-learning, Sutton & Barto eq. (6.8): the target is r + γ max_a' Q(s', a').
///
/// # Errors
/// A configuration out of range, an environment without discrete states, an error of the environment.
pub fn q_learning(env: &mut impl Env<Obs = usize>, config: &TabularConfig) -> Result<QTable, RlError> {
    learn(env, config, |q, next, _| q.value(next, q.best(next)))
}

/// SARSA, Sutton & Barto eq. (6.7): the target is r + γ Q(s', a') with the action a' that is taken next.
///
/// # Errors
/// A configuration out of range, an environment without discrete states, an error of the environment.
pub fn sarsa(env: &mut impl Env<Obs = usize>, config: &TabularConfig) -> Result<QTable, RlError> {
    learn(env, config, |q, next, next_action| q.value(next, next_action))
}

fn learn(
    env: &mut impl Env<Obs = usize>,
    config: &TabularConfig,
    future: impl Fn(&QTable, usize, usize) -> f64,
) -> Result<QTable, RlError> {
    config.validate()?;
    let mut q = table(env, config)?;
    let mut rng = Rng::with_stream(config.seed, stream::AGENT);
    let mut episodes = episode_seeds(config.seed, 0);
    let mut state = env.reset(episodes.next_u64());
    let mut action = q.epsilon_greedy(state, config.epsilon(0), &mut rng);
    let mut total = 0.0;
    for step in 0..config.steps {
        let t = env.step(action)?;
        if !t.reward.is_finite() {
            return Err(RlError::NotFinite { what: format!("reward of {}", env.name()), step, value: t.reward });
        }
        total += t.reward;
        // Drawn before the update and kept for the next step, which is what makes SARSA on-policy.
        let next_action = q.epsilon_greedy(t.obs, config.epsilon(step + 1), &mut rng);
        // Only termination ends the future; a truncated episode would have gone on.
        let rest = if t.terminated { 0.0 } else { config.gamma * future(&q, t.obs, next_action) };
        q.update(state, action, t.reward + rest, config);
        (state, action) = (t.obs, next_action);
        if t.done() {
            q.returns.push(std::mem::take(&mut total));
            state = env.reset(episodes.next_u64());
            action = q.epsilon_greedy(state, config.epsilon(step + 1), &mut rng);
        }
    }
    Ok(q)
}

fn table(env: &impl Env<Obs = usize>, config: &TabularConfig) -> Result<QTable, RlError> {
    let Space::Discrete { n } = env.observation_space() else {
        let breach = format!("a table needs discrete observations, not {}", env.observation_space());
        return Err(RlError::Breach { env: env.name(), breach });
    };
    let entries = n * env.actions();
    Ok(QTable {
        actions: env.actions(),
        values: vec![config.initial; entries],
        visits: vec![0; entries],
        returns: Vec::new(),
    })
}
