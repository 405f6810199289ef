//! Counter-based random numbers: ChaCha8 keyed by (seed, stream), the counter is the index.
//!
//! A draw is a pure function of seed, stream and position, so a run can be replayed from three numbers, and streams can
//! be split without communication. The words are those of `rand_chacha` (the test's oracle) with the key
//! `seed` (little endian, zeros behind it). Words and uniforms are equal on every instruction set.
//!
//! Source: Bernstein, *ChaCha, a variant of Salsa20*, 2008; 8 rounds.

use std::convert::Infallible;
use std::f32::consts::TAU;

use pulp::{Simd, WithSimd};
use rand_core::TryRng;

use crate::elem::Real;
use crate::isa;
use crate::registers::{Dst, Src, count};
use crate::stamp::stamp;

/// Blocks computed at once: one 32-bit lane each, so that the compiler uses whole registers.
const LANES: usize = 8;
/// Words in one refill: 16 a block.
const WORDS: usize = 16 * LANES;

/// A random number generator: a function of a seed, a stream and a position.
#[derive(Clone)]
pub struct Rng {
    state: RngState,
    /// The words of the refill that holds the position, valid if `filled` is its number.
    words: [u32; WORDS],
    filled: Option<u64>,
}

/// All that a generator is: enough to continue it bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RngState {
    /// What the user chose.
    pub seed: u64,
    /// Which of the independent sequences of that seed.
    pub stream: u64,
    /// How many 32-bit words have been drawn.
    pub position: u64,
}

impl Rng {
    /// Stream 0 of `seed`.
    pub fn new(seed: u64) -> Self {
        Self::with_stream(seed, 0)
    }

    /// One of the independent streams of `seed`.
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        Self::from_state(RngState { seed, stream, position: 0 })
    }

    /// Continues where another generator stood.
    pub fn from_state(state: RngState) -> Self {
        Rng { state, words: [0; WORDS], filled: None }
    }

    /// Where the generator stands.
    pub fn state(&self) -> RngState {
        self.state
    }

    /// A generator on a stream of its own, drawn from this one: for a worker, a layer, an environment.
    pub fn split(&mut self) -> Rng {
        Rng::with_stream(self.state.seed, self.next_u64())
    }

    /// 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        let refill = self.state.position / WORDS as u64;
        if self.filled != Some(refill) {
            self.refill(refill);
        }
        let word = self.words[(self.state.position % WORDS as u64) as usize];
        self.state.position += 1;
        word
    }

    #[inline(never)]
    fn refill(&mut self, refill: u64) {
        isa::current().run(Blocks { state: &self.state, first: refill * LANES as u64, out: &mut self.words });
        self.filled = Some(refill);
    }

    /// The next words, as many as `out` holds.
    fn fill_words(&mut self, mut out: &mut [u32]) {
        while let Some(first) = out.first_mut() {
            // The first goes the usual way and sees to it that the others are there.
            *first = self.next_u32();
            let from = (self.state.position - 1) as usize % WORDS + 1;
            let n = (WORDS - from).min(out.len() - 1);
            out[1..=n].copy_from_slice(&self.words[from..from + n]);
            self.state.position += n as u64;
            out = &mut out[n + 1..];
        }
    }

    /// 64 random bits, the first word low.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        u64::from(self.next_u32()) << 32 | u64::from(low)
    }

    /// Uniform in [0, 1): 24 random bits.
    #[inline]
    pub fn f32(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform in [0, 1): 53 random bits.
    #[inline]
    pub fn f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n, without bias (Lemire 2019, *Fast random integer generation in an interval*, alg. 5).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "Rng::below: no number is below 0");
        let n = n as u64;
        let mut wide = u128::from(self.next_u64()) * u128::from(n);
        if (wide as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (wide as u64) < threshold {
                wide = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (wide >> 64) as usize
    }

    /// A standard normal variate (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // 1 − u is in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.f64()).cos()
    }

    /// Puts `items` in a uniformly random order (Fisher & Yates).
    pub fn shuffle<I>(&mut self, items: &mut [I]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// Fills `out` with uniforms in [0, 1), one word each.
    pub fn fill_uniform<T: Real>(&mut self, out: &mut [T]) {
        uniforms(self, out);
    }

    /// Fills `out` with standard normal variates: pairs by Box & Muller from two words each.
    pub fn fill_normal<T: Real>(&mut self, out: &mut [T]) {
        normals(self, out);
    }
}

stamp! {
    Draws: Real = [f32, f64];
    /// [`Rng::fill_uniform`].
    pub fn uniforms(rng: &mut Rng, out: &mut [T]) = uniforms_of;
    /// [`Rng::fill_normal`].
    pub fn normals(rng: &mut Rng, out: &mut [T]) = normals_of;
}

