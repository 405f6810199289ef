//! Max and average pooling and nearest-neighbour upsampling of planes, with their gradients.
//!
//! A plane is one channel of one image; all planes are pooled alike and in parallel. Definitions are PyTorch's: padding
//! is −∞ for the maximum, and counts as zeros for the average or not at all; the output length is
//! ⌊(length + 2·padding − kernel) / stride⌋ + 1, or that rounded up without windows that begin behind the input. The first
//! of equal maxima wins, a NaN wins over everything.

use pulp::{Simd, WithSimd};

use crate::door;
use crate::elem::Real;
use crate::isa;
use crate::par;
use crate::stamp::stamp;

/// The geometry of a pooling: `planes` of `height × width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Batch times channels.
    pub planes: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Rows and columns of a window.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Rows and columns of padding on each side.
    pub padding: [usize; 2],
    /// Whether a last window may reach beyond the padded input (PyTorch's `ceil_mode`).
    pub ceil: bool,
    /// Whether the average counts the padding as zeros (PyTorch's `count_include_pad`).
    pub include_pad: bool,
}

impl Pool2d {
    /// Rows and columns of the output; 0 where no window fits.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let (n, kernel, stride, padding) =
                (self.length(axis), self.kernel[axis], self.stride[axis], self.padding[axis]);
            windows(n, [kernel, stride, padding], self.ceil).unwrap_or(0)
        })
    }

    /// Says what is wrong with the geometry: an empty kernel, a stride of 0, a padding over half of the kernel (a window
    /// could lie in it entirely), or a kernel larger than the padded input.
    pub fn validate(&self) -> Result<(), String> {
        for (axis, name) in [(0, "rows"), (1, "columns")] {
            let window = [self.kernel[axis], self.stride[axis], self.padding[axis]];
            windows(self.length(axis), window, self.ceil).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }

    /// Of planes that there are; without any the product may overflow.
    fn input_plane(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    fn output_plane(&self) -> usize {
        let [oh, ow] = self.output();
        oh.saturating_mul(ow)
    }

    /// Checks geometry and lengths once, at the door.
    fn check(&self, kernel: &str, input: usize, output: usize) {
        if let Err(error) = self.validate() {
            panic!("{kernel}: {error}");
        }
        let [oh, ow] = self.output();
        let i = door::product(kernel, &[self.planes, self.height, self.width]);
        let o = door::product(kernel, &[self.planes, oh, ow]);
        assert_eq!((input, output), (i, o), "{kernel}: lengths of input and output for {self:?}");
    }

    fn length(&self, axis: usize) -> usize {
        if axis == 0 { self.height } else { self.width }
    }

    /// By how many elements along `axis` the mean of window `at` divides.
    #[inline]
    fn counted(&self, axis: usize, at: usize) -> usize {
        let (start, padded) = (at * self.stride[axis], self.length(axis) + 2 * self.padding[axis]);
        if self.include_pad {
            start.saturating_add(self.kernel[axis]).min(padded) - start
        } else {
            self.window(axis, at).len()
        }
    }

    /// The part of window `at` along `axis` that lies in the input.
    #[inline]
    fn window(&self, axis: usize, at: usize) -> std::ops::Range<usize> {
        let length = self.length(axis);
        let start = at * self.stride[axis];
        let end = start.saturating_add(self.kernel[axis]).saturating_sub(self.padding[axis]).min(length);
        start.saturating_sub(self.padding[axis]).min(end)..end
    }
}

/// How many windows of `[kernel, stride, padding]` an axis of length `n` has: ⌊(n + 2·padding − kernel) / stride⌋ + 1. With
/// `ceil` the quotient is rounded up, without a window that begins behind the input.
///
/// # Errors
/// Says what is wrong: an empty axis or kernel, a stride of 0, a padding over half of the kernel (a window could lie in it
/// entirely), or no window that fits.
pub fn windows(n: usize, [kernel, stride, padding]: [usize; 3], ceil: bool) -> Result<usize, String> {
    if kernel == 0 || stride == 0 {
        return Err(format!("kernel {kernel} and stride {stride} must be positive"));
    }
    if n == 0 {
        return Err("the axis is empty".to_string());
    }
    if padding > kernel / 2 {
        return Err(format!("padding {padding} is more than half of kernel {kernel}"));
    }
    let padded = padding.checked_mul(2).and_then(|both| n.checked_add(both));
    let Some(padded) = padded else { return Err(format!("padding {padding} of {n} overflows")) };
    let Some(free) = padded.checked_sub(kernel) else {
        // The first window reaches beyond the padded input, but by less than a step.
        let first = ceil && kernel - padded < stride;
        return if first { Ok(1) } else { Err(format!("kernel {kernel} is larger than the padded input {padded}")) };
    };
    let floor = free / stride + 1;
    let more = ceil && free % stride > 0 && floor * stride < n + padding;
    Ok(floor + usize::from(more))
}

stamp! {
    Pools: Real = [f32, f64];
    /// The maximum of each window, and where it lies: `index` is row × width + column in its plane.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn max(shape: &Pool2d, x: &[T], out: &mut [T], index: &mut [i64]) = max_any;
    /// The gradient of [`max`]: each window's gradient goes to the element that won.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn max_grad(shape: &Pool2d, index: &[i64], g: &[T], dx: &mut [T]) = max_grad_any;
    /// The mean of each window.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn avg(shape: &Pool2d, x: &[T], out: &mut [T]) = avg_any;
    /// The gradient of [`avg`].
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn avg_grad(shape: &Pool2d, g: &[T], dx: &mut [T]) = avg_grad_any;
    /// Repeats every element `scale` times in both directions.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn upsample_nearest(planes: usize, height: usize, width: usize, scale: usize, x: &[T], out: &mut [T]) = upsample_any;
    /// The gradient of [`upsample_nearest`]: sums over `scale × scale` squares.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn upsample_nearest_grad(planes: usize, height: usize, width: usize, scale: usize, g: &[T], dx: &mut [T]) = upsample_grad_any;
}

/// Elements about which one thread handles at a time.
const GRAIN: usize = 1 << 14;

/// Calls `f(plane, chunk)` for every plane of `plane` elements of `out`, several planes a block.
fn for_planes<T: Send>(out: &mut [T], plane: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() {
        return;
    }
    let planes = GRAIN.div_ceil(plane);
    par::chunks_mut(out, planes * plane, |block, part| {
        part.chunks_exact_mut(plane).enumerate().for_each(|(i, chunk)| f(block * planes + i, chunk));
    });
}

fn max_any<T: Real>(shape: &Pool2d, x: &[T], out: &mut [T], index: &mut [i64]) {
    shape.check("pool::max", x.len(), out.len());
    assert_eq!(index.len(), out.len(), "pool::max: index and out differ in length");
    let plane = shape.input_plane();
    let [oh, ow] = shape.output();
    let isa = isa::current();
    for_planes(index, oh * ow, |p, index| isa.run_on::<T, _>(Winners { shape, x: &x[p * plane..][..plane], index }));
    for_planes(out, oh * ow, |p, out| {
        let x = &x[p * plane..][..plane];
        out.iter_mut().zip(&index[p * oh * ow..]).for_each(|(out, &i)| *out = x[i as usize]);
    });
}

/// Where the maxima of a plane's windows lie.
struct Winners<'a, T> {
    shape: &'a Pool2d,
    x: &'a [T],
    index: &'a mut [i64],
}

