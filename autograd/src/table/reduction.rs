//! Reductions, softmax and its relatives.

use super::naive::sum_over;
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;

/// A shape of one to three axes and one of them.
fn with_axis(draw: &mut Draw<'_>) -> Case {
    let shape = draw.shape_of_rank(1, 3);
    let axis = draw.int(0, shape.len() - 1);
    Case::new(draw).input(&shape).int(axis)
}

/// The same with no empty axis.
fn with_filled_axis(draw: &mut Draw<'_>) -> Case {
    let mut case = with_axis(draw);
    let axis = case.ints[0];
    case.inputs[0].shape[axis] = case.inputs[0].shape[axis].max(1);
    case
}

/// The same with values apart, for operations that order them.
fn with_ordered_axis(draw: &mut Draw<'_>) -> Case {
    with_filled_axis(draw).keep_apart()
}

/// The same with values away from 0.
fn with_axis_off_zero(draw: &mut Draw<'_>) -> Case {
    let mut case = with_axis(draw);
    case.inputs[0].kinks = &[0.0];
    case
}

/// The same with no number within 0.05 of 0: the second derivative of a norm has terms as large as 1/‖x‖, which cancel in a row
/// of one.
fn with_axis_far_from_zero(draw: &mut Draw<'_>) -> Case {
    let mut case = with_axis(draw);
    // The first that is near moves a number, so that none is moved towards 0.
    case.inputs[0].kinks = &[0.0, 0.01, -0.01, 0.02, -0.02, 0.03, -0.03, 0.04, -0.04];
    case
}

/// A shape and a non-empty set of its axes, as a bit mask.
fn with_axes(draw: &mut Draw<'_>) -> Case {
    let shape = draw.shape_of_rank(1, 4);
    let bits = draw.int(1, (1 << shape.len()) - 1);
    Case::new(draw).input(&shape).int(bits)
}

fn axes(case: &Case) -> Vec<usize> {
    (0..case.inputs[0].shape.len()).filter(|i| case.ints[0] >> i & 1 == 1).collect()
}

fn count(case: &Case) -> f64 {
    axes(case).iter().map(|&a| case.inputs[0].shape[a] as f64).product()
}

fn variance(case: &Case, x: &[Array]) -> Vec<f64> {
    let (axes, n) = (axes(case), count(case));
    let squares = Array { data: x[0].map(|v| v * v), ..x[0].clone() };
    let mean: Vec<f64> = sum_over(&x[0], &axes).iter().map(|s| s / n).collect();
    sum_over(&squares, &axes).iter().zip(mean).map(|(s, m)| s / n - m * m).collect()
}

fn each_row(case: &Case, x: &[Array], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    x[0].rows(case.ints[0]).iter().map(|row| f(row)).collect()
}

