//! Elementary functions that no SIMD lane computes: one number at a time in f64, rounded once.
//!
//! They are the functions that models use seldom, a few in a loss or a schedule; the ones that every step needs are in
//! [`super::unary`] and [`super::activation`]. The result is the same on every instruction set.

use std::f64::consts::{LN_2, LN_10};

use etude_kernels::par;

use crate::alloc;
use crate::dtype::Float;
use crate::layout::broadcast_shapes;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
enum Scalar {
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    ExpM1,
    Log2,
    Log10,
    Sign,
    Floor,
    Ceil,
    Round,
}

impl Scalar {
    fn value(self, x: f64) -> f64 {
        match self {
            Scalar::Tan => x.tan(),
            Scalar::Asin => x.asin(),
            Scalar::Acos => x.acos(),
            Scalar::Atan => x.atan(),
            Scalar::Sinh => x.sinh(),
            Scalar::Cosh => x.cosh(),
            Scalar::ExpM1 => x.exp_m1(),
            Scalar::Log2 => x.log2(),
            Scalar::Log10 => x.log10(),
            // A zero keeps its sign, and NaN stays.
            Scalar::Sign => {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            }
            Scalar::Floor => x.floor(),
            Scalar::Ceil => x.ceil(),
            Scalar::Round => x.round_ties_even(),
        }
    }
}

struct ScalarOp(Scalar);

impl<T: Float> Op<T> for ScalarOp {
    fn name(&self) -> &'static str {
        match self.0 {
            Scalar::Tan => "tan",
            Scalar::Asin => "asin",
            Scalar::Acos => "acos",
            Scalar::Atan => "atan",
            Scalar::Sinh => "sinh",
            Scalar::Cosh => "cosh",
            Scalar::ExpM1 => "exp_m1",
            Scalar::Log2 => "log2",
            Scalar::Log10 => "log10",
            Scalar::Sign => "sign",
            Scalar::Floor => "floor",
            Scalar::Ceil => "ceil",
            Scalar::Round => "round",
        }
    }
    fn saves(&self) -> Saves {
        match self.0 {
            Scalar::Tan | Scalar::ExpM1 => Saves::OUTPUT,
            Scalar::Asin | Scalar::Acos | Scalar::Atan | Scalar::Sinh | Scalar::Cosh | Scalar::Log2 | Scalar::Log10 => {
                Saves::INPUTS
            }
            Scalar::Sign | Scalar::Floor | Scalar::Ceil | Scalar::Round => Saves::NOTHING,
        }
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(match self.0 {
            Scalar::Tan => g * cx.output().square().affine(1.0, 1.0),
            Scalar::Asin => g * cx.input(0).square().affine(-1.0, 1.0).rsqrt(),
            Scalar::Acos => -(g * cx.input(0).square().affine(-1.0, 1.0).rsqrt()),
            Scalar::Atan => g / cx.input(0).square().affine(1.0, 1.0),
            Scalar::Sinh => g * cx.input(0).cosh(),
            Scalar::Cosh => g * cx.input(0).sinh(),
            Scalar::ExpM1 => g * cx.output().affine(1.0, 1.0),
            Scalar::Log2 => g / cx.input(0).affine(LN_2, 0.0),
            Scalar::Log10 => g / cx.input(0).affine(LN_10, 0.0),
            Scalar::Sign | Scalar::Floor | Scalar::Ceil | Scalar::Round => Tensor::zeros(g.shape()),
        })]
    }
}

/// Elements about which one thread handles at a time.
const GRAIN: usize = 1 << 12;

/// A function of each number, in f64.
fn map<T: Float>(x: &Tensor<T>, f: impl Fn(f64) -> f64 + Sync) -> Tensor<T> {
    let (data, mut out) = (x.data(), alloc::scratch(x.len()));
    let data: &[T] = &data;
    par::chunks_mut(&mut out, GRAIN, |block, part| {
        part.iter_mut().zip(&data[block * GRAIN..]).for_each(|(out, x)| *out = T::from_f64(f(x.to_f64())));
    });
    Tensor::from_buf(out, x.shape())
}

