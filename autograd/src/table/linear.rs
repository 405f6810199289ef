//! Products, convolutions and upsampling by whole factors.

use super::naive::{broadcast_at, broadcast_shape};
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::conv::Conv2dArgs;

fn matmul_case(draw: &mut Draw<'_>) -> Case {
    let (m, k, n) = (draw.dim(7), draw.dim(7), draw.dim(7));
    let batch = if draw.coin() { vec![draw.int(1, 3), draw.int(1, 2)] } else { vec![] };
    let (mut a, mut b) = (batch.clone(), batch);
    match draw.int(0, 3) {
        1 => drop(a.drain(..)),
        2 => drop(b.drain(..)),
        3 => a.iter_mut().take(1).for_each(|n| *n = 1),
        _ => {}
    }
    a.extend([m, k]);
    b.extend([k, n]);
    Case::new(draw).input(&a).input(&b)
}

fn matmul_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    let (a, b) = (&x[0], &x[1]);
    let (ra, rb) = (a.shape.len(), b.shape.len());
    let k = a.shape[ra - 1];
    let mut shape = broadcast_shape(&[&a.shape[..ra - 2], &b.shape[..rb - 2]]);
    let batch = shape.len();
    shape.extend([a.shape[ra - 2], b.shape[rb - 1]]);
    let at = |index: &[usize], i: usize, j: usize| [&index[..batch], &[i, j]].concat();
    let dot = |index: &[usize]| {
        (0..k)
            .map(|p| broadcast_at(a, &at(index, index[batch], p)) * broadcast_at(b, &at(index, p, index[batch + 1])))
            .sum()
    };
    Array::from_fn(&shape, dot).data
}

fn linear_reference(_: &Case, x: &[Array]) -> Vec<f64> {
    let (rows, k, n) = (x[0].shape[0], x[0].shape[1], x[1].shape[0]);
    let bias = |j: usize| x.get(2).map_or(0.0, |b| b.data[j]);
    let dot = |i: &[usize]| (0..k).map(|p| x[0].at(&[i[0], p]) * x[1].at(&[i[1], p])).sum::<f64>() + bias(i[1]);
    Array::from_fn(&[rows, n], dot).data
}

/// x, w and the arguments: stride, padding, dilation, groups, output padding.
fn conv_case(draw: &mut Draw<'_>, transposed: bool) -> Case {
    let groups = draw.int(1, 2);
    let (c_in, c_out) = (groups * draw.int(1, 2), groups * draw.int(1, 3));
    let (kh, kw) = (draw.int(1, 3), draw.int(1, 3));
    let (stride, dilation) = (draw.int(1, 2), draw.int(1, 2));
    let padding = draw.int(0, 1);
    let batch = draw.dim(2);
    // A transposed convolution with padding 1 needs more than two pixels to leave something.
    let least = if transposed { 2 } else { 0 };
    let size = |draw: &mut Draw<'_>, taps: usize| draw.positive(4) + least + dilation * (taps - 1);
    let (h, w) = (size(draw, kh), size(draw, kw));
    let weight = if transposed { [c_in, c_out / groups, kh, kw] } else { [c_out, c_in / groups, kh, kw] };
    let output_padding = draw.int(0, stride - 1);
    let case = Case::new(draw).input(&[batch, c_in, h, w]).input(&weight).input(&[c_out]);
    case.int(stride).int(padding).int(dilation).int(groups).int(output_padding)
}

fn args(case: &Case) -> Conv2dArgs {
    let [stride, padding, dilation, groups] = [case.ints[0], case.ints[1], case.ints[2], case.ints[3]];
    Conv2dArgs { stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2], groups }
}