fn logsumexp(row: &[f64]) -> f64 {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY { top } else { top + row.iter().map(|v| (v - top).exp()).sum::<f64>().ln() }
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(16.0);
    vec![
        entry!("sum_dims", "Σ x over axes", with_axes, |case, x| x[0].sum_dims(axes(case)), |case, x| sum_over(&x[0], &axes(case)), tolerance: loose),
        entry!("sum_keep", "Σ x over axes, kept as 1", with_axes, |case, x| x[0].sum_keep(axes(case)), |case, x| sum_over(&x[0], &axes(case)), tolerance: loose),
        entry!("sum", "Σ x", |draw| { let s = draw.shape(4); Case::new(draw).input(&s) }, |case, x| x[0].sum(), |_, x| vec![x[0].data.iter().sum()], tolerance: Tolerance::Largest(64.0)),
        entry!("mean_dims", "Σ x / n over axes", with_filled_axes, |case, x| x[0].mean_dims(axes(case)), |case, x| sum_over(&x[0], &axes(case)).iter().map(|s| s / count(case)).collect(), tolerance: loose),
        entry!("mean", "Σ x / n", |draw| { let s = draw.shape(3).iter().map(|&n| n.max(1)).collect::<Vec<_>>(); Case::new(draw).input(&s) }, |case, x| x[0].mean(), |_, x| vec![x[0].data.iter().sum::<f64>() / x[0].data.len() as f64], tolerance: Tolerance::Largest(64.0)),
        entry!("var_dims", "Σ (x − μ)² / n over axes", with_filled_axes, |case, x| x[0].var_dims(axes(case)), variance, tolerance: loose),
        entry!("max", "largest along an axis", with_ordered_axis, |case, x| x[0].max(case.ints[0]), |case, x| each_row(case, x, |row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max)), tolerance: Tolerance::Each(0.0)),
        entry!("min", "smallest along an axis", with_ordered_axis, |case, x| x[0].min(case.ints[0]), |case, x| each_row(case, x, |row| row.iter().copied().fold(f64::INFINITY, f64::min)), tolerance: Tolerance::Each(0.0)),
        entry!("max_keep", "largest along an axis, kept as 1", with_ordered_axis, |case, x| x[0].max_keep(case.ints[0]), |case, x| each_row(case, x, |row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max)), tolerance: Tolerance::Each(0.0)),
        entry!("norm_l2", "√Σx² along an axis", with_axis_far_from_zero, |case, x| x[0].norm_l2(case.ints[0]), |case, x| each_row(case, x, |row| row.iter().map(|v| v * v).sum::<f64>().sqrt()), tolerance: loose),
        entry!("mean_keep", "Σ x / n over axes, kept as 1", with_filled_axes, |case, x| x[0].mean_keep(axes(case)), |case, x| sum_over(&x[0], &axes(case)).iter().map(|s| s / count(case)).collect(), tolerance: loose),
        entry!("var_keep", "Σ (x − μ)² / n over axes, kept as 1", with_filled_axes, |case, x| x[0].var_keep(axes(case)), variance, tolerance: loose),
        entry!("std_dims", "√(Σ (x − μ)² / n) over axes", with_spread_axes, |case, x| x[0].std_dims(axes(case)), |case, x| variance(case, x).iter().map(|v| v.sqrt()).collect(), tolerance: Tolerance::Largest(64.0)),
        entry!("norm_l1", "Σ|x| along an axis", with_axis_off_zero, |case, x| x[0].norm_lp(1.0, case.ints[0]), |case, x| each_row(case, x, |row| row.iter().map(|v| v.abs()).sum()), tolerance: loose),
        entry!("norm_lp", "(Σ|x|ᵖ)^(1/p) along an axis, here p = 3", with_axis_off_zero, |case, x| x[0].norm_lp(3.0, case.ints[0]), |case, x| each_row(case, x, |row| row.iter().map(|v| v.abs().powi(3)).sum::<f64>().cbrt()), tolerance: Tolerance::Largest(64.0)),
        entry!("norm_max", "the largest |x| along an axis", |draw| {
            let mut case = with_ordered_axis(draw);
            (case.inputs[0].low, case.inputs[0].high) = (-4.0, -0.5);
            case
        }, |case, x| x[0].norm_lp(f64::INFINITY, case.ints[0]), |case, x| each_row(case, x, |row| row.iter().fold(0.0, |m: f64, v| m.max(v.abs()))), tolerance: Tolerance::Each(0.0)),
        entry!("prod", "Π x along an axis", with_axis, |case, x| x[0].prod(case.ints[0]), |case, x| each_row(case, x, |row| row.iter().product()), tolerance: Tolerance::Each(8.0)),
        entry!("prod_keep", "Π x along an axis, kept as 1", with_axis, |case, x| x[0].prod_keep(case.ints[0]), |case, x| each_row(case, x, |row| row.iter().product()), tolerance: Tolerance::Each(8.0)),
        entry!("cumprod", "running products along an axis", with_axis, |case, x| x[0].cumprod(case.ints[0]), |case, x| {
            x[0].map_rows(case.ints[0], |row| row.iter().scan(1.0, |product, v| { *product *= v; Some(*product) }).collect())
        }, tolerance: Tolerance::Each(8.0)),
        entry!("cumsum", "running sums along an axis", with_axis, |case, x| x[0].cumsum(case.ints[0]), |case, x| {
            x[0].map_rows(case.ints[0], |row| row.iter().scan(0.0, |sum, v| { *sum += v; Some(*sum) }).collect())
        }, tolerance: Tolerance::Largest(64.0)),
        entry!("logcumsumexp", "running ln Σ eˣ along an axis", with_axis, |case, x| x[0].logcumsumexp(case.ints[0]), |case, x| {
            x[0].map_rows(case.ints[0], |row| row.iter().scan(0.0, |sum, v| { *sum += v.exp(); Some(sum.ln()) }).collect())
        }, tolerance: Tolerance::Largest(64.0)),
        entry!("logsumexp", "ln Σ eˣ along an axis", with_filled_axis, |case, x| x[0].logsumexp(case.ints[0]), |case, x| each_row(case, x, logsumexp), tolerance: loose),
        entry!("softmax", "eˣ / Σ eˣ along an axis", with_filled_axis, |case, x| x[0].softmax(case.ints[0]), |case, x| {
            x[0].map_rows(case.ints[0], |row| row.iter().map(|v| (v - logsumexp(row)).exp()).collect())
        }, tolerance: loose),
        entry!("log_softmax", "x − ln Σ eˣ along an axis", with_filled_axis, |case, x| x[0].log_softmax(case.ints[0]), |case, x| {
            x[0].map_rows(case.ints[0], |row| row.iter().map(|v| v - logsumexp(row)).collect())
        }, tolerance: loose),
    ]
}

fn with_filled_axes(draw: &mut Draw<'_>) -> Case {
    let mut case = with_axes(draw);
    for n in &mut case.inputs[0].shape {
        *n = (*n).max(1);
    }
    case
}

/// Axes of more than one element, so that no group is constant.
fn with_spread_axes(draw: &mut Draw<'_>) -> Case {
    let mut case = with_filled_axes(draw);
    let axes = axes(&case);
    case.inputs[0].shape[axes[0]] += 1;
    case.keep_apart()
}
