//! The gradient of a convolution with respect to its weights.
//!
//! It is a sum over all pixels of all images. Tasks take some of the pixels or some of the input channels, by the shape
//! alone; the sums of the parts are added in their order.

use std::ops::Range;

use super::Conv2d;
use super::last::{Axis, Pair, Window, block_of, is_line};
use super::patches::Patches;
use super::product::{self, Product};
use crate::buf::Buf;
use crate::elem::Real;
use crate::gemm::{BEYOND, Mat, Tile, gather_dots, pack_rows, padded, pixel_sums, transposed};
use crate::isa::{self, Isa};
use crate::par;

/// Output channels of a group up to which dot products beat outer products, whose registers would lie idle.
const FEW: usize = 8;
/// Weights of an output channel up to which bringing the gradients into another order would take longer than their use.
const SMALL: usize = 16;
/// Tasks into which the sum is cut, unless the weights are so many that memory forbids it.
const PARTS: usize = 8;
/// Elements that the partial sums may have together.
const PARTIAL: usize = 1 << 22;
/// Pixels that are summed in registers: with them a panel of gradients takes a quarter of a first-level cache.
const PIXELS: usize = 128;
/// Output channels whose weights are brought into their order at once.
const SIDE: usize = 16;
/// Elements of partial sums that are added by one thread at once.
const CHUNK: usize = 1 << 14;

/// The gradient with respect to the weights.
pub(super) fn grad_weight<T: Real>(s: &Conv2d, x: &[T], g: &[T], dw: &mut [T]) {
    s.check("conv::grad_weight", x.len(), dw.len(), g.len());
    if g.is_empty() || dw.is_empty() {
        return dw.fill(T::ZERO);
    }
    if Product::of(s) == Some(Product::Image) {
        return product::grad_weight(s, x, g, dw);
    }
    if s.outputs() <= FEW || s.patch() <= SMALL { dots(s, x, g, dw) } else { Sums::new(s).gradient(x, g, dw) }
}

/// Into how many parts `units` are cut, when each part needs a sum of `len` elements and has `tasks` tasks.
fn parts(units: usize, len: usize, tasks: usize) -> usize {
    let most = (PARTIAL / len).clamp(1, PARTS.div_ceil(tasks));
    units.div_ceil(units.div_ceil(most))
}

/// Adds all parts to the first.
fn add_up<T: Real>(sums: &mut [T], len: usize) {
    let (total, others) = sums.split_at_mut(len);
    par::chunks_mut(total, CHUNK, |at, total| {
        for other in others.chunks_exact(len) {
            total.iter_mut().zip(&other[at * CHUNK..]).for_each(|(total, &v)| *total += v);
        }
    });
}

/// The gradient for few output channels or weights: dot products of the planes, shifted.
fn dots<T: Real>(s: &Conv2d, x: &[T], g: &[T], dw: &mut [T]) {
    let isa = isa::current();
    let ([oh, ow], outputs, planes) = (s.output(), s.outputs(), s.inputs() * s.height * s.width);
    let block = s.block_rows();
    let blocks = oh.div_ceil(block);
    let units = s.batch * blocks;
    let parts = parts(units, dw.len(), 1);
    let each = units.div_ceil(parts);
    let mut sums = Buf::filled(parts * dw.len(), T::ZERO);
    par::chunks_mut(&mut sums, dw.len(), |part, sum| {
        for unit in part * each..units.min((part + 1) * each) {
            let (image, first) = (unit / blocks, unit % blocks * block);
            let patches = Patches::new(s, first, block.min(oh - first), 1);
            let pixels = patches.pixels();
            let mut source = Buf::scratch(patches.len());
            // The surplus columns get the gradient 0.
            let mut spread = Buf::filled(outputs * pixels, T::ZERO);
            for (group, sum) in sum.chunks_exact_mut(outputs * s.patch()).enumerate() {
                let at = image * s.groups + group;
                patches.fill(0, &x[at * planes..][..planes], &mut source);
                for (o, out) in spread.chunks_exact_mut(pixels).enumerate() {
                    let g = &g[((at * outputs + o) * oh + first) * ow..];
                    for (out, g) in out.chunks_mut(patches.pitch()).zip(g.chunks_exact(ow)) {
                        out[..ow].copy_from_slice(g);
                    }
                }
                gather_dots(isa, sum, &spread, pixels, &source, patches.offsets());
            }
        }
    });
    add_up(&mut sums, dw.len());
    dw.copy_from_slice(&sums[..dw.len()]);
}

