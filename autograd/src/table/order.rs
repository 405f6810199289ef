//! Operations that order their elements; their values have no ties.

use super::naive::Array;
use super::{Case, Draw, Entry, Tolerance};
use crate::entry;

/// Values apart, an axis that is not empty, and whether the order descends.
fn case(draw: &mut Draw<'_>) -> Case {
    let mut shape = draw.shape_of_rank(1, 3);
    let axis = draw.int(0, shape.len() - 1);
    shape[axis] = shape[axis].max(1);
    let descends = draw.int(0, 1);
    Case::new(draw).input(&shape).keep_apart().int(axis).int(descends)
}

/// Positions of a row in its order.
fn order(row: &[f64], descends: bool) -> Vec<usize> {
    // The rank of an element is the number of those that stand before it.
    let before = |a: f64, b: f64| if descends { a > b } else { a < b };
    let mut places = vec![0; row.len()];
    for (i, &x) in row.iter().enumerate() {
        places[row.iter().filter(|&&other| before(other, x)).count()] = i;
    }
    places
}

/// The first `k` of each row along the axis in their order, as values and as places.
fn taken(case: &Case, x: &Array, k: usize, descends: bool, f: impl Fn(&[f64], usize) -> f64) -> Vec<f64> {
    let axis = case.ints[0];
    let mut shape = x.shape.clone();
    shape[axis] = k;
    let sorted = Array {
        shape: x.shape.clone(),
        data: x.map_rows(axis, |row| order(row, descends).into_iter().map(|i| f(row, i)).collect()),
    };
    Array::from_fn(&shape, |index| sorted.at(index)).data
}

fn value(row: &[f64], i: usize) -> f64 {
    row[i]
}

fn place(_: &[f64], i: usize) -> f64 {
    i as f64
}

pub(super) fn entries() -> Vec<Entry> {
    let exact = Tolerance::Each(0.0);
    vec![
        entry!("sort", "the elements of an axis in order", case, |case, x| x[0].sort(case.ints[0], case.ints[1] == 1).0, |case, x| {
            taken(case, &x[0], x[0].shape[case.ints[0]], case.ints[1] == 1, value)
        }, tolerance: exact),
        entry!("topk", "the k largest elements of an axis, here half of them", case, |case, x| {
            x[0].topk(x[0].dim(case.ints[0]).div_ceil(2), case.ints[0]).0
        }, |case, x| taken(case, &x[0], x[0].shape[case.ints[0]].div_ceil(2), true, value), tolerance: exact),
        entry!("argsort", "where the elements of an axis stand in their order", case, |case, x| {
            x[0].argsort(case.ints[0], case.ints[1] == 1).to_float::<T>()
        }, |case, x| taken(case, &x[0], x[0].shape[case.ints[0]], case.ints[1] == 1, place),
            tolerance: exact, propagates_nan: false, differentiable: false),
        entry!("argmax", "where the largest element of an axis is", case, |case, x| x[0].argmax(case.ints[0]).to_float::<T>(),
            |case, x| taken(case, &x[0], 1, true, place), tolerance: exact, propagates_nan: false, differentiable: false),
        entry!("argmin", "where the smallest element of an axis is", case, |case, x| x[0].argmin(case.ints[0]).to_float::<T>(),
            |case, x| taken(case, &x[0], 1, false, place), tolerance: exact, propagates_nan: false, differentiable: false),
    ]
}
