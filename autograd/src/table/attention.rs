//! Attention beside its composite twin.

use super::naive::Array;
use super::{Case, Draw, Entry, Tolerance};
use crate::dtype::Float;
use crate::entry;
use crate::ops::attention::{self, Mask};
use crate::tensor::Tensor;

/// Bits of the second integer: which masks there are.
const PADDING: usize = 1;
const PAIRS: usize = 2;
const BIAS: usize = 4;

/// A mask: the future, some padding or all (whole sequences that nobody sees), some pairs, a bias for all or shared.
fn masked(draw: &mut Draw<'_>, case: Case, [batch, heads, queries, keys]: [usize; 4]) -> Case {
    let (causal, which) = (draw.int(0, 1), draw.int(0, 7));
    let mut case = case.int(causal).int(which);
    if which & PADDING > 0 {
        let all = draw.int(0, 3) == 3;
        let ids = draw.ids(&[batch, keys], 3);
        case.masks.push(Tensor::from_vec(ids.to_vec().iter().map(|&i| all || i == 0).collect(), [batch, keys]));
    }
    if which & PAIRS > 0 {
        let ids = draw.ids(&[queries, keys], 3);
        case.masks.push(ids.eq_scalar(0));
    }
    match (which & BIAS > 0, draw.coin()) {
        (false, _) => case,
        (true, true) => case.input(&[batch, heads, queries, keys]),
        (true, false) => case.input(&[heads, 1, keys]),
    }
}

/// What values there are.
#[derive(Clone, Copy, PartialEq)]
enum Values {
    None,
    /// As wide as the keys.
    Alike,
    /// Of any width.
    Other,
}

/// Queries and keys, `[batch, heads, tokens, size]`, and values if they are wanted.
fn apart_case(draw: &mut Draw<'_>, values: Values) -> Case {
    let (batch, heads) = (draw.dim(2), draw.int(1, 2));
    let (queries, keys, size) = (draw.dim(5), draw.dim(6), draw.positive(4));
    let width = if values == Values::Other { draw.positive(6) } else { size };
    let case = Case::new(draw).input(&[batch, heads, queries, size]).input(&[batch, heads, keys, size]);
    let case = if values == Values::None { case } else { case.input(&[batch, heads, keys, width]) };
    masked(draw, case, [batch, heads, queries, keys])
}

fn joint_case(draw: &mut Draw<'_>) -> Case {
    let (batch, heads) = (draw.dim(2), draw.int(1, 2));
    let (tokens, size) = (draw.dim(5), draw.positive(4));
    let case = Case::new(draw).input(&[batch, tokens, 3, heads, size]);
    masked(draw, case, [batch, heads, tokens, tokens])
}

/// The masks of a case, if they are there: padding, pairs.
fn masks(case: &Case) -> [Option<&Tensor<bool>>; 2] {
    let has = |bit| case.ints[1] & bit > 0;
    let padding = has(PADDING).then(|| &case.masks[0]);
    [padding, has(PAIRS).then(|| &case.masks[usize::from(padding.is_some())])]
}

/// The last input is the bias, if there is one.
fn mask<'a, T: Float>(case: &'a Case, x: &'a [Tensor<T>]) -> Mask<'a, T> {
    let [padding, pairs] = masks(case);
    let bias = x.last().filter(|_| case.ints[1] & BIAS > 0);
    Mask { causal: case.ints[0] == 1, padding, pairs, bias }
}

/// What is added to the score of query i and key j of head h of sequence b; none if the query does not see the key.
fn score<'a>(case: &'a Case, x: &'a [Array], [queries, keys]: [usize; 2]) -> impl Fn([usize; 4]) -> Option<f64> + 'a {
    let [padding, pairs] = masks(case).map(|mask| mask.map(Tensor::to_vec));
    let bias = x.last().filter(|_| case.ints[1] & BIAS > 0);
    move |[b, h, i, j]| {
        let future = case.ints[0] == 1 && j + queries > i + keys;
        let hidden = padding.as_ref().is_some_and(|padding| padding[b * keys + j]);
        let apart = pairs.as_ref().is_some_and(|pairs| pairs[i * keys + j]);
        let added = |bias: &Array| if bias.shape.len() == 4 { bias.at(&[b, h, i, j]) } else { bias.at(&[h, 0, j]) };
        (!future && !hidden && !apart).then(|| bias.map_or(0.0, added))
    }
}

