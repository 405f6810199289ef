//! Max and average pooling in one, two or three dimensions and nearest-neighbour upsampling of planes, with their gradients.
//!
//! A volume is one channel of one sample; all are pooled alike and in parallel. An image is a volume of depth 1, a sequence
//! one of height 1 too. Definitions are PyTorch's: padding is −∞ for the maximum, and counts as zeros for the average or not
//! at all; the output length is ⌊(length + 2·padding − span) / stride⌋ + 1 for windows of span (kernel − 1)·dilation + 1, or
//! that rounded up without windows that begin behind the input. The first of equal maxima wins, a NaN wins over everything.

mod avg;
mod max;
#[cfg(test)]
mod tests;
mod upsample;

use std::ops::Range;

use crate::door;
use crate::elem::Real;
use crate::par;
use crate::stamp::stamp;

/// How windows lie along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Elements of the input.
    pub length: usize,
    /// Elements of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Elements of padding on each side.
    pub padding: usize,
    /// Step between the elements of a window.
    pub dilation: usize,
}

impl Axis {
    /// An axis that the input does not have: one window of its only element.
    pub const NONE: Axis = Axis { length: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };

    /// How many windows there are: ⌊(length + 2·padding − span) / stride⌋ + 1. With `ceil` the quotient is rounded up,
    /// without a window that begins behind the input.
    ///
    /// # Errors
    /// Says what is wrong: an empty axis or kernel, a stride or dilation of 0, a padding over half of the kernel, no window
    /// that fits, or one that lies in the padding entirely.
    pub fn windows(&self, ceil: bool) -> Result<usize, String> {
        let Axis { length, kernel, stride, padding, dilation } = *self;
        if kernel == 0 || stride == 0 {
            return Err(format!("kernel {kernel} and stride {stride} must be positive"));
        }
        if dilation == 0 {
            return Err("the dilation must be positive".to_string());
        }
        if length == 0 {
            return Err("the axis is empty".to_string());
        }
        if padding > kernel / 2 {
            return Err(format!("padding {padding} is more than half of kernel {kernel}"));
        }
        let named = || match dilation {
            1 => format!("kernel {kernel}"),
            _ => format!("kernel {kernel} with dilation {dilation}"),
        };
        let Some(span) = self.span() else { return Err(format!("{} overflows", named())) };
        let padded = padding.checked_mul(2).and_then(|both| length.checked_add(both));
        let Some(padded) = padded else { return Err(format!("padding {padding} of {length} overflows")) };
        let windows = match padded.checked_sub(span) {
            Some(free) => {
                let floor = free / stride + 1;
                floor + usize::from(ceil && free % stride > 0 && floor * stride < length + padding)
            }
            // The first window reaches beyond the padded input, but by less than a step.
            None if ceil && span - padded < stride => 1,
            None => return Err(format!("{} is larger than the padded input {padded}", named())),
        };
        // Only steps that are larger than the axis can pass over it.
        let doubtful = if dilation > length { windows } else { 0 };
        let empty = (0..doubtful).find(|&at| self.reach(at).is_empty());
        empty.map_or(Ok(windows), |at| Err(format!("window {at} of {} holds nothing but padding", named())))
    }

    /// From the first element of a window to its last, both counted; `None` if it overflows.
    fn span(&self) -> Option<usize> {
        (self.kernel - 1).checked_mul(self.dilation)?.checked_add(1)
    }

    /// From the first element of window `at` that is not padding to behind its last.
    #[inline]
    fn reach(&self, at: usize) -> Range<usize> {
        let start = at * self.stride;
        let span = (self.kernel - 1) * self.dilation + 1;
        let end = start.saturating_add(span).saturating_sub(self.padding).min(self.length);
        let first = match self.padding.checked_sub(start) {
            Some(outside) => outside.next_multiple_of(self.dilation) - outside,
            None => start - self.padding,
        };
        first.min(end)..end
    }

    /// By how many elements the mean of window `at` divides, whose dilation is 1.
    #[inline]
    fn counted(&self, at: usize, include_pad: bool) -> usize {
        if !include_pad {
            return self.reach(at).len();
        }
        let start = at * self.stride;
        start.saturating_add(self.kernel).min(self.length + 2 * self.padding) - start
    }
}

