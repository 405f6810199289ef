//! The tests of cnn, one binary.

mod faults;
mod learning;
mod pictures;
mod resume;
mod steps;
