//! Elementwise functions of one and two tensors.

use std::f64::consts::PI;

use super::naive::{broadcast_at, broadcast_shape, zip};
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::tensor::Tensor;

/// A unary entry: name, formula, range with kinks, the method, the definition, the tolerance in ε.
macro_rules! unary {
    ($name:literal, $formula:literal, ($low:expr, $high:expr, $kinks:expr), |$x:ident| $apply:expr, $f:expr, $tolerance:expr) => {
        entry!(
            $name,
            $formula,
            |draw| {
                let shape = draw.shape(4);
                Case::new(draw).input_in(&shape, $low, $high, $kinks)
            },
            |case, xs| {
                let $x = &xs[0];
                $apply
            },
            |_, x| x[0].map($f),
            tolerance: Tolerance::Each($tolerance)
        )
    };
}

pub(super) use unary;

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// x·Φ(x) with Φ from the integral of the density by Simpson's rule: independent of any erf.
fn gelu(x: f64) -> f64 {
    const STEPS: usize = 2000;
    let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * PI).sqrt();
    let h = x / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let weight = if i == 0 || i == STEPS {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            };
            weight * density(i as f64 * h)
        })
        .sum();
    x * (0.5 + sum * h / 3.0)
}

fn erf(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { 2.0 * gelu(x * 2f64.sqrt()) / (x * 2f64.sqrt()) - 1.0 }
}

fn gelu_tanh(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
}

/// Two operands of which either may be broadcast.
pub(super) fn pair(draw: &mut Draw<'_>) -> (Vec<usize>, Vec<usize>) {
    let full = draw.shape(4);
    let (mut a, mut b) = (full.clone(), full.clone());
    for i in 0..full.len() {
        match draw.int(0, 5) {
            4 => a[i] = 1,
            5 => b[i] = 1,
            _ => {}
        }
    }
    if draw.int(0, 3) == 3 {
        b.drain(..draw.int(0, full.len()));
    }
    if draw.int(0, 3) == 3 { (b, a) } else { (a, b) }
}

/// A pair without ties.
fn ordered_pair(draw: &mut Draw<'_>) -> Case {
    let (a, b) = pair(draw);
    Case::new(draw).input(&a).input(&b).keep_apart()
}

macro_rules! binary {
    ($name:literal, $formula:literal, ($low:expr, $high:expr), |$a:ident, $b:ident| $apply:expr, $f:expr) => {
        entry!(
            $name,
            $formula,
            |draw| {
                let (a, b) = pair(draw);
                Case::new(draw).input(&a).input_in(&b, $low, $high, &[0.0])
            },
            |case, x| {
                let ($a, $b) = (&x[0], &x[1]);
                $apply
            },
            |_, x| zip(&x[0], &x[1], $f),
            tolerance: Tolerance::Each(2.0)
        )
    };
}

