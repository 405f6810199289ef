//! Elementary functions of one and two numbers. The definitions use other functions than the operations do.

use std::f64::consts::{LN_2, LN_10};

use super::elementwise::{pair, unary};
use super::naive::zip;
use super::{Case, Entry, Tolerance};
use crate::entry;

const WHOLE: &[f64] = &[-2.0, -1.0, 0.0, 1.0, 2.0];
const HALVES: &[f64] = &[-1.5, -0.5, 0.5, 1.5];

/// A comparison of whole numbers, so that many are equal.
macro_rules! comparison {
    ($name:ident, $formula:literal, $f:expr) => {
        entry!(
            stringify!($name),
            $formula,
            |draw| {
                let (a, b) = pair(draw);
                Case::new(draw).input_in(&a, -2.0, 2.0, HALVES).input_in(&b, -2.0, 2.0, HALVES)
            },
            |case, x| x[0].round().$name(&x[1].round()).to_float::<T>(),
            |_, x| zip(&x[0], &x[1], |a, b| f64::from(u8::from($f(&(a + 0.5).floor(), &(b + 0.5).floor())))),
            tolerance: Tolerance::Each(0.0),
            propagates_nan: false,
            differentiable: false
        )
    };
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        unary!("tan", "sin x / cos x", (-1.2, 1.2, &[]), |x| x.tan(), |x| x.sin() / x.cos(), 0.5),
        unary!(
            "asin",
            "the angle with sine x",
            (-0.9, 0.9, &[]),
            |x| x.asin(),
            |x| (x / (1.0 - x * x).sqrt()).atan(),
            0.5
        ),
        unary!(
            "acos",
            "the angle with cosine x",
            (-0.9, 0.9, &[]),
            |x| x.acos(),
            |x| 2.0 * ((1.0 - x) / (1.0 + x)).sqrt().atan(),
            0.5
        ),
        unary!("atan", "the angle with tangent x", (-4.0, 4.0, &[]), |x| x.atan(), |x| (x / x.hypot(1.0)).asin(), 0.5),
        unary!("sinh", "(eˣ − e⁻ˣ)/2", (0.2, 4.0, &[]), |x| x.sinh(), |x| (x.exp() - (-x).exp()) / 2.0, 0.5),
        unary!("cosh", "(eˣ + e⁻ˣ)/2", (-4.0, 4.0, &[]), |x| x.cosh(), |x| (x.exp() + (-x).exp()) / 2.0, 0.5),
        unary!("exp_m1", "eˣ − 1", (0.1, 4.0, &[]), |x| x.exp_m1(), |x| x.exp() - 1.0, 0.5),
        unary!("log2", "ln x / ln 2", (0.05, 8.0, &[1.0]), |x| x.log2(), |x| x.ln() / LN_2, 0.5),
        unary!("log10", "ln x / ln 10", (0.05, 8.0, &[1.0]), |x| x.log10(), |x| x.ln() / LN_10, 0.5),
        unary!("sign", "−1, 0 or 1", (-2.0, 2.0, &[0.0]), |x| x.sign(), |x| x / x.abs(), 0.0),
        unary!("floor", "the whole number below", (-2.4, 2.4, WHOLE), |x| x.floor(), |x| x - x.rem_euclid(1.0), 0.0),
        unary!("ceil", "the whole number above", (-2.4, 2.4, WHOLE), |x| x.ceil(), |x| x + (-x).rem_euclid(1.0), 0.0),
        unary!("round", "the nearest whole number", (-1.9, 1.9, HALVES), |x| x.round(), |x| (x + 0.5).floor(), 0.0),
        entry!("pow", "xʸ", |draw| {
            let (a, b) = pair(draw);
            Case::new(draw).input_in(&a, 0.2, 3.0, &[]).input(&b)
        }, |case, x| x[0].pow(&x[1]), |_, x| zip(&x[0], &x[1], |x, y| (y * x.ln()).exp()), tolerance: Tolerance::Each(0.5)),
        entry!("atan2", "the angle of the point (x, y)", |draw| {
            let (a, b) = pair(draw);
            Case::new(draw).input_in(&a, -2.0, 2.0, &[0.0]).input_in(&b, -2.0, 2.0, &[0.0])
        }, |case, x| x[0].atan2(&x[1]), |_, x| zip(&x[0], &x[1], |y, x| y.signum() * (x / x.hypot(y)).acos()), tolerance: Tolerance::Each(2.0)),
        entry!("logaddexp", "ln(eˣ + eʸ)", |draw| {
            let (a, b) = pair(draw);
            Case::new(draw).input_in(&a, -4.0, 4.0, &[]).input_in(&b, -4.0, 4.0, &[])
        }, |case, x| x[0].logaddexp(&x[1]), |_, x| zip(&x[0], &x[1], |x, y| (x.exp() + y.exp()).ln()), tolerance: Tolerance::Largest(8.0)),
        comparison!(lt, "1 where a < b", f64::lt),
        comparison!(le, "1 where a ≤ b", f64::le),
        comparison!(gt, "1 where a > b", f64::gt),
        comparison!(ge, "1 where a ≥ b", f64::ge),
        comparison!(eq, "1 where a = b", f64::eq),
        comparison!(ne, "1 where a ≠ b", f64::ne),
    ]
}