/// softmax(q·kᵀ/√size + bias) of one query over the keys that it sees, zeros elsewhere.
fn weights(score: impl Fn([usize; 4]) -> Option<f64>, q: &Array, k: &Array, [b, h, i]: [usize; 3]) -> Vec<f64> {
    let (keys, size) = (k.shape[2], q.shape[3]);
    let dot = |j: usize| (0..size).map(|c| q.at(&[b, h, i, c]) * k.at(&[b, h, j, c])).sum::<f64>();
    let weight = |j: usize| score([b, h, i, j]).map_or(0.0, |added| (dot(j) / (size as f64).sqrt() + added).exp());
    let scores: Vec<f64> = (0..keys).map(weight).collect();
    let sum: f64 = scores.iter().sum();
    scores.iter().map(|&x| if x == 0.0 { 0.0 } else { x / sum }).collect()
}

fn attend(score: impl Fn([usize; 4]) -> Option<f64>, q: &Array, k: &Array, v: &Array) -> Array {
    let (rows, size) = (q.shape[..3].to_vec(), v.shape[3]);
    let mut out = Array::from_fn(&[&rows[..], &[size]].concat(), |_| 0.0);
    for (row, index) in super::naive::indices(&rows).into_iter().enumerate() {
        let [b, h, i] = [index[0], index[1], index[2]];
        for (j, w) in weights(&score, q, k, [b, h, i]).into_iter().enumerate() {
            (0..size).for_each(|c| out.data[row * size + c] += w * v.at(&[b, h, j, c]));
        }
    }
    out
}

fn joint_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let s = &x[0].shape;
    let part = |n: usize| Array::from_fn(&[s[0], s[3], s[1], s[4]], |i| x[0].at(&[i[0], i[2], n, i[1], i[3]]));
    let out = attend(score(case, x, [s[1]; 2]), &part(0), &part(1), &part(2));
    Array::from_fn(&[s[0], s[1], s[3], s[4]], |i| out.at(&[i[0], i[2], i[1], i[3]])).data
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("scaled_dot_product_attention", "softmax(q·kᵀ/√size + bias)·v of every head", |draw| apart_case(draw, Values::Alike),
            |case, x| x[0].scaled_dot_product_attention(&x[1], &x[2], mask(case, x), None),
            |case, x| attend(score(case, x, [x[0].shape[2], x[1].shape[2]]), &x[0], &x[1], &x[2]).data;
            composite: |case, x| attention::attention_composite(&x[0], &x[1], &x[2], mask(case, x), attention::usual(x[0].dim(3))),
            tolerance: loose, propagates_nan: false),
        entry!("scaled_dot_product_attention_width", "the same with values of another width", |draw| apart_case(draw, Values::Other),
            |case, x| x[0].scaled_dot_product_attention(&x[1], &x[2], mask(case, x), None),
            |case, x| attend(score(case, x, [x[0].shape[2], x[1].shape[2]]), &x[0], &x[1], &x[2]).data;
            composite: |case, x| attention::attention_composite(&x[0], &x[1], &x[2], mask(case, x), attention::usual(x[0].dim(3))),
            tolerance: loose, propagates_nan: false),
        entry!("self_attention", "softmax(q·kᵀ/√size + bias)·v of queries, keys and values side by side", joint_case,
            |case, x| x[0].self_attention(mask(case, x), None), joint_reference;
            composite: |case, x| attention::self_attention_composite(&x[0], mask(case, x), attention::usual(x[0].dim(4))),
            tolerance: loose, propagates_nan: false),
        entry!("attention_weights", "softmax(q·kᵀ/√size + bias) of every head", |draw| apart_case(draw, Values::None),
            |case, x| x[0].attention_weights(&x[1], mask(case, x), None), |case, x| {
            let rows = super::naive::indices(&x[0].shape[..3]);
            let score = score(case, x, [x[0].shape[2], x[1].shape[2]]);
            rows.into_iter().flat_map(|i| weights(&score, &x[0], &x[1], [i[0], i[1], i[2]])).collect()
        }, tolerance: loose, propagates_nan: false),
    ]
}
