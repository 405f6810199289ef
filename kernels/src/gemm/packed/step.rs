//! One step along the inputs of a panel, in each storage: how weights are put in, and taken out as registers of f32.
//!
//! Narrow weights lie in words of 32 bits whose parts belong to outputs far apart: word w of bf16 holds outputs w and
//! w + 32, word w of int8 outputs w, w + 16, w + 32 and w + 48. Taken apart by shifts and masks, a register of words
//! gives registers of neighbouring outputs, on every instruction set alike, and without an instruction that converts.

use pulp::Simd;

use super::{BLOCK, PANEL};
use crate::buf::Buf;
use crate::gemm::Mat;
use crate::lanes::math::Bits;
use crate::lanes::{F, LaneReal};
use crate::narrow::bf16_from_f32;
use crate::par;

/// bf16 weights of one step.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Bf16([u32; PANEL / 2]);

/// int8 weights of one step, as q + 128.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Int8([u32; PANEL / 4]);

/// A step of a panel, as registers.
pub(super) trait Step: Sync {
    /// What [`Step::widen`] adds to every weight; subtracted again from sums.
    const SHIFT: f32;
    /// Whether weights are to be scaled block by block.
    const SCALED: bool;
    /// Bytes by which one row asks for weights ahead. The machine does so by itself as far as it must for f32, whose
    /// requests it would only get in the way of; narrower weights take longer to work off than to read.
    const AHEAD: Option<usize>;

    /// The weights of all outputs in order, in `NV` registers, which hold exactly a panel.
    fn widen<S: Simd, const NV: usize>(&self, simd: S) -> [S::f32s; NV];
}

impl Step for [f32; PANEL] {
    const SHIFT: f32 = 0.0;
    const SCALED: bool = false;
    const AHEAD: Option<usize> = None;

    #[inline(always)]
    fn widen<S: Simd, const NV: usize>(&self, _: S) -> [S::f32s; NV] {
        f32::split::<S>(self).0.as_chunks::<NV>().0[0]
    }
}

impl Step for Bf16 {
    const SHIFT: f32 = 0.0;
    const SCALED: bool = false;
    const AHEAD: Option<usize> = Some(4 << 10);

    #[inline(always)]
    fn widen<S: Simd, const NV: usize>(&self, simd: S) -> [S::f32s; NV] {
        let mut out = [simd.splat_f32s(0.0); NV];
        // A bf16 is the upper half of an f32.
        let (low, high) = out.split_at_mut(NV / 2);
        for (v, (low, high)) in low.iter_mut().zip(high).enumerate() {
            let word = Bits::load(simd, &self.0, v);
            *low = word.shl(16).float().raw();
            *high = word.and(0xffff_0000).float().raw();
        }
        out
    }
}

impl Bf16 {
    fn new(weights: &[f32; PANEL]) -> Self {
        let bits = |x: f32| u32::from(bf16_from_f32(x));
        Bf16(std::array::from_fn(|w| bits(weights[w]) | bits(weights[w + PANEL / 2]) << 16))
    }

    /// The weight of one output.
    pub(super) fn at(&self, output: usize) -> f32 {
        let word = self.0[output % (PANEL / 2)];
        f32::from_bits(if output < PANEL / 2 { word << 16 } else { word & 0xffff_0000 })
    }
}

impl Step for Int8 {
    /// 256 + u has the bits of u = q + 128 in the upper eight of its significand: no conversion, no subtraction.
    const SHIFT: f32 = 384.0;
    const SCALED: bool = true;
    const AHEAD: Option<usize> = Some(8 << 10);

    #[inline(always)]
    fn widen<S: Simd, const NV: usize>(&self, simd: S) -> [S::f32s; NV] {
        let mut out = [simd.splat_f32s(0.0); NV];
        let words = NV / 4;
        for v in 0..words {
            let word = Bits::load(simd, &self.0, v);
            // Each byte to bits 15–22.
            let placed = [word.shl(15), word.shl(7), word.shr(1), word.shr(9)];
            for (i, placed) in placed.into_iter().enumerate() {
                out[i * words + v] = placed.and(0x007f_8000).or(256f32.to_bits()).float().raw();
            }
        }
        out
    }
}

impl Int8 {
    fn new(weights: &[i32; PANEL]) -> Self {
        let byte = |i: usize, w: usize| ((weights[w + i * (PANEL / 4)] + 128) as u32) << (8 * i);
        Int8(std::array::from_fn(|w| byte(0, w) | byte(1, w) | byte(2, w) | byte(3, w)))
    }

    /// The weight of one output, before scaling.
    pub(super) fn at(&self, output: usize) -> f32 {
        let word = self.0[output % (PANEL / 4)];
        f32::from((word >> (8 * (output / (PANEL / 4)))) as u8) - 128.0
    }
}

