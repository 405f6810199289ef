//! Pooling in one, two and three dimensions, against one definition for any number of axes.

use super::naive::indices;
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::pool::Pool2dArgs;
use crate::ops::pool1d::Pool1dArgs;
use crate::ops::pool3d::Pool3dArgs;

/// An input of `N` axes behind batch and channels; for each axis kernel, stride and padding; whether a window may reach
/// beyond the end, and whether the padding counts.
fn case<const N: usize>(draw: &mut Draw<'_>) -> Case {
    let mut axes = [[0; 3]; N];
    let mut shape = vec![draw.dim(2), draw.int(1, 2)];
    for axis in &mut axes {
        let (kernel, stride) = (draw.int(1, 3), draw.int(1, 3));
        *axis = [kernel, stride, draw.int(0, kernel / 2)];
        // From the shortest axis on that a window fits.
        let shortest = kernel.saturating_sub(2 * axis[2]).max(1);
        shape.push(shortest - 1 + draw.positive(if N == 3 { 3 } else { 6 }));
    }
    let case = axes.as_flattened().iter().fold(Case::new(draw).input(&shape), |case, &n| case.int(n));
    case.int(draw.int(0, 1)).int(draw.int(0, 1))
}

/// Kernels, strides or paddings.
fn each<const N: usize>(case: &Case, which: usize) -> [usize; N] {
    std::array::from_fn(|axis| case.ints[3 * axis + which])
}

/// `ceil_mode` or `count_include_pad`.
fn flag<const N: usize>(case: &Case, which: usize) -> bool {
    case.ints[3 * N + which] == 1
}

fn args1(case: &Case) -> Pool1dArgs {
    let [[kernel], [stride], [padding]] = [0, 1, 2].map(|which| each::<1>(case, which));
    Pool1dArgs { kernel, stride, padding, ceil_mode: flag::<1>(case, 0), count_include_pad: flag::<1>(case, 1) }
}

fn args2(case: &Case) -> Pool2dArgs {
    let [kernel, stride, padding] = [0, 1, 2].map(|which| each::<2>(case, which));
    Pool2dArgs { kernel, stride, padding, ceil_mode: flag::<2>(case, 0), count_include_pad: flag::<2>(case, 1) }
}

fn args3(case: &Case) -> Pool3dArgs {
    let [kernel, stride, padding] = [0, 1, 2].map(|which| each::<3>(case, which));
    Pool3dArgs { kernel, stride, padding, ceil_mode: flag::<3>(case, 0), count_include_pad: flag::<3>(case, 1) }
}

/// How many windows an axis has: those that lie in the padded input, and one more if something is left over, it is wanted
/// and it begins before the end of the input.
fn windows(n: usize, [kernel, stride, padding]: [usize; 3], ceil: bool) -> usize {
    let padded = n + 2 * padding;
    let whole = (0..=padded - kernel).step_by(stride).count();
    let rest = (whole - 1) * stride + kernel < padded;
    whole + usize::from(ceil && rest && whole * stride < n + padding)
}

/// `fold` of the elements of each window and the number of those that count.
fn reference<const N: usize>(case: &Case, x: &Array, fold: fn(&[f64], usize) -> f64) -> Vec<f64> {
    let [kernel, stride, padding] = [0, 1, 2].map(|which| each::<N>(case, which));
    let (ceil, include, extent) = (flag::<N>(case, 0), flag::<N>(case, 1), &x.shape[2..]);
    let mut out = x.shape[..2].to_vec();
    out.extend((0..N).map(|i| windows(extent[i], [kernel[i], stride[i], padding[i]], ceil)));
    let value = |at: &Vec<usize>| {
        let (mut inside, mut counted) = (Vec::new(), 0);
        for tap in indices(&kernel) {
            let places: [usize; N] = std::array::from_fn(|i| at[2 + i] * stride[i] + tap[i]);
            let lies = |i: usize| (padding[i]..padding[i] + extent[i]).contains(&places[i]);
            if (0..N).all(lies) {
                let mut index = at[..2].to_vec();
                index.extend((0..N).map(|i| places[i] - padding[i]));
                inside.push(x.at(&index));
            }
            let counts = |i: usize| if include { places[i] < extent[i] + 2 * padding[i] } else { lies(i) };
            counted += usize::from((0..N).all(counts));
        }
        fold(&inside, counted)
    };
    indices(&out).iter().map(value).collect()
}

fn largest(window: &[f64], _: usize) -> f64 {
    window.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn mean(window: &[f64], counted: usize) -> f64 {
    window.iter().sum::<f64>() / counted as f64
}

pub(super) fn entries() -> Vec<Entry> {
    let (exact, close) = (Tolerance::Each(0.0), Tolerance::Largest(8.0));
    vec![
        entry!("max_pool1d", "largest of each window", |draw| case::<1>(draw).keep_apart(), |case, x| x[0].max_pool1d(args1(case)),
            |case, x| reference::<1>(case, &x[0], largest), tolerance: exact, propagates_nan: false),
        entry!("max_pool2d", "largest of each window", |draw| case::<2>(draw).keep_apart(), |case, x| x[0].max_pool2d(args2(case)),
            |case, x| reference::<2>(case, &x[0], largest), tolerance: exact, propagates_nan: false),
        entry!("max_pool3d", "largest of each window", |draw| case::<3>(draw).keep_apart(), |case, x| x[0].max_pool3d(args3(case)),
            |case, x| reference::<3>(case, &x[0], largest), tolerance: exact, propagates_nan: false),
        entry!("avg_pool1d", "mean of each window", case::<1>, |case, x| x[0].avg_pool1d(args1(case)),
            |case, x| reference::<1>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("avg_pool2d", "mean of each window", case::<2>, |case, x| x[0].avg_pool2d(args2(case)),
            |case, x| reference::<2>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("avg_pool3d", "mean of each window", case::<3>, |case, x| x[0].avg_pool3d(args3(case)),
            |case, x| reference::<3>(case, &x[0], mean), tolerance: close, propagates_nan: false),
    ]
}
