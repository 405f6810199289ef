//! Convolutions in three dimensions.

use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::conv3d::Conv3dArgs;

/// x, w, b and the arguments: strides, paddings, dilations, groups, output paddings.
fn case(draw: &mut Draw<'_>, transposed: bool) -> Case {
    let groups = draw.int(1, 2);
    let (c_in, c_out) = (groups * draw.int(1, 2), groups * draw.int(1, 2));
    // One of two neighbouring numbers for each axis, by one choice.
    let mut each = |low: usize| {
        let bits = draw.int(0, 7);
        [0, 1, 2].map(|axis| low + (bits >> axis & 1))
    };
    let (kernel, stride, padding, dilation) = (each(1), each(1), each(0), each(1));
    // A transposed convolution with padding 1 needs more than two pixels to leave something.
    let (extent, more) = (each(if transposed { 3 } else { 1 }), each(0));
    let size = [0, 1, 2].map(|i| extent[i] + dilation[i] * (kernel[i] - 1));
    let more = [0, 1, 2].map(|i| more[i].min(stride[i] - 1));
    let [first, second] = if transposed { [c_in, c_out / groups] } else { [c_out, c_in / groups] };
    let batch = draw.dim(2);
    let x = [&[batch, c_in][..], &size].concat();
    let case = Case::new(draw).input(&x).input(&[&[first, second][..], &kernel].concat()).input(&[c_out]).int(groups);
    [stride, padding, dilation, more].as_flattened().iter().fold(case, |case, &n| case.int(n))
}

fn args(case: &Case) -> Conv3dArgs {
    let three = |i: usize| [0, 1, 2].map(|axis| case.ints[1 + 3 * i + axis]);
    Conv3dArgs { stride: three(0), padding: three(1), dilation: three(2), groups: case.ints[0] }
}

fn output_padding(case: &Case) -> [usize; 3] {
    [case.ints[10], case.ints[11], case.ints[12]]
}

/// Where in the padded input the tap `tap` of the output `at` looks.
fn places(args: Conv3dArgs, at: &[usize], tap: &[usize]) -> [usize; 3] {
    [0, 1, 2].map(|i| at[i] * args.stride[i] + tap[i] * args.dilation[i])
}

/// A place without the padding, if it is no part of it.
fn inside(args: Conv3dArgs, place: [usize; 3], extent: &[usize]) -> Option<[usize; 3]> {
    let fits = (0..3).all(|i| (args.padding[i]..args.padding[i] + extent[i]).contains(&place[i]));
    fits.then(|| [0, 1, 2].map(|i| place[i] - args.padding[i]))
}

fn reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let (args, x, w, b) = (args(case), &x[0], &x[1], &x[2]);
    let out = |i: usize| {
        (x.shape[2 + i] + 2 * args.padding[i] - args.dilation[i] * (w.shape[2 + i] - 1) - 1) / args.stride[i] + 1
    };
    let (per_in, per_out) = (w.shape[1], w.shape[0] / args.groups);
    Array::from_fn(&[x.shape[0], w.shape[0], out(0), out(1), out(2)], |i| {
        let mut sum = b.data[i[1]];
        for tap in super::naive::indices(&w.shape[1..]) {
            if let Some([p, q, r]) = inside(args, places(args, &i[2..], &tap[1..]), &x.shape[2..]) {
                let channel = i[1] / per_out * per_in + tap[0];
                sum += x.at(&[i[0], channel, p, q, r]) * w.at(&[&[i[1]], &tap[..]].concat());
            }
        }
        sum
    })
    .data
}

/// Every input element paints the kernel onto the output.
fn transposed_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let (args, more, x, w, b) = (args(case), output_padding(case), &x[0], &x[1], &x[2]);
    let out = |i: usize| {
        (x.shape[2 + i] - 1) * args.stride[i] + args.dilation[i] * (w.shape[2 + i] - 1) + 1 + more[i]
            - 2 * args.padding[i]
    };
    let (per_in, per_out) = (w.shape[0] / args.groups, w.shape[1]);
    let shape = [x.shape[0], per_out * args.groups, out(0), out(1), out(2)];
    let mut y = Array::from_fn(&shape, |i| b.data[i[1]]);
    for i in super::naive::indices(&x.shape) {
        for tap in super::naive::indices(&w.shape[1..]) {
            if let Some(place) = inside(args, places(args, &i[2..], &tap[1..]), &shape[2..]) {
                let channel = i[1] / per_in * per_out + tap[0];
                let at = place.iter().zip(&shape[2..]).fold(i[0] * shape[1] + channel, |at, (p, n)| at * n + p);
                y.data[at] += x.at(&i) * w.at(&[&[i[1]], &tap[..]].concat());
            }
        }
    }
    y.data
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("conv3d", "Σ x·w over windows of a volume, + b", |draw| case(draw, false),
            |case, x| x[0].conv3d(&x[1], Some(&x[2]), args(case)), reference, tolerance: loose, propagates_nan: false),
        entry!("conv_transpose3d", "the adjoint of conv3d in x, + b", |draw| case(draw, true),
            |case, x| x[0].conv_transpose3d(&x[1], Some(&x[2]), args(case), output_padding(case)),
            transposed_reference, tolerance: loose, propagates_nan: false),
    ]
}
