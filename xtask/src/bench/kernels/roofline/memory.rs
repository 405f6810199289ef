//! Bandwidth of reading and of copying, at working sets from the first-level cache to memory.

use etude_kernels::isa::Isa;
use pulp::{Simd, WithSimd};

use super::{Level, team};

/// Working sets in bytes: the first-level cache of one core, its second-level cache, beyond it, and memory.
const SIZES: [usize; 4] = [32 << 10, 512 << 10, 8 << 20, 128 << 20];
/// Bytes that a thread passes in a round at least: some milliseconds.
const TRAFFIC: usize = 64 << 20;

/// All levels.
pub fn levels(threads: usize) -> Vec<Level> {
    SIZES.into_iter().map(|bytes| Level { bytes, read: read(bytes, threads), copy: copy(bytes, threads) }).collect()
}

fn best() -> Isa {
    *Isa::available().last().expect("scalar is always available")
}

fn read(bytes: usize, threads: usize) -> f64 {
    let len = bytes / threads / 4;
    let passes = (TRAFFIC / (4 * len)).max(1);
    let isa = best();
    let sum = |x: &mut Vec<f32>| (0..passes).map(|_| isa.run(Sum(std::hint::black_box(x)))).sum();
    rate(4 * len * passes * threads, team::seconds(threads, || vec![1.0; len], sum))
}

fn copy(bytes: usize, threads: usize) -> f64 {
    let len = bytes / threads / 8;
    let passes = (TRAFFIC / (8 * len)).max(1);
    let isa = best();
    let copy = |(from, to): &mut (Vec<f32>, Vec<f32>)| {
        (0..passes).for_each(|_| isa.run(Copy { from, to: std::hint::black_box(to) }));
        f64::from(to[0])
    };
    rate(8 * len * passes * threads, team::seconds(threads, || (vec![1.0; len], vec![0.0; len]), copy))
}

fn rate(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 / seconds / 1e9
}

struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [simd.splat_f32s(0.0); 8];
        for vectors in S::as_simd_f32s(self.0).0.as_chunks::<8>().0 {
            for (sum, &x) in sums.iter_mut().zip(vectors) {
                *sum = simd.add_f32s(*sum, x);
            }
        }
        sums.into_iter().map(|sum| f64::from(simd.reduce_sum_f32s(sum))).sum()
    }
}

struct Copy<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Copy<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (to, &from) in S::as_mut_simd_f32s(self.to).0.iter_mut().zip(S::as_simd_f32s(self.from).0) {
            *to = from;
        }
    }
}
