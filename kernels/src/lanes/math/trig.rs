//! Sine and cosine.
//!
//! x = n·π/2 + r with |r| ≤ π/4: both polynomials are computed, and the lowest bits of n choose one and its sign. π/2 is
//! split in three parts so that the products of the first two with n are exact (Cody & Waite 1980, ch. 8; the parts are
//! those of Cephes' sinf, doubled). That holds up to |x| = 6000; a register with a larger argument goes lane by lane
//! through the standard library.

use pulp::Simd;

use super::{Bits, V, poly};

const HALF_PI: [f64; 3] = [1.570_312_5, 4.837_512_969_970_703e-4, 7.549_789_954_891_882e-8];
const LARGEST: f64 = 6000.0;

/// (sin r − r) / r³ on |r| ≤ π/4 in r²; relative error of the sine 2^−27.9.
pub(super) const SIN: [f64; 3] = [-0.16666655, 0.008332187, -0.00019517897];

/// (cos r − 1 + r²/2) / r⁴ on |r| ≤ π/4 in r²; relative error of the cosine 2^−33.0.
pub(super) const COS: [f64; 3] = [0.041666646, -0.001388731, 2.4432327e-5];

/// sin x. Maximum error 2 ULP for |x| ≤ 6000, beyond that the standard library's.
#[inline(always)]
pub fn sin<S: Simd>(x: V<S>) -> V<S> {
    if any_above(x) {
        return x.map(f32::sin);
    }
    let (n, r) = reduce(x);
    // Only ±0 needs its sign put back: elsewhere r has the polynomial's.
    rotate(n, r, Bits::of(r))
}

/// cos x. Maximum error 2 ULP for |x| ≤ 6000, beyond that the standard library's.
#[inline(always)]
pub fn cos<S: Simd>(x: V<S>) -> V<S> {
    if any_above(x) {
        return x.map(f32::cos);
    }
    let (n, r) = reduce(x);
    // cos x = sin(x + π/2)
    rotate(n.add(1), r, Bits::of(r))
}

/// Whether a lane is beyond the reduction's reach (±∞ too; NaN is not).
#[inline(always)]
fn any_above<S: Simd>(x: V<S>) -> bool {
    x.lit(LARGEST).lt(x.abs()).select(x.lit(1.0), x.lit(0.0)).sum() > 0.0
}

/// n, in the low bits, and r.
#[inline(always)]
fn reduce<S: Simd>(x: V<S>) -> (Bits<S>, V<S>) {
    // Adding 1.5·2²³ rounds to an integer.
    const MAGIC: f64 = 12_582_912.0;
    let t = x.fma(x.lit(std::f64::consts::FRAC_2_PI), x.lit(MAGIC));
    let n = t - MAGIC;
    let r = n.fma(x.lit(-HALF_PI[0]), x);
    let r = n.fma(x.lit(-HALF_PI[1]), r);
    (Bits::of(t), n.fma(x.lit(-HALF_PI[2]), r))
}

/// sin(n·π/2 + r).
#[inline(always)]
fn rotate<S: Simd>(n: Bits<S>, r: V<S>, sign: Bits<S>) -> V<S> {
    let square = r * r;
    let sin = sign.sign_onto((r * square).fma(poly(square, &SIN), r));
    let cos = (square * square).fma(poly(square, &COS), square.fma(r.lit(-0.5), r.lit(1.0)));
    let y = n.and(1).is(0).select(sin, cos);
    // The sine is negative in the third and fourth quadrant.
    Bits::of(y).xor(n.and(2).shl(30)).float()
}
