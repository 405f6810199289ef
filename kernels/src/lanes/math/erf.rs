//! The error function, its complement, and the distribution function of the normal distribution.
//!
//! erf and erfc come from one approximation of the tail, erfc x = e^(−x²) P(t) / (x + 3) with t = (x − 3) / (x + 3), for
//! all x ≥ 0: the substitution of Shepherd & Laframboise 1981 (*Chebyshev approximation of (1 + 2x) exp(x²) erfc x in
//! 0 ≤ x < ∞*), here with one division.

use pulp::Simd;

use super::{Bits, V, Width, poly};

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

/// erf x. Maximum error 1.3 ULP.
#[inline(always)]
pub fn erf<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let a = x.abs();
    let far = 1.0 - erfc_positive(a);
    Bits::of(x).sign_onto(a.lt(a.lit(1.0)).select(erf_near(a), far))
}

/// erfc x = 1 − erf x. Maximum error 7 ULP.
#[inline(always)]
pub fn erfc<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    let a = x.abs();
    let far = erfc_positive(a);
    let far = x.lt(x.lit(0.0)).select(2.0 - far, far);
    a.lt(a.lit(0.5)).select(1.0 - erf_near(x), far)
}

/// Φ(−a) e^(a²/2) (a + 2.5) in u = a / (a + 2.5), for 0 ≤ a ≤ 14.4, where Φ leaves f32; relative error 2^−25.8.
pub(super) const NORMAL: [f64; 10] = [
    1.25,
    -1.2433922,
    0.16960734,
    0.29186705,
    0.05602518,
    -0.14968526,
    0.13784914,
    -0.3131829,
    0.27963495,
    -0.07978295,
];
pub(super) const NORMAL_MIDDLE: f64 = 2.5;

/// Φ(x) = erfc(−x/√2) / 2, the probability that a standard normal variate is below x, and φ(x), its density.
/// Maximum error of Φ 4 ULP above −1, 7 ULP in the tail below.
///
/// One approximation serves the whole tail Φ(−a), and Φ(a) = 1 − Φ(−a): near 0 the polynomial's first coefficient
/// dominates, so that nothing is lost there. The exponential gets a² as a sum: the error of the rounded square alone
/// would grow with a². φ shares the exponential.
#[inline(always)]
pub fn normal<S: Simd, W: Width>(x: V<S, W>) -> (V<S, W>, V<S, W>) {
    // Beyond 14.4 both are 0, and n leaves the exponent field.
    let a = x.abs().at_most(14.5);
    let (square, low) = square(a);
    let (n, high, low) = super::reduce::<S, W, { super::LIFT }>(square * -0.5, low * -0.5);
    // e^(−a²/2), still times 2⁶⁴
    let e = super::lifted(n, 1.0 + super::exp_m1_reduced(high, low));
    let q = 1.0 / (a + NORMAL_MIDDLE);
    let below = e * (q * poly(a * q, &NORMAL)) * super::LOWER;
    let cdf = x.lt(x.lit(0.0)).select(below, 1.0 - below);
    (cdf, e * (super::LOWER * 0.398_942_280_401_432_7)) // 1/√2π
}

/// erf x for |x| ≤ 1.
#[inline(always)]
fn erf_near<S: Simd, W: Width>(x: V<S, W>) -> V<S, W> {
    x.fma(poly(x * x, &ERF), x)
}

#[inline(always)]
fn erfc_positive<S: Simd, W: Width>(a: V<S, W>) -> V<S, W> {
    let a = bound(a);
    let (square, low) = square(a);
    tail(a, square, low)
}

/// At most 20, where every tail is 0; NaN stays.
#[inline(always)]
fn bound<S: Simd, W: Width>(a: V<S, W>) -> V<S, W> {
    a.at_most(20.0)
}

/// erfc x for x ≥ 0 and x² = square + low.
#[inline(always)]
fn tail<S: Simd, W: Width>(x: V<S, W>, square: V<S, W>, low: V<S, W>) -> V<S, W> {
    let q = 1.0 / (x + MIDDLE);
    let t = q.fma(x.lit(-2.0 * MIDDLE), x.lit(1.0));
    // e^(−square − low) = e^(−square) (1 − low), for |low| < 2^−17
    let p = q * poly(t, &TAIL);
    (-square).exp_negative() * low.fma(-p, p)
}

/// x² as a sum: its rounding and the rounding's error. The scalar set does not fuse: there it comes from halves of 12 bits
/// whose products are exact (Dekker 1971).
#[inline(always)]
fn square<S: Simd, W: Width>(x: V<S, W>) -> (V<S, W>, V<S, W>) {
    if S::F32_LANES > 1 {
        let square = x * x;
        return (square, x.fma(x, -square));
    }
    let high = Bits::of(x).and(0xffff_f000).float();
    let low = x - high;
    let square = x * x;
    (square, (high * high - square) + (high + high) * low + low * low)
}
