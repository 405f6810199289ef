//! Elementary functions of f32 lanes, each with its maximum error.
//!
//! Errors are in ULP (the distance between neighbouring f32 at the exact result), against f64: `tests` looks for larger ones
//! in a sample of arguments on every instruction set, and on request among all 2³². A function
//! gives NaN for NaN, its limits at ±∞, keeps −0 where it is odd, and takes and gives subnormals.
//!
//! The polynomials are minimax polynomials with f32 coefficients; `remez` derives them anew in the tests. Only
//! powers rely on fusion; the scalar instruction set multiplies and adds in two roundings.

mod erf;
mod power;
#[cfg(test)]
mod remez;
#[cfg(test)]
mod tests;
mod trig;

pub use erf::{erf, erfc, normal};
pub use power::powf;
pub use trig::{cos, sin};

use std::f64::consts::LOG2_E;

use pulp::Simd;

use super::{F, M, One, Width};

type V<S, W> = F<S, f32, W>;

/// The bits of one register of f32, or of as many as `W` says.
#[derive(Clone, Copy)]
pub(crate) struct Bits<S: Simd, W: Width = One>(S, W::Of<S::u32s>);

impl<S: Simd> Bits<S> {
    /// Register `i` of `words`.
    #[inline(always)]
    pub(crate) fn load(simd: S, words: &[u32], i: usize) -> Self {
        Bits(simd, S::as_simd_u32s(words).0[i])
    }
}

macro_rules! with_number {
    ($($(#[$doc:meta])* $vis:vis $name:ident $op:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        $vis fn $name(self, n: u32) -> Self {
            let simd = self.0;
            let n = simd.splat_u32s(n);
            Bits(simd, W::map(self.1, #[inline(always)] |a| simd.$op(a, n)))
        }
    )*};
}

macro_rules! of_two {
    ($($name:ident $op:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, b: Self) -> Self {
            let simd = self.0;
            Bits(simd, W::zip(self.1, b.1, #[inline(always)] |a, b| simd.$op(a, b)))
        }
    )*};
}

impl<S: Simd, W: Width> Bits<S, W> {
    #[inline(always)]
    fn of(x: V<S, W>) -> Self {
        let simd = x.simd();
        Bits(
            simd,
            W::map(
                x.v,
                #[inline(always)]
                |v| simd.transmute_u32s_f32s(v),
            ),
        )
    }
    #[inline(always)]
    pub(crate) fn float(self) -> V<S, W> {
        let simd = self.0;
        F {
            simd,
            v: W::map(
                self.1,
                #[inline(always)]
                |v| simd.transmute_f32s_u32s(v),
            ),
        }
    }
    with_number! {
        pub(crate) shl wrapping_dyn_shl_u32s;
        pub(crate) shr wrapping_dyn_shr_u32s;
        add add_u32s;
        pub(crate) and and_u32s;
        pub(crate) or or_u32s;
    }
    of_two! {
        minus sub_u32s;
        xor xor_u32s;
        union or_u32s;
    }
    #[inline(always)]
    fn is(self, n: u32) -> M<S, f32, W> {
        let simd = self.0;
        let n = simd.splat_u32s(n);
        M {
            simd,
            m: W::map(
                self.1,
                #[inline(always)]
                |a| simd.equal_u32s(a, n),
            ),
        }
    }
    /// `x` with this sign bit, for an `x` whose sign bit is clear or already this one.
    #[inline(always)]
    fn sign_onto(self, x: V<S, W>) -> V<S, W> {
        self.and(1 << 31).union(Bits::of(x)).float()
    }
}

/// c₀ + c₁ x + c₂ x² + … by Horner's rule.
#[inline(always)]
fn poly<S: Simd, W: Width, const N: usize>(x: V<S, W>, c: &[f64; N]) -> V<S, W> {
    let mut p = x.lit(c[N - 1]);
    for &c in c[..N - 1].iter().rev() {
        p = p.fma(x, x.lit(c));
    }
    p
}

/// ln 2 = LN2_HIGH + LN2_LOW; the products of the high part (9 bits) with exponents are exact (Cody & Waite 1980, ch. 6).
const LN2_HIGH: f64 = 0.693_359_375;
const LN2_LOW: f64 = -2.121_944_400_546_905_8e-4;

/// (eʳ − 1 − r) / r² on |r| ≤ 0.35; relative error of eʳ 2^−28.1.
const EXP: [f64; 5] = [0.49999994, 0.16666509, 0.041668005, 0.008370006, 0.0013847997];

/// eˣ. Maximum error 1 ULP.
///
/// x = n·ln 2 + r, eʳ by its polynomial; 2ⁿ is applied in two halves, so that it neither overflows before the result does
/// nor loses a subnormal result.
#[inline(always)]
pub fn exp<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    // Beyond these bounds the result is 0 or ∞.
    let x = x.at_most(89.0).at_least(-104.0);
    // n + 254, whose halves are the exponent fields of two factors with the product 2ⁿ; the shift drops the high bits.
    let (n, high, low) = reduce::<S, W, 254>(x, x.lit(0.0));
    let y = 1.0 + exp_m1_reduced(high, low);
    let half = n.shr(1);
    y * half.shl(23).float() * n.minus(half).shl(23).float()
}

/// eˣ for x ≤ 0, NaN for NaN, unspecified above 0. Maximum error 1 ULP.
#[inline(always)]
pub fn exp_negative<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let (n, high, low) = reduce::<S, W, LIFT>(x.at_least(-104.0), x.lit(0.0));
    lifted(n, 1.0 + exp_m1_reduced(high, low)) * LOWER
}

/// σ(x) = 1 / (1 + e^(−x)). Maximum error 2 ULP.
///
/// Through e = e^(−|x|), so that nothing overflows and both tails keep their relative accuracy: σ = e / (1 + e) below 0,
/// where the rounding error of e would be the largest part of the result's and is therefore put back.
#[inline(always)]
pub fn sigmoid<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let (n, high, low) = reduce::<S, W, LIFT>((-x.abs()).at_least(-104.0), x.lit(0.0));
    let rest = exp_m1_reduced(high, low);
    let y = 1.0 + rest;
    let lost = rest - (y - 1.0);
    let e = lifted(n, y) * LOWER;
    let below = x.lt(x.lit(0.0));
    let quotient = below.select(e, x.lit(1.0)) / (1.0 + e);
    quotient.fma(below.select(lost, x.lit(0.0)), quotient)
}

