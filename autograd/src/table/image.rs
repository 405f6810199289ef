//! Images of another size or shape, and convolutions in one dimension.

use super::naive::{Array, indices};
use super::{Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::conv1d::Conv1dArgs;

/// An image and another size.
fn resized(draw: &mut Draw<'_>) -> Case {
    let (n, c) = (draw.dim(2), draw.int(1, 2));
    let (h, w) = (draw.positive(4), draw.positive(4));
    let (to_h, to_w) = (draw.int(1, 6), draw.int(1, 6));
    Case::new(draw).input(&[n, c, h, w]).int(to_h).int(to_w)
}

fn size(case: &Case) -> [usize; 2] {
    [case.ints[0], case.ints[1]]
}

/// Σ x[r, c]·k(distance in rows)·k(distance in columns), with the border repeated outside.
fn interpolated(case: &Case, x: &Array, align_corners: bool, k: impl Fn(f64) -> f64) -> Vec<f64> {
    let [to_h, to_w] = size(case);
    let (h, w) = (x.shape[2], x.shape[3]);
    let source = |i: usize, n: usize, to: usize| match (align_corners, to) {
        (true, 1) => 0.0,
        (true, _) => i as f64 * (n as f64 - 1.0) / (to as f64 - 1.0),
        _ => (2 * i + 1) as f64 * n as f64 / (2 * to) as f64 - 0.5,
    };
    let inside = |i: i64, n: usize| i.clamp(0, n as i64 - 1) as usize;
    Array::from_fn(&[x.shape[0], x.shape[1], to_h, to_w], |i| {
        let (y, z) = (source(i[2], h, to_h), source(i[3], w, to_w));
        let mut sum = 0.0;
        for r in -3..h as i64 + 3 {
            for c in -3..w as i64 + 3 {
                sum += x.at(&[i[0], i[1], inside(r, h), inside(c, w)]) * k(y - r as f64) * k(z - c as f64);
            }
        }
        sum
    })
    .data
}

fn tent(d: f64) -> f64 {
    (1.0 - d.abs()).max(0.0)
}

/// Keys' kernel with the parameter −3/4.
fn cubic(d: f64) -> f64 {
    let (d, a) = (d.abs(), -0.75);
    if d <= 1.0 {
        (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0
    } else if d < 2.0 {
        a * d.powi(3) - 5.0 * a * d.powi(2) + 8.0 * a * d - 4.0 * a
    } else {
        0.0
    }
}

/// x, w, b and stride, padding, dilation, groups, output padding.
fn conv1d_case(draw: &mut Draw<'_>, transposed: bool) -> Case {
    let groups = draw.int(1, 2);
    let (c_in, c_out, taps) = (groups * draw.int(1, 2), groups * draw.int(1, 3), draw.int(1, 3));
    let (stride, dilation, padding) = (draw.int(1, 2), draw.int(1, 2), draw.int(0, 1));
    let least = if transposed { 2 } else { 0 };
    let (batch, length) = (draw.dim(2), draw.positive(4) + least + dilation * (taps - 1));
    let weight = if transposed { [c_in, c_out / groups, taps] } else { [c_out, c_in / groups, taps] };
    let output_padding = draw.int(0, stride - 1);
    let case = Case::new(draw).input(&[batch, c_in, length]).input(&weight).input(&[c_out]);
    case.int(stride).int(padding).int(dilation).int(groups).int(output_padding)
}

fn args(case: &Case) -> Conv1dArgs {
    let [stride, padding, dilation, groups] = [case.ints[0], case.ints[1], case.ints[2], case.ints[3]];
    Conv1dArgs { stride, padding, dilation, groups }
}

fn conv1d_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let Conv1dArgs { stride, padding, dilation, groups } = args(case);
    let (x, w, b) = (&x[0], &x[1], &x[2]);
    let out = (x.shape[2] + 2 * padding - dilation * (w.shape[2] - 1) - 1) / stride + 1;
    Array::from_fn(&[x.shape[0], w.shape[0], out], |i| {
        let group = i[1] / (w.shape[0] / groups);
        let mut sum = b.data[i[1]];
        for (c, t) in (0..w.shape[1]).flat_map(|c| (0..w.shape[2]).map(move |t| (c, t))) {
            let at = i[2] * stride + t * dilation;
            if (padding..padding + x.shape[2]).contains(&at) {
                sum += x.at(&[i[0], group * w.shape[1] + c, at - padding]) * w.at(&[i[1], c, t]);
            }
        }
        sum
    })
    .data
}

fn conv_transpose1d_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let Conv1dArgs { stride, padding, dilation, groups } = args(case);
    let (x, w, b) = (&x[0], &x[1], &x[2]);
    let out = (x.shape[2] - 1) * stride + dilation * (w.shape[2] - 1) + 1 + case.ints[4] - 2 * padding;
    let channels = w.shape[1] * groups;
    let mut y = Array::from_fn(&[x.shape[0], channels, out], |i| b.data[i[1]]);
    for i in indices(&x.shape) {
        let group = i[1] / (w.shape[0] / groups);
        for (o, t) in (0..w.shape[1]).flat_map(|o| (0..w.shape[2]).map(move |t| (o, t))) {
            let at = i[2] * stride + t * dilation;
            if (padding..padding + out).contains(&at) {
                let channel = group * w.shape[1] + o;
                y.data[(i[0] * channels + channel) * out + at - padding] += x.at(&i) * w.at(&[i[1], o, t]);
            }
        }
    }
    y.data
}

