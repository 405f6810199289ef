//! Adaptive pooling in one, two and three dimensions, against one definition for any number of axes.

use super::naive::indices;
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;

/// A tensor with `N` axes behind batch and channels, and another size of these.
fn resized<const N: usize>(draw: &mut Draw<'_>) -> Case {
    let mut shape = vec![draw.dim(2), draw.int(1, 2)];
    shape.extend((0..N).map(|_| draw.positive(if N == 3 { 2 } else { 4 })));
    let size: Vec<usize> = (0..N).map(|_| draw.int(1, if N == 3 { 3 } else { 6 })).collect();
    size.into_iter().fold(Case::new(draw).input(&shape), Case::int)
}

/// The same for operations that order their inputs.
fn apart<const N: usize>(draw: &mut Draw<'_>) -> Case {
    resized::<N>(draw).keep_apart()
}

fn size<const N: usize>(case: &Case) -> [usize; N] {
    std::array::from_fn(|axis| case.ints[axis])
}

/// `fold` of the elements of each window: along each axis all that touch the stretch from i/size to (i + 1)/size.
fn windows(case: &Case, x: &Array, fold: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let (extent, size) = (&x.shape[2..], &case.ints[..]);
    let touches = |at: &[usize], place: &[usize]| {
        let along = |i: usize| {
            let (from, to) = (at[2 + i] * extent[i], (at[2 + i] + 1) * extent[i]);
            (place[i] + 1) * size[i] > from && place[i] * size[i] < to
        };
        (0..size.len()).all(along)
    };
    Array::from_fn(&[&x.shape[..2], size].concat(), |at| {
        let inside = indices(extent).into_iter().filter(|place| touches(at, place));
        fold(&inside.map(|place| x.at(&[&at[..2], &place].concat())).collect::<Vec<_>>())
    })
    .data
}

fn means(case: &Case, x: &[Array]) -> Vec<f64> {
    windows(case, &x[0], |w| w.iter().sum::<f64>() / w.len() as f64)
}

fn maxima(case: &Case, x: &[Array]) -> Vec<f64> {
    windows(case, &x[0], |w| w.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

pub(super) fn entries() -> Vec<Entry> {
    let (exact, loose) = (Tolerance::Each(0.0), Tolerance::Largest(32.0));
    vec![
        entry!("adaptive_avg_pool1d", "means of windows that cover a sequence", resized::<1>,
            |case, x| x[0].adaptive_avg_pool1d(case.ints[0]), means, tolerance: loose),
        entry!("adaptive_avg_pool2d", "means of windows that cover an image", resized::<2>,
            |case, x| x[0].adaptive_avg_pool2d(size(case)), means, tolerance: loose),
        entry!("adaptive_avg_pool3d", "means of windows that cover a volume", resized::<3>,
            |case, x| x[0].adaptive_avg_pool3d(size(case)), means, tolerance: loose),
        entry!("adaptive_max_pool1d", "largest of windows that cover a sequence", apart::<1>,
            |case, x| x[0].adaptive_max_pool1d(case.ints[0]), maxima, tolerance: exact),
        entry!("adaptive_max_pool2d", "largest of windows that cover an image", apart::<2>,
            |case, x| x[0].adaptive_max_pool2d(size(case)), maxima, tolerance: exact),
        entry!("adaptive_max_pool3d", "largest of windows that cover a volume", apart::<3>,
            |case, x| x[0].adaptive_max_pool3d(size(case)), maxima, tolerance: exact),
    ]
}