/// Steps of one panel from input `at` on, with the scales of the panel's blocks.
#[derive(Clone, Copy)]
pub(super) struct Int8Block<'a> {
    pub(super) steps: &'a [Int8],
    pub(super) scales: &'a [[f32; PANEL]],
    pub(super) at: usize,
}

impl Int8Block<'_> {
    /// Writes the scaled weights, step after step.
    #[inline(always)]
    pub(super) fn widen<S: Simd, const NV: usize>(&self, simd: S, out: &mut [f32]) {
        let shift = F::splat(simd, Int8::SHIFT);
        for (p, (step, out)) in self.steps.iter().zip(out.as_chunks_mut::<PANEL>().0).enumerate() {
            let scales = f32::split::<S>(&self.scales[(self.at + p) / BLOCK]).0;
            let out = f32::split_mut::<S>(out).0;
            for ((out, w), &scale) in out.iter_mut().zip(step.widen::<S, NV>(simd)).zip(scales) {
                *out = ((F::<S, f32>::wrap(simd, w) - shift) * F::wrap(simd, scale)).raw();
            }
        }
    }
}

/// Inputs that are transposed at a time: a line of memory of each row of W.
const SIDE: usize = 16;

/// Calls `put(p, weights)` for every input p of a panel, with the weights of its outputs, zeros behind the last.
pub(super) fn each_step(w: Mat<'_, f32>, panel: usize, mut put: impl FnMut(usize, &[f32; PANEL])) {
    let first = panel * PANEL;
    let held = PANEL.min(w.rows - first);
    let mut square = [[0.0; PANEL]; SIDE];
    for p in (0..w.cols).step_by(SIDE) {
        let deep = SIDE.min(w.cols - p);
        for j in 0..held {
            let row = &w.data[(first + j) * w.row_stride + p..][..deep];
            square.iter_mut().zip(row).for_each(|(to, &x)| to[j] = x);
        }
        square[..deep].iter().enumerate().for_each(|(i, weights)| put(p + i, weights));
    }
}

/// Calls `fill(panel, elements)` for every panel of `len` elements.
fn each_panel<W: Send>(len: usize, data: &mut [W], fill: impl Fn(usize, &mut [W]) + Sync) {
    if len > 0 {
        par::chunks_mut(data, len, fill);
    }
}

/// Every whole panel from rows of `inputs` weights to steps, where it lies.
pub(super) fn turn_panels(weight: &mut [f32], inputs: usize) {
    let len = PANEL * inputs;
    let whole = weight.len().checked_div(len).unwrap_or(0) * len;
    each_panel(len, &mut weight[..whole], |_, panel| {
        let rows = Buf::copy_of(panel);
        let steps = panel.as_chunks_mut::<PANEL>().0;
        each_step(Mat::row_major(&rows, PANEL, inputs), 0, |p, weights| steps[p] = *weights);
    });
}

pub(super) fn pack_bf16(w: Mat<'_, f32>, mut steps: Vec<Bf16>) -> Vec<Bf16> {
    each_panel(w.cols, &mut steps, |panel, steps| each_step(w, panel, |p, weights| steps[p] = Bf16::new(weights)));
    steps
}

pub(super) fn pack_int8(
    w: Mat<'_, f32>,
    mut steps: Vec<Int8>,
    mut scales: Vec<[f32; PANEL]>,
) -> (Vec<Int8>, Vec<[f32; PANEL]>) {
    let blocks = w.cols.div_ceil(BLOCK);
    each_panel(blocks, &mut scales, |panel, scales| {
        let rows = w.data.chunks_exact(w.cols).skip(panel * PANEL).take(PANEL);
        for (j, row) in rows.enumerate() {
            row.chunks(BLOCK).zip(&mut *scales).for_each(|(weights, scales)| scales[j] = scale_of(weights));
        }
    });
    each_panel(w.cols, &mut steps, |panel, steps| {
        let scales = &scales[panel * blocks..];
        each_step(w, panel, |p, weights| {
            let scales = &scales[p / BLOCK];
            steps[p] = Int8::new(&std::array::from_fn(|j| quantised(weights[j], scales[j])));
        });
    });
    (steps, scales)
}

/// max|w| / 127; 0 where that is no normal number, NaN where a weight is not finite.
fn scale_of(weights: &[f32]) -> f32 {
    let largest = weights.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
    if weights.iter().any(|w| !w.is_finite()) {
        return f32::NAN;
    }
    let scale = largest / 127.0;
    if scale < f32::MIN_POSITIVE { 0.0 } else { scale }
}

/// The nearest multiple of the scale; what it is does not matter where the scale is NaN.
fn quantised(weight: f32, scale: f32) -> i32 {
    if scale > 0.0 { (weight / scale).round_ties_even() as i32 } else { 0 }
}
