//! Fused operations, each beside its composite twin.

use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::{loss, norm};

fn layer_norm_case(draw: &mut Draw<'_>) -> Case {
    let (rows, n) = (draw.dim(4), draw.positive(6) + 2);
    let case = Case::new(draw).input(&[rows, n]);
    match draw.int(0, 2) {
        0 => case,
        1 => case.input(&[n]),
        _ => case.input(&[n]).input(&[n]),
    }
}

fn layer_norm_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    let scale = |j: usize| x.get(1).map_or(1.0, |w| w.data[j]);
    let shift = |j: usize| x.get(2).map_or(0.0, |b| b.data[j]);
    x[0].map_rows(1, |row| {
        let (mean, var) = moments(row);
        row.iter().enumerate().map(|(j, v)| (v - mean) / (var + 0.1).sqrt() * scale(j) + shift(j)).collect()
    })
}

fn rms_norm_case(draw: &mut Draw<'_>) -> Case {
    let (rows, n) = (draw.dim(4), draw.positive(6) + 1);
    let case = Case::new(draw).input(&[rows, n]);
    if draw.coin() { case.input(&[n]) } else { case }
}

fn rms_norm_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    x[0].map_rows(1, |row| {
        let square = row.iter().map(|v| v * v).sum::<f64>() / row.len() as f64;
        let weight = |j: usize| x.get(1).map_or(1.0, |w| w.data[j]);
        row.iter().enumerate().map(|(j, v)| v / (square + 0.1).sqrt() * weight(j)).collect()
    })
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n)
}

fn batch_norm_case(draw: &mut Draw<'_>) -> Case {
    let (n, c) = (draw.positive(4) + 1, draw.dim(3));
    let shape = if draw.coin() { vec![n, c, draw.positive(3), 2] } else { vec![n, c] };
    let case = Case::new(draw).input(&shape);
    match draw.int(0, 2) {
        0 => case,
        1 => case.input(&[c]),
        _ => case.input(&[c]).input(&[c]),
    }
}

fn batch_norm_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    let all = super::naive::indices(&x[0].shape);
    Array::from_fn(&x[0].shape, |i| {
        let channel: Vec<f64> = all.iter().filter(|j| j[1] == i[1]).map(|j| x[0].at(j)).collect();
        let (mean, var) = moments(&channel);
        let scale = x.get(1).map_or(1.0, |w| w.data[i[1]]);
        let shift = x.get(2).map_or(0.0, |b| b.data[i[1]]);
        (x[0].at(i) - mean) / (var + 0.1).sqrt() * scale + shift
    })
    .data
}

fn cross_entropy_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let targets = case.ids[0].to_vec();
    let loss = |(row, &t): (Vec<f64>, &i64)| row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[t as usize];
    x[0].rows(1).into_iter().zip(&targets).map(loss).collect()
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("layer_norm", "(x − μ)/√(σ² + ε)·w + b over the last axis", layer_norm_case,
            |case, x| x[0].layer_norm(x.get(1), x.get(2), 0.1), layer_norm_reference;
            composite: |case, x| norm::layer_norm_composite(&x[0], x.get(1), x.get(2), 0.1), tolerance: loose),
        entry!("rms_norm", "x/√(mean x² + ε)·w over the last axis", rms_norm_case,
            |case, x| x[0].rms_norm(x.get(1), 0.1), rms_norm_reference;
            composite: |case, x| norm::rms_norm_composite(&x[0], x.get(1), 0.1), tolerance: loose),
        entry!("batch_norm", "(x − μ)/√(σ² + ε)·w + b for every channel", batch_norm_case,
            |case, x| x[0].batch_norm(x.get(1), x.get(2), 0.1).0, batch_norm_reference;
            composite: |case, x| norm::batch_norm_composite(&x[0], x.get(1), x.get(2), 0.1), tolerance: loose),
        entry!("cross_entropy_each", "−ln softmax(x)[target]", |draw| {
            let (n, classes) = (draw.dim(5), draw.positive(5));
            let ids = draw.ids(&[n], classes);
            Case::new(draw).input(&[n, classes]).with_ids(ids)
        }, |case, x| x[0].cross_entropy_each(&case.ids[0]), cross_entropy_reference;
            composite: |case, x| loss::cross_entropy_composite(&x[0], &case.ids[0]), tolerance: loose),
        entry!("cross_entropy", "−ln softmax(x)[target], mean", |draw| {
            let (n, classes) = (draw.positive(5), draw.positive(5));
            let ids = draw.ids(&[n], classes);
            Case::new(draw).input(&[n, classes]).with_ids(ids)
        }, |case, x| x[0].cross_entropy(&case.ids[0]), |case, x| {
            let each = cross_entropy_reference(case, x);
            vec![each.iter().sum::<f64>() / each.len() as f64]
        }; composite: |case, x| loss::cross_entropy_composite(&x[0], &case.ids[0]).mean(), tolerance: loose),
    ]
}
