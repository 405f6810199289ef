//! Every function against f64 (the standard library's, libm's erf), on every instruction set, in ULP.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4, PI, SQRT_2};

use pulp::{Simd, WithSimd};

use super::erf::{ERF, MIDDLE, NORMAL, NORMAL_MIDDLE, TAIL};
use super::power::{ARTANH_SMALL, LARGEST_S};
use super::remez::Fit;
use super::trig::{COS, SIN};
use super::{ARTANH, EXP, LN, TANH};
use crate::isa::Isa;
use crate::lanes::F;

/// A function under test: its name, its exact values, its stated error in ULP with and without fused multiply-add.
struct Case {
    function: Function,
    exact: fn(f64) -> f64,
    fused: f64,
    unfused: f64,
}

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    /// Of −|x|.
    ExpNegative,
    Sigmoid,
    Ln,
    Ln1p,
    /// Of |x|, at most 1.
    Ln1pUnit,
    Tanh,
    Erf,
    Erfc,
    NormalCdf,
    NormalDensity,
    Sin,
    Cos,
    Powf(f32),
}

const CASES: [Case; 21] = [
    Case { function: Function::Exp, exact: f64::exp, fused: 1.0, unfused: 1.0 },
    Case { function: Function::ExpNegative, exact: |x| (-x.abs()).exp(), fused: 1.0, unfused: 1.0 },
    Case { function: Function::Sigmoid, exact: |x| 1.0 / (1.0 + (-x).exp()), fused: 2.0, unfused: 2.0 },
    Case { function: Function::Ln, exact: f64::ln, fused: 1.0, unfused: 1.0 },
    Case { function: Function::Ln1p, exact: f64::ln_1p, fused: 1.0, unfused: 1.0 },
    Case { function: Function::Ln1pUnit, exact: ln_1p_unit, fused: 2.0, unfused: 2.5 },
    Case { function: Function::Tanh, exact: f64::tanh, fused: 1.0, unfused: 1.1 },
    Case { function: Function::Erf, exact: libm::erf, fused: 1.3, unfused: 1.3 },
    Case { function: Function::Erfc, exact: libm::erfc, fused: 7.0, unfused: 7.0 },
    Case { function: Function::NormalCdf, exact: |x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2), fused: 7.0, unfused: 7.0 },
    Case {
        function: Function::NormalDensity,
        exact: |x| (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
        fused: 2.5,
        unfused: 2.5,
    },
    Case { function: Function::Sin, exact: f64::sin, fused: 2.0, unfused: 2.0 },
    Case { function: Function::Cos, exact: f64::cos, fused: 2.0, unfused: 2.0 },
    Case { function: Function::Powf(3.0), exact: |x| x.powf(3.0), fused: 2.0, unfused: 2.0 },
    Case { function: Function::Powf(-2.0), exact: |x| x.powf(-2.0), fused: 2.0, unfused: 2.0 },
    Case { function: Function::Powf(1.5), exact: |x| x.powf(1.5), fused: 2.0, unfused: 2.0 },
    Case { function: Function::Powf(-2.5), exact: |x| x.powf(-2.5), fused: 4.3, unfused: 4.3 },
    Case { function: Function::Powf(2.25), exact: |x| x.powf(2.25), fused: 1.0, unfused: 1.0 },
    Case { function: Function::Powf(-0.7109375), exact: |x| x.powf(-0.7109375), fused: 1.0, unfused: 1.0 },
    Case { function: Function::Powf(7.0), exact: |x| x.powf(7.0), fused: 1.0, unfused: 1.0 },
    Case { function: Function::Powf(-190.5), exact: |x| x.powf(-190.5), fused: 4.0, unfused: 1.0 },
];

fn ln_1p_unit(x: f64) -> f64 {
    if x.is_nan() { x } else { x.abs().min(1.0).ln_1p() }
}

struct Apply<'a>(Function, &'a [f32], &'a mut [f32]);

impl WithSimd for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        for (x, out) in self.1.chunks(lanes).zip(self.2.chunks_mut(lanes)) {
            let x = F::<S, f32>::load(simd, x);
            let y = match self.0 {
                Function::Exp => x.exp(),
                Function::ExpNegative => (-x.abs()).exp_negative(),
                Function::Sigmoid => x.sigmoid(),
                Function::Ln => x.ln(),
                Function::Ln1p => x.ln_1p(),
                Function::Ln1pUnit => x.abs().at_most(1.0).ln_1p_unit(),
                Function::Tanh => x.tanh(),
                Function::Erf => x.erf(),
                Function::Erfc => x.erfc(),
                Function::NormalCdf => x.normal().0,
                Function::NormalDensity => x.normal().1,
                Function::Sin => x.sin(),
                Function::Cos => x.cos(),
                Function::Powf(p) => x.powf(p),
            };
            y.store(out);
        }
    }
}