fn conv_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let Conv2dArgs { stride: [s, _], padding: [p, _], dilation: [d, _], groups } = args(case);
    let (x, w, b) = (&x[0], &x[1], &x[2]);
    let out = |n: usize, k: usize| (n + 2 * p - d * (k - 1) - 1) / s + 1;
    let (per_in, per_out) = (w.shape[1], w.shape[0] / groups);
    let shape = [x.shape[0], w.shape[0], out(x.shape[2], w.shape[2]), out(x.shape[3], w.shape[3])];
    Array::from_fn(&shape, |i| {
        let mut sum = b.data[i[1]];
        for c in 0..per_in {
            for u in 0..w.shape[2] {
                for v in 0..w.shape[3] {
                    let (r, q) = (i[2] * s + u * d, i[3] * s + v * d);
                    if (p..p + x.shape[2]).contains(&r) && (p..p + x.shape[3]).contains(&q) {
                        let channel = i[1] / per_out * per_in + c;
                        sum += x.at(&[i[0], channel, r - p, q - p]) * w.at(&[i[1], c, u, v]);
                    }
                }
            }
        }
        sum
    })
    .data
}

/// Every input pixel paints the kernel onto the output: Dumoulin & Visin 2016, §4.
fn conv_transpose_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let Conv2dArgs { stride: [s, _], padding: [p, _], dilation: [d, _], groups } = args(case);
    let (x, w, b) = (&x[0], &x[1], &x[2]);
    let out = |n: usize, k: usize| (n - 1) * s + d * (k - 1) + 1 + case.ints[4] - 2 * p;
    let (per_in, per_out) = (w.shape[0] / groups, w.shape[1]);
    let shape = [x.shape[0], per_out * groups, out(x.shape[2], w.shape[2]), out(x.shape[3], w.shape[3])];
    let mut y = Array::from_fn(&shape, |i| b.data[i[1]]);
    for i in super::naive::indices(&x.shape) {
        for o in 0..per_out {
            for u in 0..w.shape[2] {
                for v in 0..w.shape[3] {
                    let (r, q) = (i[2] * s + u * d, i[3] * s + v * d);
                    if (p..p + shape[2]).contains(&r) && (p..p + shape[3]).contains(&q) {
                        let channel = i[1] / per_in * per_out + o;
                        let flat = ((i[0] * shape[1] + channel) * shape[2] + r - p) * shape[3] + q - p;
                        y.data[flat] += x.at(&i) * w.at(&[i[1], o, u, v]);
                    }
                }
            }
        }
    }
    y.data
}

pub(super) fn entries() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("matmul", "A·B over the last two axes", matmul_case, |case, x| x[0].matmul(&x[1]), matmul_reference, tolerance: loose),
        entry!("linear", "x·wᵀ + b", |draw| {
            let (rows, k, n) = (draw.dim(7), draw.dim(7), draw.dim(7));
            let case = Case::new(draw).input(&[rows, k]).input(&[n, k]);
            if draw.coin() { case.input(&[n]) } else { case }
        }, |case, x| x[0].linear(&x[1], x.get(2)), linear_reference, tolerance: loose),
        entry!("conv2d", "x ⋆ w + b", |draw| conv_case(draw, false), |case, x| x[0].conv2d(&x[1], Some(&x[2]), args(case)), conv_reference, tolerance: loose, propagates_nan: false),
        entry!("conv_transpose2d", "the adjoint of x ⋆ w, plus b", |draw| conv_case(draw, true), |case, x| {
            x[0].conv_transpose2d(&x[1], Some(&x[2]), args(case), [case.ints[4]; 2])
        }, conv_transpose_reference, tolerance: loose, propagates_nan: false),
        entry!("upsample_nearest2d", "every pixel repeated", |draw| {
            let (n, c, h, w) = (draw.dim(2), draw.dim(2), draw.dim(4), draw.dim(4));
            let scale = draw.int(1, 3);
            Case::new(draw).input(&[n, c, h, w]).int(scale)
        }, |case, x| x[0].upsample_nearest2d(case.ints[0]), |case, x| {
            let (s, k) = (&x[0].shape, case.ints[0]);
            Array::from_fn(&[s[0], s[1], s[2] * k, s[3] * k], |i| x[0].at(&[i[0], i[1], i[2] / k, i[3] / k])).data
        }, tolerance: Tolerance::Each(0.0)),
    ]
}
