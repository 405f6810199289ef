//! What the machine itself can do, where only inline assembly can ask it: the yardsticks of `cargo xtask bench`.
//!
//! Behind the feature `yardstick`; no kernel uses this.

mod tiles;

pub use tiles::{FLOP_PER_STEP, has_tiles, run_tiles};
