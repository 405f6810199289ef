//! Powers with one exponent for all lanes.
//!
//! Multiples of ½ up to ±3 are products and a root. The others are e^(p ln x), for which ln x is needed as a sum: an error
//! of ε in p ln x is one of ε in the result, relatively, and p ln x reaches 104.

use pulp::Simd;

use super::{Bits, LN2_HIGH, LN2_LOW, V, Width, exp_m1_reduced, poly, reduce};

/// (2 artanh s − 2s) / s³ on |s| ≤ 0.1716 in s²; relative error 2^−25.6, of the logarithm 2^−32.
pub(super) const ARTANH_SMALL: [f64; 4] = [0.6666667, 0.3999888, 0.28661537, 0.20846751];
/// The largest s, (√2 − 1) / (√2 + 1).
#[cfg(test)]
pub(super) const LARGEST_S: f64 = 0.171_572_875_253_809_9;

/// xᵖ. Maximum error 4.3 ULP where 2p is an integer and |p| ≤ 3; elsewhere 1 ULP up to |p| = 10, and 4 ULP beyond.
///
/// As in C's `pow`, 1 for p = 0, and NaN for a negative x unless p is an integer; so too for −∞ where a root is taken.
#[inline(always)]
pub fn powf<S: Simd, W: Width>(x: V<S, W>, p: f32) -> V<S, W> {
    if p.abs() <= 3.0 && (2.0 * p).fract() == 0.0 {
        return product(x, p);
    }
    // The sums below need fused products; an infinite exponent has only limits.
    if S::F32_LANES == 1 || !p.is_finite() {
        return x.map(
            #[inline(always)]
            |x| x.powf(p),
        );
    }
    let a = x.abs();
    let (high, low) = ln_sum(a);
    let power = x.lit(f64::from(p));
    let product = high * power;
    let low = high.fma(power, -product) + low * power;
    let y = limits(a, p, exp_sum(product, low));
    if p.fract() != 0.0 {
        return x.lt(x.lit(0.0)).select(a.lt(a.lit(f64::INFINITY)).select(a.lit(f64::NAN), y), y);
    }
    if (p * 0.5).fract() != 0.0 { Bits::of(x).sign_onto(y) } else { y }
}

/// xᵖ by multiplication.
#[inline(always)]
fn product<S: Simd, W: Width>(x: V<S, W>, p: f32) -> V<S, W> {
    let half = p.fract() != 0.0;
    // A root has no use for the sign of −0: adding 0 takes it away.
    let x = if half { x + 0.0 } else { x };
    let base = if p < 0.0 { 1.0 / x } else { x };
    let square = base * base;
    let y = match p.abs() as u32 {
        0 => x.lit(1.0),
        1 => base,
        2 => square,
        _ => square * base,
    };
    if !half {
        return y;
    }
    // Not the root of 1/x, which overflows before 1/√x does.
    let root = x.sqrt();
    y * if p < 0.0 { 1.0 / root } else { root }
}

/// `y`, or aᵖ at 0, ∞ and NaN.
#[inline(always)]
fn limits<S: Simd, W: Width>(a: V<S, W>, p: f32, y: V<S, W>) -> V<S, W> {
    let (at_zero, at_infinity) = if p > 0.0 { (a.lit(0.0), a) } else { (a.lit(f64::INFINITY), 1.0 / a) };
    let y = a.lt(a.lit(f64::INFINITY)).select(y, at_infinity);
    a.eq(a.lit(0.0)).select(at_zero, y)
}

/// ln x of a positive x as a sum of two; its relative error is 2^−30 where x is far from 1, and no larger near it.
///
/// x = 2ᵉ m, and ln m = 2 artanh s with s = (m − 1) / (m + 1), which is a sum as well.
#[inline(always)]
fn ln_sum<S: Simd, W: Width>(x: V<S, W>) -> (V<S, W>, V<S, W>) {
    let tiny = x.lt(x.lit(f64::from(f32::MIN_POSITIVE)));
    let (e, f) = super::exponent_and_rest(tiny.select(x * 8_388_608.0, x));
    let e = e + tiny.select(x.lit(-23.0), x.lit(0.0));
    let d = 2.0 + f;
    let d_low = f - (d - 2.0);
    let inverse = 1.0 / d;
    let s = f * inverse;
    // What f misses of s·(d + d_low).
    let rest = s.fma(-d_low, s.fma(-d, f));
    let s_low = rest * inverse;
    let square = s * s;
    let high = s + s;
    let low = (s * square).fma(poly(square, &ARTANH_SMALL), square.fma(s_low + s_low, s_low + s_low));
    // |e·ln 2| > |2s|, or e is 0 (Dekker 1971).
    let scaled = e * LN2_HIGH;
    let sum = scaled + high;
    let low = (high - (sum - scaled)) + e.fma(x.lit(LN2_LOW), low);
    let total = sum + low;
    (total, low - (total - sum))
}

/// e^(x + low), for a low far below x.
#[inline(always)]
fn exp_sum<S: Simd, W: Width>(x: V<S, W>, low: V<S, W>) -> V<S, W> {
    // As in `exp`, with 2ⁿ in two halves. Beyond the bounds x alone decides, and `low` might be NaN.
    let bounded = x.at_most(89.0).at_least(-104.0);
    let low = bounded.eq(x).select(low, x.lit(0.0));
    let (n, high, low) = reduce::<S, W, 254>(bounded, low);
    let y = 1.0 + exp_m1_reduced(high, low);
    let half = n.shr(1);
    y * half.shl(23).float() * n.minus(half).shl(23).float()
}