pub(super) fn entries() -> Vec<Entry> {
    let mut all = vec![
        unary!("neg", "−x", (-2.0, 2.0, &[]), |x| -x, |x| -x, 0.0),
        unary!("affine", "scale·x + shift", (-2.0, 2.0, &[]), |x| x.affine(-1.5, 4.0), |x| -1.5 * x + 4.0, 8.0),
        unary!("abs", "|x|", (-2.0, 2.0, &[0.0]), |x| x.abs(), f64::abs, 0.0),
        unary!("square", "x²", (-2.0, 2.0, &[]), |x| x.square(), |x| x * x, 1.0),
        unary!("sqrt", "√x", (0.1, 4.0, &[]), |x| x.sqrt(), f64::sqrt, 1.0),
        unary!("rsqrt", "1/√x", (0.1, 4.0, &[]), |x| x.rsqrt(), |x| 1.0 / x.sqrt(), 2.0),
        unary!("recip", "1/x", (-4.0, 4.0, &[0.0]), |x| x.recip(), |x| 1.0 / x, 1.0),
        unary!("exp", "eˣ", (-8.0, 8.0, &[]), |x| x.exp(), f64::exp, 2.0),
        unary!("ln", "ln x", (0.05, 8.0, &[1.0]), |x| x.ln(), f64::ln, 2.0),
        unary!("ln_1p", "ln(1 + x)", (-0.9, 8.0, &[]), |x| x.ln_1p(), f64::ln_1p, 3.0),
        unary!("sin", "sin x", (-3.0, 3.0, &[]), |x| x.sin(), f64::sin, 3.0),
        unary!("cos", "cos x", (-1.5, 1.5, &[]), |x| x.cos(), f64::cos, 3.0),
        unary!("erf", "2/√π ∫₀ˣ e^(−t²) dt", (-3.0, 3.0, &[]), |x| x.erf(), erf, 4.0),
        unary!("tanh", "tanh x", (-4.0, 4.0, &[]), |x| x.tanh(), f64::tanh, 2.0),
        unary!("sigmoid", "1/(1 + e⁻ˣ)", (-8.0, 8.0, &[]), |x| x.sigmoid(), sigmoid, 3.0),
        unary!("log_sigmoid", "−ln(1 + e⁻ˣ)", (-8.0, 8.0, &[]), |x| x.log_sigmoid(), |x| -softplus(-x), 4.0),
        unary!("softplus", "ln(1 + eˣ)", (-8.0, 8.0, &[]), |x| x.softplus(), softplus, 4.0),
        unary!("relu", "max(x, 0)", (-2.0, 2.0, &[0.0]), |x| x.relu(), |x| x.max(0.0), 0.0),
        unary!(
            "leaky_relu",
            "x above 0, slope·x below",
            (-2.0, 2.0, &[0.0]),
            |x| x.leaky_relu(0.2),
            |x| if x > 0.0 { x } else { 0.2 * x },
            2.0
        ),
        unary!(
            "elu",
            "x above 0, α(eˣ − 1) below",
            (-2.0, 2.0, &[0.0]),
            |x| x.elu(0.7),
            |x| if x > 0.0 { x } else { 0.7 * x.exp_m1() },
            40.0
        ),
        unary!("gelu", "x·Φ(x)", (-3.0, 3.0, &[]), |x| x.gelu(), gelu, 6.0),
        unary!(
            "gelu_tanh",
            "½x(1 + tanh(√(2/π)(x + 0.044715x³)))",
            (-3.0, 3.0, &[]),
            |x| x.gelu_tanh(),
            gelu_tanh,
            8.0
        ),
        unary!("silu", "x·σ(x)", (-6.0, 6.0, &[]), |x| x.silu(), |x| x * sigmoid(x), 4.0),
        unary!(
            "clamp",
            "x limited to [low, high]",
            (-2.0, 2.0, &[-0.5, 1.0]),
            |x| x.clamp(-0.5, 1.0),
            |x| x.clamp(-0.5, 1.0),
            0.0
        ),
        unary!("powf", "xᵖ", (0.2, 3.0, &[]), |x| x.powf(2.5), |x| x.powf(2.5), 2.0),
        binary!("add", "a + b", (-2.0, 2.0), |a, b| a + b, |a, b| a + b),
        binary!("sub", "a − b", (-2.0, 2.0), |a, b| a - b, |a, b| a - b),
        binary!("mul", "a·b", (-2.0, 2.0), |a, b| a * b, |a, b| a * b),
        binary!("div", "a/b", (-2.0, 2.0), |a, b| a / b, |a, b| a / b),
        entry!("maximum", "max(a, b)", ordered_pair, |case, x| x[0].maximum(&x[1]), |_, x| zip(&x[0], &x[1], f64::max), tolerance: Tolerance::Each(0.0)),
        entry!("minimum", "min(a, b)", ordered_pair, |case, x| x[0].minimum(&x[1]), |_, x| zip(&x[0], &x[1], f64::min), tolerance: Tolerance::Each(0.0)),
    ];
    all.push(entry!(
        "bce_with_logits",
        "softplus(x) − x·y",
        |draw| {
            let shape = draw.shape(3);
            Case::new(draw).input_in(&shape, -6.0, 6.0, &[]).input_in(&shape, 0.0, 1.0, &[])
        },
        |case, x| x[0].bce_with_logits(&x[1]),
        |_, x| zip(&x[0], &x[1], |x, y| softplus(x) - x * y),
        tolerance: Tolerance::Largest(8.0)
    ));
    all.push(entry!(
        "where_cond",
        "a where the mask holds, b elsewhere",
        |draw| {
            let (a, b) = pair(draw);
            let shape = broadcast_shape(&[&a, &b]);
            let bits = draw.ids(&shape, 2).eq_scalar(1);
            let mut case = Case::new(draw).input(&a).input(&b);
            case.masks.push(bits);
            case
        },
        |case, x| Tensor::where_cond(&case.masks[0], &x[0], &x[1]),
        where_reference,
        tolerance: Tolerance::Each(0.0),
        propagates_nan: false
    ));
    all.push(entry!(
        "masked_fill",
        "value where the mask holds",
        |draw| {
            let shape = draw.shape(3);
            let bits = draw.ids(&shape, 2).eq_scalar(1);
            let mut case = Case::new(draw).input(&shape);
            case.masks.push(bits);
            case
        },
        |case, x| x[0].masked_fill(&case.masks[0], T::from_f64(0.5)),
        |case, x| x[0].data.iter().zip(case.masks[0].to_vec()).map(|(&x, m)| if m { 0.5 } else { x }).collect(),
        tolerance: Tolerance::Each(0.0),
        propagates_nan: false
    ));
    all
}

fn where_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let mask = &case.masks[0];
    let bits =
        Array { shape: mask.shape().to_vec(), data: mask.to_vec().iter().map(|&b| f64::from(u8::from(b))).collect() };
    let choose = |index: &[usize]| {
        let side = if broadcast_at(&bits, index) == 1.0 { &x[0] } else { &x[1] };
        broadcast_at(side, index)
    };
    Array::from_fn(mask.shape(), choose).data
}
