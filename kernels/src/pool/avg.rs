//! The mean of each window.

use super::{Pool, for_volumes};
use crate::elem::Real;

/// Checks geometry and lengths of a mean.
fn check(shape: &Pool, kernel: &str, input: usize, output: usize) {
    shape.check(kernel, input, output);
    let dilation = shape.axes.map(|axis| axis.dilation);
    assert!(dilation == [1; 3], "{kernel}: the dilation is {dilation:?}, a mean has none");
}

/// What the sums of the windows of output line `at` are multiplied with, one after another.
fn scales<T: Real>(shape: &Pool, at: usize, rows: usize) -> impl Iterator<Item = T> {
    let [depth, height, width] = shape.axes;
    let include = shape.include_pad;
    let outer = depth.counted(at / rows, include) * height.counted(at % rows, include);
    let (divisor, counted) = (shape.divisor, move |j| outer * width.counted(j, include));
    (0..).map(move |j| T::ONE / T::from_f64(divisor.unwrap_or_else(|| counted(j)) as f64))
}

pub(super) fn avg_any<T: Real>(shape: &Pool, x: &[T], out: &mut [T]) {
    check(shape, "pool::avg", x.len(), out.len());
    let inputs = shape.input_volume();
    let [_, oh, ow] = shape.output();
    for_volumes(out, shape.output_volume(), |v, out| {
        let x = &x[v * inputs..][..inputs];
        for (at, out) in out.chunks_exact_mut(ow).enumerate() {
            let lines = shape.lines(at, oh);
            for (j, (out, scale)) in out.iter_mut().zip(scales::<T>(shape, at, oh)).enumerate() {
                let cols = shape.axes[2].reach(j);
                let sums = lines.clone().map(|line| x[line..][cols.clone()].iter().copied().sum::<T>());
                *out = sums.sum::<T>() * scale;
            }
        }
    });
}

pub(super) fn avg_grad_any<T: Real>(shape: &Pool, g: &[T], dx: &mut [T]) {
    check(shape, "pool::avg_grad", dx.len(), g.len());
    let outputs = shape.output_volume();
    let [_, oh, ow] = shape.output();
    for_volumes(dx, shape.input_volume(), |v, dx| {
        dx.fill(T::ZERO);
        for (at, g) in g[v * outputs..][..outputs].chunks_exact(ow).enumerate() {
            let lines = shape.lines(at, oh);
            for (j, (&g, scale)) in g.iter().zip(scales::<T>(shape, at, oh)).enumerate() {
                let cols = shape.axes[2].reach(j);
                for line in lines.clone() {
                    dx[line..][cols.clone()].iter_mut().for_each(|d| *d += g * scale);
                }
            }
        }
    });
}
