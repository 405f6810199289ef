//! Every function against its definition in f64, every instruction set against the scalar one, every derivative against
//! finite differences.

use proptest::prelude::*;

use super::*;
use crate::isa::Isa;
use crate::par;
use crate::rng::Rng;

const FUNCTIONS: [Unary; 29] = [
    Unary::Neg,
    Unary::Abs,
    Unary::Square,
    Unary::Sqrt,
    Unary::Rsqrt,
    Unary::Recip,
    Unary::Exp,
    Unary::Ln,
    Unary::Ln1p,
    Unary::Sin,
    Unary::Cos,
    Unary::Erf,
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::LogSigmoid,
    Unary::Softplus,
    Unary::Relu,
    Unary::Gelu,
    Unary::GeluTanh,
    Unary::Silu,
    Unary::LeakyRelu(0.1),
    Unary::Elu(1.5),
    Unary::Clamp(-0.5, 2.0),
    Unary::Powf(3.0),
    Unary::Powf(-0.5),
    Unary::Powf(2.25),
    Unary::Powf(-7.0),
    Unary::Affine(0.5, -1.0),
    Unary::Affine(2.0, 0.0),
];

/// The definitions, as a textbook has them; f64 is wide enough for their cancellations where f32 is judged.
fn defined(op: Unary, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Square => x * x,
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Recip => 1.0 / x,
        Unary::Exp => x.exp(),
        Unary::Ln => x.ln(),
        Unary::Ln1p => x.ln_1p(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Erf => libm::erf(x),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => sigmoid(x),
        Unary::LogSigmoid => -(-x).exp().ln_1p(),
        Unary::Softplus if x > 700.0 => x,
        Unary::Softplus => x.exp().ln_1p(),
        Unary::Relu => x.max(0.0),
        Unary::Gelu => 0.5 * x * libm::erfc(-x / 2f64.sqrt()),
        Unary::GeluTanh => x * sigmoid(2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)),
        Unary::Silu => x * sigmoid(x),
        Unary::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                slope * x
            }
        }
        Unary::Elu(alpha) => {
            if x > 0.0 {
                x
            } else {
                alpha * x.exp_m1()
            }
        }
        Unary::Clamp(lo, hi) => x.clamp(lo, hi),
        Unary::Powf(p) => x.powf(p),
        Unary::Affine(scale, shift) => scale * x + shift,
    }
}

/// The stated maximum error in ULP for arguments in [−80, 80].
fn stated_ulps(op: Unary) -> f64 {
    match op {
        // Below −13 Φ is subnormal, and its rounding is multiplied by x; elsewhere see `gelu_keeps_its_tail`.
        Unary::Gelu => 14.0,
        // The argument 2u is a rounded cubic; its error is multiplied by 2u in the tail.
        Unary::GeluTanh => 200.0,
        Unary::Softplus | Unary::LogSigmoid | Unary::Silu => 3.5,
        Unary::Sigmoid => 2.0,
        Unary::Elu(_) => 4.0,
        Unary::Erf | Unary::Sin | Unary::Cos => 2.0,
        Unary::Rsqrt => 1.5,
        // Products and roots; the others are one exponential.
        Unary::Powf(3.0 | -0.5) => 2.0,
        _ => 1.1,
    }
}

fn ulp(x: f64) -> f64 {
    let (_, exponent) = libm::frexp(x.abs().max(f64::from(f32::MIN_POSITIVE)));
    2f64.powi(exponent - 24)
}

fn arguments() -> Vec<f32> {
    let mut rng = Rng::new(1);
    let mut x: Vec<f32> = (0..40_000).map(|i| rng.normal() as f32 * [0.01, 1.0, 4.0, 20.0][i % 4]).collect();
    x.retain(|x| x.abs() < 80.0);
    x.extend([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 1e-30, -1e-30, 1e-42, f32::EPSILON]);
    x
}

