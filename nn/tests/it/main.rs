//! The tests of nn, one binary.

mod checkpoints;
mod functions;
mod golden;
mod journals;
mod kill;
mod layers;
mod losses;
mod maml;
mod optimisers;
mod pytorch;
mod safetensors_files;
mod safetensors_properties;
mod schedules;
mod state;
mod steps;
mod watching;