/// Distance to the exact result in ULP; what f32 cannot hold counts as 2¹²⁸, so that overflow must agree within the error.
fn ulps(approx: f32, exact: f64) -> f64 {
    if approx.is_nan() || exact.is_nan() {
        return if approx.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if approx == 0.0 && exact == 0.0 && approx.is_sign_negative() != exact.is_sign_negative() {
        return f64::INFINITY;
    }
    let bound = 2f64.powi(128);
    (f64::from(approx).clamp(-bound, bound) - exact.clamp(-bound, bound)).abs()
        / ulp((exact as f32).abs().min(f32::MAX))
}

fn ulp(x: f32) -> f64 {
    let (_, exponent) = libm::frexp(f64::from(x.max(f32::MIN_POSITIVE)));
    2f64.powi(exponent - 24)
}

/// The largest error and its argument, for every instruction set of the machine, over `count` bit patterns from `first`
/// in steps of `stride`.
fn worst(case: &Case, first: u32, count: usize, stride: u32) -> Vec<(Isa, f64, f32)> {
    let mut found: Vec<(Isa, f64, f32)> = Isa::available().into_iter().map(|isa| (isa, 0.0, 0.0)).collect();
    for block in (0..count).step_by(4096) {
        let pattern = |i: usize| f32::from_bits(first.wrapping_add((i as u32).wrapping_mul(stride)));
        let x: Vec<f32> = (block..count.min(block + 4096)).map(pattern).collect();
        let exact: Vec<f64> = x.iter().map(|&x| (case.exact)(f64::from(x))).collect();
        for (isa, worst, at) in &mut found {
            let mut y = vec![0.0; x.len()];
            isa.run(Apply(case.function, &x, &mut y));
            for ((&x, &y), &exact) in x.iter().zip(&y).zip(&exact) {
                let error = ulps(y, exact);
                if error > *worst {
                    (*worst, *at) = (error, x);
                }
            }
        }
    }
    found
}

fn check(case: &Case, found: Vec<(Isa, f64, f32)>) {
    for (isa, ulps, x) in found {
        println!("{:?} on {isa}: {ulps:.3} ULP at {x:e}", case.function);
        let stated = if isa == Isa::Scalar { case.unfused } else { case.fused };
        assert!(ulps <= stated, "{:?} on {isa}: {ulps} ULP at {x:e}", case.function);
    }
}

#[test]
fn errors_are_within_those_stated_on_a_sample() {
    for case in &CASES {
        // Over all patterns, and again over the arguments of interest, ±[2⁻¹⁰, 2⁷].
        check(case, worst(case, 0, 1 << 19, 8191));
        check(case, worst(case, 0x3a80_0000, 1 << 18, 543));
        check(case, worst(case, 0xba80_0000, 1 << 18, 543));
    }
}

#[test]
#[ignore = "exhaustive: minutes"]
fn errors_are_within_those_stated_everywhere() {
    for case in &CASES {
        for found in crate::par::map(256, |part| worst(case, (part as u32) << 24, 1 << 24, 1)) {
            check(case, found);
        }
    }
}

#[test]
fn limits_and_signs_are_exact() {
    const INF: f32 = f32::INFINITY;
    let cases: [(Function, &[(f32, f32)]); 17] = [
        (Function::Exp, &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (-200.0, 0.0), (200.0, INF)]),
        (Function::ExpNegative, &[(0.0, 1.0), (INF, 0.0), (200.0, 0.0)]),
        (Function::Sigmoid, &[(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0)]),
        (Function::Ln, &[(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, f32::NAN), (-INF, f32::NAN)]),
        (Function::Ln1p, &[(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-1.5, f32::NAN), (-INF, f32::NAN)]),
        (Function::Ln1pUnit, &[(0.0, 0.0)]),
        (Function::Tanh, &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)]),
        (Function::Erf, &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)]),
        (Function::Erfc, &[(INF, 0.0), (-INF, 2.0), (30.0, 0.0)]),
        (Function::NormalCdf, &[(INF, 1.0), (-INF, 0.0), (-40.0, 0.0)]),
        (Function::NormalDensity, &[(INF, 0.0), (-INF, 0.0), (40.0, 0.0)]),
        (Function::Sin, &[(0.0, 0.0), (-0.0, -0.0), (INF, f32::NAN), (-INF, f32::NAN)]),
        (Function::Cos, &[(0.0, 1.0), (-0.0, 1.0), (INF, f32::NAN)]),
        (Function::Powf(3.0), &[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (-2.0, -8.0)]),
        (Function::Powf(7.0), &[(0.0, 0.0), (-0.0, -0.0), (1.0, 1.0), (-1.0, -1.0), (INF, INF), (-INF, -INF)]),
        (Function::Powf(-6.0), &[(0.0, INF), (-0.0, INF), (1.0, 1.0), (-1.0, 1.0), (INF, 0.0), (-INF, 0.0)]),
        (Function::Powf(0.3), &[(0.0, 0.0), (-0.0, 0.0), (1.0, 1.0), (INF, INF), (-INF, INF), (-1.0, f32::NAN)]),
    ];
    for isa in Isa::available() {
        for (function, pairs) in cases {
            let x: Vec<f32> = pairs.iter().map(|p| p.0).chain([f32::NAN]).collect();
            let mut y = vec![0.0; x.len()];
            isa.run(Apply(function, &x, &mut y));
            for (i, &(x, want)) in pairs.iter().enumerate() {
                let same = y[i].to_bits() == want.to_bits() || (y[i].is_nan() && want.is_nan());
                assert!(same, "{function:?}({x}) on {isa}: {} instead of {want}", y[i]);
            }
            assert!(y[pairs.len()].is_nan(), "{function:?}(NaN) on {isa}");
        }
    }
}

