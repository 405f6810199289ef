//! The environments of this crate, none of which needs Python.
//!
//! Constants, equations and transition tables are gymnasium's, and golden files made by gymnasium prove it; the random
//! numbers are our own, so an episode of a given seed differs from gymnasium's.

mod bandit;
mod cart_pole;
mod cliff_walking;
mod frozen_lake;

pub use bandit::{Bandit, Identity};
pub use cart_pole::CartPole;
pub use cliff_walking::cliff_walking;
pub use frozen_lake::{FROZEN_LAKE_4X4, FROZEN_LAKE_8X8, frozen_lake, frozen_lake_map};
