//! Pooling in one, two and three dimensions, against one definition for any number of axes.

use super::naive::indices;
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::pool::Pool2dArgs;
use crate::ops::pool1d::Pool1dArgs;
use crate::ops::pool3d::Pool3dArgs;

/// An input of `N` axes behind batch and channels; for each axis kernel, stride, padding and dilation; whether a window may
/// reach beyond the end, and whether the padding counts.
fn case<const N: usize>(draw: &mut Draw<'_>, dilation: usize) -> Case {
    let mut axes = [[0; 4]; N];
    let mut shape = vec![draw.dim(2), draw.int(1, 2)];
    for axis in &mut axes {
        let (kernel, stride, dilation) = (draw.int(1, 3), draw.int(1, 3), draw.int(1, dilation));
        let span = (kernel - 1) * dilation + 1;
        *axis = [kernel, stride, draw.int(0, kernel / 2), dilation];
        // From the shortest axis on that a window fits and does not step over.
        let shortest = span.saturating_sub(2 * axis[2]).max(dilation);
        shape.push(shortest - 1 + draw.positive(if N == 3 { 3 } else { 6 }));
    }
    let case = axes.as_flattened().iter().fold(Case::new(draw).input(&shape), |case, &n| case.int(n));
    case.int(draw.int(0, 1)).int(draw.int(0, 1))
}

/// Of a maximum: dilated, and its values apart.
fn maximum<const N: usize>(draw: &mut Draw<'_>) -> Case {
    case::<N>(draw, 2).keep_apart()
}

/// Of a mean that divides by what it counts.
fn counted<const N: usize>(draw: &mut Draw<'_>) -> Case {
    case::<N>(draw, 1)
}

/// Of a mean that divides by 1 to 5.
fn divided<const N: usize>(draw: &mut Draw<'_>) -> Case {
    let case = case::<N>(draw, 1);
    case.int(draw.int(1, 5))
}

/// Kernels, strides, paddings or dilations.
fn each<const N: usize>(case: &Case, which: usize) -> [usize; N] {
    std::array::from_fn(|axis| case.ints[4 * axis + which])
}

/// `ceil_mode` or `count_include_pad`.
fn flag<const N: usize>(case: &Case, which: usize) -> bool {
    case.ints[4 * N + which] == 1
}

/// What the sums are divided by, if the case says so.
fn divisor<const N: usize>(case: &Case) -> Option<usize> {
    case.ints.get(4 * N + 2).copied()
}

fn args1(case: &Case) -> Pool1dArgs {
    let [[kernel], [stride], [padding], [dilation]] = [0, 1, 2, 3].map(|which| each::<1>(case, which));
    let (ceil_mode, count_include_pad) = (flag::<1>(case, 0), flag::<1>(case, 1));
    Pool1dArgs { kernel, stride, padding, dilation, ceil_mode, count_include_pad }
}

fn args2(case: &Case) -> Pool2dArgs {
    let [kernel, stride, padding, dilation] = [0, 1, 2, 3].map(|which| each::<2>(case, which));
    let (ceil_mode, count_include_pad) = (flag::<2>(case, 0), flag::<2>(case, 1));
    let divisor_override = divisor::<2>(case);
    Pool2dArgs { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override }
}

fn args3(case: &Case) -> Pool3dArgs {
    let [kernel, stride, padding, dilation] = [0, 1, 2, 3].map(|which| each::<3>(case, which));
    let (ceil_mode, count_include_pad) = (flag::<3>(case, 0), flag::<3>(case, 1));
    let divisor_override = divisor::<3>(case);
    Pool3dArgs { kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override }
}

/// How many windows an axis has: those that lie in the padded input, and one more if something is left over, it is wanted
/// and it begins before the end of the input.
fn windows(n: usize, [span, stride, padding]: [usize; 3], ceil: bool) -> usize {
    let padded = n + 2 * padding;
    let whole = (0..=padded - span).step_by(stride).count();
    let rest = (whole - 1) * stride + span < padded;
    whole + usize::from(ceil && rest && whole * stride < n + padding)
}

