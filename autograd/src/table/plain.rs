//! Operations on indices and masks: no derivative, exact.

use super::elementwise::pair;
use super::naive::{indices, zip};
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::tensor::Tensor;

/// An entry without differentiable inputs.
macro_rules! plain {
    ($name:literal, $formula:literal, $sample:expr, |$case:ident| $apply:expr, $reference:expr) => {
        entry!($name, $formula, $sample, |$case, x| $apply.to_float::<T>(), $reference,
            tolerance: Tolerance::Each(0.0), propagates_nan: false, differentiable: false)
    };
}

fn array(ids: &Tensor<i64>) -> Array {
    Array { shape: ids.shape().to_vec(), data: ids.to_vec().into_iter().map(|i| i as f64).collect() }
}

/// Two masks that broadcast, as zeros and ones.
fn masks(draw: &mut Draw<'_>) -> Case {
    let (a, b) = pair(draw);
    let (a, b) = (draw.ids(&a, 2), draw.ids(&b, 2));
    Case::new(draw).with_ids(a).with_ids(b)
}

fn mask(case: &Case, i: usize) -> Tensor<bool> {
    case.ids[i].eq_scalar(1)
}

fn of_masks(case: &Case, f: impl Fn(bool, bool) -> bool) -> Vec<f64> {
    zip(&array(&case.ids[0]), &array(&case.ids[1]), |a, b| f64::from(u8::from(f(a == 1.0, b == 1.0))))
}

/// A table of numbers, and rows of it.
fn rows(draw: &mut Draw<'_>) -> Case {
    let (n, width, count) = (draw.positive(4), draw.dim(3), draw.dim(5));
    let (table, ids) = (draw.ids(&[n, width], 9), draw.ids(&[count], n));
    Case::new(draw).with_ids(table).with_ids(ids)
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        plain!("and", "where both masks hold", masks, |case| mask(case, 0).and(&mask(case, 1)), |case, _| of_masks(
            case,
            |a, b| a && b
        )),
        plain!("or", "where either mask holds", masks, |case| mask(case, 0).or(&mask(case, 1)), |case, _| of_masks(
            case,
            |a, b| a || b
        )),
        plain!("not", "where the mask does not hold", masks, |case| mask(case, 0).not(), |case, _| {
            array(&case.ids[0]).data.iter().map(|v| 1.0 - v).collect()
        }),
        plain!("to_float", "whole numbers as floats", masks, |case| case.ids[1], |case, _| array(&case.ids[1]).data),
        plain!("take_rows", "rows of whole numbers", rows, |case| case.ids[0].take_rows(&case.ids[1]), |case, _| {
            let (table, width) = (array(&case.ids[0]), case.ids[0].dim(1));
            let row = |&i: &i64| table.data[i as usize * width..][..width].to_vec();
            case.ids[1].to_vec().iter().flat_map(row).collect()
        }),
        plain!(
            "concat_ids",
            "whole numbers one after another",
            |draw| {
                let (n, a, b) = (draw.dim(3), draw.dim(3), draw.dim(3));
                let (a, b) = (draw.ids(&[n, a], 9), draw.ids(&[n, b], 9));
                Case::new(draw).with_ids(a).with_ids(b)
            },
            |case| Tensor::concat_ids(&[&case.ids[0], &case.ids[1]], 1),
            |case, _| {
                let (a, b) = (array(&case.ids[0]), array(&case.ids[1]));
                let at = |i: &Vec<usize>| if i[1] < a.shape[1] { a.at(i) } else { b.at(&[i[0], i[1] - a.shape[1]]) };
                indices(&[a.shape[0], a.shape[1] + b.shape[1]]).iter().map(at).collect()
            }
        ),
    ]
}
