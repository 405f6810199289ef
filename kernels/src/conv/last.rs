//! Convolutions whose channels are laid side by side: the forward pass and the gradient of the input, which is a
//! convolution of the output's gradient, one for each phase of the stride.
//!
//! A task copies the images that it needs with the channels last and zeros around them, some channels at a time. There a
//! patch is a few runs of numbers, whatever the stride, and every pixel costs the same, whatever the width of its image
//! ([`place_product`]). The weights, packed once for all tasks, stay in the first-level cache while pixels pass.

use std::ops::Range;

use super::{CACHED, Conv2d, ENOUGH};
use crate::buf::Buf;
use crate::elem::Real;
use crate::gemm::{Mat, Places, Run, Tile, pack_rows, padded, place_product, transposed};
use crate::isa::{self, Isa};
use crate::par;

/// Depth of a block of weights: a panel of them leaves a first-level cache room for patches.
const DEPTH: usize = 320;

/// One axis of the images: which positions of the kernel meet a coordinate of the result, and where they read.
pub(super) struct Axis {
    /// For each phase its taps, by shift: (position of the kernel, shift).
    pub(super) phases: Vec<Vec<(usize, usize)>>,
    /// For each coordinate of the result: its phase, and the coordinate of the gathered image that shift 0 reads.
    pub(super) at: Vec<(usize, isize)>,
}

impl Axis {
    /// Output row i reads rows i·s + a·d − p of the input.
    pub(super) fn forward(s: &Conv2d, axis: usize) -> Axis {
        let taps = (0..s.kernel[axis]).map(|a| (a, a * s.dilation[axis])).collect();
        let at = |i| (0, (i * s.stride[axis]) as isize - s.padding[axis] as isize);
        Axis { phases: vec![taps], at: (0..s.output()[axis]).map(at).collect() }
    }

    /// Row y of the input's gradient reads the rows i = (y + p − a·d) / s of the output's, for the kernel's rows a of its
    /// phase r = (y + p) mod s. With a·d = r + s·e these are (y + p − r) / s − e.
    fn backward(s: &Conv2d, axis: usize) -> Axis {
        let (stride, padding) = (s.stride[axis], s.padding[axis]);
        let taps = |r| {
            let taps = (0..s.kernel[axis]).map(|a| (a, a * s.dilation[axis])).filter(move |(_, ad)| ad % stride == r);
            taps.map(|(a, ad)| (a, ad / stride)).collect::<Vec<_>>()
        };
        let length = if axis == 0 { s.height } else { s.width };
        let mut phases: Vec<_> = (0..stride.min(length + padding)).map(taps).collect();
        let reaches: Vec<_> = phases.iter().map(|taps| reach(taps)).collect();
        for (taps, reach) in phases.iter_mut().zip(&reaches) {
            taps.iter_mut().for_each(|(_, e)| *e = reach - *e);
            taps.reverse();
        }
        let at = |y: usize| {
            let (u, r) = ((y + padding) / stride, (y + padding) % stride);
            (r, u as isize - reaches[r] as isize)
        };
        let at = (0..length).map(at).collect();
        Axis { phases, at }
    }

    /// The coordinates of the gathered image that the results from `from` to `to` read: first, count.
    pub(super) fn window(&self, from: usize, to: usize) -> (isize, usize) {
        let used = self.at[from..to].iter().filter(|(phase, _)| !self.phases[*phase].is_empty());
        let first = used.clone().map(|at| at.1).min().unwrap_or(0);
        let last = used.map(|&(phase, at)| at + reach(&self.phases[phase]) as isize).max().unwrap_or(first);
        (first, (last - first) as usize + 1)
    }
}

/// The largest shift.
fn reach(taps: &[(usize, usize)]) -> usize {
    taps.iter().map(|tap| tap.1).max().unwrap_or(0)
}

/// Images with the channels of one group.
#[derive(Clone, Copy)]
struct Images {
    channels: usize,
    size: [usize; 2],
}

/// A phase of rows and one of columns.
pub(super) struct Pair {
    phases: [usize; 2],
    /// Positions of the kernel, in the order in which patches hold them.
    pub(super) taps: Vec<usize>,
    /// Taps of the pairs before.
    before: usize,
    pub(super) runs: Vec<Run>,
}