impl<T: Real> WithSimd for Winners<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (s, [_, ow]) = (self.shape, self.shape.output());
        let mut best = vec![T::NEG_INFINITY; ow];
        for (i, index) in self.index.chunks_exact_mut(ow).enumerate() {
            let rows = s.window(0, i);
            best.fill(T::NEG_INFINITY);
            for (j, index) in index.iter_mut().enumerate() {
                *index = (rows.start * s.width + s.window(1, j).start) as i64;
            }
            // Positions that meet the input in some window.
            let last = s.padding[1].saturating_add(s.width).min(s.kernel[1]);
            let first = (s.padding[1] - s.padding[1].min((ow - 1).saturating_mul(s.stride[1]))).min(last);
            // A row of windows at once, one kernel position after another: the order in each window stays.
            for (row, b) in rows.flat_map(|row| (first..last).map(move |b| (row, b))) {
                // Windows j whose column j·stride + b − padding exists.
                let first = s.padding[1].saturating_sub(b).div_ceil(s.stride[1]).min(ow);
                let end = (s.width + s.padding[1]).saturating_sub(b).div_ceil(s.stride[1]).clamp(first, ow);
                if first == end {
                    continue;
                }
                let start = row * s.width + first * s.stride[1] + b - s.padding[1];
                let windows = best[first..end].iter_mut().zip(&mut index[first..end]);
                let values = (start..).zip(&self.x[start..]).step_by(s.stride[1]);
                for ((best, index), (at, &v)) in windows.zip(values) {
                    let wins = v > *best || v.is_nan();
                    *best = if wins { v } else { *best };
                    *index = if wins { at as i64 } else { *index };
                }
            }
        }
    }
}

