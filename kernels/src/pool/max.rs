//! The largest element of each window, and where it lies.

use pulp::{Simd, WithSimd};

use super::{Pool, for_volumes};
use crate::elem::Real;
use crate::isa;

pub(super) fn max_any<T: Real>(shape: &Pool, x: &[T], out: &mut [T], index: &mut [i64]) {
    shape.check("pool::max", x.len(), out.len());
    assert_eq!(index.len(), out.len(), "pool::max: index and out differ in length");
    let (inputs, outputs) = (shape.input_volume(), shape.output_volume());
    let isa = isa::current();
    for_volumes(index, outputs, |v, index| isa.run_on::<T, _>(Winners { shape, x: &x[v * inputs..][..inputs], index }));
    for_volumes(out, outputs, |v, out| {
        let x = &x[v * inputs..][..inputs];
        out.iter_mut().zip(&index[v * outputs..]).for_each(|(out, &i)| *out = x[i as usize]);
    });
}

/// Where the maxima of a volume's windows lie.
struct Winners<'a, T> {
    shape: &'a Pool,
    x: &'a [T],
    index: &'a mut [i64],
}

impl<T: Real> WithSimd for Winners<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (s, [_, oh, ow]) = (self.shape, self.shape.output());
        let cols = s.axes[2];
        let padded = cols.padding.saturating_add(cols.length);
        // Elements of a window that meet the input in some window.
        let last = padded.div_ceil(cols.dilation).min(cols.kernel);
        let shift = (ow - 1).saturating_mul(cols.stride);
        let first = cols.padding.saturating_sub(shift).div_ceil(cols.dilation).min(last);
        let mut best = vec![T::NEG_INFINITY; ow];
        for (at, index) in self.index.chunks_exact_mut(ow).enumerate() {
            best.fill(T::NEG_INFINITY);
            let start = s.lines(at, oh).next().unwrap_or(0);
            for (j, index) in index.iter_mut().enumerate() {
                *index = (start + cols.reach(j).start) as i64;
            }
            // A row of windows at once, one element of each after another: the order in each window stays.
            for (line, b) in s.lines(at, oh).flat_map(|line| (first..last).map(move |b| (line, b * cols.dilation))) {
                // Windows j whose column j·stride + b − padding exists.
                let first = cols.padding.saturating_sub(b).div_ceil(cols.stride).min(ow);
                let end = padded.saturating_sub(b).div_ceil(cols.stride).clamp(first, ow);
                if first == end {
                    continue;
                }
                let start = line + first * cols.stride + b - cols.padding;
                let windows = best[first..end].iter_mut().zip(&mut index[first..end]);
                let values = (start..).zip(&self.x[start..]).step_by(cols.stride);
                for ((best, index), (at, &v)) in windows.zip(values) {
                    let wins = v > *best || v.is_nan();
                    *best = if wins { v } else { *best };
                    *index = if wins { at as i64 } else { *index };
                }
            }
        }
    }
}

pub(super) fn max_grad_any<T: Real>(shape: &Pool, index: &[i64], g: &[T], dx: &mut [T]) {
    shape.check("pool::max_grad", dx.len(), g.len());
    assert_eq!(index.len(), g.len(), "pool::max_grad: index and g differ in length");
    let outputs = shape.output_volume();
    for_volumes(dx, shape.input_volume(), |v, dx| {
        dx.fill(T::ZERO);
        let part = v * outputs..(v + 1) * outputs;
        g[part.clone()].iter().zip(&index[part]).for_each(|(&g, &i)| dx[i as usize] += g);
    });
}
