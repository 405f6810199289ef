//! Numbers at the edge: zeros, infinities, NaN, overflow, rows without spread, long sums. Values are PyTorch's (2.15), and a
//! comment says where they are not. Both precisions, every instruction set, the fused rule and the recorded one.

use std::f64::consts::{FRAC_PI_2, LN_2, PI};

use etude_autograd::{CreateGraph, Mask, Tensor, grad};
use etude_kernels::rng::Rng;
use etude_kernels::{Real, isa, par};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// A function of a vector at some points: what it gives, and the gradient of its sum, where that is stated.
struct Row {
    name: &'static str,
    at: &'static [f64],
    f32: fn(&Tensor<f32>) -> Tensor<f32>,
    f64: fn(&Tensor<f64>) -> Tensor<f64>,
    value: &'static [f64],
    gradient: Option<&'static [f64]>,
}

macro_rules! row {
    ($name:literal, $at:expr, |$x:ident| $f:expr, $value:expr) => {
        Row { name: $name, at: &$at, f32: |$x| $f, f64: |$x| $f, value: &$value, gradient: None }
    };
    ($name:literal, $at:expr, |$x:ident| $f:expr, $value:expr, $gradient:expr) => {
        Row { name: $name, at: &$at, f32: |$x| $f, f64: |$x| $f, value: &$value, gradient: Some(&$gradient) }
    };
}

/// −∞, ∞ and NaN.
const FAR: [f64; 3] = [-INF, INF, NAN];
const HUGE: [f64; 2] = [-1e4, 1e4];

