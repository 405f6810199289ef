//! Self-organising maps.
