//! The tests of nn, one binary.

mod cells;
mod checkpoint_parts;
mod checkpoints;
mod functions;
mod golden;
mod guard;
mod hostile;
mod journals;
mod kill;
mod layers;
mod losses;
mod maml;
mod memory;
mod optimisers;
mod pytorch;
mod safetensors_files;
mod safetensors_properties;
mod schedules;
mod state;
mod steps;
mod threads;
mod watching;
