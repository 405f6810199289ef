//! Input planes laid out so that every kernel position is a shift.
//!
//! For stride s and dilation d, kernel row a of output row i reads padded row i·s + a·d. With a·d = r + s·e, r < s, that
//! is row i + e of phase r: the padded rows r, r + s, r + 2s, … So each used phase of rows and columns becomes a plane of
//! its own, `pitch` wide, and position (a, b) is the offset e_a·pitch + e_b in it.

use super::Conv2d;
use crate::elem::Real;
use crate::gemm::SLACK;

/// One axis of a kernel: the used phases and, for each kernel position, its phase (by number) and its shift.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) phases: Vec<usize>,
    pub(super) taps: Vec<(usize, usize)>,
    /// The largest shift.
    pub(super) reach: usize,
}

impl Axis {
    pub(super) fn new(s: &Conv2d, axis: usize) -> Self {
        let (stride, dilation) = (s.stride[axis], s.dilation[axis]);
        let mut phases: Vec<usize> = (0..s.kernel[axis]).map(|a| a * dilation % stride).collect();
        phases.sort_unstable();
        phases.dedup();
        let number = |a| phases.binary_search(&(a * dilation % stride)).expect("every position's phase was collected");
        let taps = (0..s.kernel[axis]).map(|a| (number(a), a * dilation / stride)).collect();
        Axis { taps, reach: (s.kernel[axis] - 1) * dilation / stride, phases }
    }
}

/// The patches of some rows of output pixels, for the input channels of one group, of one or several images.
///
/// Images lie side by side in every plane of the buffer: small ones together give rows long enough for wide tiles, and
/// the weights are read once for all of them.
pub(super) struct Patches<'a> {
    shape: &'a Conv2d,
    axes: [Axis; 2],
    /// First output row.
    first: usize,
    /// Images that are taken together.
    images: usize,
    /// Rows and columns of a phase plane of one image.
    size: [usize; 2],
    offsets: Vec<usize>,
    /// From the first output pixel of the first image to the last of the last, surplus included.
    pixels: usize,
}

impl<'a> Patches<'a> {
    pub(super) fn new(shape: &'a Conv2d, first: usize, rows: usize, images: usize) -> Self {
        let axes = [Axis::new(shape, 0), Axis::new(shape, 1)];
        let ow = shape.output()[1];
        let size = [rows + axes[0].reach, ow + axes[1].reach];
        let plane = size[0] * size[1];
        let mut offsets = Vec::with_capacity(shape.patch());
        for channel in 0..shape.inputs() {
            for &(row_phase, down) in &axes[0].taps {
                for &(col_phase, right) in &axes[1].taps {
                    let number = (channel * axes[0].phases.len() + row_phase) * axes[1].phases.len() + col_phase;
                    offsets.push(number * images * plane + down * size[1] + right);
                }
            }
        }
        let pixels = (images - 1) * plane + (rows - 1) * size[1] + ow;
        Patches { shape, axes, first, images, size, offsets, pixels }
    }

    /// Elements of the buffer that [`Patches::fill`] takes.
    pub(super) fn len(&self) -> usize {
        let phases = self.axes[0].phases.len() * self.axes[1].phases.len();
        self.shape.inputs() * phases * self.images * self.plane() + SLACK
    }

    /// Where the row of each weight (channel, kernel row, kernel column) begins.
    pub(super) fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Columns of the product, surplus included.
    pub(super) fn pixels(&self) -> usize {
        self.pixels
    }

    /// Distance between images.
    pub(super) fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Distance between rows of pixels.
    pub(super) fn pitch(&self) -> usize {
        self.size[1]
    }

    /// Fills the place of image number `image` in `out` from its planes of one group.
    pub(super) fn fill<T: Real>(&self, image: usize, x: &[T], out: &mut [T]) {
        let s = self.shape;
        let input = [s.height, s.width];
        let mut planes = out.chunks_exact_mut(self.plane()).skip(image).step_by(self.images);
        for x in x.chunks_exact(s.height * s.width) {
            for &row in &self.axes[0].phases {
                for &col in &self.axes[1].phases {
                    let top = (self.first * s.stride[0] + row) as isize - s.padding[0] as isize;
                    let left = col as isize - s.padding[1] as isize;
                    let out = planes.next().expect("the buffer has `len` elements");
                    window(x, input, [top, left], s.stride, self.size[1], out);
                }
            }
        }
        // The surplus is only read for columns that are dropped; zeros keep subnormals, which are slow, out of them.
        let surplus = out.len() - SLACK;
        out[surplus..].fill(T::ZERO);
    }
}

/// Rows of `width` elements of a plane from `origin` on, every `step`-th, with zeros outside of the plane.
pub(super) fn window<T: Real>(
    plane: &[T],
    [height, full]: [usize; 2],
    [top, left]: [isize; 2],
    step: [usize; 2],
    width: usize,
    out: &mut [T],
) {
    // Columns that exist: 0 ≤ left + v·step < full.
    let begin = ((-left).max(0) as usize).div_ceil(step[1]).min(width);
    let end = ((full as isize - left).max(0) as usize).div_ceil(step[1]).clamp(begin, width);
    for (u, out) in out.chunks_exact_mut(width).enumerate() {
        let row = top + (u * step[0]) as isize;
        if row < 0 || row >= height as isize || begin == end {
            out.fill(T::ZERO);
            continue;
        }
        let start = row as usize * full + (left + (begin * step[1]) as isize) as usize;
        out[..begin].fill(T::ZERO);
        out[end..].fill(T::ZERO);
        let out = &mut out[begin..end];
        if step[1] == 1 {
            out.copy_from_slice(&plane[start..start + out.len()]);
        } else {
            out.iter_mut().zip(plane[start..].iter().step_by(step[1])).for_each(|(out, &x)| *out = x);
        }
    }
}
