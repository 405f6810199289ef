//! Reinforcement learning in Étude: environments that need no Python, dynamic programming, Q-learning, DQN and PPO.
//!
//! * [`Env`] is the interface, [`envs`] holds the environments, [`VecEnv`] steps several at once, [`check_env`] tests
//!   a new one.
//! * [`Mdp`] solves a known table exactly; [`q_learning`] and [`sarsa`] learn it from samples.
//! * [`dqn::train`] and [`ppo::train`] learn with networks; [`evaluate`](evaluate()) plays a policy on given seeds.
//!
//! Each algorithm is one file whose training loop can be read from top to bottom.
//!
//! ```
//! use etude_rl::{TabularConfig, envs::frozen_lake, q_learning};
//!
//! let mut lake = frozen_lake(false, true);
//! let learnt = q_learning(&mut lake, &TabularConfig::default())?;
//! let best = lake.mdp().value_iteration(0.99, 1e-9)?;
//! println!("{:.3} of {:.3}", learnt.value(0, learnt.best(0)), best.values[0]);
//! # Ok::<(), etude_rl::RlError>(())
//! ```

#![forbid(unsafe_code)]

mod check;
pub mod dqn;
mod env;
pub mod envs;
mod error;
mod evaluate;
mod ledger;
mod mdp;
pub mod ppo;
mod replay;
mod rollout;
mod tabular;
mod training;
mod vector;

pub use check::check_env;
pub use dqn::DqnConfig;
pub use env::{Env, Episode, Observation, Space, Transition};
pub use error::RlError;
pub use evaluate::{evaluate, mean};
pub use mdp::{Mdp, Outcome, Solution, TabularEnv};
pub use ppo::{ActorCritic, PpoConfig};
pub use replay::{Batch, Replay, ReplayContents};
pub use rollout::Rollout;
pub use tabular::{QTable, TabularConfig, q_learning, sarsa};
pub use training::{Progress, Trained, Validation, test_seeds};
pub use vector::{EpisodeEnd, VecEnv, VecEnvState, VecStep, episode_seeds};
