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
mod width;

pub use width::{Four, One, Twice, Two, Width};

use std::ops::{Add, Div, Mul, Neg, Sub};

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
            x.map(|x| x.powf(p))
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

/// One register of `T` on the instruction set `S`, or as many as `W` says.
#[derive(Clone, Copy)]
pub struct F<S: Simd, T: LaneReal, W: Width = One> {
    simd: S,
    v: W::Of<T::V<S>>,
}

/// A mask: one truth value a lane.
#[derive(Clone, Copy)]
pub struct M<S: Simd, T: LaneReal, W: Width = One> {
    simd: S,
    m: W::Of<T::M<S>>,
}

impl<S: Simd, T: LaneReal, W: Width> M<S, T, W> {
    /// `a` where the mask holds, else `b`.
    #[inline(always)]
    pub fn select(self, a: F<S, T, W>, b: F<S, T, W>) -> F<S, T, W> {
        let simd = self.simd;
        F {
            simd,
            v: W::zip3(
                self.m,
                a.v,
                b.v,
                #[inline(always)]
                |m, a, b| T::select(simd, m, a, b),
            ),
        }
    }
}

/// One register.
impl<S: Simd, T: LaneReal> F<S, T> {
    /// Every lane `x`.
    #[inline(always)]
    pub fn splat(simd: S, x: T) -> Self {
        F { simd, v: T::splat(simd, x) }
    }
    /// The first elements of `x`, zeros behind them if it is shorter than a register.
    #[inline(always)]
    pub fn load(simd: S, x: &[T]) -> Self {
        F { simd, v: T::load(simd, x) }
    }
    /// Wraps pulp's register.
    #[inline(always)]
    pub fn wrap(simd: S, v: T::V<S>) -> Self {
        F { simd, v }
    }
    /// pulp's register.
    #[inline(always)]
    pub fn raw(self) -> T::V<S> {
        self.v
    }
    /// Writes as many lanes as `out` holds.
    #[inline(always)]
    pub fn store(self, out: &mut [T]) {
        T::store(self.simd, out, self.v)
    }
    /// Sum of the lanes. The order of summation depends on the instruction set.
    #[inline(always)]
    pub fn sum(self) -> T {
        T::reduce_sum(self.simd, self.v)
    }
    /// The lanes as an array, zeros behind the last.
    #[inline(always)]
    pub fn to_array(self) -> [T; MAX_LANES] {
        let mut out = [T::literal(0.0); MAX_LANES];
        self.store(&mut out);
        out
    }
}

