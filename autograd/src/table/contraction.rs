//! Sums of products over labelled axes, triangles and diagonals.

use super::naive::{Array, indices};
use super::{Case, Draw, Entry, Tolerance};
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
        entry!("diagonal", "elements with equal indices in two axes", |draw| {
            let shape = draw.shape_of_rank(3, 3);
            Case::new(draw).input(&shape)
        }, |case, x| x[0].diagonal(2, 0), |_, x| {
            let s = &x[0].shape;
            Array::from_fn(&[s[1], s[0].min(s[2])], |i| x[0].at(&[i[1], i[0], i[1]])).data
        }, tolerance: exact, propagates_nan: false),
    ]
}
