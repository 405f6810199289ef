//! The tests of this crate, in one binary.

mod dynamic_programming;
mod environments;
mod golden;
mod tabular;
mod vector;
