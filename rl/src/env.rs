//! What an environment is: a seeded `reset`, a `step`, and the spaces of what goes in and out.
//!
//! The interface is gymnasium's with two changes. `reset` takes the seed of the episode, so that an episode is a pure
//! function of (seed, actions) and no environment hides a generator that lives longer; and a misuse is an error, where
//! gymnasium leaves it undefined. As there, `terminated` (the task ended: no future reward) and `truncated` (the clock
//! ran out: there would have been more) are separate, because only the first stops a learner's bootstrap (Pardo et al.
//! 2018, arXiv 1712.00378).
//!
//! Actions are discrete: `0..actions()`.

use std::fmt;

use crate::RlError;

/// The set of observations that an environment may show.
#[derive(Clone, Debug, PartialEq)]
pub enum Space {
    /// The integers `0..n`.
    Discrete {
        /// How many there are.
        n: usize,
    },
    /// Vectors with `low[i] ≤ x[i] ≤ high[i]`; the bounds may be infinite, the vectors may not.
    Box {
        /// The smallest value of each component.
        low: Vec<f32>,
        /// The largest value of each component.
        high: Vec<f32>,
    },
}

impl Space {
    /// A box without bounds.
    pub fn unbounded(dim: usize) -> Space {
        Space::Box { low: vec![f32::NEG_INFINITY; dim], high: vec![f32::INFINITY; dim] }
    }

    /// The length of an observation as a vector: the components of a box, the one-hot length of a discrete space.
    pub fn dim(&self) -> usize {
        match self {
            Space::Discrete { n } => *n,
            Space::Box { low, .. } => low.len(),
        }
    }

    fn contains_vector(&self, x: &[f32]) -> bool {
        let Space::Box { low, high } = self else { return false };
        x.len() == low.len()
            && x.iter().zip(low).zip(high).all(|((x, low), high)| x.is_finite() && low <= x && x <= high)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Space::Discrete { n } => write!(f, "0..{n}"),
            Space::Box { low, high } => write!(f, "{low:?} ..= {high:?}"),
        }
    }
}

/// A type of observation: an index (tabular) or a vector of features.
pub trait Observation: Clone + PartialEq + fmt::Debug {
    /// Whether the observation lies in the space. NaN lies in none.
    fn inside(&self, space: &Space) -> bool;
}

impl Observation for usize {
    fn inside(&self, space: &Space) -> bool {
        matches!(space, Space::Discrete { n } if self < n)
    }
}

impl Observation for Vec<f32> {
    fn inside(&self, space: &Space) -> bool {
        space.contains_vector(self)
    }
}

impl<const N: usize> Observation for [f32; N] {
    fn inside(&self, space: &Space) -> bool {
        space.contains_vector(self)
    }
}

/// What one step brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition<O> {
    /// The observation after the step; at the end of an episode, the last one of that episode.
    pub obs: O,
    /// The reward of the step.
    pub reward: f64,
    /// The task ended: the value of what follows is 0.
    pub terminated: bool,
    /// The time limit was reached: the value of what follows is unknown, not 0. Both flags can be set at once.
    pub truncated: bool,
}

impl<O> Transition<O> {
    /// Whether the episode is over, for either reason.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// An environment with discrete actions.
pub trait Env {
    /// What the agent sees.
    type Obs: Observation;

    /// The name, gymnasium's where there is one.
    fn name(&self) -> &'static str;

    /// The set that every observation belongs to.
    fn observation_space(&self) -> Space;

    /// The number of actions; they are `0..actions()`.
    fn actions(&self) -> usize;

    /// Starts an episode. The same seed and the same actions give the same episode, whatever came before.
    fn reset(&mut self, seed: u64) -> Self::Obs;

    /// Takes one action.
    ///
    /// # Errors
    /// An action outside the space, a step before `reset` or after the end, a state that is not finite. The
    /// environment is unchanged then.
    fn step(&mut self, action: usize) -> Result<Transition<Self::Obs>, RlError>;
}

/// The life cycle of an episode, for implementing [`Env`]: refuses wrong calls and counts to the time limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    name: &'static str,
    actions: usize,
    limit: Option<usize>,
    steps: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Fresh,
    Running,
    Over,
}

impl Episode {
    /// The clock of an environment that truncates after `limit` steps, if there is a limit.
    pub fn new(name: &'static str, actions: usize, limit: Option<usize>) -> Episode {
        Episode { name, actions, limit, steps: 0, phase: Phase::Fresh }
    }

    /// The environment's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// The steps taken since `begin`.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Starts an episode.
    pub fn begin(&mut self) {
        self.steps = 0;
        self.phase = Phase::Running;
    }

    /// Whether a step with this action is allowed now.
    ///
    /// # Errors
    /// An unknown action, no `reset` yet, or the episode is over.
    pub fn check(&self, action: usize) -> Result<(), RlError> {
        let env = self.name;
        match self.phase {
            Phase::Fresh => Err(RlError::NotReset { env }),
            Phase::Over => Err(RlError::EpisodeOver { env, steps: self.steps }),
            Phase::Running if action >= self.actions => {
                Err(RlError::InvalidAction { env, action, actions: self.actions })
            }
            Phase::Running => Ok(()),
        }
    }

    /// Counts a step and says whether it is truncated: like gymnasium's `TimeLimit`, whether it terminated or not.
    pub fn advance(&mut self, terminated: bool) -> bool {
        self.steps += 1;
        let truncated = self.limit.is_some_and(|limit| self.steps >= limit);
        if terminated || truncated {
            self.phase = Phase::Over;
        }
        truncated
    }
}