impl Pair {
    /// Pairs of phases that have taps, for copies of images `width` pixels wide.
    pub(super) fn all(axes: &[Axis; 2], kernel_width: usize, width: usize) -> Vec<Pair> {
        let mut before = 0;
        let mut pairs = Vec::new();
        for (down, rows) in axes[0].phases.iter().enumerate() {
            for (right, cols) in axes[1].phases.iter().enumerate().filter(|(_, cols)| !cols.is_empty()) {
                let (mut taps, mut runs) = (Vec::new(), Vec::<Run>::new());
                for (a, row) in rows {
                    for (b, col) in cols {
                        let offset = row * width + col;
                        match runs.last_mut() {
                            Some(run) if run.offset + run.pixels == offset => run.pixels += 1,
                            _ => runs.push(Run { offset, pixels: 1, before: taps.len() }),
                        }
                        taps.push(a * kernel_width + b);
                    }
                }
                if !taps.is_empty() {
                    let number = taps.len();
                    pairs.push(Pair { phases: [down, right], taps, before, runs });
                    before += number;
                }
            }
        }
        pairs
    }
}

/// Writes the weights of a set of channels of the result for some gathered channels, as [channel, position, held].
type Transpose<'a, T> = dyn Fn(usize, Range<usize>, &mut [T]) + Sync + 'a;

/// A convolution of gathered images that gives result images.
struct Pass<'a> {
    shape: &'a Conv2d,
    isa: Isa,
    axes: [Axis; 2],
    pairs: Vec<Pair>,
    gathered: Images,
    result: Images,
    /// Channels of the result that a set of weights has: those of a group, or some of the only group.
    held: usize,
    /// Channels that are gathered at once.
    block: usize,
}

/// Whether images of `height` rows are lines, whose parts do not depend on their width.
pub(super) fn is_line(s: &Conv2d, height: usize) -> bool {
    height == 1 && s.kernel[0] == 1
}

/// How many of `channels` channels are gathered at once, for patches of `taps` pixels: equal blocks.
pub(super) fn block_of(channels: usize, taps: usize) -> usize {
    let blocks = channels.div_ceil((DEPTH / taps).max(8));
    channels.div_ceil(blocks).next_multiple_of(8).min(channels)
}

/// Whether there are so many channels that laying them side by side pays.
pub(super) fn pays(gathered: usize, result: usize) -> bool {
    gathered > 4 && result > 8
}

/// The convolution of `x` with `w`, plus a bias.
pub(super) fn forward<T: Real>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let axes = [Axis::forward(s, 0), Axis::forward(s, 1)];
    let gathered = Images { channels: s.inputs(), size: [s.height, s.width] };
    let pass = Pass::new(s, axes, gathered, Images { channels: s.outputs(), size: s.output() });
    let area = s.kernel[0] * s.kernel[1];
    let transpose = |set: usize, channels: Range<usize>, to: &mut [T]| {
        let data = &w[(set * pass.held * s.inputs() + channels.start) * area..];
        let m = Mat { data, rows: pass.held, cols: channels.len() * area, row_stride: s.patch(), col_stride: 1 };
        transposed(pass.isa, m, pass.held, to);
    };
    pass.run(x, &transpose, bias, out);
}

/// The gradient with respect to the input.
pub(super) fn grad_input<T: Real>(s: &Conv2d, w: &[T], g: &[T], dx: &mut [T]) {
    let axes = [Axis::backward(s, 0), Axis::backward(s, 1)];
    let gathered = Images { channels: s.outputs(), size: s.output() };
    let pass = Pass::new(s, axes, gathered, Images { channels: s.inputs(), size: [s.height, s.width] });
    let area = s.kernel[0] * s.kernel[1];
    let transpose = |set: usize, channels: Range<usize>, to: &mut [T]| {
        let (group, first) = if s.groups > 1 { (set, 0) } else { (0, set * pass.held) };
        for (o, to) in channels.zip(to.chunks_exact_mut(area * pass.held)) {
            let data = &w[((group * s.outputs() + o) * s.inputs() + first) * area..];
            let m = Mat { data, rows: pass.held, cols: area, row_stride: area, col_stride: 1 };
            transposed(pass.isa, m, pass.held, to);
        }
    };
    pass.run(g, &transpose, None, dx);
}

impl<'a> Pass<'a> {
    fn new(shape: &'a Conv2d, axes: [Axis; 2], gathered: Images, result: Images) -> Self {
        let pairs = Pair::all(&axes, shape.kernel[1], axes[1].window(0, result.size[1]).1);
        let taps = pairs.iter().map(|pair| pair.taps.len()).max().unwrap_or(1);
        let block = block_of(gathered.channels, taps);
        // Some of the channels where images are too small to be cut into tasks enough.
        let parts = shape.tasks() / (result.size[0] * result.size[1] / ENOUGH).max(1);
        let parts = if shape.groups > 1 { 1 } else { 1 << parts.max(1).ilog2().min(result.channels.trailing_zeros()) };
        Pass { shape, isa: isa::current(), axes, pairs, gathered, result, held: result.channels / parts, block }
    }

