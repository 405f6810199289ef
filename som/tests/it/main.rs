//! Étude's maps against minisom, against their own invariants, and against bad input.

mod faults;
mod minisom;
mod properties;
