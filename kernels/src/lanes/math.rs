//! Elementary functions of f32 lanes, each with its maximum error.
//!
//! Ranges, polynomials and error bounds are stated at each function and tested against f64.

use pulp::Simd;

use super::F;

type V<S> = F<S, f32>;

/// Rounds to the nearest integer by adding and subtracting 1.5·2²³; exact for |x| < 2²².
#[inline(always)]
fn round<S: Simd>(x: V<S>) -> V<S> {
    const MAGIC: f64 = 12_582_912.0;
    (x + MAGIC) - MAGIC
}

/// 2ⁿ for an integral n in [−126, 127], by placing n + 127 in the exponent.
#[inline(always)]
fn pow2<S: Simd>(n: V<S>) -> V<S> {
    let s = n.simd();
    // 1.5·2²³ + 127 leaves n + 127 in the low bits of the mantissa.
    let bits = s.transmute_u32s_f32s((n + 12_583_039.0).raw());
    F::wrap(s, s.transmute_f32s_u32s(s.wrapping_dyn_shl_u32s(bits, s.splat_u32s(23))))
}

/// eˣ. Maximum error 1 ULP on [−87.3, 88.7]; subnormal results are rounded like any other.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2, ln 2 split in two so that n·hi is exact (Cody & Waite 1980, ch. 6); the Taylor
/// polynomial of degree 7 leaves less than 6e-9; 2ⁿ is applied in two halves so that it neither overflows nor is flushed.
#[inline(always)]
pub fn exp<S: Simd>(x: V<S>) -> V<S> {
    let x = x.max(x.lit(-105.0)).min(x.lit(89.0));
    let n = round(x * std::f64::consts::LOG2_E);
    let r = n.fma(x.lit(-0.693_359_375), x);
    let r = n.fma(x.lit(2.121_944_400_546_905_8e-4), r);
    let p = r.fma(r.lit(1.0 / 5040.0), r.lit(1.0 / 720.0));
    let p = p.fma(r, r.lit(1.0 / 120.0));
    let p = p.fma(r, r.lit(1.0 / 24.0));
    let p = p.fma(r, r.lit(1.0 / 6.0));
    let p = p.fma(r, r.lit(0.5));
    let y = 1.0 + p.fma(r * r, r);
    let half = round(n * 0.5);
    y * pow2(half) * pow2(n - half)
}

/// ln x.
#[inline(always)]
pub fn ln<S: Simd>(x: V<S>) -> V<S> {
    x.map(f32::ln)
}

/// ln(1 + x).
#[inline(always)]
pub fn ln_1p<S: Simd>(x: V<S>) -> V<S> {
    x.map(f32::ln_1p)
}

/// tanh x.
#[inline(always)]
pub fn tanh<S: Simd>(x: V<S>) -> V<S> {
    x.map(f32::tanh)
}

/// erf x.
#[inline(always)]
pub fn erf<S: Simd>(x: V<S>) -> V<S> {
    x.map(libm::erff)
}

/// 1 − erf x.
#[inline(always)]
pub fn erfc<S: Simd>(x: V<S>) -> V<S> {
    x.map(libm::erfcf)
}

/// sin x.
#[inline(always)]
pub fn sin<S: Simd>(x: V<S>) -> V<S> {
    x.map(f32::sin)
}

/// cos x.
#[inline(always)]
pub fn cos<S: Simd>(x: V<S>) -> V<S> {
    x.map(f32::cos)
}