    /// Packs the weights of a set of channels of the result for a block of gathered channels: for each pair of phases, for
    /// each of its runs.
    fn pack<T: Real>(&self, transpose: &Transpose<'_, T>, set: usize, block: usize, to: &mut [T]) {
        let area = self.shape.kernel[0] * self.shape.kernel[1];
        let channels = self.channels(block);
        let count = channels.len();
        let mut transposed = Buf::scratch(count * area * self.held);
        transpose(set, channels, &mut transposed);
        let mut starts = Vec::with_capacity(count * area);
        for pair in &self.pairs {
            for run in &pair.runs {
                starts.clear();
                for tap in &pair.taps[run.before..][..run.pixels] {
                    starts.extend((0..count).map(|c| (c * area + tap) * self.held));
                }
                let to = &mut to[(pair.before + run.before) * count * padded(self.held)..];
                pack_rows(self.isa, &transposed, &starts, self.held, to);
            }
        }
    }

    /// The channels of a block.
    fn channels(&self, block: usize) -> Range<usize> {
        block * self.block..self.gathered.channels.min((block + 1) * self.block)
    }

    fn blocks(&self) -> usize {
        self.gathered.channels.div_ceil(self.block)
    }

    /// Elements of the packed weights of a set for a block of gathered channels.
    fn block_len(&self) -> usize {
        let taps = self.pairs.last().map_or(0, |pair| pair.before + pair.taps.len());
        (self.block * taps * padded(self.held)).max(1)
    }

    fn run<T: Real>(&self, x: &[T], transpose: &Transpose<'_, T>, bias: Option<&[T]>, out: &mut [T]) {
        let (s, [h, w]) = (self.shape, self.result.size);
        // Rows of a block: their results stay in a second-level cache.
        let parts = s.tasks().min(h * w / ENOUGH).max(1);
        let rows = (CACHED / (self.held * w)).clamp(1, h.div_ceil(parts));
        // A single row may be long: a signal, in one dimension.
        let pixels = if is_line(s, h) { (CACHED / self.held).clamp(1, w.div_ceil(parts)) } else { rows * w };
        let channels = self.result.channels * s.groups;
        let at_once = if s.groups > 1 { channels } else { self.held };
        let mut tiles = Tile::whole(out, s.batch * channels, h * w).split(at_once, pixels);
        let together = if tiles.len() == s.batch { s.images_a_task(h * w) } else { 1 };
        // Weights that several tasks need are packed for all of them; others pass through the cache of their only task.
        let (len, blocks) = (self.block_len(), self.blocks());
        let shared = tiles.len().div_ceil(together) > channels / at_once;
        let mut packed = Buf::scratch(if shared { channels / self.held * blocks * len } else { 0 });
        par::chunks_mut(&mut packed, len, |at, to| self.pack(transpose, at / blocks, at % blocks, to));
        par::chunks_mut(&mut tiles, together, |_, tiles| {
            let mut own = Buf::scratch(if shared { 0 } else { len });
            self.task(x, bias, tiles, |set, block, product| {
                if shared {
                    return product(&packed[(set * blocks + block) * len..][..len]);
                }
                self.pack(transpose, set, block, &mut own);
                product(&own);
            });
        });
    }

