//! The multiply-add peak of an instruction set: registers only, no memory.
//!
//! A product cannot be faster than this, so it is the yardstick for every engine. Independent chains hide the latency of
//! the multiply-add (4 cycles on two ports need 8 of them); 12 fit the 16 registers of AVX2.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use etude_kernels::isa::Isa;
use etude_kernels::lanes::F;
use pulp::{Simd, WithSimd};

const CHAINS: usize = 12;
const ROUNDS: usize = 5;
const STEPS: usize = 1_000_000;

/// GFLOP/s of `threads` threads that multiply and add at once, the best of several rounds.
pub fn gflops(isa: Isa, threads: usize) -> f64 {
    let best = (0..ROUNDS).map(|_| slowest(isa, threads)).fold(f64::INFINITY, f64::min);
    let flop = isa.run(Chains { steps: 0 }).flop_per_step * STEPS as f64 * threads as f64;
    flop / best / 1e9
}

/// Seconds of the slowest of the threads.
fn slowest(isa: Isa, threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let one = || {
            isa.run(Chains { steps: STEPS / 20 });
            barrier.wait();
            let start = Instant::now();
            black_box(isa.run(Chains { steps: STEPS }).sum);
            start.elapsed().as_secs_f64()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let seconds = workers.into_iter().map(|worker| worker.join().expect("the loop cannot panic"));
        seconds.fold(0.0, f64::max)
    })
}

struct Chains {
    steps: usize,
}

struct Ran {
    sum: f32,
    flop_per_step: f64,
}

impl WithSimd for Chains {
    type Output = Ran;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Ran {
        let factor = F::<S, f32>::splat(simd, black_box(0.9999));
        let mut chains: [F<S, f32>; CHAINS] = std::array::from_fn(|i| F::splat(simd, black_box(0.1 * i as f32)));
        for _ in 0..self.steps {
            for chain in &mut chains {
                *chain = chain.fma(factor, factor);
            }
        }
        let sum = chains.into_iter().map(F::sum).sum();
        Ran { sum, flop_per_step: (2 * CHAINS * S::F32_LANES) as f64 }
    }
}
