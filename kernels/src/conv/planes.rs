//! Convolutions of few channels: padded and, for strides, split into phases, an input plane shifted by a kernel position
//! is a row of the matrix of patches, so the product reads rows at offsets ([`crate::gemm`]'s gathered products). Rows of
//! pixels keep the padded width; the few columns in between are computed and dropped.

use std::ops::Range;

use super::patches::{Axis, Patches, window};
use super::{CACHED, Conv2d};
use crate::buf::Buf;
use crate::elem::Real;
use crate::gemm::{Left, Mat, SLACK, Tile};
use crate::isa;
use crate::par;

/// The convolution of `x` with `w`, plus a bias.
pub(super) fn forward<T: Real>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let isa = isa::current();
    let [oh, ow] = s.output();
    let (patch, planes) = (s.patch(), s.inputs() * s.height * s.width);
    // In a group, or in a part of the channels of the only group.
    let (channels, held) = (s.block_channels(), s.block_channels() / s.groups);
    let weights: Vec<_> =
        w.chunks_exact(held * patch).map(|w| Left::new(isa, Mat::row_major(w, held, patch))).collect();
    let mut tiles = Tile::whole(out, s.batch * s.out_channels, oh * ow).split(channels, s.block_rows() * ow);
    let together = if tiles.len() == s.batch { s.images_a_task(oh * ow) } else { 1 };
    par::chunks_mut(&mut tiles, together, |_, tiles| {
        let (row, rows) = (tiles[0].row(), tiles[0].cols() / ow);
        let (image, from) = (row / s.out_channels, row % s.out_channels);
        let patches = Patches::new(s, tiles[0].col() / ow, rows, tiles.len());
        let mut source = Buf::scratch(patches.len());
        let mut product = Buf::scratch(held * patches.pixels());
        for group in 0..s.groups {
            for i in 0..tiles.len() {
                patches.fill(i, &x[((image + i) * s.groups + group) * planes..][..planes], &mut source);
            }
            weights[from / held + group].gather_product(&mut product, &source, patches.offsets());
            for (o, product) in product.chunks_exact(patches.pixels()).enumerate() {
                let channel = group * held + o;
                let bias = bias.map_or(T::ZERO, |bias| bias[from + channel]);
                for (tile, product) in tiles.iter_mut().zip(product.chunks(patches.plane())) {
                    let lines = tile.row_mut(channel).chunks_exact_mut(ow).zip(product.chunks(patches.pitch()));
                    for (out, line) in lines {
                        out.iter_mut().zip(line).for_each(|(out, &v)| *out = v + bias);
                    }
                }
            }
        }
    });
}

/// One phase of the input's rows or columns: y = r + s·u − p for `count` values u from `first` on. Kernel position a
/// with shift e (and this phase) brings out row u − e to it.
struct Phase {
    /// (kernel position, its shift).
    taps: Vec<(usize, usize)>,
    reach: usize,
    first: usize,
    count: usize,
    /// y of the first.
    start: usize,
}

impl Phase {
    /// The phases of an axis that have both kernel positions and rows.
    fn all(s: &Conv2d, axis: usize) -> Vec<Phase> {
        let length = if axis == 0 { s.height } else { s.width };
        let (stride, padding) = (s.stride[axis], s.padding[axis]);
        let all = Axis::new(s, axis);
        let phase = |(number, &r): (usize, &usize)| {
            let first = padding.saturating_sub(r).div_ceil(stride);
            let start = r + stride * first - padding;
            let count = length.saturating_sub(start).div_ceil(stride);
            let taps: Vec<_> =
                all.taps.iter().enumerate().filter(|(_, t)| t.0 == number).map(|(a, t)| (a, t.1)).collect();
            let reach = taps.iter().map(|t| t.1).max().unwrap_or(0);
            Phase { taps, reach, first, count, start }
        };
        all.phases.iter().enumerate().map(phase).filter(|phase| phase.count > 0).collect()
    }
}

/// A phase of rows and one of columns: a convolution with stride 1 of the output's gradient.
struct Part<T: Real> {
    rows: usize,
    cols: usize,
    /// The weights of its kernel positions, [input channels of a block, output channels × positions]; for each group, for
    /// each block.
    weights: Vec<Buf<T>>,
}