impl<S: Simd, T: LaneReal, W: Width> F<S, T, W> {
    /// The registers that `f` gives for `first`, `first + 1`, …
    #[inline(always)]
    pub fn fill(simd: S, first: usize, mut f: impl FnMut(usize) -> F<S, T>) -> Self {
        F {
            simd,
            v: W::fill(
                first,
                #[inline(always)]
                |i| f(i).v,
            ),
        }
    }
    /// Gives `f` each register with its number, from `first` on.
    #[inline(always)]
    pub fn each(self, first: usize, mut f: impl FnMut(usize, F<S, T>)) {
        let simd = self.simd;
        W::each(
            self.v,
            first,
            #[inline(always)]
            |i, v| f(i, F::wrap(simd, v)),
        );
    }
    /// All registers in one, by a balanced tree.
    #[inline(always)]
    pub fn fold(self, f: impl Fn(F<S, T>, F<S, T>) -> F<S, T> + Copy) -> F<S, T> {
        let simd = self.simd;
        let v = W::fold(
            self.v,
            #[inline(always)]
            |a, b| f(F::wrap(simd, a), F::wrap(simd, b)).v,
        );
        F { simd, v }
    }
    /// `x` in every register.
    #[inline(always)]
    pub fn same(x: F<S, T>) -> Self {
        F {
            simd: x.simd,
            v: W::fill(
                0,
                #[inline(always)]
                |_| x.v,
            ),
        }
    }
    /// The instruction set.
    #[inline(always)]
    pub fn simd(self) -> S {
        self.simd
    }
    /// Every lane the constant `x`, rounded to `T`.
    #[inline(always)]
    pub fn lit(self, x: f64) -> Self {
        Self::same(F::splat(self.simd, T::literal(x)))
    }
    /// `self · b + c`, fused where the instruction set fuses.
    #[inline(always)]
    pub fn fma(self, b: Self, c: Self) -> Self {
        let simd = self.simd;
        F {
            simd,
            v: W::zip3(
                self.v,
                b.v,
                c.v,
                #[inline(always)]
                |a, b, c| T::fma(simd, a, b, c),
            ),
        }
    }
    /// |x|.
    #[inline(always)]
    pub fn abs(self) -> Self {
        let simd = self.simd;
        F {
            simd,
            v: W::map(
                self.v,
                #[inline(always)]
                |a| T::abs(simd, a),
            ),
        }
    }
    /// √x, correctly rounded.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        let simd = self.simd;
        F {
            simd,
            v: W::map(
                self.v,
                #[inline(always)]
                |a| T::sqrt(simd, a),
            ),
        }
    }
    /// Lanes where `self < b`; false for NaN.
    #[inline(always)]
    pub fn lt(self, b: Self) -> M<S, T, W> {
        let simd = self.simd;
        M {
            simd,
            m: W::zip(
                self.v,
                b.v,
                #[inline(always)]
                |a, b| T::lt(simd, a, b),
            ),
        }
    }
    /// Lanes where `self ≤ b`; false for NaN.
    #[inline(always)]
    pub fn le(self, b: Self) -> M<S, T, W> {
        let simd = self.simd;
        M {
            simd,
            m: W::zip(
                self.v,
                b.v,
                #[inline(always)]
                |a, b| T::le(simd, a, b),
            ),
        }
    }
    /// Lanes where `self = b`; false for NaN.
    #[inline(always)]
    pub fn eq(self, b: Self) -> M<S, T, W> {
        let simd = self.simd;
        M {
            simd,
            m: W::zip(
                self.v,
                b.v,
                #[inline(always)]
                |a, b| T::eq(simd, a, b),
            ),
        }
    }
    /// The larger; NaN if either is NaN.
    #[inline(always)]
    pub fn max(self, b: Self) -> Self {
        // The inner select gives a NaN in `self`; a NaN in `b` makes the comparison false and is given by the outer one.
        b.lt(self).select(self, self.eq(self).select(b, self))
    }
    /// The smaller; NaN if either is NaN.
    #[inline(always)]
    pub fn min(self, b: Self) -> Self {
        self.lt(b).select(self, self.eq(self).select(b, self))
    }
    /// At most `bound`, which is not NaN; NaN stays. One instruction where the machine's minimum gives its second operand
    /// for NaN (x86) or propagates it (ARM); the scalar set's does neither.
    #[inline(always)]
    pub fn at_most(self, bound: f64) -> Self {
        let bound = self.lit(bound);
        if T::lanes::<S>() == 1 {
            return bound.lt(self).select(bound, self);
        }
        let simd = self.simd;
        F {
            simd,
            v: W::zip(
                bound.v,
                self.v,
                #[inline(always)]
                |bound, x| T::machine_min(simd, bound, x),
            ),
        }
    }
    /// At least `bound`, which is not NaN; NaN stays.
    #[inline(always)]
    pub fn at_least(self, bound: f64) -> Self {
        let bound = self.lit(bound);
        if T::lanes::<S>() == 1 {
            return self.lt(bound).select(bound, self);
        }
        let simd = self.simd;
        F {
            simd,
            v: W::zip(
                bound.v,
                self.v,
                #[inline(always)]
                |bound, x| T::machine_max(simd, bound, x),
            ),
        }
    }
    /// `f` on every lane, one by one.
    #[inline(always)]
    pub fn map(self, f: impl Fn(T) -> T) -> Self {
        let simd = self.simd;
        F {
            simd,
            v: W::map(
                self.v,
                #[inline(always)]
                |v| {
                    let mut lanes = F::<S, T>::wrap(simd, v).to_array();
                    for lane in &mut lanes[..T::lanes::<S>()] {
                        *lane = f(*lane);
                    }
                    T::load(simd, &lanes)
                },
            ),
        }
    }
    /// eˣ.
    #[inline(always)]
    pub fn exp(self) -> Self {
        T::exp(self)
    }
    /// eˣ for x ≤ 0: cheaper than [`F::exp`], and unspecified above 0.
    #[inline(always)]
    pub fn exp_negative(self) -> Self {
        T::exp_negative(self)
    }
    /// σ(x) = 1 / (1 + e^(−x)), accurate in both tails.
    #[inline(always)]
    pub fn sigmoid(self) -> Self {
        T::sigmoid(self)
    }
    /// ln x.
    #[inline(always)]
    pub fn ln(self) -> Self {
        T::ln(self)
    }
    /// ln(1 + x), accurate near 0.
    #[inline(always)]
    pub fn ln_1p(self) -> Self {
        T::ln_1p(self)
    }
    /// ln(1 + x) for 0 ≤ x ≤ 1: cheaper than [`F::ln_1p`], and unspecified elsewhere.
    #[inline(always)]
    pub fn ln_1p_unit(self) -> Self {
        T::ln_1p_unit(self)
    }
    /// tanh x.
    #[inline(always)]
    pub fn tanh(self) -> Self {
        T::tanh(self)
    }
    /// erf x = 2/√π ∫₀ˣ e^(−t²) dt.
    #[inline(always)]
    pub fn erf(self) -> Self {
        T::erf(self)
    }
    /// 1 − erf x, accurate where it is small.
    #[inline(always)]
    pub fn erfc(self) -> Self {
        T::erfc(self)
    }
    /// Φ(x) and φ(x), the distribution function of the standard normal distribution and its density; both are accurate
    /// in both tails.
    #[inline(always)]
    pub fn normal(self) -> (Self, Self) {
        T::normal(self)
    }
    /// sin x.
    #[inline(always)]
    pub fn sin(self) -> Self {
        T::sin(self)
    }
    /// cos x.
    #[inline(always)]
    pub fn cos(self) -> Self {
        T::cos(self)
    }
    /// xᵖ, lane by lane through the standard library.
    #[inline(always)]
    pub fn powf(self, p: T) -> Self {
        T::powf(self, p)
    }
}

macro_rules! operator {
    ($($trait:ident, $method:ident;)*) => {$(
        impl<S: Simd, T: LaneReal, W: Width> $trait for F<S, T, W> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                let simd = self.simd;
                F { simd, v: W::zip(self.v, b.v, #[inline(always)] |a, b| T::$method(simd, a, b)) }
            }
        }
        impl<S: Simd, T: LaneReal, W: Width> $trait<f64> for F<S, T, W> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: f64) -> Self {
                self.$method(self.lit(b))
            }
        }
        impl<S: Simd, T: LaneReal, W: Width> $trait<F<S, T, W>> for f64 {
            type Output = F<S, T, W>;
            #[inline(always)]
            fn $method(self, b: F<S, T, W>) -> F<S, T, W> {
                b.lit(self).$method(b)
            }
        }
    )*};
}
operator! {
    Add, add;
    Sub, sub;
    Mul, mul;
    Div, div;
}

impl<S: Simd, T: LaneReal, W: Width> Neg for F<S, T, W> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        let simd = self.simd;
        F {
            simd,
            v: W::map(
                self.v,
                #[inline(always)]
                |a| T::neg(simd, a),
            ),
        }
    }
}