fn max_grad_any<T: Real>(shape: &Pool2d, index: &[i64], g: &[T], dx: &mut [T]) {
    shape.check("pool::max_grad", dx.len(), g.len());
    assert_eq!(index.len(), g.len(), "pool::max_grad: index and g differ in length");
    let outputs = shape.output_plane();
    for_planes(dx, shape.input_plane(), |p, dx| {
        dx.fill(T::ZERO);
        let part = p * outputs..(p + 1) * outputs;
        g[part.clone()].iter().zip(&index[part]).for_each(|(&g, &i)| dx[i as usize] += g);
    });
}

/// What the sum of window (i, j) is multiplied with.
#[inline]
fn scale<T: Real>(shape: &Pool2d, i: usize, j: usize) -> T {
    T::ONE / T::from_f64((shape.counted(0, i) * shape.counted(1, j)) as f64)
}

fn avg_any<T: Real>(shape: &Pool2d, x: &[T], out: &mut [T]) {
    shape.check("pool::avg", x.len(), out.len());
    let (plane, width) = (shape.input_plane(), shape.width);
    let [oh, ow] = shape.output();
    for_planes(out, oh * ow, |p, out| {
        let x = &x[p * plane..][..plane];
        for (i, out) in out.chunks_exact_mut(ow).enumerate() {
            for (j, out) in out.iter_mut().enumerate() {
                let (rows, cols) = (shape.window(0, i), shape.window(1, j));
                let scale = scale(shape, i, j);
                *out = rows.map(|row| x[row * width..][cols.clone()].iter().copied().sum::<T>()).sum::<T>() * scale;
            }
        }
    });
}

fn avg_grad_any<T: Real>(shape: &Pool2d, g: &[T], dx: &mut [T]) {
    shape.check("pool::avg_grad", dx.len(), g.len());
    let width = shape.width;
    let [oh, ow] = shape.output();
    for_planes(dx, shape.input_plane(), |p, dx| {
        dx.fill(T::ZERO);
        for (i, g) in g[p * oh * ow..][..oh * ow].chunks_exact(ow).enumerate() {
            for (j, &g) in g.iter().enumerate() {
                let scale: T = scale(shape, i, j);
                for row in shape.window(0, i) {
                    dx[row * width..][shape.window(1, j)].iter_mut().for_each(|d| *d += g * scale);
                }
            }
        }
    });
}

fn upsample_any<T: Real>(planes: usize, height: usize, width: usize, scale: usize, x: &[T], out: &mut [T]) {
    let name = "pool::upsample_nearest";
    let plane = door::product(name, &[height, width]);
    assert_eq!(x.len(), door::product(name, &[planes, plane]), "{name}: x is not [{planes}, {height}, {width}]");
    assert_eq!(out.len(), door::product(name, &[x.len(), scale, scale]), "{name}: out is not {scale}² times as long");
    for_planes(out, plane * scale * scale, |p, out| {
        let x = x[p * plane..][..plane].chunks_exact(width);
        for (x, rows) in x.zip(out.chunks_exact_mut(width * scale * scale)) {
            let (first, rest) = rows.split_at_mut(width * scale);
            first.chunks_exact_mut(scale).zip(x).for_each(|(out, &x)| out.fill(x));
            rest.chunks_exact_mut(width * scale).for_each(|row| row.copy_from_slice(first));
        }
    });
}

