//! The functions of one variable: each formula once, its derivative beside it.
//!
//! An entry reads `Name: what the derivative needs, |x| f(x), |v, g| g·f′`, where `v` is the saved value (the input or
//! the output, as the entry says). The table makes the public enum [`Unary`], one unit struct per entry for the driver,
//! and the two dispatch functions, so that adding a function is adding an entry.
//!
//! Derivatives are elementary calculus where no other source is named. At the points where a function has none, the
//! entries follow PyTorch: relu′(0) = 0, |x|′(0) = 0, and clamp passes the gradient on its bounds.

use pulp::{Scalar, Simd, WithSimd};

use super::drive::{Grad, Map};
use crate::elem::Real;
use crate::isa::Isa;
use crate::lanes::{F, Width};

/// Which value a derivative is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saves {
    /// The argument x.
    Input,
    /// The result y = f(x).
    Output,
    /// Neither: the derivative is constant.
    Nothing,
}

/// One function and the product of a gradient with its derivative, on registers.
pub(super) trait Lane: Copy + Send + Sync {
    /// f(x).
    fn f<S: Simd, T: Real, W: Width>(self, x: F<S, T, W>) -> F<S, T, W>;
    /// g·f′, from the saved value.
    fn df<S: Simd, T: Real, W: Width>(self, v: F<S, T, W>, g: F<S, T, W>) -> F<S, T, W>;
}

/// A function of two variables, on registers.
pub(super) trait Lane2: Copy + Send + Sync {
    fn f<S: Simd, T: Real>(self, a: F<S, T>, b: F<S, T>) -> F<S, T>;
}

/// Runs the op; f64, whose functions go lane by lane through the standard library, on the scalar set always: wider
/// registers would gain nothing and cost a third of this crate's compile time.
fn lane_run<T: Real, Op: WithSimd<Output = ()>>(isa: Isa, op: Op) {
    if T::F32 { isa.run(op) } else { op.with_simd(Scalar::new()) }
}