/// Words that the fills take at once.
const FILL: usize = 512;

/// 24 bits as a number in [0, 1).
#[inline(always)]
fn unit(word: u32) -> f32 {
    (word >> 8) as i32 as f32 * (1.0 / (1u32 << 24) as f32)
}

fn uniforms_of<T: Real>(rng: &mut Rng, out: &mut [T]) {
    let mut words = [0; FILL];
    for out in out.chunks_mut(FILL) {
        let words = &mut words[..out.len()];
        rng.fill_words(words);
        for (x, &word) in out.iter_mut().zip(&*words) {
            *x = T::from_f64(f64::from(unit(word)));
        }
    }
}

fn normals_of<T: Real>(rng: &mut Rng, out: &mut [T]) {
    let mut words = [0; FILL];
    let [mut radius, mut angle] = [[0f32; FILL / 2]; 2];
    for out in out.chunks_mut(FILL) {
        let pairs = out.len().div_ceil(2);
        let (words, radius, angle) = (&mut words[..2 * pairs], &mut radius[..pairs], &mut angle[..pairs]);
        rng.fill_words(words);
        for ((radius, angle), pair) in radius.iter_mut().zip(angle.iter_mut()).zip(words.as_chunks::<2>().0) {
            // 1 − u is in (0, 1], where the logarithm is finite.
            (*radius, *angle) = (1.0 - unit(pair[0]), TAU * unit(pair[1]));
        }
        let [mut cos, mut sin] = [[0f32; FILL / 2]; 2];
        isa::current().run(BoxMuller { radius, angle, cos: &mut cos[..pairs], sin: &mut sin[..pairs] });
        for (i, pair) in out.chunks_mut(2).enumerate() {
            pair[0] = T::from_f64(f64::from(cos[i]));
            if let Some(second) = pair.get_mut(1) {
                *second = T::from_f64(f64::from(sin[i]));
            }
        }
    }
}

/// √(−2 ln u) times cosine and sine of the angle.
struct BoxMuller<'a> {
    radius: &'a [f32],
    angle: &'a [f32],
    cos: &'a mut [f32],
    sin: &'a mut [f32],
}

impl WithSimd for BoxMuller<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = count::<S, f32>(self.radius.len());
        let (u, angle) = (Src::<S, f32>::new(simd, self.radius), Src::new(simd, self.angle));
        let (mut cos, mut sin) = (Dst::new(simd, self.cos), Dst::new(simd, self.sin));
        for i in 0..n {
            let radius = (u.get(i).ln() * -2.0).sqrt();
            cos.set(i, radius * angle.get(i).cos());
            sin.set(i, radius * angle.get(i).sin());
        }
    }
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rng").field(&self.state).finish()
    }
}

