//! The engine's promises, and the op table against every check.

mod checkpoint;
mod edges;
mod engine;
mod gradients;
mod messages;
mod observe;
mod orders;
mod sources;
mod ties;
mod values;
