//! Registers and masks, with the operators and functions of ordinary arithmetic.

use std::ops::{Add, Div, Mul, Neg, Sub};

use pulp::Simd;

use super::{LaneReal, MAX_LANES, One, Width};

/// One register of `T` on the instruction set `S`, or as many as `W` says.
#[derive(Clone, Copy)]
pub struct F<S: Simd, T: LaneReal, W: Width = One> {
    pub(super) simd: S,
    pub(super) v: W::Of<T::V<S>>,
}

/// A mask: one truth value a lane.
#[derive(Clone, Copy)]
pub struct M<S: Simd, T: LaneReal, W: Width = One> {
    pub(super) simd: S,
    pub(super) m: W::Of<T::M<S>>,
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
    /// xᵖ, for one p.
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
