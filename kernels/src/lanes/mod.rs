//! Lanes: the façade over pulp in which every elementwise formula is written.
//!
//! [`F<S, T>`] is one register of `T` (f32 or f64) on the instruction set `S`, with the operators and functions of
//! ordinary arithmetic, so that a kernel reads like its formula: `x / (1.0 + (-x).exp())`. This is the only file that
//! names pulp's arithmetic; pulp can be replaced here.
//!
//! Invariants: only pulp's *estimating* fused multiply-add is used (its exact one calls a software routine on the scalar
//! set, 33 times slower); [`F::max`] and [`F::min`] propagate NaN from either side, as PyTorch does, whatever the
//! instruction underneath does.
//!
//! f32 functions are the approximations of [`math`]. f64 exists for gradient checks and small statistics: its functions
//! go through the standard library (and libm for erf) lane by lane, which makes f64 an independent reference.

pub mod math;
mod register;
mod width;

pub use register::{F, M};
pub use width::{Four, One, Twice, Two, Width};

use pulp::Simd;

/// What pulp has to offer for one element type. An implementation detail of [`F`] and [`M`].
#[doc(hidden)]
#[allow(missing_docs)]
pub trait LaneReal: Sized + Copy {
    type V<S: Simd>: Copy + Send + Sync + std::fmt::Debug;
    type M<S: Simd>: Copy;
    const F32: bool;

    fn lanes<S: Simd>() -> usize;
    fn split<S: Simd>(x: &[Self]) -> (&[Self::V<S>], &[Self]);
    fn split_mut<S: Simd>(x: &mut [Self]) -> (&mut [Self::V<S>], &mut [Self]);
    fn load<S: Simd>(s: S, x: &[Self]) -> Self::V<S>;
    fn store<S: Simd>(s: S, x: &mut [Self], v: Self::V<S>);
    fn splat<S: Simd>(s: S, x: Self) -> Self::V<S>;
    fn literal(x: f64) -> Self;
    fn add<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn sub<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn mul<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn div<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn neg<S: Simd>(s: S, a: Self::V<S>) -> Self::V<S>;
    fn abs<S: Simd>(s: S, a: Self::V<S>) -> Self::V<S>;
    fn sqrt<S: Simd>(s: S, a: Self::V<S>) -> Self::V<S>;
    fn fma<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;
    fn machine_min<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn machine_max<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn lt<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::M<S>;
    fn le<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::M<S>;
    fn eq<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::M<S>;
    fn select<S: Simd>(s: S, m: Self::M<S>, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    fn reduce_sum<S: Simd>(s: S, a: Self::V<S>) -> Self;
    fn exp<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn exp_negative<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn sigmoid<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn ln<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn ln_1p<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn ln_1p_unit<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn tanh<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn erf<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn erfc<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn normal<S: Simd, W: Width>(x: F<S, Self, W>) -> (F<S, Self, W>, F<S, Self, W>);
    fn sin<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn cos<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W>;
    fn powf<S: Simd, W: Width>(x: F<S, Self, W>, p: Self) -> F<S, Self, W>;
}

macro_rules! lane_real {
    ($t:ident, $f32:literal, $v:ident, $m:ident, $lanes:ident, $split:ident, $split_mut:ident, $load:ident, $store:ident,
     $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $neg:ident, $abs:ident, $sqrt:ident, $fma:ident,
     $min:ident, $max:ident, $lt:ident, $le:ident, $eq:ident, $select:ident, $sum:ident, $math:path) => {
        impl LaneReal for $t {
            type V<S: Simd> = S::$v;
            type M<S: Simd> = S::$m;
            const F32: bool = $f32;

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn split<S: Simd>(x: &[Self]) -> (&[Self::V<S>], &[Self]) {
                S::$split(x)
            }
            #[inline(always)]
            fn split_mut<S: Simd>(x: &mut [Self]) -> (&mut [Self::V<S>], &mut [Self]) {
                S::$split_mut(x)
            }
            #[inline(always)]
            fn load<S: Simd>(s: S, x: &[Self]) -> Self::V<S> {
                s.$load(x)
            }
            #[inline(always)]
            fn store<S: Simd>(s: S, x: &mut [Self], v: Self::V<S>) {
                s.$store(x, v)
            }
            #[inline(always)]
            fn splat<S: Simd>(s: S, x: Self) -> Self::V<S> {
                s.$splat(x)
            }
            #[inline(always)]
            fn literal(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn add<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$add(a, b)
            }
            #[inline(always)]
            fn sub<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$sub(a, b)
            }
            #[inline(always)]
            fn mul<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$mul(a, b)
            }
            #[inline(always)]
            fn div<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$div(a, b)
            }
            #[inline(always)]
            fn neg<S: Simd>(s: S, a: Self::V<S>) -> Self::V<S> {
                s.$neg(a)
            }
            #[inline(always)]
            fn abs<S: Simd>(s: S, a: Self::V<S>) -> Self::V<S> {
                s.$abs(a)
            }
            #[inline(always)]
            fn sqrt<S: Simd>(s: S, a: Self::V<S>) -> Self::V<S> {
                s.$sqrt(a)
            }
            #[inline(always)]
            fn fma<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S> {
                s.$fma(a, b, c)
            }
            #[inline(always)]
            fn machine_min<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$min(a, b)
            }
            #[inline(always)]
            fn machine_max<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$max(a, b)
            }
            #[inline(always)]
            fn lt<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::M<S> {
                s.$lt(a, b)
            }
            #[inline(always)]
            fn le<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::M<S> {
                s.$le(a, b)
            }
            #[inline(always)]
            fn eq<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>) -> Self::M<S> {
                s.$eq(a, b)
            }
            #[inline(always)]
            fn select<S: Simd>(s: S, m: Self::M<S>, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                s.$select(m, a, b)
            }
            #[inline(always)]
            fn reduce_sum<S: Simd>(s: S, a: Self::V<S>) -> Self {
                s.$sum(a)
            }
            $math! {}
        }
    };
}