/// Two generators are equal when they will draw the same numbers.
impl PartialEq for Rng {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl AsMut<Rng> for Rng {
    fn as_mut(&mut self) -> &mut Rng {
        self
    }
}

impl TryRng for Rng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_u64())
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for part in out.chunks_mut(4) {
            part.copy_from_slice(&self.next_u32().to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

/// The ChaCha8 blocks `first .. first + LANES`, one after another, in whatever registers there are.
struct Blocks<'a> {
    state: &'a RngState,
    first: u64,
    out: &'a mut [u32; WORDS],
}

impl WithSimd for Blocks<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        blocks(self.state, self.first, self.out);
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // one index for several arrays
fn blocks(state: &RngState, first: u64, out: &mut [u32; WORDS]) {
    let low = |x: u64| x as u32;
    let high = |x: u64| (x >> 32) as u32;
    let mut input = [[0u32; LANES]; 16];
    // "expand 32-byte k"
    let constants = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
    for (row, word) in input.iter_mut().zip(constants.into_iter().chain([low(state.seed), high(state.seed)])) {
        *row = [word; LANES];
    }
    for lane in 0..LANES {
        let counter = first.wrapping_add(lane as u64);
        input[12][lane] = low(counter);
        input[13][lane] = high(counter);
    }
    input[14] = [low(state.stream); LANES];
    input[15] = [high(state.stream); LANES];

    let mut x = input;
    for _ in 0..4 {
        quarter(&mut x, 0, 4, 8, 12);
        quarter(&mut x, 1, 5, 9, 13);
        quarter(&mut x, 2, 6, 10, 14);
        quarter(&mut x, 3, 7, 11, 15);
        quarter(&mut x, 0, 5, 10, 15);
        quarter(&mut x, 1, 6, 11, 12);
        quarter(&mut x, 2, 7, 8, 13);
        quarter(&mut x, 3, 4, 9, 14);
    }
    for row in 0..16 {
        for lane in 0..LANES {
            out[16 * lane + row] = x[row][lane].wrapping_add(input[row][lane]);
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // one index for several rows of one array
fn quarter(x: &mut [[u32; LANES]; 16], a: usize, b: usize, c: usize, d: usize) {
    for i in 0..LANES {
        x[a][i] = x[a][i].wrapping_add(x[b][i]);
        x[d][i] = (x[d][i] ^ x[a][i]).rotate_left(16);
        x[c][i] = x[c][i].wrapping_add(x[d][i]);
        x[b][i] = (x[b][i] ^ x[c][i]).rotate_left(12);
        x[a][i] = x[a][i].wrapping_add(x[b][i]);
        x[d][i] = (x[d][i] ^ x[a][i]).rotate_left(8);
        x[c][i] = x[c][i].wrapping_add(x[d][i]);
        x[b][i] = (x[b][i] ^ x[c][i]).rotate_left(7);
    }
}

#[cfg(test)]
mod tests {
    use super::{Rng, *};
    use proptest::prelude::*;
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{Rng as _, SeedableRng},
    };

    proptest! {
        #[test]
        fn words_are_those_of_rand_chacha(seed: u64, stream: u64, skip in 0u64..2000) {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            let mut oracle = ChaCha8Rng::from_seed(key);
            oracle.set_stream(stream);
            oracle.set_word_pos(u128::from(skip));
            let mut rng = Rng::from_state(RngState { seed, stream, position: skip });
            for _ in 0..300 {
                prop_assert_eq!(rng.next_u32(), oracle.next_u32());
            }
        }

        #[test]
        fn fills_take_the_same_words(seed: u64, skip in 0u64..300, n in 0usize..700) {
            let start = Rng::from_state(RngState { seed, stream: 1, position: skip });
            let (mut a, mut b) = (start.clone(), start.clone());
            let mut uniform = vec![0f32; n];
            a.fill_uniform(&mut uniform);
            for &u in &uniform {
                prop_assert_eq!(u, b.f32());
            }
            prop_assert_eq!(a.state(), b.state());
            let mut normal = vec![0f32; n];
            a.fill_normal(&mut normal);
            for pair in normal.chunks(2) {
                let radius = (-2.0 * (1.0 - f64::from(b.f32())).ln()).sqrt();
                let (sin, cos) = (std::f64::consts::TAU * f64::from(b.f32())).sin_cos();
                for (&x, exact) in pair.iter().zip([radius * cos, radius * sin]) {
                    // 2π and the angle are rounded: 2π (2⁻²⁵ + 2⁻²⁴).
                    prop_assert!((f64::from(x) - exact).abs() <= 6e-7 * radius + 2e-7 * exact.abs());
                }
            }
            prop_assert_eq!(a.state(), b.state());
        }

        #[test]
        fn below_stays_below(seed: u64, n in 1usize..) {
            prop_assert!(Rng::new(seed).below(n) < n);
        }
    }

    #[test]
    fn words_are_equal_on_every_instruction_set() {
        let draw = |isa| {
            isa::with(isa, || {
                let mut words = [0; 1000];
                Rng::with_stream(5, 6).fill_words(&mut words);
                words
            })
        };
        for isa in isa::Isa::available() {
            assert_eq!(draw(isa), draw(isa::Isa::Scalar), "{isa}");
        }
    }

    #[test]
    fn moments_of_the_distributions() {
        const N: usize = 200_000;
        // Standard errors at this N: mean 1/√N = 0.0022, variance √2/√N = 0.0032; five of them are allowed.
        let mut rng = Rng::new(7);
        let mut normal = vec![0f32; N];
        rng.fill_normal(&mut normal);
        let scalar: Vec<f32> = (0..N).map(|_| rng.normal() as f32).collect();
        for x in [normal, scalar] {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / N as f64;
            let var = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / N as f64;
            assert!(mean.abs() < 0.011 && (var - 1.0).abs() < 0.016, "mean {mean}, variance {var}");
        }
        let mut uniform = vec![0f64; N];
        rng.fill_uniform(&mut uniform);
        assert!(uniform.iter().all(|&u| (0.0..1.0).contains(&u)));
        let mean = uniform.iter().sum::<f64>() / N as f64;
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * N as f64).sqrt(), "mean {mean}");
    }

    #[test]
    fn a_generator_continues_from_its_state_and_splits_apart() {
        let mut rng = Rng::new(3);
        for _ in 0..77 {
            rng.next_u32();
        }
        let mut again = Rng::from_state(rng.state());
        assert_eq!(again.next_u64(), rng.next_u64());
        let (mut a, mut b) = (rng.split(), rng.split());
        assert_ne!(a.next_u64(), b.next_u64());
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        Rng::new(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