#[test]
fn functions_have_their_stated_error_on_every_instruction_set() {
    let x = arguments();
    for isa in Isa::available() {
        for op in FUNCTIONS {
            let mut y = vec![0.0; x.len()];
            isa::with(isa, || unary(op, &x, &mut y));
            let (mut worst, mut at) = (0.0, 0.0);
            for (&x, &y) in x.iter().zip(&y) {
                let exact = defined(op, f64::from(x));
                let same = y.is_nan() && exact.is_nan() || f64::from(y) == exact || y == exact as f32;
                let error = if same { 0.0 } else { (f64::from(y) - exact).abs() / ulp(exact) };
                if error > worst || error.is_nan() {
                    (worst, at) = (error, x);
                }
            }
            println!("{op:?} on {isa}: {worst:.2} ULP at {at:e}");
            assert!(worst <= stated_ulps(op), "{op:?} on {isa}: {worst} ULP at {at:e}");
        }
    }
}

#[test]
fn gelu_keeps_its_tail() {
    let x: Vec<f32> = (0..200_000).map(|i| -13.0 + i as f32 * 1e-4).collect();
    for isa in Isa::available() {
        let mut y = vec![0.0; x.len()];
        isa::with(isa, || unary(Unary::Gelu, &x, &mut y));
        for (&x, &y) in x.iter().zip(&y) {
            let exact = defined(Unary::Gelu, f64::from(x));
            let error = (f64::from(y) - exact).abs();
            assert!(error <= ulp(exact) * if x >= -1.0 { 4.0 } else { 8.0 }, "gelu({x}) on {isa}: {y}, not {exact}");
            assert!(x > 2.0 || error <= 2e-7, "gelu({x}) on {isa}: {y}, not {exact}");
        }
    }
}

#[test]
fn limits_are_reached_and_nan_stays() {
    const INF: f32 = f32::INFINITY;
    let limits = [
        (Unary::Sigmoid, 0.0, 1.0),
        (Unary::LogSigmoid, -INF, 0.0),
        (Unary::Softplus, 0.0, INF),
        (Unary::Gelu, 0.0, INF),
        (Unary::GeluTanh, 0.0, INF),
        (Unary::Silu, 0.0, INF),
        (Unary::Elu(1.5), -1.5, INF),
        (Unary::Relu, 0.0, INF),
        (Unary::Clamp(-0.5, 2.0), -0.5, 2.0),
        (Unary::Rsqrt, f32::NAN, 0.0),
    ];
    for isa in Isa::available() {
        isa::with(isa, || {
            for (op, below, above) in limits {
                let mut y = [0.0; 2];
                unary(op, &[-INF, INF], &mut y);
                assert!(y[0] == below || (y[0].is_nan() && below.is_nan()), "{op:?}(−∞) on {isa}: {}", y[0]);
                assert_eq!(y[1], above, "{op:?}(∞) on {isa}");
                if op.saves() == Saves::Input {
                    let mut d = [0.0; 2];
                    unary_grad(op, &[-INF, INF], &[1.0, 1.0], &mut d);
                    assert!(d.iter().all(|d| d.is_finite()), "{op:?}′(±∞) on {isa}: {d:?}");
                }
            }
            for op in FUNCTIONS {
                let mut y = [0.0; 3];
                unary(op, &[f32::NAN, 1.0, f32::NAN], &mut y);
                assert!(y[0].is_nan() && !y[1].is_nan() && y[2].is_nan(), "{op:?}(NaN) on {isa}: {y:?}");
            }
        });
    }
}

