//! Elementwise functions of one tensor.
//!
//! One record type serves all: its fused rule multiplies by the derivative in one kernel; when the gradient itself is
//! recorded, the derivative is written in tensor operations of the input or the output. The op table proves both equal.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};
use std::ops::Neg;

use etude_kernels::ew::{self, Unary};

use crate::alloc;
use crate::dtype::Float;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

struct UnaryOp(Unary);

impl<T: Float> Op<T> for UnaryOp {
    fn name(&self) -> &'static str {
        name(self.0)
    }
    fn saves(&self) -> Saves {
        match self.0.saves() {
            ew::Saves::Input => Saves::INPUTS,
            ew::Saves::Output => Saves::OUTPUT,
            ew::Saves::Nothing => Saves::NOTHING,
        }
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let saved = match self.0.saves() {
            ew::Saves::Input => Some(cx.input(0)),
            ew::Saves::Output => Some(cx.output()),
            ew::Saves::Nothing => None,
        };
        if cx.create_graph() {
            return vec![Some(g * derivative(self.0, saved.as_ref()))];
        }
        let mut out = alloc::scratch(g.len());
        match &saved {
            Some(s) => ew::unary_grad(self.0, &s.data(), &g.data(), &mut out),
            None => ew::unary_grad(self.0, &[], &g.data(), &mut out),
        }
        vec![Some(Tensor::from_buf(out, g.shape()))]
    }
}

fn name(op: Unary) -> &'static str {
    match op {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Square => "square",
        Unary::Sqrt => "sqrt",
        Unary::Rsqrt => "rsqrt",
        Unary::Recip => "recip",
        Unary::Exp => "exp",
        Unary::Ln => "ln",
        Unary::Ln1p => "ln_1p",
        Unary::Sin => "sin",
        Unary::Cos => "cos",
        Unary::Erf => "erf",
        Unary::Tanh => "tanh",
        Unary::Sigmoid => "sigmoid",
        Unary::LogSigmoid => "log_sigmoid",
        Unary::Softplus => "softplus",
        Unary::Relu => "relu",
        Unary::Gelu => "gelu",
        Unary::GeluTanh => "gelu_tanh",
        Unary::Silu => "silu",
        Unary::LeakyRelu(_) => "leaky_relu",
        Unary::Elu(_) => "elu",
        Unary::Clamp(..) => "clamp",
        Unary::Powf(_) => "powf",
        Unary::Affine(..) => "affine",
    }
}

/// f′ in tensor operations; `s` is the input or the output, as [`Unary::saves`] says.
fn derivative<T: Float>(op: Unary, s: Option<&Tensor<T>>) -> Tensor<T> {
    let constant = |c: f64| Tensor::scalar(T::from_f64(c));
    let Some(s) = s else {
        return match op {
            Unary::Affine(scale, _) => constant(scale),
            _ => constant(-1.0), // Neg, the only other one that saves nothing
        };
    };
    let above_zero = || s.gt_scalar(T::ZERO).to_float::<T>();
    match op {
        Unary::Neg => constant(-1.0),
        Unary::Affine(scale, _) => constant(scale),
        Unary::Abs => above_zero() - s.lt_scalar(T::ZERO).to_float::<T>(),
        Unary::Square => s.affine(2.0, 0.0),
        Unary::Sqrt => s.recip().affine(0.5, 0.0),
        Unary::Rsqrt => (s * s * s).affine(-0.5, 0.0),
        Unary::Recip => -(s * s),
        Unary::Exp => s.clone(),
        Unary::Ln => s.recip(),
        Unary::Ln1p => s.affine(1.0, 1.0).recip(),
        Unary::Sin => s.cos(),
        Unary::Cos => -s.sin(),
        Unary::Erf => (-s.square()).exp().affine(FRAC_2_SQRT_PI, 0.0),
        Unary::Tanh => s.square().affine(-1.0, 1.0),
        Unary::Sigmoid => s * s.affine(-1.0, 1.0),
        Unary::LogSigmoid => (-s).sigmoid(),
        Unary::Softplus => s.sigmoid(),
        Unary::Relu => above_zero(),
        // Φ(x) + x·φ(x)
        Unary::Gelu => {
            let cdf = s.affine(1.0 / SQRT_2, 0.0).erf().affine(0.5, 0.5);
            let pdf = s.square().affine(-0.5, 0.0).exp().affine(1.0 / (2.0 * PI).sqrt(), 0.0);
            cdf + s * pdf
        }
        // ½(1 + t) + ½x(1 − t²)u′ with t = tanh u, u = √(2/π)(x + 0.044715x³)
        Unary::GeluTanh => {
            let c = (2.0 / PI).sqrt();
            let x2 = s.square();
            let t = (s * x2.affine(c * 0.044_715, c)).tanh();
            let du = x2.affine(3.0 * c * 0.044_715, c);
            let inner = s * t.square().affine(-1.0, 1.0) * du;
            (t + inner).affine(0.5, 0.5)
        }
        // σ(x)(1 + x(1 − σ(x)))
        Unary::Silu => {
            let sigma = s.sigmoid();
            let rest = s * sigma.affine(-1.0, 1.0);
            sigma * rest.affine(1.0, 1.0)
        }
        Unary::LeakyRelu(slope) => above_zero().affine(1.0 - slope, slope),
        // 1 above zero, αeˣ below
        Unary::Elu(alpha) => {
            let one = Tensor::scalar(T::ONE);
            Tensor::where_cond(
                &s.gt_scalar(T::ZERO),
                &one,
                &s.minimum(&Tensor::scalar(T::ZERO)).exp().affine(alpha, 0.0),
            )
        }
        Unary::Clamp(low, high) => {
            let inside = s.ge_scalar(T::from_f64(low)).and(&s.le_scalar(T::from_f64(high)));
            inside.to_float::<T>()
        }
        Unary::Powf(0.0) => constant(0.0),
        Unary::Powf(p) => s.powf(p - 1.0).affine(p, 0.0),
    }
}