/// n + `BIAS` in the low bits, for the n with x + low = n·ln 2 + r, and r as a sum: high is exact as long as x and n are.
#[inline(always)]
fn reduce<S: Simd, W: Width, const BIAS: u32>(x: V<S, W>, low: V<S, W>) -> (Bits<S, W>, V<S, W>, V<S, W>) {
    // Adding 1.5·2²³ rounds to an integer.
    let magic = 12_582_912.0 + f64::from(BIAS);
    let t = x.fma(x.lit(LOG2_E), x.lit(magic));
    let n = t - magic;
    (Bits::of(t), n.fma(x.lit(-LN2_HIGH), x), n.fma(x.lit(-LN2_LOW), low))
}

/// eʳ − 1 for r = high + low, |r| ≤ 0.35; adding high last rounds a number near r only once.
#[inline(always)]
fn exp_m1_reduced<S: Simd, W: Width>(high: V<S, W>, low: V<S, W>) -> V<S, W> {
    let r = high + low;
    let square = r * r;
    // EXP by Estrin's scheme.
    let (a, b) = (r.fma(r.lit(EXP[1]), r.lit(EXP[0])), r.fma(r.lit(EXP[3]), r.lit(EXP[2])));
    let p = square.fma(r.lit(EXP[4]), b).fma(square, a);
    high + p.fma(square, low)
}

/// What n is raised by: the exponent's bias, and 64 so that y·2ⁿ is a normal number down to n = −150.
const LIFT: u32 = 127 + 64;
/// 2^−64, which takes the 64 back with a single rounding.
const LOWER: f64 = 5.421_010_862_427_522e-20;

/// y · 2^(n + 64), for an n of [`reduce`] with [`LIFT`].
#[inline(always)]
fn lifted<S: Simd, W: Width>(n: Bits<S, W>, y: V<S, W>) -> V<S, W> {
    y * n.shl(23).float()
}

/// (ln(1 + f) − f + f²/2) / f³ on [√½ − 1, √2 − 1]; relative error of the logarithm 2^−29.8.
const LN: [f64; 9] =
    [0.33333308, -0.24999976, 0.20002393, -0.16669902, 0.14216568, -0.1237456, 0.118760675, -0.11830432, 0.06947475];