/// The gradient for many output channels and weights: for some input channels the patches of some pixels lie side by side, and meet
/// the gradients of all output channels.
struct Sums<'a> {
    shape: &'a Conv2d,
    isa: Isa,
    axes: [Axis; 2],
    pair: Pair,
    /// Input channels that a task takes.
    block: usize,
    /// Rows, columns and images of a unit: about [`PIXELS`] pixels, or a multiple of them in one line.
    rows: usize,
    cols: usize,
    images: usize,
}

/// Rows and columns of some images, and a group of channels.
struct Unit {
    images: Range<usize>,
    rows: Range<usize>,
    cols: Range<usize>,
    group: usize,
}

impl<'a> Sums<'a> {
    fn new(shape: &'a Conv2d) -> Self {
        let axes = [Axis::forward(shape, 0), Axis::forward(shape, 1)];
        let [oh, ow] = shape.output();
        let pair = Pair::all(&axes, shape.kernel[1], axes[1].window(0, ow).1).remove(0);
        let block = block_of(shape.inputs(), shape.kernel[0] * shape.kernel[1]);
        let rows = (PIXELS / ow).clamp(1, oh);
        let cols = if is_line(shape, oh) { ow.min(8 * PIXELS) } else { ow };
        let images = if rows == oh { (PIXELS / (oh * ow)).clamp(1, shape.batch) } else { 1 };
        Sums { shape, isa: isa::current(), axes, pair, block, rows, cols, images }
    }

    fn gradient<T: Real>(&self, x: &[T], g: &[T], dw: &mut [T]) {
        let (s, area) = (self.shape, self.pair.taps.len());
        let blocks = s.inputs().div_ceil(self.block);
        let [oh, ow] = s.output();
        let (row_blocks, col_blocks) = (oh.div_ceil(self.rows), ow.div_ceil(self.cols));
        let units = s.batch.div_ceil(self.images) * row_blocks * col_blocks;
        // Sums of a block of channels; of all blocks of a group; of all groups.
        let len = area * self.block * s.outputs();
        let all = s.groups * blocks * len;
        // A task takes a part of the units, and some blocks of a group if there would be too few tasks.
        let parts = parts(units, all, s.groups);
        let blocks_a_task = blocks.div_ceil(PARTS.div_ceil(parts * s.groups));
        let tasks_a_group = blocks.div_ceil(blocks_a_task);
        let each = units.div_ceil(parts);
        let mut sums = Buf::filled(parts * all, T::ZERO);
        let groups = sums.chunks_exact_mut(blocks * len);
        let mut tasks: Vec<_> = groups.flat_map(|sums| sums.chunks_mut(blocks_a_task * len)).collect();
        par::chunks_mut(&mut tasks, 1, |at, sums| {
            let (part, group) = (at / (s.groups * tasks_a_group), at / tasks_a_group % s.groups);
            let first = at % tasks_a_group * blocks_a_task;
            for unit in part * each..units.min((part + 1) * each) {
                let (image, row) =
                    (unit / col_blocks / row_blocks * self.images, unit / col_blocks % row_blocks * self.rows);
                let col = unit % col_blocks * self.cols;
                let unit = Unit {
                    images: image..s.batch.min(image + self.images),
                    rows: row..oh.min(row + self.rows),
                    cols: col..ow.min(col + self.cols),
                    group,
                };
                let panels = self.gradients(g, &unit);
                for (block, sum) in (first..).zip(sums[0].chunks_exact_mut(len)) {
                    self.add(x, &panels, &unit, block, sum);
                }
            }
        });
        drop(tasks);
        add_up(&mut sums, all);
        self.order(&sums[..all], len, dw);
    }

    /// The packed gradients of a unit, [`PIXELS`] at a time.
    fn gradients<T: Real>(&self, g: &[T], unit: &Unit) -> Buf<T> {
        let (outputs, [oh, ow]) = (self.shape.outputs(), self.shape.output());
        let each = unit.rows.len() * unit.cols.len();
        let pixels = unit.images.len() * each;
        let mut lines = Buf::scratch(pixels * outputs);
        for (image, lines) in unit.images.clone().zip(lines.chunks_exact_mut(each * outputs)) {
            let first = (image * self.shape.groups + unit.group) * outputs;
            let data = &g[(first * oh + unit.rows.start) * ow + unit.cols.start..];
            let m = Mat { data, rows: outputs, cols: each, row_stride: oh * ow, col_stride: 1 };
            transposed(self.isa, m, outputs, lines);
        }
        let mut panels = Buf::scratch(pixels * padded(outputs));
        for from in (0..pixels).step_by(PIXELS) {
            let starts: Vec<_> = (from..pixels.min(from + PIXELS)).map(|pixel| pixel * outputs).collect();
            pack_rows(self.isa, &lines, &starts, outputs, &mut panels[from * padded(outputs)..]);
        }
        panels
    }

