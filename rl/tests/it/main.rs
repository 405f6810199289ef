//! The tests of this crate, in one binary.

mod deep;
mod dynamic_programming;
mod environments;
mod golden;
mod learning;
mod replay;
mod resume;
mod resume_ppo;
mod rollout;
mod steps;
mod tabular;
mod vector;