/// The geometry of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Batch times channels.
    pub volumes: usize,
    /// Depth, height and width.
    pub axes: [Axis; 3],
    /// Whether a last window may reach beyond the padded input (PyTorch's `ceil_mode`).
    pub ceil: bool,
    /// Whether the average counts the padding as zeros (PyTorch's `count_include_pad`).
    pub include_pad: bool,
    /// What the average divides by instead of the number of elements (PyTorch's `divisor_override`).
    pub divisor: Option<usize>,
}

impl Pool {
    /// Depth, height and width of the input.
    pub fn input(&self) -> [usize; 3] {
        self.axes.map(|axis| axis.length)
    }

    /// Depth, height and width of the output; 0 where no window fits.
    pub fn output(&self) -> [usize; 3] {
        self.axes.map(|axis| axis.windows(self.ceil).unwrap_or(0))
    }

    /// Says what is wrong with the geometry: see [`Axis::windows`].
    pub fn validate(&self) -> Result<(), String> {
        for (axis, name) in self.axes.iter().zip(["depth", "rows", "columns"]) {
            axis.windows(self.ceil).map_err(|error| format!("{name}: {error}"))?;
        }
        if self.divisor == Some(0) { Err("the divisor is 0".to_string()) } else { Ok(()) }
    }

    /// Elements of a volume of the input. Of volumes that there are; without any the product may overflow.
    fn input_volume(&self) -> usize {
        self.input().into_iter().fold(1, usize::saturating_mul)
    }

    fn output_volume(&self) -> usize {
        self.output().into_iter().fold(1, usize::saturating_mul)
    }

    /// Checks geometry and lengths once, at the door.
    fn check(&self, kernel: &str, input: usize, output: usize) {
        if let Err(error) = self.validate() {
            panic!("{kernel}: {error}");
        }
        let all = |[depth, height, width]: [usize; 3]| door::product(kernel, &[self.volumes, depth, height, width]);
        let sizes = (all(self.input()), all(self.output()));
        assert_eq!((input, output), sizes, "{kernel}: lengths of input and output for {self:?}");
    }

    /// Where in a volume the lines begin that the windows of output line `at`, of those with `rows` a plane, see: plane
    /// after plane, row after row.
    #[inline]
    fn lines(&self, at: usize, rows: usize) -> impl Iterator<Item = usize> + Clone {
        let [depth, height, width] = self.axes;
        let (planes, rows) = (depth.reach(at / rows), height.reach(at % rows));
        planes.step_by(depth.dilation).flat_map(move |plane| {
            rows.clone().step_by(height.dilation).map(move |row| (plane * height.length + row) * width.length)
        })
    }
}

stamp! {
    Pools: Real = [f32, f64];
    /// The maximum of each window, and where it lies: `index` is (plane × height + row) × width + column in its volume.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn max(shape: &Pool, x: &[T], out: &mut [T], index: &mut [i64]) = max::max_any;
    /// The gradient of [`max`]: each window's gradient goes to the element that won.
    ///
    /// # Panics
    /// If the geometry is invalid or a length does not fit.
    pub fn max_grad(shape: &Pool, index: &[i64], g: &[T], dx: &mut [T]) = max::max_grad_any;
    /// The mean of each window.
    ///
    /// # Panics
    /// If the geometry is invalid, a window is dilated, or a length does not fit.
    pub fn avg(shape: &Pool, x: &[T], out: &mut [T]) = avg::avg_any;
    /// The gradient of [`avg`].
    ///
    /// # Panics
    /// If the geometry is invalid, a window is dilated, or a length does not fit.
    pub fn avg_grad(shape: &Pool, g: &[T], dx: &mut [T]) = avg::avg_grad_any;
    /// Repeats every element `scale` times in both directions.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn upsample_nearest(planes: usize, height: usize, width: usize, scale: usize, x: &[T], out: &mut [T]) = upsample::upsample_any;
    /// The gradient of [`upsample_nearest`]: sums over `scale × scale` squares.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn upsample_nearest_grad(planes: usize, height: usize, width: usize, scale: usize, g: &[T], dx: &mut [T]) = upsample::upsample_grad_any;
}

/// Elements about which one thread handles at a time.
const GRAIN: usize = 1 << 14;

/// Calls `f(volume, chunk)` for every volume of `len` elements of `out`, several a block.
fn for_volumes<T: Send>(out: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() {
        return;
    }
    let volumes = GRAIN.div_ceil(len);
    par::chunks_mut(out, volumes * len, |block, part| {
        part.chunks_exact_mut(len).enumerate().for_each(|(i, chunk)| f(block * volumes + i, chunk));
    });
}