/// `fold` of the elements of each window and the number of those that count.
fn reference<const N: usize>(case: &Case, x: &Array, fold: fn(&[f64], usize) -> f64) -> Vec<f64> {
    let [kernel, stride, padding, dilation] = [0, 1, 2, 3].map(|which| each::<N>(case, which));
    let (ceil, include, extent) = (flag::<N>(case, 0), flag::<N>(case, 1), &x.shape[2..]);
    let mut out = x.shape[..2].to_vec();
    let span = |i: usize| (kernel[i] - 1) * dilation[i] + 1;
    out.extend((0..N).map(|i| windows(extent[i], [span(i), stride[i], padding[i]], ceil)));
    let value = |at: &Vec<usize>| {
        let (mut inside, mut counted) = (Vec::new(), 0);
        for tap in indices(&kernel) {
            let places: [usize; N] = std::array::from_fn(|i| at[2 + i] * stride[i] + tap[i] * dilation[i]);
            let lies = |i: usize| (padding[i]..padding[i] + extent[i]).contains(&places[i]);
            if (0..N).all(lies) {
                let mut index = at[..2].to_vec();
                index.extend((0..N).map(|i| places[i] - padding[i]));
                inside.push(x.at(&index));
            }
            let counts = |i: usize| if include { places[i] < extent[i] + 2 * padding[i] } else { lies(i) };
            counted += usize::from((0..N).all(counts));
        }
        fold(&inside, divisor::<N>(case).unwrap_or(counted))
    };
    indices(&out).iter().map(value).collect()
}

fn largest(window: &[f64], _: usize) -> f64 {
    window.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn mean(window: &[f64], counted: usize) -> f64 {
    window.iter().sum::<f64>() / counted as f64
}

/// Elements, the extent of the result, and where in it each lies; some places stand twice.
fn places<const N: usize>(draw: &mut Draw<'_>) -> Case {
    let mut shape = vec![draw.dim(2), draw.int(1, 2)];
    shape.extend((0..N).map(|_| draw.dim(3)));
    let size = (0..N).map(|_| draw.int(1, 4)).collect::<Vec<_>>();
    let ids = draw.ids(&shape, size.iter().product());
    size.into_iter().fold(Case::new(draw).input(&shape).with_ids(ids), Case::int)
}

fn size<const N: usize>(case: &Case) -> [usize; N] {
    std::array::from_fn(|axis| case.ints[axis])
}

/// One element after another, each over what stood there.
fn unpooled(case: &Case, x: &Array) -> Vec<f64> {
    let (windows, places) = (x.shape[2..].iter().product::<usize>(), case.ints.iter().product::<usize>());
    let mut y = vec![0.0; x.shape[0] * x.shape[1] * places];
    for (at, (value, id)) in x.data.iter().zip(case.ids[0].to_vec()).enumerate() {
        y[at / windows * places + id as usize] = *value;
    }
    y
}

pub(super) fn entries() -> Vec<Entry> {
    let (exact, close) = (Tolerance::Each(0.0), Tolerance::Largest(8.0));
    vec![
        entry!("max_pool1d", "largest of each window", maximum::<1>, |case, x| x[0].max_pool1d(args1(case)),
            |case, x| reference::<1>(case, &x[0], largest), tolerance: exact, propagates_nan: false),
        entry!("max_pool2d", "largest of each window", maximum::<2>, |case, x| x[0].max_pool2d(args2(case)),
            |case, x| reference::<2>(case, &x[0], largest), tolerance: exact, propagates_nan: false),
        entry!("max_pool3d", "largest of each window", maximum::<3>, |case, x| x[0].max_pool3d(args3(case)),
            |case, x| reference::<3>(case, &x[0], largest), tolerance: exact, propagates_nan: false),
        entry!("avg_pool1d", "mean of each window", counted::<1>, |case, x| x[0].avg_pool1d(args1(case)),
            |case, x| reference::<1>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("avg_pool2d", "mean of each window", counted::<2>, |case, x| x[0].avg_pool2d(args2(case)),
            |case, x| reference::<2>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("avg_pool3d", "mean of each window", counted::<3>, |case, x| x[0].avg_pool3d(args3(case)),
            |case, x| reference::<3>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("avg_pool2d_divisor", "sum of each window over a number", divided::<2>, |case, x| x[0].avg_pool2d(args2(case)),
            |case, x| reference::<2>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("avg_pool3d_divisor", "sum of each window over a number", divided::<3>, |case, x| x[0].avg_pool3d(args3(case)),
            |case, x| reference::<3>(case, &x[0], mean), tolerance: close, propagates_nan: false),
        entry!("max_unpool1d", "each element at its place", places::<1>, |case, x| x[0].max_unpool1d(&case.ids[0], case.ints[0]),
            |case, x| unpooled(case, &x[0]), tolerance: exact, propagates_nan: false),
        entry!("max_unpool2d", "each element at its place", places::<2>, |case, x| x[0].max_unpool2d(&case.ids[0], size(case)),
            |case, x| unpooled(case, &x[0]), tolerance: exact, propagates_nan: false),
        entry!("max_unpool3d", "each element at its place", places::<3>, |case, x| x[0].max_unpool3d(&case.ids[0], size(case)),
            |case, x| unpooled(case, &x[0]), tolerance: exact, propagates_nan: false),
    ]
}
