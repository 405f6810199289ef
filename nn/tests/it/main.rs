//! The tests of nn, one binary.

mod checkpoints;
mod golden;
mod layers;
mod optimisers;
mod safetensors_files;
mod schedules;
mod state;
