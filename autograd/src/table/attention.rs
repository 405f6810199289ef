//! Attention beside its composite twin.

use super::naive::Array;
use super::{Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::attention::{self, Mask};
use crate::tensor::Tensor;

/// A mask with some padding in it, perhaps all: whole sequences that nobody sees.
fn masked(draw: &mut Draw<'_>, case: Case, batch: usize, keys: usize) -> Case {
    let mut case = case.int(draw.int(0, 1));
    if !draw.coin() {
        return case;
    }
    let all = draw.int(0, 3) == 3;
    let ids = draw.ids(&[batch, keys], 3);
    case.masks.push(Tensor::from_vec(ids.to_vec().iter().map(|&i| all || i == 0).collect(), [batch, keys]));
    case
}

fn apart_case(draw: &mut Draw<'_>) -> Case {
    let (batch, heads) = (draw.dim(2), draw.int(1, 2));
    let (queries, keys, size) = (draw.dim(5), draw.dim(6), draw.positive(4));
    let case = Case::new(draw).input(&[batch, heads, queries, size]).input(&[batch, heads, keys, size]);
    masked(draw, case.input(&[batch, heads, keys, size]), batch, keys)
}

fn joint_case(draw: &mut Draw<'_>) -> Case {
    let (batch, heads) = (draw.dim(2), draw.int(1, 2));
    let (tokens, size) = (draw.dim(5), draw.positive(4));
    let case = Case::new(draw).input(&[batch, tokens, 3, heads, size]);
    masked(draw, case, batch, tokens)
}

fn mask(case: &Case) -> Mask<'_> {
    Mask { causal: case.ints[0] == 1, padding: case.masks.first() }
}

/// softmax(q·kᵀ/√size) of one query over the keys that it sees, zeros elsewhere.
fn weights(case: &Case, q: &Array, k: &Array, [b, h, i]: [usize; 3]) -> Vec<f64> {
    let (queries, keys, size) = (q.shape[2], k.shape[2], q.shape[3]);
    let padding = case.masks.first().map(|mask| mask.to_vec());
    let sees = |j: usize| {
        let future = case.ints[0] == 1 && j + queries > i + keys;
        !future && !padding.as_ref().is_some_and(|padding| padding[b * keys + j])
    };
    let dot = |j: usize| (0..size).map(|c| q.at(&[b, h, i, c]) * k.at(&[b, h, j, c])).sum::<f64>();
    let scores: Vec<f64> =
        (0..keys).map(|j| if sees(j) { (dot(j) / (size as f64).sqrt()).exp() } else { 0.0 }).collect();
    let sum: f64 = scores.iter().sum();
    scores.iter().map(|&x| if x == 0.0 { 0.0 } else { x / sum }).collect()
}

fn attend(case: &Case, q: &Array, k: &Array, v: &Array) -> Array {
    let mut out = Array::from_fn(&q.shape, |_| 0.0);
    let (rows, size) = (q.shape[..3].to_vec(), q.shape[3]);
    for (row, index) in super::naive::indices(&rows).into_iter().enumerate() {
        let [b, h, i] = [index[0], index[1], index[2]];
        for (j, w) in weights(case, q, k, [b, h, i]).into_iter().enumerate() {
            (0..size).for_each(|c| out.data[row * size + c] += w * v.at(&[b, h, j, c]));
        }
    }
    out
}

fn joint_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let s = &x[0].shape;
    let part = |n: usize| Array::from_fn(&[s[0], s[3], s[1], s[4]], |i| x[0].at(&[i[0], i[2], n, i[1], i[3]]));
    let out = attend(case, &part(0), &part(1), &part(2));
    Array::from_fn(&[s[0], s[1], s[3], s[4]], |i| out.at(&[i[0], i[2], i[1], i[3]])).data
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("scaled_dot_product_attention", "softmax(q·kᵀ/√size)·v of every head", apart_case,
            |case, x| x[0].scaled_dot_product_attention(&x[1], &x[2], mask(case), None),
            |case, x| attend(case, &x[0], &x[1], &x[2]).data;
            composite: |case, x| attention::attention_composite(&x[0], &x[1], &x[2], mask(case), attention::usual(x[0].dim(3))),
            tolerance: loose, propagates_nan: false),
        entry!("self_attention", "softmax(q·kᵀ/√size)·v of queries, keys and values side by side", joint_case,
            |case, x| x[0].self_attention(mask(case), None), joint_reference;
            composite: |case, x| attention::self_attention_composite(&x[0], mask(case), attention::usual(x[0].dim(4))),
            tolerance: loose, propagates_nan: false),
        entry!("attention_weights", "softmax(q·kᵀ/√size) of every head", |draw| {
            let mut case = apart_case(draw);
            case.inputs.pop();
            case
        }, |case, x| x[0].attention_weights(&x[1], mask(case), None), |case, x| {
            let rows = super::naive::indices(&x[0].shape[..3]);
            rows.into_iter().flat_map(|i| weights(case, &x[0], &x[1], [i[0], i[1], i[2]])).collect()
        }, tolerance: loose, propagates_nan: false),
    ]
}