fn upsample_grad_any<T: Real>(planes: usize, height: usize, width: usize, scale: usize, g: &[T], dx: &mut [T]) {
    let name = "pool::upsample_nearest_grad";
    let plane = door::product(name, &[height, width]);
    assert_eq!(dx.len(), door::product(name, &[planes, plane]), "{name}: dx is not [{planes}, {height}, {width}]");
    assert_eq!(g.len(), door::product(name, &[dx.len(), scale, scale]), "{name}: g is not {scale}² times as long");
    if scale == 0 {
        return dx.fill(T::ZERO);
    }
    for_planes(dx, plane, |p, dx| {
        dx.fill(T::ZERO);
        let g = g[p * plane * scale * scale..].chunks_exact(width * scale * scale);
        for (dx, rows) in dx.chunks_exact_mut(width).zip(g) {
            for row in rows.chunks_exact(width * scale) {
                dx.iter_mut().zip(row.chunks_exact(scale)).for_each(|(d, g)| *d += g.iter().copied().sum::<T>());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = Pool2d> {
        let pair = |range: std::ops::Range<usize>| (range.clone(), range).prop_map(|(a, b)| [a, b]);
        let flags = (any::<bool>(), any::<bool>());
        (0usize..4, pair(1..12), pair(1..5), pair(1..4), pair(0..3), flags).prop_filter_map(
            "the geometry is valid",
            |(planes, [height, width], kernel, stride, padding, (ceil, include_pad))| {
                let shape = Pool2d { planes, height, width, kernel, stride, padding, ceil, include_pad };
                shape.validate().is_ok().then_some(shape)
            },
        )
    }

    /// The input indices of each window, by the definition; positions in the padding are left out.
    fn windows(s: &Pool2d) -> Vec<Vec<usize>> {
        let [oh, ow] = s.output();
        let mut windows = Vec::new();
        for (plane, i, j) in (0..s.planes).flat_map(|p| (0..oh * ow).map(move |at| (p, at / ow, at % ow))) {
            let mut window = Vec::new();
            for (a, b) in (0..s.kernel[0]).flat_map(|a| (0..s.kernel[1]).map(move |b| (a, b))) {
                let y = (i * s.stride[0] + a) as isize - s.padding[0] as isize;
                let x = (j * s.stride[1] + b) as isize - s.padding[1] as isize;
                if (0..s.height as isize).contains(&y) && (0..s.width as isize).contains(&x) {
                    window.push((plane * s.height + y as usize) * s.width + x as usize);
                }
            }
            windows.push(window);
        }
        windows
    }

    /// How many elements the mean of each window counts: those of the input, or of the padded input.
    fn counts(s: &Pool2d) -> Vec<usize> {
        let [oh, ow] = s.output();
        let count = |axis: usize, at: usize| {
            let (length, padding) = (s.length(axis), s.padding[axis]);
            let lies = |place: usize| match s.include_pad {
                true => place < length + 2 * padding,
                false => (padding..padding + length).contains(&place),
            };
            (0..s.kernel[axis]).filter(|&tap| lies(at * s.stride[axis] + tap)).count()
        };
        (0..s.planes * oh * ow).map(|at| count(0, at / ow % oh) * count(1, at % ow)).collect()
    }

    /// Small whole numbers: sums are exact and ties are many.
    fn whole_numbers(seed: u64, len: usize) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| rng.below(7) as f32 - 3.0).collect()
    }

    proptest! {
        #[test]
        fn pools_are_their_definition(s in shapes(), seed: u64) {
            let (windows, plane) = (windows(&s), s.height * s.width);
            let x = whole_numbers(seed, s.planes * plane);
            let g = whole_numbers(seed ^ 1, windows.len());
            let (mut out, mut index) = (vec![f32::NAN; g.len()], vec![-1; g.len()]);
            max(&s, &x, &mut out, &mut index);
            let (mut mean, mut dx, mut dmean) = (out.clone(), vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            max_grad(&s, &index, &g, &mut dx);
            avg(&s, &x, &mut mean);
            avg_grad(&s, &g, &mut dmean);
            let (mut expected_dx, mut expected_dmean) = (vec![0f32; x.len()], vec![0f32; x.len()]);
            let counts = counts(&s);
            for (at, window) in windows.iter().enumerate() {
                let area = counts[at] as f32;
                // `max_by` gives the last of equals, so the order is turned round.
                let first = *window.iter().rev().max_by(|&&a, &&b| x[a].total_cmp(&x[b])).expect("not empty");
                prop_assert_eq!(out[at], x[first]);
                prop_assert_eq!(index[at] as usize, first % plane);
                expected_dx[first] += g[at];
                prop_assert!((mean[at] - window.iter().map(|&i| x[i]).sum::<f32>() / area).abs() <= 1e-5);
                window.iter().for_each(|&i| expected_dmean[i] += g[at] / area);
            }
            prop_assert_eq!(dx, expected_dx);
            prop_assert!(dmean.iter().zip(&expected_dmean).all(|(a, b)| (a - b).abs() <= 1e-4));
        }

        #[test]
        fn upsampling_repeats_and_its_gradient_adds(
            planes in 0usize..4, height in 0usize..6, width in 0usize..6, scale in 1usize..4, seed: u64,
        ) {
            let x = whole_numbers(seed, planes * height * width);
            let g = whole_numbers(seed ^ 1, x.len() * scale * scale);
            let (mut out, mut dx) = (vec![f32::NAN; g.len()], vec![f32::NAN; x.len()]);
            upsample_nearest(planes, height, width, scale, &x, &mut out);
            upsample_nearest_grad(planes, height, width, scale, &g, &mut dx);
            let mut expected = vec![0f32; x.len()];
            for at in 0..g.len() {
                let (row, col) = (at / (width * scale), at % (width * scale));
                let source = row / scale * width + col / scale;
                prop_assert_eq!(out[at], x[source]);
                expected[source] += g[at];
            }
            prop_assert_eq!(dx, expected);
        }
    }

    /// Along one axis, as PyTorch's documentation of `ceil_mode` has it: rounded up, less a window that begins in the padding
    /// on the right.
    #[test]
    fn a_last_window_may_reach_beyond_the_padded_input_but_not_begin_there() {
        let length = |width, kernel, stride, padding, ceil| {
            let s = Pool2d {
                planes: 1,
                height: 1,
                width,
                kernel: [1, kernel],
                stride: [1, stride],
                padding: [0, padding],
                ceil,
                include_pad: true,
            };
            s.output()[1]
        };
        assert_eq!([length(6, 3, 2, 0, false), length(6, 3, 2, 0, true)], [2, 3]);
        assert_eq!([length(7, 3, 2, 0, false), length(7, 3, 2, 0, true)], [3, 3]);
        // A first window that reaches beyond the padded input, by less than a step.
        assert_eq!([length(1, 2, 2, 0, false), length(1, 2, 2, 0, true), length(2, 3, 1, 0, true)], [0, 1, 0]);
        // The third window would begin at place 6 of 5 + 1: behind the input.
        assert_eq!([length(5, 2, 3, 1, false), length(5, 2, 3, 1, true)], [2, 2]);
        assert_eq!([length(1, 1, 3, 0, false), length(1, 1, 3, 0, true)], [1, 1]);
    }

    #[test]
    fn nan_wins_and_infinite_padding_loses() {
        let (kernel, stride, padding) = ([2, 2], [2, 2], [1, 1]);
        let s = Pool2d { planes: 1, height: 2, width: 2, kernel, stride, padding, ceil: false, include_pad: true };
        let (mut out, mut index) = ([0f32; 4], [0; 4]);
        max(&s, &[f32::NEG_INFINITY, f32::NAN, -5.0, 1.0], &mut out, &mut index);
        assert_eq!((out[0], out[2], out[3]), (f32::NEG_INFINITY, -5.0, 1.0));
        assert!(out[1].is_nan());
        assert_eq!(index, [0, 1, 2, 3]);
    }
}