macro_rules! math_f32 {
    () => {
        math_f32! { exp, exp_negative, sigmoid, ln, ln_1p, ln_1p_unit, tanh, erf, erfc, sin, cos }
        #[inline(always)]
        fn normal<S: Simd, W: Width>(x: F<S, Self, W>) -> (F<S, Self, W>, F<S, Self, W>) {
            math::normal(x)
        }
        #[inline(always)]
        fn powf<S: Simd, W: Width>(x: F<S, Self, W>, p: Self) -> F<S, Self, W> {
            math::powf(x, p)
        }
    };
    ($($name:ident),*) => {$(
        #[inline(always)]
        fn $name<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W> {
            math::$name(x)
        }
    )*};
}

macro_rules! math_f64 {
    () => {
        math_f64! { exp f64::exp, exp_negative f64::exp, sigmoid sigmoid, ln f64::ln, ln_1p f64::ln_1p, ln_1p_unit f64::ln_1p, tanh f64::tanh, erf libm::erf, erfc libm::erfc, sin f64::sin, cos f64::cos }
        #[inline(always)]
        fn normal<S: Simd, W: Width>(x: F<S, Self, W>) -> (F<S, Self, W>, F<S, Self, W>) {
            (x.map(normal_cdf), x.map(normal_density))
        }
        #[inline(always)]
        fn powf<S: Simd, W: Width>(x: F<S, Self, W>, p: Self) -> F<S, Self, W> {
            x.map(|x| x.powf(p))
        }
    };
    ($($name:ident $f:path),*) => {$(
        #[inline(always)]
        fn $name<S: Simd, W: Width>(x: F<S, Self, W>) -> F<S, Self, W> {
            x.map($f)
        }
    )*};
}

lane_real!(
    f32,
    true,
    f32s,
    m32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    div_f32s,
    neg_f32s,
    abs_f32s,
    sqrt_f32s,
    mul_add_e_f32s,
    min_f32s,
    max_f32s,
    less_than_f32s,
    less_than_or_equal_f32s,
    equal_f32s,
    select_f32s,
    reduce_sum_f32s,
    math_f32
);
lane_real!(
    f64,
    false,
    f64s,
    m64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    div_f64s,
    neg_f64s,
    abs_f64s,
    sqrt_f64s,
    mul_add_e_f64s,
    min_f64s,
    max_f64s,
    less_than_f64s,
    less_than_or_equal_f64s,
    equal_f64s,
    select_f64s,
    reduce_sum_f64s,
    math_f64
);

/// Φ(x) = erfc(−x/√2) / 2.
fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// φ(x) = e^(−x²/2) / √2π.
fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// 1 / (1 + e^(−x)), through e^(−|x|) so that nothing overflows.
fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// Asks the machine to bring a cache line nearer; any address will do, and nothing happens where it cannot be asked.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is part of every x86-64, never faults and changes no data.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The widest register of any instruction set, in elements.
pub const MAX_LANES: usize = 16;