pub(super) fn entries() -> Vec<Entry> {
    let (exact, loose) = (Tolerance::Each(0.0), Tolerance::Largest(32.0));
    vec![
        entry!("resize_nearest2d", "the pixel at its own place", resized, |case, x| x[0].resize_nearest2d(size(case)), |case, x| {
            let ([to_h, to_w], x) = (size(case), &x[0]);
            Array::from_fn(&[x.shape[0], x.shape[1], to_h, to_w], |i| {
                x.at(&[i[0], i[1], i[2] * x.shape[2] / to_h, i[3] * x.shape[3] / to_w])
            })
            .data
        }, tolerance: exact, propagates_nan: false),
        entry!("upsample_bilinear2d", "linear interpolation between pixels", resized,
            |case, x| x[0].upsample_bilinear2d(size(case), false), |case, x| interpolated(case, &x[0], false, tent), tolerance: loose, propagates_nan: false),
        entry!("upsample_bilinear2d_corners", "linear interpolation between pixels, corners fixed", resized,
            |case, x| x[0].upsample_bilinear2d(size(case), true), |case, x| interpolated(case, &x[0], true, tent), tolerance: loose, propagates_nan: false),
        entry!("upsample_bicubic2d", "cubic convolution between pixels", resized,
            |case, x| x[0].upsample_bicubic2d(size(case), false), |case, x| interpolated(case, &x[0], false, cubic), tolerance: loose, propagates_nan: false),
        entry!("upsample_bicubic2d_corners", "cubic convolution between pixels, corners fixed", resized,
            |case, x| x[0].upsample_bicubic2d(size(case), true), |case, x| interpolated(case, &x[0], true, cubic), tolerance: loose, propagates_nan: false),
        entry!("pixel_shuffle", "r² channels to squares of pixels", |draw| {
            let (n, c, h, w, r) = (draw.dim(2), draw.dim(2), draw.dim(3), draw.dim(3), draw.int(1, 3));
            Case::new(draw).input(&[n, c * r * r, h, w]).int(r)
        }, |case, x| x[0].pixel_shuffle(case.ints[0]), |case, x| {
            let (s, r) = (&x[0].shape, case.ints[0]);
            Array::from_fn(&[s[0], s[1] / (r * r), s[2] * r, s[3] * r], |i| {
                x[0].at(&[i[0], (i[1] * r + i[2] % r) * r + i[3] % r, i[2] / r, i[3] / r])
            }).data
        }, tolerance: exact),
        entry!("pixel_unshuffle", "squares of pixels to r² channels", |draw| {
            let (n, c, h, w, r) = (draw.dim(2), draw.dim(2), draw.dim(3), draw.dim(3), draw.int(1, 3));
            Case::new(draw).input(&[n, c, h * r, w * r]).int(r)
        }, |case, x| x[0].pixel_unshuffle(case.ints[0]), |case, x| {
            let (s, r) = (&x[0].shape, case.ints[0]);
            Array::from_fn(&[s[0], s[1] * r * r, s[2] / r, s[3] / r], |i| {
                x[0].at(&[i[0], i[1] / (r * r), i[2] * r + i[1] / r % r, i[3] * r + i[1] % r])
            }).data
        }, tolerance: exact),
        entry!("conv1d", "x ⋆ w + b in one dimension", |draw| conv1d_case(draw, false), |case, x| x[0].conv1d(&x[1], Some(&x[2]), args(case)),
            conv1d_reference, tolerance: Tolerance::Largest(64.0), propagates_nan: false),
        entry!("conv_transpose1d", "the adjoint of x ⋆ w in one dimension, plus b", |draw| conv1d_case(draw, true),
            |case, x| x[0].conv_transpose1d(&x[1], Some(&x[2]), args(case), case.ints[4]),
            conv_transpose1d_reference, tolerance: Tolerance::Largest(64.0), propagates_nan: false),
    ]
}
