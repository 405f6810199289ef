//! The error function, its complement, and the distribution function of the normal distribution.
//!
//! All of them come from one approximation of the tail, erfc x = e^(−x²) P(t) / (x + 3) with t = (x − 3) / (x + 3), for
//! all x ≥ 0: the substitution of Shepherd & Laframboise 1981 (*Chebyshev approximation of (1 + 2x) exp(x²) erfc x in
//! 0 ≤ x < ∞*), here with one division.

use pulp::Simd;

use super::{Bits, V, poly};

/// Where t = 0.
pub(super) const MIDDLE: f64 = 3.0;

/// e^(x²) erfc(x) (x + 3) in t, for 0 ≤ x ≤ 10.1, where erfc leaves f32; relative error 2^−26.9.
pub(super) const TAIL: [f64; 11] = [
    1.0740069,
    -0.8833945,
    0.59022826,
    -0.3104663,
    0.11952933,
    -0.026837263,
    -0.001227213,
    0.0030712471,
    -0.00048512887,
    -0.00031402963,
    7.011689e-6,
];

/// (erf x − x) / x on [0, 1] in x²; relative error of erf 2^−29.4.
pub(super) const ERF: [f64; 7] =
    [0.12837917, -0.37612626, 0.11283579, -0.026853347, 0.005187162, -0.0007997853, 7.806904e-5];

/// erf x. Maximum error 1.2 ULP (1.3 unfused).
#[inline(always)]
pub fn erf<S: Simd>(x: V<S>) -> V<S> {
    let a = x.abs();
    let far = 1.0 - erfc_positive(a);
    Bits::of(x).sign_onto(a.lt(a.lit(1.0)).select(erf_near(a), far))
}

/// erfc x = 1 − erf x. Maximum error 7 ULP.
#[inline(always)]
pub fn erfc<S: Simd>(x: V<S>) -> V<S> {
    let a = x.abs();
    let far = erfc_positive(a);
    let far = x.lt(x.lit(0.0)).select(2.0 - far, far);
    a.lt(a.lit(0.5)).select(1.0 - erf_near(x), far)
}

/// Φ(x) = erfc(−x/√2) / 2, the probability that a standard normal variate is below x. Maximum error 4 ULP above
/// −1, 7 ULP in the tail below.
///
/// The tail gets x² itself, not the square of the rounded x/√2, whose error would grow with x².
#[inline(always)]
pub fn normal_cdf<S: Simd>(x: V<S>) -> V<S> {
    let z = x * std::f64::consts::FRAC_1_SQRT_2;
    let (square, low) = square(bound(x.abs()));
    let far = tail(bound(z.abs()), square * 0.5, low * 0.5) * 0.5;
    let far = x.lt(x.lit(0.0)).select(far, 1.0 - far);
    z.abs().lt(z.lit(NEAR)).select(erf_near(z).fma(z.lit(0.5), z.lit(0.5)), far)
}

/// Below it 1 − erf is taken: it cancels less than the tail's own error. −1/√2 lies inside.
const NEAR: f64 = 0.71;

/// erf x for |x| ≤ 1.
#[inline(always)]
fn erf_near<S: Simd>(x: V<S>) -> V<S> {
    x.fma(poly(x * x, &ERF), x)
}

#[inline(always)]
fn erfc_positive<S: Simd>(a: V<S>) -> V<S> {
    let a = bound(a);
    let (square, low) = square(a);
    tail(a, square, low)
}

/// At most 20, where every tail is 0; NaN stays.
#[inline(always)]
fn bound<S: Simd>(a: V<S>) -> V<S> {
    a.lit(20.0).lt(a).select(a.lit(20.0), a)
}

/// erfc x for x ≥ 0 and x² = square + low.
#[inline(always)]
fn tail<S: Simd>(x: V<S>, square: V<S>, low: V<S>) -> V<S> {
    let q = 1.0 / (x + MIDDLE);
    let t = q.fma(x.lit(-2.0 * MIDDLE), x.lit(1.0));
    // e^(−square − low) = e^(−square) (1 − low), for |low| < 2^−17
    let p = q * poly(t, &TAIL);
    (-square).exp() * low.fma(-p, p)
}

/// x² as a sum: its rounding and the rounding's error, from halves of 12 bits whose products are exact (Dekker 1971).
#[inline(always)]
fn square<S: Simd>(x: V<S>) -> (V<S>, V<S>) {
    let high = Bits::of(x).and(0xffff_f000).float();
    let low = x - high;
    let square = x * x;
    (square, (high * high - square) + (high + high) * low + low * low)
}
