//! Reinforcement learning in Étude: environments that need no Python, dynamic programming, Q-learning, DQN and PPO.
//!
//! * [`Env`] is the interface, [`envs`] holds the environments, [`VecEnv`] steps several at once, [`check_env`] tests
//!   a new one.
//! * [`Mdp`] solves a known table exactly; [`q_learning`] and [`sarsa`] learn it from samples.
//!
//! Each algorithm is one file whose training loop can be read from top to bottom.

#![forbid(unsafe_code)]

mod check;
mod env;
pub mod envs;
mod error;
mod mdp;
mod tabular;
mod vector;

pub use check::check_env;
pub use env::{Env, Episode, Observation, Space, Transition};
pub use error::RlError;
pub use mdp::{Mdp, Outcome, Solution, TabularEnv};
pub use tabular::{QTable, TabularConfig, q_learning, sarsa};
pub use vector::{EpisodeEnd, VecEnv, VecStep};
