//! Sine and cosine.
//!
//! x = n·π/2 + r with |r| ≤ π/4: both polynomials are computed, and the lowest bits of n choose one and its sign. π/2 is
//! split in three parts so that the products of the first two with n are exact (Cody & Waite 1980, ch. 8; the parts are
//! those of Cephes' sinf, doubled). That holds up to |x| = 6000; a larger argument goes through the standard library.

use pulp::Simd;

use super::{Bits, V, Width, poly};

const HALF_PI: [f64; 3] = [1.570_312_5, 4.837_512_969_970_703e-4, 7.549_789_954_891_882e-8];
const LARGEST: f64 = 6000.0;

/// (sin r − r) / r³ on |r| ≤ π/4 in r²; relative error of the sine 2^−27.9.
pub(super) const SIN: [f64; 3] = [-0.16666655, 0.008332187, -0.00019517897];

/// (cos r − 1 + r²/2) / r⁴ on |r| ≤ π/4 in r²; relative error of the cosine 2^−33.0.
pub(super) const COS: [f64; 3] = [0.041666646, -0.001388731, 2.4432327e-5];

/// sin x. Maximum error 2 ULP for |x| ≤ 6000, beyond that the standard library's.
#[inline(always)]
pub fn sin<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let (n, r) = reduce(x);
    // Only ±0 needs its sign put back: elsewhere r has the polynomial's.
    beyond(x, rotate(n, r, Bits::of(r)), f32::sin)
}

/// cos x. Maximum error 2 ULP for |x| ≤ 6000, beyond that the standard library's.
#[inline(always)]
pub fn cos<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let (n, r) = reduce(x);
    // cos x = sin(x + π/2)
    beyond(x, rotate(n.add(1), r, Bits::of(r)), f32::cos)
}

/// `y`, or `f` where the argument is beyond the reduction's reach (±∞ too; NaN is not).
#[inline(always)]
fn beyond<S: Simd, W: Width>(x: V<S, W>, y: V<S, W>, f: fn(f32) -> f32) -> V<S, W> {
    let above = x.lit(LARGEST).lt(x.abs());
    let mut any = 0.0;
    above.select(x.lit(1.0), x.lit(0.0)).each(
        0,
        #[inline(always)]
        |_, ones| any += ones.sum(),
    );
    if any > 0.0 { above.select(x.map(f), y) } else { y }
}

/// n, in the low bits, and r.
#[inline(always)]
fn reduce<S: Simd, W: Width>(x: V<S, W>) -> (Bits<S, W>, V<S, W>) {
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
fn rotate<S: Simd, W: Width>(n: Bits<S, W>, r: V<S, W>, sign: Bits<S, W>) -> V<S, W> {
    let square = r * r;
    let sin = sign.sign_onto((r * square).fma(poly(square, &SIN), r));
    let cos = (square * square).fma(poly(square, &COS), square.fma(r.lit(-0.5), r.lit(1.0)));
    let y = n.and(1).is(0).select(sin, cos);
    // The sine is negative in the third and fourth quadrant.
    Bits::of(y).xor(n.and(2).shl(30)).float()
}