impl<T: Float> Tensor<T> {
    fn scalar_function(&self, f: Scalar) -> Self {
        Tensor::record(ScalarOp(f), &[self], map(self, |x| f.value(x)))
    }

    /// tan x, with the derivative 1 + tan² x.
    pub fn tan(&self) -> Self {
        self.scalar_function(Scalar::Tan)
    }
    /// arcsin x in [−π/2, π/2], with the derivative 1/√(1 − x²); NaN outside [−1, 1].
    pub fn asin(&self) -> Self {
        self.scalar_function(Scalar::Asin)
    }
    /// arccos x in [0, π], with the derivative −1/√(1 − x²); NaN outside [−1, 1].
    pub fn acos(&self) -> Self {
        self.scalar_function(Scalar::Acos)
    }
    /// arctan x, with the derivative 1/(1 + x²).
    pub fn atan(&self) -> Self {
        self.scalar_function(Scalar::Atan)
    }
    /// sinh x = (eˣ − e⁻ˣ)/2, accurate near 0; the derivative is cosh x.
    pub fn sinh(&self) -> Self {
        self.scalar_function(Scalar::Sinh)
    }
    /// cosh x = (eˣ + e⁻ˣ)/2; the derivative is sinh x.
    pub fn cosh(&self) -> Self {
        self.scalar_function(Scalar::Cosh)
    }
    /// eˣ − 1, accurate near 0; the derivative is eˣ.
    pub fn exp_m1(&self) -> Self {
        self.scalar_function(Scalar::ExpM1)
    }
    /// log₂ x, exact for powers of 2; the derivative is 1/(x·ln 2).
    pub fn log2(&self) -> Self {
        self.scalar_function(Scalar::Log2)
    }
    /// log₁₀ x; the derivative is 1/(x·ln 10).
    pub fn log10(&self) -> Self {
        self.scalar_function(Scalar::Log10)
    }
    /// −1, 0 or 1; NaN stays. The derivative is 0 everywhere, at 0 too, as PyTorch's.
    pub fn sign(&self) -> Self {
        self.scalar_function(Scalar::Sign)
    }
    /// The largest whole number that is not larger; the derivative is 0 everywhere, as PyTorch's.
    pub fn floor(&self) -> Self {
        self.scalar_function(Scalar::Floor)
    }
    /// The smallest whole number that is not smaller; the derivative is 0 everywhere, as PyTorch's.
    pub fn ceil(&self) -> Self {
        self.scalar_function(Scalar::Ceil)
    }
    /// The nearest whole number, the even one of two; the derivative is 0 everywhere, as PyTorch's.
    pub fn round(&self) -> Self {
        self.scalar_function(Scalar::Round)
    }
}

/// A function of each pair of broadcast numbers, in f64.
#[track_caller]
pub(super) fn map_pair<T: Float>(
    op: &str,
    a: &Tensor<T>,
    b: &Tensor<T>,
    f: impl Fn(f64, f64) -> f64 + Sync,
) -> Tensor<T> {
    let Some(shape) = broadcast_shapes(a.shape(), b.shape()) else {
        panic!("{op}: shapes do not broadcast: {:?} and {:?}", a.shape(), b.shape())
    };
    let (a, b) = (a.detach().expand(&shape).contiguous(), b.detach().expand(&shape).contiguous());
    let (a, b): (&[T], &[T]) = (&a.data(), &b.data());
    let mut out = alloc::scratch(a.len());
    par::chunks_mut(&mut out, GRAIN, |block, part| {
        let pairs = a[block * GRAIN..].iter().zip(&b[block * GRAIN..]);
        part.iter_mut().zip(pairs).for_each(|(out, (a, b))| *out = T::from_f64(f(a.to_f64(), b.to_f64())));
    });
    Tensor::from_buf(out, &shape)
}
