//! The engine's promises, and the op table against every check.

mod engine;
mod gradients;
mod values;
