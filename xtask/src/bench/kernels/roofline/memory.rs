//! Bandwidth of reading, of copying and of updating in place, at working sets from the first-level cache to memory.
//!
//! Out of cache one stream does not reach what several reach, because each has a prefetcher of its own: the best number of
//! streams counts.

use std::hint::black_box;

use etude_kernels::isa::Isa;
use pulp::{Simd, WithSimd};

use super::Level;
use super::team::{self, Line};

/// Working sets in bytes: the first-level cache of one core, its second-level cache, beyond it, and memory.
const SIZES: [usize; 9] = [32 << 10, 512 << 10, 3 << 19, 8 << 20, 32 << 20, 64 << 20, 128 << 20, 256 << 20, 512 << 20];
/// Bytes that a thread passes in a round at least: some milliseconds.
const TRAFFIC: usize = 32 << 20;

/// All levels.
pub fn levels(threads: usize) -> Vec<Level> {
    let level = |bytes| {
        let (read, copy, update) = (read(bytes, threads), copy(bytes, threads), update(bytes, threads));
        Level { bytes, read, copy, update }
    };
    SIZES.into_iter().map(level).collect()
}

fn best() -> Isa {
    *Isa::available().last().expect("scalar is always available")
}

fn read(bytes: usize, threads: usize) -> f64 {
    let len = bytes / threads / 4;
    let passes = (TRAFFIC / (4 * len)).max(1);
    let isa = best();
    let rate = |streams: usize| {
        let sums = |x: &mut Line| (0..passes).map(|_| isa.run(Sum { x: black_box(x.get()), streams })).sum();
        rate(4 * len * passes * threads, team::seconds(threads, || Line::of(len, 1.0), sums))
    };
    [1, 4].into_iter().map(rate).fold(0.0, f64::max)
}

fn copy(bytes: usize, threads: usize) -> f64 {
    let len = bytes / threads / 8;
    let passes = (TRAFFIC / (8 * len)).max(1);
    let isa = best();
    let rate = |streams: usize| {
        let lines = || (Line::of(len, 1.0), Line::of(len, 0.0));
        let copies = |(from, to): &mut (Line, Line)| {
            (0..passes).for_each(|_| isa.run(Copy { from: from.get(), to: black_box(to.get_mut()), streams }));
            f64::from(to.get()[0])
        };
        rate(8 * len * passes * threads, team::seconds(threads, lines, copies))
    };
    [1, 2, 4].into_iter().map(rate).fold(0.0, f64::max)
}

fn update(bytes: usize, threads: usize) -> f64 {
    let len = bytes / threads / 4;
    let passes = (TRAFFIC / (8 * len)).max(1);
    let isa = best();
    let rate = |streams: usize| {
        let updates = |x: &mut Line| {
            (0..passes).for_each(|_| isa.run(Update { x: black_box(x.get_mut()), streams }));
            f64::from(x.get()[0])
        };
        rate(8 * len * passes * threads, team::seconds(threads, || Line::of(len, 1.0), updates))
    };
    [1, 4].into_iter().map(rate).fold(0.0, f64::max)
}

fn rate(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 / seconds / 1e9
}

/// The sum of `x`, read at as many places at once.
struct Sum<'a> {
    x: &'a [f32],
    streams: usize,
}

impl WithSimd for Sum<'_> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        if self.streams == 1 { self.run::<S, 1, 8>(simd) } else { self.run::<S, 4, 2>(simd) }
    }
}

impl Sum<'_> {
    #[inline(always)]
    fn run<S: Simd, const STREAMS: usize, const STEP: usize>(self, simd: S) -> f64 {
        let x = S::as_simd_f32s(self.x).0.as_chunks::<STEP>().0;
        let length = x.len() / STREAMS;
        let streams: [&[[S::f32s; STEP]]; STREAMS] = std::array::from_fn(|i| &x[i * length..][..length]);
        let mut sums = [[simd.splat_f32s(0.0); STEP]; STREAMS];
        for i in 0..length {
            for (sums, stream) in sums.iter_mut().zip(streams) {
                for (sum, &x) in sums.iter_mut().zip(&stream[i]) {
                    *sum = simd.add_f32s(*sum, x);
                }
            }
        }
        sums.as_flattened().iter().map(|&sum| f64::from(simd.reduce_sum_f32s(sum))).sum()
    }
}

/// A copy at as many places at once.
struct Copy<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
    streams: usize,
}

impl WithSimd for Copy<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.streams {
            1 => self.to.copy_from_slice(self.from),
            2 => self.run::<S, 2>(simd),
            _ => self.run::<S, 4>(simd),
        }
    }
}

impl Copy<'_> {
    #[inline(always)]
    fn run<S: Simd, const STREAMS: usize>(self, _: S) {
        let from = S::as_simd_f32s(self.from).0;
        let length = from.len() / STREAMS;
        let from: [&[S::f32s]; STREAMS] = std::array::from_fn(|i| &from[i * length..][..length]);
        let mut to = split::<S, STREAMS>(self.to);
        for i in 0..length {
            for (to, from) in to.iter_mut().zip(from) {
                to[i] = from[i];
            }
        }
    }
}

/// x = 2 − x at as many places at once.
struct Update<'a> {
    x: &'a mut [f32],
    streams: usize,
}

impl WithSimd for Update<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.streams == 1 { self.run::<S, 1>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl Update<'_> {
    #[inline(always)]
    fn run<S: Simd, const STREAMS: usize>(self, simd: S) {
        let two = simd.splat_f32s(2.0);
        let mut streams = split::<S, STREAMS>(self.x);
        for i in 0..streams[0].len() {
            for stream in &mut streams {
                stream[i] = simd.sub_f32s(two, stream[i]);
            }
        }
    }
}

/// Equal parts, in registers.
#[inline(always)]
fn split<S: Simd, const STREAMS: usize>(x: &mut [f32]) -> [&mut [S::f32s]; STREAMS] {
    let x = S::as_mut_simd_f32s(x).0;
    let mut parts = x.chunks_exact_mut(x.len() / STREAMS);
    std::array::from_fn(|_| parts.next().expect("as many parts as streams"))
}