macro_rules! lanes {
    ($($(#[$doc:meta])* $name:ident $(($($p:ident),*))?: $saves:ident, |$x:ident| $f:expr, |$v:pat_param, $g:ident| $df:expr;)*) => {
        /// A function of one variable.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Unary {
            $($(#[$doc])* $name $(($(lanes!(@f64 $p)),*))?,)*
        }

        impl Unary {
            /// Which value [`super::unary_grad`] takes.
            pub fn saves(self) -> Saves {
                match self {
                    $(Unary::$name { .. } => Saves::$saves,)*
                }
            }
        }

        mod entry {
            $(
                #[derive(Clone, Copy)]
                pub(super) struct $name $(($(pub(super) lanes!(@f64 $p)),*))?;
            )*
        }

        $(
            impl Lane for entry::$name {
                #[inline(always)]
                fn f<S: Simd, T: Real, W: Width>(self, $x: F<S, T, W>) -> F<S, T, W> {
                    $(let entry::$name($($p),*) = self;)?
                    $f
                }
                #[inline(always)]
                fn df<S: Simd, T: Real, W: Width>(self, $v: F<S, T, W>, $g: F<S, T, W>) -> F<S, T, W> {
                    $(
                        let entry::$name($($p),*) = self;
                        $(let _ = $p;)* // not every derivative needs every parameter
                    )?
                    $df
                }
            }
        )*

        /// out = f(x) on one instruction set.
        pub(super) fn run<T: Real>(isa: Isa, op: Unary, x: &[T], out: &mut [T]) {
            match op {
                $(Unary::$name $(($($p),*))? => lane_run::<T, _>(isa, Map { lane: entry::$name $(($($p),*))?, x, out }),)*
            }
        }

        /// out = g·f′ on one instruction set, from the saved values `v`.
        pub(super) fn run_grad<T: Real>(isa: Isa, op: Unary, v: &[T], g: &[T], out: &mut [T]) {
            match op {
                $(Unary::$name $(($($p),*))? => lane_run::<T, _>(isa, Grad { lane: entry::$name $(($($p),*))?, v, g, out }),)*
            }
        }
    };
    (@f64 $p:ident) => { f64 };
}

lanes! {
    /// −x; derivative −1.
    Neg: Nothing, |x| -x, |_, g| -g;
    /// |x|; derivative sign x.
    Abs: Input, |x| x.abs(), |x, g| x.lt(x.lit(0.0)).select(-g, x.eq(x.lit(0.0)).select(x.lit(0.0), g));
    /// x²; derivative 2x.
    Square: Input, |x| x * x, |x, g| g * (x + x);
    /// √x; derivative 1 / 2√x.
    Sqrt: Output, |x| x.sqrt(), |y, g| g / (y + y);
    /// 1/√x; derivative −x^(−3/2) / 2.
    Rsqrt: Output, |x| 1.0 / x.sqrt(), |y, g| g * (y * y * y * -0.5);
    /// 1/x; derivative −1/x².
    Recip: Output, |x| 1.0 / x, |y, g| -(g * (y * y));
    /// eˣ; its own derivative.
    Exp: Output, |x| x.exp(), |y, g| g * y;
    /// ln x; derivative 1/x.
    Ln: Input, |x| x.ln(), |x, g| g / x;
    /// ln(1 + x); derivative 1 / (1 + x).
    Ln1p: Input, |x| x.ln_1p(), |x, g| g / (1.0 + x);
    /// sin x; derivative cos x.
    Sin: Input, |x| x.sin(), |x, g| g * x.cos();
    /// cos x; derivative −sin x.
    Cos: Input, |x| x.cos(), |x, g| -(g * x.sin());
    /// erf x = 2/√π ∫₀ˣ e^(−t²) dt; derivative 2/√π e^(−x²).
    Erf: Input, |x| x.erf(), |x, g| g * ((-(x * x)).exp() * std::f64::consts::FRAC_2_SQRT_PI);
    /// tanh x; derivative 1 − tanh² x.
    Tanh: Output, |x| x.tanh(), |y, g| g * (1.0 - y * y);
    /// σ(x) = 1 / (1 + e^(−x)); derivative σ (1 − σ).
    Sigmoid: Output, |x| x.sigmoid(), |y, g| g * (y * (1.0 - y));
    /// ln σ(x) = min(x, 0) − ln(1 + e^(−|x|)); derivative 1 − σ(x) = σ(−x).
    LogSigmoid: Input, |x| x.at_most(0.0) - (-x.abs()).exp_negative().ln_1p_unit(),
        |x, g| g * (-x).sigmoid();
    /// ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|)); derivative σ(x).
    Softplus: Input, |x| x.at_least(0.0) + (-x.abs()).exp_negative().ln_1p_unit(), |x, g| g * x.sigmoid();
    /// max(x, 0); derivative 1 above 0, else 0.
    Relu: Output, |x| x.max(x.lit(0.0)), |y, g| y.le(y.lit(0.0)).select(y.lit(0.0), g);
    /// x Φ(x) with the normal distribution function Φ (Hendrycks & Gimpel 2016, eq. 1); derivative Φ(x) + x φ(x).
    ///
    /// Φ keeps its relative accuracy in the tail, where 1 + erf would cancel.
    Gelu: Input, |x| bound(x) * x.normal().0, |x, g| {
        let x = bound(x).at_most(FAR);
        let (cdf, density) = x.normal();
        g * x.fma(density, cdf)
    };
    /// x σ(2u), u = √(2/π) (x + 0.044715 x³) (Hendrycks & Gimpel 2016, §2: ½x (1 + tanh u), and ½ (1 + tanh u) = σ(2u));
    /// derivative σ + x σ (1 − σ) · 2u′.
    GeluTanh: Input, |x| bound(x) * gelu_argument(x).sigmoid(), |x, g| {
        let x = bound(x).at_most(FAR);
        let s = gelu_argument(x).sigmoid();
        let slope = (x * x).fma(x.lit(3.0 * GELU_CUBIC * GELU_SCALE), x.lit(GELU_SCALE));
        g * (x * s * (1.0 - s)).fma(slope, s)
    };
    /// x σ(x) (Elfwing et al. 2017); derivative σ (1 + x (1 − σ)).
    Silu: Input, |x| bound(x) * x.sigmoid(), |x, g| {
        let x = bound(x).at_most(FAR);
        let s = x.sigmoid();
        g * s * x.fma(1.0 - s, x.lit(1.0))
    };
    /// x above 0, else slope · x (Maas et al. 2013); derivative 1 or the slope.
    LeakyRelu(slope): Input, |x| x.le(x.lit(0.0)).select(x * slope, x), |x, g| x.le(x.lit(0.0)).select(g * slope, g);
    /// x above 0, else α (eˣ − 1) (Clevert et al. 2015, eq. 15); derivative 1 or α eˣ.
    Elu(alpha): Input, |x| x.le(x.lit(0.0)).select(exp_m1(x) * alpha, x),
        |x, g| x.le(x.lit(0.0)).select(g * (x.exp() * alpha), g);
    /// min(max(x, lo), hi); derivative 1 for lo ≤ x ≤ hi, else 0.
    Clamp(lo, hi): Input, |x| x.max(x.lit(lo)).min(x.lit(hi)),
        |x, g| x.lit(lo).le(x).select(x.le(x.lit(hi)).select(g, x.lit(0.0)), x.lit(0.0));
    /// xᵖ; derivative p x^(p−1), and 0 for p = 0.
    Powf(p): Input, |x| x.powf(T::from_f64(p)),
        |x, g| if p == 0.0 { x.lit(0.0) } else { g * (x.powf(T::from_f64(p - 1.0)) * p) };
    /// scale · x + shift; derivative scale.
    Affine(scale, shift): Nothing, |x| if shift == 0.0 { x * scale } else { x.fma(x.lit(scale), x.lit(shift)) },
        |_, g| g * scale;
}

/// Beyond ±FAR every function that is bounded by it has reached its limit in f64 too (e^(−745) is the least subnormal).
const FAR: f64 = 800.0;

/// 2√(2/π) and the cubic term of the tanh form of GELU.
const GELU_SCALE: f64 = 1.595_769_121_605_730_8;
const GELU_CUBIC: f64 = 0.044_715;

/// `x` cut off at −FAR, so that infinity is not multiplied by a factor of 0.
#[inline(always)]
fn bound<S: Simd, T: Real, W: Width>(x: F<S, T, W>) -> F<S, T, W> {
    x.at_least(-FAR)
}

/// 2u of the tanh form of GELU.
#[inline(always)]
fn gelu_argument<S: Simd, T: Real, W: Width>(x: F<S, T, W>) -> F<S, T, W> {
    x * (x * x).fma(x.lit(GELU_CUBIC * GELU_SCALE), x.lit(GELU_SCALE))
}

/// σ(x), as the cells of recurrent layers call it.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd, T: Real>(x: F<S, T>) -> F<S, T> {
    x.sigmoid()
}

/// eˣ − 1 for x ≤ 0, without cancellation: 2t / (1 − t) with t = tanh(x/2).
#[inline(always)]
fn exp_m1<S: Simd, T: Real, W: Width>(x: F<S, T, W>) -> F<S, T, W> {
    let t = (x * 0.5).tanh();
    (t + t) / (1.0 - t)
}