/// The gradient with respect to the input.
pub(super) fn grad_input<T: Real>(s: &Conv2d, w: &[T], g: &[T], dx: &mut [T]) {
    let isa = isa::current();
    let (inputs, plane) = (s.inputs(), s.height * s.width);
    let outputs = s.outputs() * s.output().iter().product::<usize>();
    // A task takes some channels of one group of one image: all of them, if the batch gives tasks enough.
    let block = if s.batch * s.groups >= 8 { inputs } else { inputs.div_ceil(4).next_multiple_of(8).min(inputs) };
    let phases = [Phase::all(s, 0), Phase::all(s, 1)];
    let mut parts = Vec::new();
    for (rows, down) in phases[0].iter().enumerate() {
        for (cols, right) in phases[1].iter().enumerate() {
            let groups = w.chunks_exact(s.outputs() * s.patch());
            let pack = |w| (0..inputs).step_by(block).map(move |c| (w, c..inputs.min(c + block)));
            let weights =
                groups.flat_map(pack).map(|(w, channels)| transposed(s, w, channels, &down.taps, &right.taps));
            parts.push(Part { rows, cols, weights: weights.collect() });
        }
    }
    let groups = dx.chunks_exact_mut(inputs * plane).enumerate();
    let mut tasks: Vec<_> = groups
        .flat_map(|(group, dx)| dx.chunks_mut(block * plane).enumerate().map(move |(b, dx)| (group, b, dx)))
        .collect();
    let blocks = inputs.div_ceil(block);
    let together = if tasks.len() == s.batch { s.images_a_task(plane / s.stride[0] / s.stride[1]) } else { 1 };
    par::chunks_mut(&mut tasks, together, |_, task| {
        let (group, b) = (task[0].0, task[0].1);
        let g = &g[group * outputs..][..task.len() * outputs];
        let mut dx: Vec<&mut [T]> = task.iter_mut().map(|(_, _, dx)| &mut **dx).collect();
        dx.iter_mut().for_each(|dx| dx.fill(T::ZERO));
        for part in &parts {
            let weights = &part.weights[group % s.groups * blocks + b];
            let channels = dx[0].len() / plane;
            let weights = Left::new(isa, Mat::row_major(weights, channels, weights.len() / channels));
            phase_gradient(s, &phases[0][part.rows], &phases[1][part.cols], &weights, g, &mut dx);
        }
    });
}

/// w[o, c, a, b] as [c, (o, a, b)], for some channels and kernel positions.
fn transposed<T: Real>(
    s: &Conv2d,
    w: &[T],
    channels: Range<usize>,
    down: &[(usize, usize)],
    right: &[(usize, usize)],
) -> Buf<T> {
    let mut out = Buf::scratch(channels.len() * s.outputs() * down.len() * right.len());
    let mut slots = out.iter_mut();
    for c in channels {
        for w in w.chunks_exact(s.patch()) {
            for &(a, _) in down {
                for (&(b, _), slot) in right.iter().zip(&mut slots) {
                    *slot = w[(c * s.kernel[0] + a) * s.kernel[1] + b];
                }
            }
        }
    }
    out
}

/// Writes one phase of dx of one or several images, for the channels of `weights`, in blocks of rows that stay in cache.
/// Images lie side by side, as in [`Patches`].
fn phase_gradient<T: Real>(
    s: &Conv2d,
    down: &Phase,
    right: &Phase,
    weights: &Left<'_, T>,
    g: &[T],
    dx: &mut [&mut [T]],
) {
    let [oh, ow] = s.output();
    let (images, pitch) = (dx.len(), right.count + right.reach);
    let block = (CACHED / (weights.rows() * images * pitch)).clamp(1, down.count);
    let deepest = images * (block + down.reach) * pitch;
    let mut source = Buf::scratch(s.outputs() * deepest + SLACK);
    let mut product = Buf::scratch(weights.rows() * deepest);
    let mut offsets = Vec::with_capacity(s.outputs() * down.taps.len() * right.taps.len());
    for u in (0..down.count).step_by(block) {
        let rows = block.min(down.count - u);
        let plane = (rows + down.reach) * pitch;
        // Gathered rows begin `reach` before the first output row, so that every shift back stays inside.
        let origin = [(down.first + u) as isize - down.reach as isize, right.first as isize - right.reach as isize];
        offsets.clear();
        for o in 0..s.outputs() {
            for (i, g) in g.chunks_exact(s.outputs() * oh * ow).enumerate() {
                let to = &mut source[(o * images + i) * plane..][..plane];
                window(&g[o * oh * ow..][..oh * ow], [oh, ow], origin, [1, 1], pitch, to);
            }
            for (_, back) in &down.taps {
                let shifts = right.taps.iter().map(|(_, left)| right.reach - left);
                offsets.extend(shifts.map(|shift| o * images * plane + (down.reach - back) * pitch + shift));
            }
        }
        source[s.outputs() * images * plane..][..SLACK].fill(T::ZERO);
        let pixels = (images - 1) * plane + (rows - 1) * pitch + right.count;
        let product = &mut product[..weights.rows() * pixels];
        weights.gather_product(product, &source, &offsets);
        for (c, product) in product.chunks_exact(pixels).enumerate() {
            for (dx, product) in dx.iter_mut().zip(product.chunks(plane)) {
                let dx = &mut dx[c * s.height * s.width..][..s.height * s.width];
                for (r, line) in product.chunks(pitch).take(rows).enumerate() {
                    let y = down.start + (u + r) * s.stride[0];
                    let dx = dx[y * s.width..][right.start..s.width].iter_mut().step_by(s.stride[1]);
                    dx.zip(&line[..right.count]).for_each(|(dx, &v)| *dx = v);
                }
            }
        }
    }
}
