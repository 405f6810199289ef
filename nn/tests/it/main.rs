//! The tests of nn, one binary.

mod golden;
mod layers;
mod optimisers;
mod safetensors_files;
mod state;