const ROWS: &[Row] = &[
    row!("exp", FAR, |x| x.exp(), [0.0, INF, NAN]),
    row!("exp_m1", FAR, |x| x.exp_m1(), [-1.0, INF, NAN]),
    row!("ln", FAR, |x| x.ln(), [NAN, INF, NAN]),
    row!("log2", FAR, |x| x.log2(), [NAN, INF, NAN]),
    row!("ln_1p", FAR, |x| x.ln_1p(), [NAN, INF, NAN]),
    row!("sqrt", FAR, |x| x.sqrt(), [NAN, INF, NAN]),
    row!("rsqrt", FAR, |x| x.rsqrt(), [NAN, 0.0, NAN]),
    row!("recip", FAR, |x| x.recip(), [0.0, 0.0, NAN]),
    row!("square", FAR, |x| x.square(), [INF, INF, NAN]),
    row!("abs", FAR, |x| x.abs(), [INF, INF, NAN]),
    row!("sin", FAR, |x| x.sin(), [NAN, NAN, NAN]),
    row!("atan", FAR, |x| x.atan(), [-FRAC_PI_2, FRAC_PI_2, NAN]),
    row!("erf", FAR, |x| x.erf(), [-1.0, 1.0, NAN]),
    row!("tanh", FAR, |x| x.tanh(), [-1.0, 1.0, NAN]),
    row!("sigmoid", FAR, |x| x.sigmoid(), [0.0, 1.0, NAN]),
    row!("softplus", FAR, |x| x.softplus(), [0.0, INF, NAN]),
    row!("log_sigmoid", FAR, |x| x.log_sigmoid(), [-INF, 0.0, NAN]),
    row!("relu", FAR, |x| x.relu(), [0.0, INF, NAN]),
    row!("relu6", FAR, |x| x.relu6(), [0.0, 6.0, NAN]),
    row!("leaky_relu", FAR, |x| x.leaky_relu(0.01), [-INF, INF, NAN]),
    row!("elu", FAR, |x| x.elu(1.0), [-1.0, INF, NAN]),
    row!("celu", FAR, |x| x.celu(1.0), [-1.0, INF, NAN]),
    row!("selu", FAR, |x| x.selu(), [-1.758_099_340_847_376_6, INF, NAN]),
    row!("softshrink", FAR, |x| x.softshrink(0.5), [-INF, INF, NAN]),
    row!("hardshrink", FAR, |x| x.hardshrink(0.5), [-INF, INF, NAN]),
    row!("tanhshrink", FAR, |x| x.tanhshrink(), [-INF, INF, NAN]),
    row!("hardsigmoid", FAR, |x| x.hardsigmoid(), [0.0, 1.0, NAN]),
    // The limit, where PyTorch gives NaN: its −∞·0.
    row!("hardswish", FAR, |x| x.hardswish(), [0.0, INF, NAN]),
    row!("silu", FAR, |x| x.silu(), [0.0, INF, NAN]),
    row!("mish", FAR, |x| x.mish(), [0.0, INF, NAN]),
    row!("gelu", FAR, |x| x.gelu(), [0.0, INF, NAN]),
    row!("gelu_tanh", FAR, |x| x.gelu_tanh(), [0.0, INF, NAN]),
    // ∞/∞, in PyTorch too.
    row!("softsign", FAR, |x| x.softsign(), [NAN, NAN, NAN]),
    row!("sign", FAR, |x| x.sign(), [-1.0, 1.0, NAN]),
    row!("clamp", FAR, |x| x.clamp(-2.0, 3.0), [-2.0, 3.0, NAN]),
    row!("maximum", FAR, |x| x.maximum(&x.flip(0)), [NAN, INF, NAN]),
    row!("minimum", FAR, |x| x.minimum(&x.flip(0)), [NAN, INF, NAN]),
    row!("max", FAR, |x| x.max(0), [NAN]),
    row!("min", FAR, |x| x.min(0), [NAN]),
    row!("ln at 0", [0.0, -0.0], |x| x.ln(), [-INF, -INF], [INF, -INF]),
    row!("log2 at 0", [0.0], |x| x.log2(), [-INF], [INF]),
    row!("sqrt at 0", [0.0], |x| x.sqrt(), [0.0], [INF]),
    row!("rsqrt at 0", [0.0], |x| x.rsqrt(), [INF], [-INF]),
    row!("recip at 0", [0.0, -0.0], |x| x.recip(), [INF, -INF], [-INF, -INF]),
    row!("abs at 0", [0.0, -0.0], |x| x.abs(), [0.0, 0.0], [0.0, 0.0]),
    row!("relu at 0", [0.0, -0.0], |x| x.relu(), [0.0, 0.0], [0.0, 0.0]),
    row!("0/0", [0.0], |x| x / x.square(), [NAN], [NAN]),
    row!("exp beyond", [1000.0, -1000.0], |x| x.exp(), [INF, 0.0], [INF, 0.0]),
    row!("sigmoid far out", HUGE, |x| x.sigmoid(), [0.0, 1.0], [0.0, 0.0]),
    row!("tanh far out", HUGE, |x| x.tanh(), [-1.0, 1.0], [0.0, 0.0]),
    row!("erf far out", HUGE, |x| x.erf(), [-1.0, 1.0], [0.0, 0.0]),
    row!("softplus far out", HUGE, |x| x.softplus(), [0.0, 1e4], [0.0, 1.0]),
    row!("log_sigmoid far out", HUGE, |x| x.log_sigmoid(), [-1e4, 0.0], [1.0, 0.0]),
    row!("gelu far out", HUGE, |x| x.gelu(), [0.0, 1e4], [0.0, 1.0]),
    row!("gelu_tanh far out", HUGE, |x| x.gelu_tanh(), [0.0, 1e4], [0.0, 1.0]),
    row!("silu far out", HUGE, |x| x.silu(), [0.0, 1e4], [0.0, 1.0]),
    row!("mish far out", HUGE, |x| x.mish(), [0.0, 1e4], [0.0, 1.0]),
    row!(
        "hardswish at its knees",
        [-3.0, 3.0, -1e4, 1e4],
        |x| x.hardswish(),
        [0.0, 3.0, 0.0, 1e4],
        [0.0, 1.0, 0.0, 1.0]
    ),
    row!("softmax of a masked row", [-INF, -INF], |x| x.softmax(0), [NAN, NAN]),
    row!("log_softmax of a masked row", [-INF, -INF], |x| x.log_softmax(0), [NAN, NAN]),
    row!("logsumexp of a masked row", [-INF, -INF], |x| x.logsumexp(0), [-INF]),
    row!("softmax with a mask", [-INF, 0.0], |x| x.softmax(0).square(), [0.0, 1.0], [0.0, 0.0]),
    row!("softmax far apart", [1000.0, 0.0], |x| x.softmax(0), [1.0, 0.0], [0.0, 0.0]),
    row!("log_softmax far apart", [1000.0, 0.0], |x| x.log_softmax(0), [0.0, -1000.0], [-1.0, 1.0]),
    row!(
        "running sums of a masked row",
        [-INF, 1000.0, 1000.0],
        |x| x.logcumsumexp(0),
        [-INF, 1000.0, 1000.0 + LN_2],
        [1.0, 1.5, 0.5]
    ),
    // eˣ⁻ʸ over all y from there on. PyTorch gives NaN at the beginning, 0/0; the first is its own sum.
    row!(
        "running sums with gaps",
        [-INF, -INF, 1.0, -INF, -INF, -INF, 1.0],
        |x| x.logcumsumexp(0),
        [-INF, -INF, 1.0, 1.0, 1.0, 1.0, 1.0 + LN_2],
        [1.0, 0.0, 4.5, 0.0, 0.0, 0.0, 0.5]
    ),
    row!("logaddexp of nothing", [-INF], |x| x.logaddexp(x), [-INF]),
    row!("asin", [-1.0, 1.0, 2.0], |x| x.asin(), [-FRAC_PI_2, FRAC_PI_2, NAN], [INF, INF, NAN]),
    row!("acos", [-1.0, 1.0, 2.0], |x| x.acos(), [PI, 0.0, NAN], [-INF, -INF, NAN]),
    row!("logsumexp without overflow", [1000.0, 1000.0], |x| x.logsumexp(0), [1000.0 + LN_2], [0.5, 0.5]),
    row!("layer_norm of a constant row", [3.0; 4], |x| x.layer_norm(None, None, 1e-5), [0.0; 4], [0.0; 4]),
    // Numbers whose sum, and so whose mean, is rounded.
    row!("layer_norm of three", [191.69412; 3], |x| x.layer_norm(None, None, 1e-5), [0.0; 3], [0.0; 3]),
    row!("layer_norm of a long row", [1978.4546; 768], |x| x.layer_norm(None, None, 1e-5), [0.0; 768]),
    row!(
        "batch_norm of a constant",
        [192.76494; 768],
        |x| x.reshape([2, 1, 384]).batch_norm(None, None, 1e-5).0,
        [0.0; 768]
    ),
    // Neither 41·(1/41) in f32 nor 49·(1/49) in f64 is 1.
    row!("variance of 41", [1.0; 41], |x| x.var_dims([0]), [0.0], [0.0; 41]),
    row!("deviation of 49", [1.0; 49], |x| x.std_dims([0]), [0.0], [0.0; 49]),
    row!("variance of a constant", [193826.23; 10], |x| x.var_dims([0]), [0.0], [0.0; 10]),
    row!("deviation of a constant", [193826.23; 10], |x| x.std_dims([0]), [0.0], [0.0; 10]),
    // 1/√ε each.
    row!("rms_norm of zeros", [0.0; 2], |x| x.rms_norm(None, 1e-4), [0.0; 2], [100.0; 2]),
    row!("variance of one element", [5.0], |x| x.var_dims([0]), [0.0], [0.0]),
    row!("deviation of one element", [5.0], |x| x.std_dims([0]), [0.0], [0.0]),
    row!("mean of a constant", [0.1; 8], |x| x.mean(), [0.1], [0.125; 8]),
    row!("‖0‖", [0.0, 0.0], |x| x.norm_l2(0), [0.0], [0.0, 0.0]),
    row!("‖0‖₁", [0.0, 0.0], |x| x.norm_lp(1.0, 0), [0.0], [0.0, 0.0]),
    row!("‖0‖₃", [0.0, 0.0], |x| x.norm_lp(3.0, 0), [0.0], [0.0, 0.0]),
    // Targets of exactly 0 and 1 against certain logits: |x| where wrong, 0 where right.
    row!("bce of 0", [-1e4, 1e4], |x| x.bce_with_logits(&Tensor::zeros([2])), [0.0, 1e4], [0.0, 1.0]),
    row!("bce of 1", [-1e4, 1e4], |x| x.bce_with_logits(&Tensor::ones([2])), [1e4, 0.0], [-1.0, 0.0]),
    // ln(1 + e⁻ˣ): a small loss has all its digits.
    row!(
        "bce, nearly right",
        [12.0, 15.0, 20.0],
        |x| x.bce_with_logits(&Tensor::ones([3])),
        [6.144193477732806e-6, 3.059022737137205e-7, 2.061153620314381e-9]
    ),
    row!(
        "bce, nearly right, of 0",
        [-12.0, -15.0, -20.0],
        |x| x.bce_with_logits(&Tensor::zeros([3])),
        [6.144193477732806e-6, 3.059022737137205e-7, 2.061153620314381e-9]
    ),
    // 13.8·2⁻²⁰ + ln(1 + e⁻¹³·⁸).
    row!(
        "bce, nearly right, of nearly 1",
        [13.8],
        |x| x.bce_with_logits(&Tensor::ones([1]).affine(1.0 - 1.0 / 1048576.0, 0.0)),
        [1.4176336521655448e-05]
    ),
    // Of a/b with a/b = 10⁵: −a/b², where b² is beyond f32.
    row!("a quotient of large numbers", [1e20], |x| x.detach().affine(1e5, 0.0) / x, [1e5], [-1e-15]),
    row!("a quotient of small numbers", [1e-25], |x| x.detach().affine(1e5, 0.0) / x, [1e5], [-1e30]),
    row!("angles", [0.0, -0.0], |x| x.atan2(&Tensor::full([2], x.to_vec()[0]).affine(1.0, -1.0)), [PI, -PI]),
];