impl<T: Float> Tensor<T> {
    fn unary(&self, op: Unary) -> Self {
        let mut out = alloc::scratch(self.len());
        ew::unary(op, &self.data(), &mut out);
        Tensor::record(UnaryOp(op), &[self], Tensor::from_buf(out, self.shape()))
    }

    /// `scale·x + shift`.
    pub fn affine(&self, scale: f64, shift: f64) -> Self {
        self.unary(Unary::Affine(scale, shift))
    }
    /// |x|; the derivative at 0 is 0.
    pub fn abs(&self) -> Self {
        self.unary(Unary::Abs)
    }
    /// x².
    pub fn square(&self) -> Self {
        self.unary(Unary::Square)
    }
    /// √x.
    pub fn sqrt(&self) -> Self {
        self.unary(Unary::Sqrt)
    }
    /// 1/√x.
    pub fn rsqrt(&self) -> Self {
        self.unary(Unary::Rsqrt)
    }
    /// 1/x.
    pub fn recip(&self) -> Self {
        self.unary(Unary::Recip)
    }
    /// eˣ.
    pub fn exp(&self) -> Self {
        self.unary(Unary::Exp)
    }
    /// The natural logarithm.
    pub fn ln(&self) -> Self {
        self.unary(Unary::Ln)
    }
    /// ln(1 + x), accurate near 0.
    pub fn ln_1p(&self) -> Self {
        self.unary(Unary::Ln1p)
    }
    /// sin x.
    pub fn sin(&self) -> Self {
        self.unary(Unary::Sin)
    }
    /// cos x.
    pub fn cos(&self) -> Self {
        self.unary(Unary::Cos)
    }
    /// erf x = 2/√π ∫₀ˣ e^(−t²) dt.
    pub fn erf(&self) -> Self {
        self.unary(Unary::Erf)
    }
    /// xᵖ for a constant p.
    pub fn powf(&self, p: f64) -> Self {
        self.unary(Unary::Powf(p))
    }
    /// x limited to [low, high]; the derivative is 1 inside and on the bounds too, unlike that of [`Tensor::hardtanh`].
    ///
    /// # Panics
    /// If `low > high`.
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Self {
        assert!(low <= high, "clamp: the lower bound {low} is above the upper bound {high}");
        self.unary(Unary::Clamp(low, high))
    }

    pub(super) fn activation(&self, op: Unary) -> Self {
        self.unary(op)
    }
}

impl<T: Float> Neg for &Tensor<T> {
    type Output = Tensor<T>;
    fn neg(self) -> Tensor<T> {
        self.unary(Unary::Neg)
    }
}

impl<T: Float> Neg for Tensor<T> {
    type Output = Tensor<T>;
    fn neg(self) -> Tensor<T> {
        -&self
    }
}
