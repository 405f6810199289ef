//! Activations that are made of other operations, and dropout.

use etude_kernels::rng::Rng;

use super::elementwise::{sigmoid, softplus, unary};
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;

fn elu(x: f64, alpha: f64) -> f64 {
    if x > 0.0 { x } else { alpha * x.exp_m1() }
}

fn hardsigmoid(x: f64) -> f64 {
    if x < -3.0 {
        0.0
    } else if x > 3.0 {
        1.0
    } else {
        (x + 3.0) / 6.0
    }
}

/// Channels in axis 1, and one slope or one for each.
fn prelu_case(draw: &mut Draw<'_>) -> Case {
    let mut shape = draw.shape(3);
    if shape.len() > 1 {
        shape[1] = shape[1].max(1);
    }
    let channels = shape.get(if shape.len() > 1 { 1 } else { 0 }).copied().unwrap_or(1);
    let slopes = if draw.coin() { 1 } else { channels };
    Case::new(draw).input_in(&shape, -2.0, 2.0, &[0.0]).input_in(&[slopes], 0.1, 0.4, &[])
}

fn prelu_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    let axis = if x[0].shape.len() > 1 { 1 } else { 0 };
    let slope = |i: &[usize]| if x[1].data.len() == 1 { x[1].data[0] } else { x[1].data[i[axis]] };
    Array::from_fn(&x[0].shape, |i| {
        let v = x[0].at(i);
        if v > 0.0 { v } else { slope(i) * v }
    })
    .data
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        unary!(
            "relu6",
            "max(x, 0), 6 at most",
            (-2.0, 8.0, &[0.0, 6.0]),
            |x| x.relu6(),
            |x| if x > 6.0 { 6.0 } else { x.max(0.0) },
            0.0
        ),
        unary!(
            "hardtanh",
            "x within ±1",
            (-2.0, 2.0, &[-1.0, 1.0]),
            |x| x.hardtanh(-1.0, 1.0),
            |x| x.clamp(-1.0, 1.0),
            0.0
        ),
        unary!("hardsigmoid", "x/6 + ½ within 0 and 1", (-2.4, 4.0, &[3.0]), |x| x.hardsigmoid(), hardsigmoid, 8.0),
        unary!("hardswish", "x·hardsigmoid(x)", (-2.4, 4.0, &[3.0]), |x| x.hardswish(), |x| x * hardsigmoid(x), 8.0),
        unary!("mish", "x·tanh(softplus(x))", (-4.0, 4.0, &[]), |x| x.mish(), |x| x * softplus(x).tanh(), 8.0),
        unary!(
            "selu",
            "λ·elu(x; α)",
            (-2.0, 2.0, &[0.0]),
            |x| x.selu(),
            |x| 1.0507009873554805 * elu(x, 1.6732632423543772),
            40.0
        ),
        unary!(
            "celu",
            "x above 0, α(e^(x/α) − 1) below",
            (-2.0, 2.0, &[0.0]),
            |x| x.celu(0.7),
            |x| elu(x / 0.7, 1.0) * 0.7,
            40.0
        ),
        unary!("softsign", "x/(1 + |x|)", (-2.0, 2.0, &[0.0]), |x| x.softsign(), |x| x / (1.0 + x.abs()), 3.0),
        unary!("tanhshrink", "x − tanh x", (0.5, 4.0, &[]), |x| x.tanhshrink(), |x| x - x.tanh(), 32.0),
        unary!(
            "softshrink",
            "x less λ towards 0",
            (-2.0, 2.0, &[-0.5, 0.5]),
            |x| x.softshrink(0.5),
            |x| { if x.abs() > 0.5 { x - 0.5 * x.signum() } else { 0.0 } },
            1.0
        ),
        unary!(
            "hardshrink",
            "x where |x| > λ",
            (-2.0, 2.0, &[-0.5, 0.5]),
            |x| x.hardshrink(0.5),
            |x| { if x.abs() > 0.5 { x } else { 0.0 } },
            0.0
        ),
        entry!("prelu", "x above 0, slope·x below, slopes learnt", prelu_case, |case, x| x[0].prelu(&x[1]), prelu_reference, tolerance: Tolerance::Each(2.0)),
        entry!("glu", "a·σ(b) of the halves of an axis", |draw| {
            let (n, half, inner) = (draw.dim(4), draw.dim(3), draw.dim(3));
            Case::new(draw).input(&[n, 2 * half, inner])
        }, |case, x| x[0].glu(1), |_, x| {
            let s = &x[0].shape;
            let half = s[1] / 2;
            Array::from_fn(&[s[0], half, s[2]], |i| x[0].at(i) * sigmoid(x[0].at(&[i[0], i[1] + half, i[2]]))).data
        }, tolerance: Tolerance::Each(4.0)),
        entry!("softmin", "e⁻ˣ / Σ e⁻ˣ along an axis", |draw| {
            let (n, inner) = (draw.positive(5), draw.dim(4));
            Case::new(draw).input(&[n, inner])
        }, |case, x| x[0].softmin(0), |_, x| x[0].map_rows(0, |row| {
            let sum: f64 = row.iter().map(|v| (-v).exp()).sum();
            row.iter().map(|v| (-v).exp() / sum).collect()
        }), tolerance: Tolerance::Largest(16.0)),
        entry!("dropout", "0 with probability p, else x/(1 − p)", |draw| {
            let shape = draw.shape(3);
            Case::new(draw).input(&shape)
        }, |case, x| x[0].dropout(0.25, &mut Rng::new(case.seed)), |case, x| {
            // One uniform number an element, in order.
            let mut rng = Rng::new(case.seed);
            let mut uniforms = vec![0f32; x[0].data.len()];
            rng.fill_uniform(&mut uniforms);
            x[0].data.iter().zip(uniforms).map(|(x, u)| if u < 0.25 { 0.0 } else { x / 0.75 }).collect()
        }, tolerance: Tolerance::Each(2.0)),
    ]
}