fn same(got: f64, want: f64, epsilon: f64) -> bool {
    got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= 8.0 * epsilon * want.abs()
}

fn check<T: etude_autograd::Float>(row: &Row, f: fn(&Tensor<T>) -> Tensor<T>, epsilon: f64) -> Result<(), String> {
    let x: Tensor<T> = Tensor::from_vec(row.at.iter().map(|&v| T::from_f64(v)).collect(), [row.at.len()]);
    let x = x.requires_grad();
    let compare = |what: &str, y: &Tensor<T>, want: &[f64]| {
        let got: Vec<f64> = y.to_vec().into_iter().map(Real::to_f64).collect();
        let equal = got.len() == want.len() && got.iter().zip(want).all(|(&g, &w)| same(g, w, epsilon));
        if equal { Ok(()) } else { Err(format!("{}: {what} {got:?}, expected {want:?}", row.name)) }
    };
    let y = f(&x);
    compare("value", &y, row.value)?;
    let Some(want) = row.gradient else { return Ok(()) };
    let [fused] = grad(&y.sum(), [&x], CreateGraph::No);
    compare("gradient", &fused, want)?;
    let [recorded] = grad(&y.sum(), [&x], CreateGraph::Yes);
    compare("recorded gradient", &recorded, want)
}

#[test]
fn values_and_gradients_at_the_edge() {
    let mut wrong = Vec::new();
    for isa in isa::Isa::available() {
        for row in ROWS {
            for found in isa::with(isa, || [check(row, row.f32, 6e-8), check(row, row.f64, 1.2e-16)]) {
                wrong.extend(found.err().map(|error| format!("{isa}: {error}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_overflows_is_infinite_and_a_zero_keeps_its_sign() {
    let x = Tensor::from_slice(&[f32::MAX, f32::MIN], [2]);
    assert_eq!((&x * 2.0).to_vec(), [f32::INFINITY, f32::NEG_INFINITY]);
    let zero = Tensor::from_slice(&[0.0f32, -0.0], [2]);
    let bits = |x: &Tensor<f32>| x.to_vec().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    for y in [zero.sqrt(), zero.sin(), zero.tanh(), zero.round(), zero.sign(), zero.affine(3.0, -0.0)] {
        assert_eq!(bits(&y), bits(&zero));
    }
}

#[test]
fn nothing_has_a_sum_a_product_and_no_mean() {
    let none = Tensor::<f64>::zeros([0]);
    assert_eq!((none.sum().item(), none.prod(0).item(), none.logsumexp(0).item()), (0.0, 1.0, -INF));
    assert!(none.mean().item().is_nan());
}

#[test]
fn ten_million_terms_lose_no_digits() {
    let n = 10_000_000;
    let x = Tensor::full([n], 0.1f32);
    let exact = f64::from(0.1f32) * n as f64;
    for isa in isa::Isa::available() {
        let sums = isa::with(isa, || [1, 3].map(|threads| par::with_threads(threads, || x.sum().item())));
        assert_eq!(sums[0].to_bits(), sums[1].to_bits(), "{isa}");
        let error = (f64::from(sums[0]) / exact - 1.0).abs();
        assert!(error < 8.0 * f64::from(f32::EPSILON), "{isa}: {error:e}; one term after another loses 9 %");
        let mean = isa::with(isa, || x.mean().item());
        assert!((mean - 0.1).abs() < 3e-8, "{isa}: {mean}");
    }
}

#[test]
fn logarithms_of_powers_are_whole() {
    let exponents: Vec<i32> = (-126..128).collect();
    let powers = Tensor::from_vec(exponents.iter().map(|&e| 2f32.powi(e)).collect(), [exponents.len()]);
    assert_eq!(powers.log2().to_vec(), exponents.iter().map(|&e| e as f32).collect::<Vec<_>>());
    let exponents: Vec<i32> = (0..23).collect();
    let powers = Tensor::from_vec(exponents.iter().map(|&e| 10f64.powi(e)).collect(), [exponents.len()]);
    assert_eq!(powers.log10().to_vec(), exponents.iter().map(|&e| f64::from(e)).collect::<Vec<_>>());
}

/// The lowest number as a bias is a number: a query whose only key has it takes that key, in both forms of attention and in
/// their gradients.
#[test]
fn the_lowest_bias_is_no_mask() {
    let mut rng = Rng::new(5);
    let [q, k, v] = [0, 1, 2].map(|_| Tensor::<f32>::randn([1, 1, 3, 4], &mut rng).requires_grad());
    for bias in [vec![f32::MIN, 0.0, 0.0], vec![f32::MIN; 3], vec![f32::NEG_INFINITY, f32::MIN, -1e9]] {
        let bias = Tensor::from_vec(bias, [1, 3]).requires_grad();
        let mask = Mask { causal: true, ..Mask::bias(&bias) };
        let fused = q.scaled_dot_product_attention(&k, &v, mask, None);
        let composite = q.attention_weights(&k, mask, None).matmul(&v);
        let close = |a: &Tensor, b: &Tensor| a.to_vec().iter().zip(b.to_vec()).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&fused, &composite), "{bias:?}: {fused:?} and {composite:?}");
        let (a, b) = (fused.square().sum().backward(), composite.square().sum().backward());
        for x in [&q, &k, &v, &bias] {
            let (a, b) = (a.get(x).expect("depends on it"), b.get(x).expect("depends on it"));
            assert!(close(a, b), "{bias:?}: {a:?} and {b:?}");
        }
    }
}