/// 2 artanh s − 2s, by its series: the difference would cancel.
fn artanh_rest(s: f64) -> f64 {
    (1..25).map(|k| 2.0 * s.powi(2 * k + 1) / f64::from(2 * k + 1)).sum()
}

#[test]
fn the_polynomials_are_those_of_the_derivation() {
    let erfc = |t: f64| {
        let x = MIDDLE * (1.0 + t) / (1.0 - t);
        libm::erfc(x) * (x * x).exp() * (x + MIDDLE)
    };
    let erfc_end = (10.1 - MIDDLE) / (10.1 + MIDDLE);
    let normal = |u: f64| {
        let a = NORMAL_MIDDLE * u / (1.0 - u);
        0.5 * libm::erfc(a * FRAC_1_SQRT_2) * (a * a / 2.0).exp() * (a + NORMAL_MIDDLE)
    };
    let quarter = FRAC_PI_4 * 1.001; // a little more than the reduction leaves
    let fit = |target, scale, lo, hi, first, step| Fit { target, scale, lo, hi, first, step };
    type Table<'a> = [(&'a str, &'a [f64], Fit<'a>); 10];
    let table: Table = [
        ("EXP", &EXP, fit(&|r| r.exp() - 1.0 - r, &f64::exp, -0.35, 0.35, 2, 1)),
        (
            "LN",
            &LN,
            fit(&|f| f.ln_1p() - f + f * f / 2.0, &|f| f.ln_1p().abs(), SQRT_2 / 2.0 - 1.0, SQRT_2 - 1.0, 3, 1),
        ),
        ("TANH", &TANH, fit(&|x| x.tanh() - x, &f64::tanh, 0.0, 1.0, 3, 2)),
        ("ERF", &ERF, fit(&|x| libm::erf(x) - x, &libm::erf, 0.0, 1.0, 1, 2)),
        ("TAIL", &TAIL, fit(&erfc, &erfc, -1.0, erfc_end, 0, 1)),
        ("ARTANH", &ARTANH, fit(&|s| 2.0 * (s.atanh() - s), &|s| 2.0 * s.atanh(), 0.0, 1.0 / 3.0, 3, 2)),
        ("ARTANH_SMALL", &ARTANH_SMALL, fit(&artanh_rest, &|s| s * s * s, 0.0, LARGEST_S, 3, 2)),
        ("NORMAL", &NORMAL, fit(&normal, &normal, 0.0, 14.4 / (14.4 + NORMAL_MIDDLE), 0, 1)),
        ("SIN", &SIN, fit(&|x| x.sin() - x, &f64::sin, 0.0, quarter, 3, 2)),
        ("COS", &COS, fit(&|x| x.cos() - 1.0 + x * x / 2.0, &f64::cos, 0.0, quarter, 4, 2)),
    ];
    for (name, shipped, fit) in table {
        let derived = fit.coefficients(shipped.len());
        let shipped: Vec<f32> = shipped.iter().map(|&c| c as f32).collect();
        let rounded: Vec<f32> = derived.iter().map(|&c| c as f32).collect();
        assert_eq!(shipped, rounded, "{name}; its error would be 2^{:.1}", fit.worst(&derived).log2());
    }
}
