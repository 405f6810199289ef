//! One row of x times packed weights, and weights widened to f32 for several.

use pulp::{Simd, WithSimd};

use super::step::{Int8Block, Step};
use super::{BLOCK, PANEL};
use crate::gemm::product::even_depth;
use crate::lanes::{F, LaneReal, prefetch};

/// Work that is compiled for the number of registers that hold a panel.
trait OnPanels {
    fn run<S: Simd, const NV: usize>(self, simd: S);
}

/// Chooses the number.
#[inline(always)]
fn on_panels<S: Simd>(simd: S, work: impl OnPanels) {
    if const { S::F32_LANES == 16 } {
        work.run::<S, { PANEL / 16 }>(simd);
    } else if const { S::F32_LANES == 8 } {
        work.run::<S, { PANEL / 8 }>(simd);
    } else if const { S::F32_LANES == 4 } {
        work.run::<S, { PANEL / 4 }>(simd);
    } else {
        work.run::<S, PANEL>(simd);
    }
}

/// The sums of the blocks of `x`.
pub(super) fn block_sums(x: &[f32]) -> Vec<f32> {
    x.chunks(BLOCK).map(|x| x.iter().sum()).collect()
}

/// y = W·x or y += W·x for whole panels, the last of which may have fewer outputs.
pub(super) struct Row<'a, W> {
    pub(super) y: &'a mut [f32],
    pub(super) x: &'a [f32],
    pub(super) add: bool,
    pub(super) steps: &'a [W],
    /// For each panel those of its blocks, where weights are scaled.
    pub(super) scales: &'a [[f32; PANEL]],
    /// Of the blocks of x.
    pub(super) sums: &'a [f32],
}

impl<W: Step> WithSimd for Row<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        on_panels(simd, self);
    }
}

impl<W: Step> OnPanels for Row<'_, W> {
    #[inline(always)]
    fn run<S: Simd, const NV: usize>(self, simd: S) {
        let Row { y, x, add, steps, scales, sums } = self;
        let depth = if W::SCALED { BLOCK } else { even_depth(x.len()) };
        let blocks = x.len().div_ceil(depth);
        for (j, y) in y.chunks_mut(PANEL).enumerate() {
            let panel = &steps[j * x.len()..][..x.len()];
            let mut total = [F::<S, f32>::splat(simd, 0.0); NV];
            if add {
                load(simd, y, &mut total);
            }
            for (i, (x, steps)) in x.chunks(depth).zip(panel.chunks(depth)).enumerate() {
                let sum = dots::<S, W, NV>(simd, x, steps);
                if W::SCALED {
                    let scales = f32::split::<S>(&scales[j * blocks + i]).0;
                    let shift = F::splat(simd, -W::SHIFT * sums[i]);
                    for ((total, sum), &scale) in total.iter_mut().zip(sum).zip(scales) {
                        *total = (sum + shift).fma(F::wrap(simd, scale), *total);
                    }
                } else if add || i > 0 {
                    total.iter_mut().zip(sum).for_each(|(total, sum)| *total = *total + sum);
                } else {
                    total = sum;
                }
            }
            store(&total, y);
        }
    }
}

/// The sums over one block of inputs.
#[inline(always)]
fn dots<S: Simd, W: Step, const NV: usize>(simd: S, x: &[f32], steps: &[W]) -> [F<S, f32>; NV] {
    let mut sums = [F::splat(simd, 0.0); NV];
    for (&x, step) in x.iter().zip(steps) {
        if let Some(ahead) = W::AHEAD {
            let ahead = std::ptr::from_ref(step).cast::<u8>().wrapping_add(ahead);
            for line in 0..size_of::<W>() / 64 {
                prefetch(ahead.wrapping_add(64 * line));
            }
        }
        let x = F::splat(simd, x);
        for (sum, w) in sums.iter_mut().zip(step.widen::<S, NV>(simd)) {
            *sum = x.fma(F::wrap(simd, w), *sum);
        }
    }
    sums
}

#[inline(always)]
fn load<S: Simd, const NV: usize>(simd: S, y: &[f32], total: &mut [F<S, f32>; NV]) {
    let mut panel = [0.0; PANEL];
    panel[..y.len()].copy_from_slice(y);
    for (total, &y) in total.iter_mut().zip(f32::split::<S>(&panel).0) {
        *total = F::wrap(simd, y);
    }
}

#[inline(always)]
fn store<S: Simd, const NV: usize>(total: &[F<S, f32>; NV], y: &mut [f32]) {
    let mut panel = [0.0; PANEL];
    f32::split_mut::<S>(&mut panel).0.iter_mut().zip(total).for_each(|(to, total)| *to = total.raw());
    y.copy_from_slice(&panel[..y.len()]);
}

/// Weights as f32, step after step.
pub(super) struct Widen<'a, W> {
    pub(super) steps: &'a [W],
    pub(super) out: &'a mut [f32],
}

impl<W: Step> WithSimd for Widen<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        on_panels(simd, self);
    }
}

impl<W: Step> OnPanels for Widen<'_, W> {
    #[inline(always)]
    fn run<S: Simd, const NV: usize>(self, simd: S) {
        for (step, out) in self.steps.iter().zip(self.out.as_chunks_mut::<PANEL>().0) {
            f32::split_mut::<S>(out).0.as_chunks_mut::<NV>().0[0] = step.widen::<S, NV>(simd);
        }
    }
}

/// [`Widen`] with scales.
pub(super) struct WidenInt8<'a> {
    pub(super) block: Int8Block<'a>,
    pub(super) out: &'a mut [f32],
}

impl WithSimd for WidenInt8<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        on_panels(simd, self);
    }
}

impl OnPanels for WidenInt8<'_> {
    #[inline(always)]
    fn run<S: Simd, const NV: usize>(self, simd: S) {
        self.block.widen::<S, NV>(simd, self.out);
    }
}
