//! The engine's promises, and the op table against every check.

mod edges;
mod engine;
mod gradients;
mod orders;
mod ties;
mod values;