    /// Equal parts of several images. `with_weights` brings the packed weights of a set for a block.
    fn task<T: Real>(
        &self,
        x: &[T],
        bias: Option<&[T]>,
        tiles: &mut [Tile<'_, T>],
        mut with_weights: impl FnMut(usize, usize, &mut dyn FnMut(&[T])),
    ) {
        let (s, w, held) = (self.shape, self.result.size[1], self.held);
        let channels = self.result.channels * s.groups;
        let (image, from) = (tiles[0].row() / channels, tiles[0].row() % channels);
        let (first, pixels) = (tiles[0].col(), tiles[0].cols());
        let rows = first / w..(first + pixels).div_ceil(w);
        let cols = if pixels < w { first..first + pixels } else { 0..w };
        let (down, right) = (self.axes[0].window(rows.start, rows.end), self.axes[1].window(cols.start, cols.end));
        let window = Window { origin: [down.0, right.0], size: [down.1, right.1] };
        let places = self.pairs.iter().map(|pair| self.places(pair, [&rows, &cols], tiles.len(), window));
        let places: Vec<_> = places.collect();
        let mut source = Buf::scratch(tiles.len() * window.pixels() * self.block);
        let mut product = Buf::scratch(tiles.len() * pixels * held);
        let plane = self.gathered.size[0] * self.gathered.size[1];
        // The bias, or zeros where no tap reaches some of the pixels, is what sums begin with.
        let incomplete = self.axes.iter().any(|axis| axis.phases.iter().any(Vec::is_empty));
        for group in 0..s.groups {
            let first = from + group * held;
            match bias {
                Some(bias) => product.chunks_exact_mut(held).for_each(|c| c.copy_from_slice(&bias[first..][..held])),
                None if incomplete => product.fill(T::ZERO),
                None => {}
            }
            for block in 0..self.blocks() {
                let channels = self.channels(block);
                let count = channels.len();
                for (i, to) in source.chunks_exact_mut(window.pixels() * count).take(tiles.len()).enumerate() {
                    let at = ((image + i) * s.groups + group) * self.gathered.channels + channels.start;
                    window.copy(self.isa, &x[at * plane..][..count * plane], self.gathered.size, to);
                }
                let add = block > 0 || bias.is_some() || incomplete;
                with_weights(from / held + group, block, &mut |weights| {
                    for (pair, rows) in self.pairs.iter().zip(&places) {
                        let a = Places { x: &source[..], channels: count, rows, runs: &pair.runs };
                        let b = &weights[pair.before * count * padded(held)..];
                        place_product(self.isa, &mut product, held, a, b, add);
                    }
                });
            }
            for (tile, product) in tiles.iter_mut().zip(product.chunks_exact(pixels * held)) {
                let product = Mat::row_major(product, pixels, held);
                if let Some(out) = tile.rows_mut(group * held..(group + 1) * held) {
                    transposed(self.isa, product, pixels, out);
                    continue;
                }
                let mut planes = Buf::scratch(pixels * held);
                transposed(self.isa, product, pixels, &mut planes);
                for (o, line) in planes.chunks_exact(pixels).enumerate() {
                    tile.row_mut(group * held + o).copy_from_slice(line);
                }
            }
        }
    }

    /// For each pixel of a pair of phases, in some rows and columns of some images: its place in the copies, and its number.
    fn places(
        &self,
        pair: &Pair,
        [rows, cols]: [&Range<usize>; 2],
        images: usize,
        window: Window,
    ) -> Vec<(usize, usize)> {
        let [down, right] = &self.axes;
        let mut places = Vec::new();
        for image in 0..images {
            for (y, &(phase, top)) in down.at[rows.clone()].iter().enumerate() {
                if phase != pair.phases[0] {
                    continue;
                }
                let line = image * window.size[0] + (top - window.origin[0]) as usize;
                let pixel = (image * rows.len() + y) * cols.len();
                for (x, &(_, left)) in
                    right.at[cols.clone()].iter().enumerate().filter(|(_, at)| at.0 == pair.phases[1])
                {
                    places.push((line * window.size[1] + (left - window.origin[1]) as usize, pixel + x));
                }
            }
        }
        places
    }
}

/// Rows and columns of an image, some of which may lie outside of it.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) origin: [isize; 2],
    pub(super) size: [usize; 2],
}

impl Window {
    pub(super) fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Copies the window of an image of several planes with the channels last, and zeros where there is no image.
    pub(super) fn copy<T: Real>(&self, isa: Isa, x: &[T], [height, width]: [usize; 2], out: &mut [T]) {
        let channels = out.len() / self.pixels();
        let [top, left] = self.origin;
        // Columns that exist: 0 ≤ left + v < width.
        let begin = ((-left).max(0) as usize).min(self.size[1]);
        let end = ((width as isize - left).max(0) as usize).clamp(begin, self.size[1]);
        for (u, line) in out.chunks_exact_mut(self.size[1] * channels).enumerate() {
            let y = top + u as isize;
            if y < 0 || y >= height as isize || begin == end {
                line.fill(T::ZERO);
                continue;
            }
            line[..begin * channels].fill(T::ZERO);
            line[end * channels..].fill(T::ZERO);
            let data = &x[y as usize * width + (left + begin as isize) as usize..];
            let m = Mat { data, rows: channels, cols: end - begin, row_stride: height * width, col_stride: 1 };
            transposed(isa, m, channels, &mut line[begin * channels..]);
        }
    }
}
