//! Sums of products over labelled axes, triangles and diagonals, and normalised weights.

use super::naive::{Array, indices};
use super::{Case, Draw, Entry, Tolerance};
use crate::dtype::Float;
use crate::entry;
use crate::tensor::Tensor;

/// Products, outer products, traces, sums, three operands, labels that are batches.
const SPECS: [&str; 10] = [
    "ij,jk->ik",
    "bij,bkj->bik",
    "i,j->ji",
    "ii->i",
    "ij->",
    "bij,jk,bk->ib",
    "iij,j->i",
    "ab,cb,ca->",
    "i->i",
    "bhi,bhi,h->b",
];

fn einsum_case(draw: &mut Draw<'_>) -> Case {
    let which = draw.int(0, SPECS.len() - 1);
    let (operands, _) = SPECS[which].split_once("->").expect("every one has an arrow");
    let mut dims = std::collections::BTreeMap::new();
    operands.chars().filter(char::is_ascii_alphabetic).for_each(|label| {
        dims.entry(label).or_insert_with(|| draw.dim(3));
    });
    let shape = |labels: &str| labels.chars().map(|label| dims[&label]).collect::<Vec<_>>();
    operands.split(',').fold(Case::new(draw), |case, labels| case.input(&shape(labels))).int(which)
}

/// All labels take all values; each product lands where the result's labels say.
fn einsum_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let (operands, output) = SPECS[case.ints[0]].split_once("->").expect("every one has an arrow");
    let operands: Vec<&str> = operands.split(',').collect();
    let mut dims = std::collections::BTreeMap::new();
    for (labels, x) in operands.iter().zip(x) {
        dims.extend(labels.chars().zip(x.shape.iter().copied()));
    }
    let labels: Vec<char> = dims.keys().copied().collect();
    let lengths: Vec<usize> = dims.values().copied().collect();
    let of = |index: &[usize], text: &str| {
        text.chars().map(|l| index[labels.iter().position(|&m| m == l).expect("known")]).collect::<Vec<_>>()
    };
    let shape: Vec<usize> = output.chars().map(|label| dims[&label]).collect();
    let mut out = Array::from_fn(&shape, |_| 0.0);
    for index in indices(&lengths) {
        let at = of(&index, output).iter().zip(&shape).fold(0, |at, (i, n)| at * n + i);
        out.data[at] += operands.iter().zip(x).map(|(text, x)| x.at(&of(&index, text))).product::<f64>();
    }
    out.data
}

fn matrices(draw: &mut Draw<'_>) -> Case {
    let shape = draw.shape_of_rank(2, 3);
    let diagonal = draw.int(0, 6);
    Case::new(draw).input(&shape).int(diagonal)
}

/// From −3 to 3.
fn diagonal(case: &Case) -> i64 {
    case.ints[0] as i64 - 3
}

fn triangle(case: &Case, x: &Array, keeps: impl Fn(i64) -> bool) -> Vec<f64> {
    assert!(case.ints[0] <= 6);
    let rank = x.shape.len();
    Array::from_fn(&x.shape, |i| if keeps(i[rank - 1] as i64 - i[rank - 2] as i64) { x.at(i) } else { 0.0 }).data
}

/// 1, 1/2, 1/3, …
fn falling<T: Float>(n: usize) -> Tensor<T> {
    Tensor::arange(n).to_float::<T>().affine(1.0, 1.0).recip()
}

pub(super) fn entries() -> Vec<Entry> {
    let exact = Tolerance::Each(0.0);
    vec![
        entry!("einsum", "Σ of products over labelled axes", einsum_case, |case, x| {
            Tensor::einsum(SPECS[case.ints[0]], &x.iter().collect::<Vec<_>>())
        }, einsum_reference, tolerance: Tolerance::Largest(128.0), propagates_nan: false),
        entry!("tril", "elements (i, j) with j ≤ i + k", matrices, |case, x| x[0].tril(diagonal(case)),
            |case, x| triangle(case, &x[0], |above| above <= diagonal(case)), tolerance: exact, propagates_nan: false),
        entry!("triu", "elements (i, j) with j ≥ i + k", matrices, |case, x| x[0].triu(diagonal(case)),
            |case, x| triangle(case, &x[0], |above| above >= diagonal(case)), tolerance: exact, propagates_nan: false),
        entry!("weight_norm", "g·v/‖v‖ of every row", |draw| {
            let (rows, a, b) = (draw.dim(4), draw.positive(3), draw.positive(2));
            Case::new(draw).input_in(&[rows, a, b], 0.2, 2.0, &[]).input_in(&[rows], -2.0, 2.0, &[])
        }, |case, x| x[0].weight_norm(&x[1]), |_, x| {
            let rows = x[0].shape[0];
            let width = x[0].data.len() / rows.max(1);
            let row = |i: usize| {
                let v = &x[0].data[i * width..][..width];
                let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                v.iter().map(|v| x[1].data[i] * v / norm).collect::<Vec<_>>()
            };
            (0..rows).flat_map(row).collect()
        }, tolerance: Tolerance::Largest(16.0)),
        entry!("spectral_norm", "W/(uᵀ·W·v)", |draw| {
            let (rows, a, b) = (draw.positive(4), draw.positive(3), draw.int(1, 2));
            Case::new(draw).input_in(&[rows, a, b], 0.2, 2.0, &[])
        }, |case, x| {
            let (rows, cols) = (x[0].dim(0), x[0].dim(1) * x[0].dim(2));
            x[0].spectral_norm(&falling(rows), &falling(cols))
        }, |_, x| {
            let (rows, cols) = (x[0].shape[0], x[0].shape[1] * x[0].shape[2]);
            let weight = |at: usize| 1.0 / ((at / cols + 1) * (at % cols + 1)) as f64;
            let sigma: f64 = (0..rows * cols).map(|at| x[0].data[at] * weight(at)).sum();
            x[0].map(|w| w / sigma)
        }, tolerance: Tolerance::Largest(64.0)),
        entry!("diagonal", "elements with equal indices in two axes", |draw| {
            let shape = draw.shape_of_rank(3, 3);
            Case::new(draw).input(&shape)
        }, |case, x| x[0].diagonal(2, 0), |_, x| {
            let s = &x[0].shape;
            Array::from_fn(&[s[1], s[0].min(s[2])], |i| x[0].at(&[i[1], i[0], i[1]])).data
        }, tolerance: exact, propagates_nan: false),
    ]
}
