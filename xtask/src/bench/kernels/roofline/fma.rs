//! The multiply-add peak of an instruction set, with and without the loads of a micro-kernel.
//!
//! A product cannot be faster than the first, and hardly as fast as the second: each step of k broadcasts one element of
//! A a row and loads one row of B, and these loads share the processor's ports with nothing else here.

use std::hint::black_box;

use etude_kernels::isa::Isa;
use pulp::{Simd, WithSimd};

use super::team::{self, Line};

/// Independent chains hide the latency of the multiply-add (4 cycles on two ports need 8 of them); 12 fit the 16
/// registers of AVX2.
const CHAINS: usize = 12;
/// Steps of a round: about 5 ms.
const STEPS: usize = 1_000_000;
/// Steps of k in the panels, and how often they are multiplied in a round.
const DEPTH: usize = 128;
const PASSES: usize = 4_000;

/// GFLOP/s from registers alone.
pub fn registers(isa: Isa, threads: usize) -> f64 {
    let lanes = isa.run(Lanes);
    let seconds = team::seconds(threads, || (), |()| isa.run(Chains));
    (2 * CHAINS * lanes * STEPS * threads) as f64 / seconds / 1e9
}

/// GFLOP/s with the loads.
pub fn fed(isa: Isa, threads: usize) -> f64 {
    let lanes = isa.run(Lanes);
    let (rows, vectors) = tile(lanes);
    let panels = || (Line::of(rows * DEPTH, 0.5), Line::of(vectors * lanes * DEPTH, 0.25));
    let seconds = team::seconds(threads, panels, |(a, b)| isa.run(Fed { a: a.get(), b: b.get() }));
    (2 * rows * vectors * lanes * DEPTH * PASSES * threads) as f64 / seconds / 1e9
}

/// Rows and vectors of a tile that fits the registers: 32 of AVX-512, 16 of AVX2. Of scalars the compiler makes registers
/// of 4.
const fn tile(lanes: usize) -> (usize, usize) {
    match lanes {
        16 => (8, 3),
        8 => (6, 2),
        4 => (8, 2),
        _ => (4, 8),
    }
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

struct Chains;

impl WithSimd for Chains {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let factor = simd.splat_f32s(black_box(0.9999));
        let mut chains: [S::f32s; CHAINS] = std::array::from_fn(|i| simd.splat_f32s(black_box(0.1 * i as f32)));
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, factor, factor);
            }
        }
        chains.into_iter().map(|chain| f64::from(simd.reduce_sum_f32s(chain))).sum()
    }
}

struct Fed<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Fed<'_> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        match tile(S::F32_LANES) {
            (8, 3) => self.tiles::<S, 8, 3>(simd),
            (6, 2) => self.tiles::<S, 6, 2>(simd),
            (8, 2) => self.tiles::<S, 8, 2>(simd),
            _ => self.tiles::<S, 4, 8>(simd),
        }
    }
}

impl Fed<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) -> f64 {
        let mut sum = 0.0;
        for _ in 0..PASSES {
            // The panels must be read anew in each pass.
            let (a, b) = black_box((self.a, self.b));
            let (a, b) = (a.as_chunks::<ROWS>().0, S::as_simd_f32s(b).0.as_chunks::<VECTORS>().0);
            let mut tile = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
            for (a, b) in a.iter().zip(b) {
                for (row, &a) in tile.iter_mut().zip(a) {
                    let a = simd.splat_f32s(a);
                    for (c, &b) in row.iter_mut().zip(b) {
                        *c = simd.mul_add_e_f32s(a, b, *c);
                    }
                }
            }
            let total = tile.as_flattened().iter().fold(simd.splat_f32s(0.0), |sum, &c| simd.add_f32s(sum, c));
            sum += f64::from(simd.reduce_sum_f32s(total));
        }
        sum
    }
}