    /// Adds what a unit brings to a block of input channels: [position, input channel of the block, output channel].
    fn add<T: Real>(&self, x: &[T], gradients: &[T], unit: &Unit, block: usize, sum: &mut [T]) {
        let (s, outputs) = (self.shape, self.shape.outputs());
        let first = block * self.block;
        let channels = self.block.min(s.inputs() - first);
        let size = s.height * s.width;
        let down = self.axes[0].window(unit.rows.start, unit.rows.end);
        let right = self.axes[1].window(unit.cols.start, unit.cols.end);
        let window = Window { origin: [down.0, right.0], size: [down.1, right.1] };
        // Rows of patches do not fall on the same sets of a cache.
        let depth = self.pair.taps.len() * channels;
        let pitch = (depth.div_ceil(16) | 1) * 16;
        let each = unit.rows.len() * unit.cols.len();
        let pixels = unit.images.len() * each;
        let mut source = Buf::scratch(window.pixels() * channels);
        let mut patches = Buf::scratch(pixels * pitch + BEYOND);
        for (image, patches) in unit.images.clone().zip(patches.chunks_exact_mut(each * pitch)) {
            let x = &x[((image * s.groups + unit.group) * s.inputs() + first) * size..][..channels * size];
            window.copy(self.isa, x, [s.height, s.width], &mut source);
            self.patches(&source, channels, window, unit, pitch, patches);
        }
        let mut sum = Tile::whole(&mut sum[..depth * outputs], depth, outputs);
        for from in (0..pixels).step_by(PIXELS) {
            let depth = PIXELS.min(pixels - from);
            let panels = &gradients[from * padded(outputs)..];
            pixel_sums(self.isa, &mut sum, &patches[from * pitch..], pitch, panels, depth);
        }
    }

    /// The patches of the pixels of one image, `pitch` apart.
    fn patches<T: Real>(&self, x: &[T], channels: usize, window: Window, unit: &Unit, pitch: usize, out: &mut [T]) {
        let (rows, cols) = (&self.axes[0].at[unit.rows.clone()], &self.axes[1].at[unit.cols.clone()]);
        let depth = self.pair.taps.len() * channels;
        for (&(_, top), out) in rows.iter().zip(out.chunks_exact_mut(cols.len() * pitch)) {
            let line = (top - window.origin[0]) as usize * window.size[1];
            for (&(_, left), out) in cols.iter().zip(out.chunks_exact_mut(pitch)) {
                let place = line + (left - window.origin[1]) as usize;
                // A tile may multiply what lies behind the patch, in vain; zeros keep subnormals, which are slow, out.
                out[depth..].fill(T::ZERO);
                for run in &self.pair.runs {
                    let len = run.pixels * channels;
                    let (to, x) =
                        (&mut out[run.before * channels..][..len], &x[(place + run.offset) * channels..][..len]);
                    // A call for a few numbers takes longer than to move them.
                    if len < 8 { to.iter_mut().zip(x).for_each(|(to, &x)| *to = x) } else { to.copy_from_slice(x) }
                }
            }
        }
    }

    /// Brings sums [group, block, position, input channel, output channel] into the order of the weights.
    fn order<T: Real>(&self, sums: &[T], len: usize, dw: &mut [T]) {
        let (s, area, outputs) = (self.shape, self.pair.taps.len(), self.shape.outputs());
        let blocks = s.inputs().div_ceil(self.block);
        for (sums, dw) in sums.chunks_exact(blocks * len).zip(dw.chunks_exact_mut(outputs * s.patch())) {
            par::chunks_mut(dw, SIDE * s.patch(), |at, dw| {
                let mut some = Buf::scratch(SIDE * area * self.block);
                for (block, sums) in sums.chunks_exact(len).enumerate() {
                    let first = block * self.block;
                    let channels = self.block.min(s.inputs() - first);
                    let (depth, cols) = (area * channels, dw.len() / s.patch());
                    let m = Mat { data: &sums[at * SIDE..], rows: depth, cols, row_stride: outputs, col_stride: 1 };
                    transposed(self.isa, m, depth, &mut some);
                    for (dw, some) in dw.chunks_exact_mut(s.patch()).zip(some.chunks_exact(depth)) {
                        transposed(self.isa, Mat::row_major(some, area, channels), area, &mut dw[first * area..]);
                    }
                }
            });
        }
    }
}