/// ln x. Maximum error 1 ULP.
#[inline(always)]
pub fn ln<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let tiny = x.lt(x.lit(f64::from(f32::MIN_POSITIVE)));
    let normal = tiny.select(x * 8_388_608.0, x);
    let y = ln_normal(normal, tiny.select(x.lit(-23.0), x.lit(0.0)), x.lit(0.0));
    ln_limits(x, x, y)
}

/// ln(1 + x). Maximum error 1 ULP.
///
/// The rounding error c of u = 1 + x enters as ln(u + c) ≈ ln u + c/u (fdlibm's log1p).
#[inline(always)]
pub fn ln_1p<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let u = 1.0 + x;
    let c = x.abs().lt(x.lit(1.0)).select(x - (u - 1.0), 1.0 - (u - x));
    let y = ln_normal(u, x.lit(0.0), c / u);
    let y = x.abs().lt(x.lit(f64::from(f32::EPSILON) / 4.0)).select(x, y);
    ln_limits(x, u, y)
}

/// (2 artanh s − 2s) / s³ on [0, ⅓] in s²; relative error of the logarithm 2^−33.0.
const ARTANH: [f64; 5] = [0.66666675, 0.3999895, 0.28615218, 0.21443719, 0.24246344];

/// ln(1 + x) for 0 ≤ x ≤ 1, NaN for NaN, unspecified elsewhere. Maximum error 2 ULP.
///
/// ln(1 + x) = 2 artanh(x / (2 + x)).
#[inline(always)]
pub fn ln_1p_unit<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let s = x / (2.0 + x);
    let square = s * s;
    (s * square).fma(poly(square, &ARTANH), s + s)
}

/// ln x + exponent·ln 2 + c for a positive, normal x and a small c.
#[inline(always)]
fn ln_normal<S: Simd, W: Width>(x: V<S, W>, exponent: V<S, W>, c: V<S, W>) -> V<S, W> {
    let (e, f) = exponent_and_rest(x);
    let e = e + exponent;
    // ln(1 + f) = f − f²/2 + f³ P(f); the rounding error of e·ln 2 + f is kept (Dekker 1971: |e·ln 2| > |f|, or it is 0).
    let square = f * f;
    let low = square.fma(x.lit(-0.5), f * square * poly(f, &LN));
    let high = e * LN2_HIGH;
    let sum = high + f;
    let lost = f - (sum - high);
    sum + (low + e.fma(x.lit(LN2_LOW), lost + c))
}

/// e and m − 1 for a positive, normal x = 2ᵉ m with m in [√½, √2).
#[inline(always)]
fn exponent_and_rest<S: Simd, W: Width>(x: V<S, W>) -> (V<S, W>, V<S, W>) {
    // The exponent is counted from the bits of √½ (fdlibm's log).
    const SQRT_HALF: u32 = 0x3f35_04f3;
    const ONE: u32 = 0x3f80_0000;
    let bits = Bits::of(x).add(ONE - SQRT_HALF);
    // The integer e + 127 becomes a float through the mantissa of 2²³.
    let e = bits.shr(23).or(0x4b00_0000).float() - (8_388_608.0 + 127.0);
    (e, bits.and(0x007f_ffff).add(SQRT_HALF).float() - 1.0)
}

/// `y`, or what the logarithm is at 0, below 0, at ∞ and NaN: `u` is its argument, `x` the caller's.
#[inline(always)]
fn ln_limits<S: Simd, W: Width>(x: V<S, W>, u: V<S, W>, y: V<S, W>) -> V<S, W> {
    let y = x.lt(x.lit(f64::INFINITY)).select(y, x);
    let limit = u.eq(x.lit(0.0)).select(x.lit(f64::NEG_INFINITY), x.lit(f64::NAN));
    u.le(x.lit(0.0)).select(limit, y)
}

/// (tanh x − x) / x³ on [0, 1] in x²; relative error of tanh 2^−27.7.
const TANH: [f64; 7] = [-0.33333296, 0.13332346, -0.053879846, 0.021486672, -0.007945992, 0.0023011954, -0.00035838148];

/// tanh x. Maximum error 1 ULP (1.1 unfused).
///
/// A polynomial below 1; 1 − 2e / (1 + e) with e = e^(−2x) above, where the subtrahend is below ¼ and its error with it.
#[inline(always)]
pub fn tanh<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let a = x.abs();
    let square = a * a;
    let near = (a * square).fma(poly(square, &TANH), a);
    let e = (a * -2.0).exp_negative();
    let far = 1.0 - (e + e) / (1.0 + e);
    Bits::of(x).sign_onto(a.lt(a.lit(1.0)).select(near, far))
}