#[test]
fn derivatives_are_finite_differences() {
    let x: Vec<f64> = (1..200).map(|i| f64::from(i) * 0.037 - 3.711).filter(|x| x.abs() > 0.1).collect();
    let g: Vec<f64> = (0..x.len()).map(|i| 1.0 + 0.1 * (i % 7) as f64).collect();
    for op in FUNCTIONS {
        let h = 1e-5;
        let [mut y, mut up, mut down, mut d] = [(); 4].map(|()| vec![0.0; x.len()]);
        unary(op, &x, &mut y);
        unary(op, &x.iter().map(|x| x + h).collect::<Vec<_>>(), &mut up);
        unary(op, &x.iter().map(|x| x - h).collect::<Vec<_>>(), &mut down);
        let saved: &[f64] = match op.saves() {
            Saves::Input => &x,
            Saves::Output => &y,
            Saves::Nothing => &[],
        };
        unary_grad(op, saved, &g, &mut d);
        for i in 0..x.len() {
            let want = g[i] * (up[i] - down[i]) / (2.0 * h);
            assert!(
                want.is_nan() || (d[i] - want).abs() <= 1e-6 * (1.0 + want.abs()),
                "{op:?}′({}) = {} instead of {want}",
                x[i],
                d[i]
            );
        }
        // The same source in f32, against f64.
        let x32: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let g32: Vec<f32> = g.iter().map(|&g| g as f32).collect();
        for isa in Isa::available() {
            let (mut y32, mut d32) = (vec![0f32; x.len()], vec![0f32; x.len()]);
            isa::with(isa, || {
                unary(op, &x32, &mut y32);
                let saved: &[f32] = match op.saves() {
                    Saves::Input => &x32,
                    Saves::Output => &y32,
                    Saves::Nothing => &[],
                };
                unary_grad(op, saved, &g32, &mut d32);
            });
            for i in 0..x.len() {
                let close = (f64::from(d32[i]) - d[i]).abs() <= 3e-6 * (1.0 + d[i].abs());
                assert!(close || d[i].is_nan(), "{op:?}′({}) = {} on {isa}, {} in f64", x[i], d32[i], d[i]);
            }
        }
    }
}

/// Lengths around the registers' and the chunks', and primes.
fn lengths() -> Vec<usize> {
    let mut all: Vec<usize> = (0..=34).chain([63, 64, 65, 1000, 8191, 16_411, 70_001]).collect();
    all.extend([511, 512, 513]);
    all
}

