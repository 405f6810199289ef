//! The engine's promises, and the op table against every check.

mod checkpoint;
mod edges;
mod engine;
mod gradients;
mod messages;
mod numerics;
mod observe;
mod orders;
mod own_op;
mod sources;
mod ties;
mod values;
