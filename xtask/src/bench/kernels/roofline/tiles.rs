//! The tile unit's peak.

use etude_kernels::yardstick::{FLOP_PER_STEP, has_tiles, run_tiles};

use super::team;

/// About 5 ms.
const STEPS: usize = 200_000;

/// GFLOP/s of bf16 products, where there is a tile unit.
pub fn gflops(threads: usize) -> Option<f64> {
    let seconds = || team::seconds(threads, || (), |()| run_tiles(STEPS));
    has_tiles().then(|| FLOP_PER_STEP * (STEPS * threads) as f64 / seconds() / 1e9)
}