#[test]
fn no_element_is_dropped_or_depends_on_its_place() {
    let mut rng = Rng::new(2);
    let data: Vec<f32> = (0..80_000).map(|_| rng.normal() as f32).collect();
    for isa in Isa::available() {
        for op in [Unary::Exp, Unary::Relu, Unary::Gelu, Unary::Square] {
            let mut whole = vec![0.0; data.len()];
            isa::with(isa, || unary(op, &data, &mut whole));
            for n in lengths() {
                // Starts at 3: unaligned, and other lanes than in the whole.
                let x = &data[3..3 + n];
                let mut y = vec![f32::NAN; n];
                let mut in_place = x.to_vec();
                isa::with(isa, || {
                    unary(op, x, &mut y);
                    unary_mut(op, &mut in_place);
                });
                assert_eq!(y, whole[3..3 + n], "{op:?} of {n} on {isa}");
                assert_eq!(in_place, y, "{op:?} in place of {n} on {isa}");
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let mut rng = Rng::new(3);
    let x: Vec<f32> = (0..100_003).map(|_| rng.normal() as f32).collect();
    let run = |threads| {
        par::with_threads(threads, || {
            let [mut y, mut d, mut z] = [(); 3].map(|()| vec![0.0; x.len()]);
            unary(Unary::Gelu, &x, &mut y);
            unary_grad(Unary::Gelu, &x, &y, &mut d);
            let (s, shape) = (Strided { data: &x, offset: 0, strides: &[1] }, [x.len()]);
            binary(Binary::Mul, s, Strided { data: &y, ..s }, &shape, &mut z);
            axpy(0.3, &y, &mut z);
            (y, d, z)
        })
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn max_and_min_propagate_nan_from_both_sides() {
    let (a, b) = ([f32::NAN, 1.0, 2.0, f32::NAN, -0.5], [1.0, f32::NAN, 3.0, f32::NAN, -1.0]);
    for isa in Isa::available() {
        isa::with(isa, || {
            for (op, rest) in [(Binary::Max, [3.0, -0.5]), (Binary::Min, [2.0, -1.0])] {
                let mut out = [0.0; 5];
                let strided = |data| Strided { data, offset: 0, strides: &[1] };
                binary(op, strided(&a), strided(&b), &[5], &mut out);
                assert!(out[0].is_nan() && out[1].is_nan() && out[3].is_nan(), "{op:?} on {isa}: {out:?}");
                assert_eq!([out[2], out[4]], rest);
            }
        });
    }
}

/// A random shape and, for each of N operands, strides that are contiguous, broadcast or transposed.
fn layouts<const N: usize>() -> impl Strategy<Value = (Vec<usize>, [Vec<usize>; N])> {
    (prop::collection::vec(prop_oneof![1usize..5, 60usize..70], 0..4), any::<u64>()).prop_map(|(shape, seed)| {
        let mut rng = Rng::new(seed);
        let strides = [(); N].map(|()| {
            let mut order: Vec<usize> = (0..shape.len()).collect();
            if rng.below(3) == 0 {
                rng.shuffle(&mut order);
            }
            let mut strides = vec![0; shape.len()];
            let mut step = 1;
            for &axis in order.iter().rev() {
                if rng.below(3) > 0 {
                    strides[axis] = step;
                    step *= shape[axis];
                }
            }
            strides
        });
        (shape, strides)
    })
}

fn place(shape: &[usize], strides: &[usize], mut i: usize) -> usize {
    let mut at = 0;
    for (&n, &stride) in shape.iter().zip(strides).rev() {
        at += i % n * stride;
        i /= n;
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn broadcasting_is_indexing((shape, [sa, sb, sm]) in layouts::<3>(), offset in 0usize..3) {
        let len: usize = shape.iter().product();
        let mut rng = Rng::new(4);
        let data: Vec<f32> = (0..len + 3).map(|_| rng.normal() as f32).collect();
        let mask: Vec<bool> = data.iter().map(|&x| x > 0.0).collect();
        let (a, b) = (Strided { data: &data, offset, strides: &sa }, Strided { data: &data[1..], offset: 0, strides: &sb });
        let m = Strided { data: &mask, offset, strides: &sm };
        let at = |x: &Strided<'_, f32>, i| x.data[x.offset + place(&shape, x.strides, i)];
        for isa in Isa::available() {
            let [mut sum, mut chosen] = [(); 2].map(|()| vec![f32::NAN; len]);
            let mut less = vec![false; len];
            isa::with(isa, || {
                binary(Binary::Sub, a, b, &shape, &mut sum);
                compare(Cmp::Lt, a, b, &shape, &mut less);
                select(m, a, b, &shape, &mut chosen);
            });
            for i in 0..len {
                let (x, y) = (at(&a, i), at(&b, i));
                prop_assert_eq!(sum[i], x - y);
                prop_assert_eq!(less[i], x < y);
                prop_assert_eq!(chosen[i], if mask[offset + place(&shape, &sm, i)] { x } else { y });
            }
        }
    }
}

#[test]
fn comparisons_are_those_of_rust() {
    let (a, b) = ([1i64, 2, 3], [2i64, 2, 2]);
    let strided = |data| Strided { data, offset: 0, strides: &[1] };
    let mut out = [false; 3];
    let cases = [
        (Cmp::Lt, [true, false, false]),
        (Cmp::Le, [true, true, false]),
        (Cmp::Gt, [false, false, true]),
        (Cmp::Ge, [false, true, true]),
        (Cmp::Eq, [false, true, false]),
        (Cmp::Ne, [true, false, true]),
    ];
    for (op, want) in cases {
        compare(op, strided(&a), strided(&b), &[3], &mut out);
        assert_eq!(out, want, "{op:?}");
        let mut nan = [true];
        let x = Strided { data: &[f64::NAN], offset: 0, strides: &[1] };
        compare(op, x, x, &[1], &mut nan);
        assert_eq!(nan, [op == Cmp::Ne], "{op:?} of NaN");
    }
}
