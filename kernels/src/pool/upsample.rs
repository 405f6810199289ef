//! Every pixel repeated, and the sums of squares of pixels.

use super::for_volumes;
use crate::door;
use crate::elem::Real;

pub(super) fn upsample_any<T: Real>(planes: usize, height: usize, width: usize, scale: usize, x: &[T], out: &mut [T]) {
    let name = "pool::upsample_nearest";
    let plane = door::product(name, &[height, width]);
    assert_eq!(x.len(), door::product(name, &[planes, plane]), "{name}: x is not [{planes}, {height}, {width}]");
    assert_eq!(out.len(), door::product(name, &[x.len(), scale, scale]), "{name}: out is not {scale}² times as long");
    for_volumes(out, plane * scale * scale, |p, out| {
        let x = x[p * plane..][..plane].chunks_exact(width);
        for (x, rows) in x.zip(out.chunks_exact_mut(width * scale * scale)) {
            let (first, rest) = rows.split_at_mut(width * scale);
            first.chunks_exact_mut(scale).zip(x).for_each(|(out, &x)| out.fill(x));
            rest.chunks_exact_mut(width * scale).for_each(|row| row.copy_from_slice(first));
        }
    });
}

pub(super) fn upsample_grad_any<T: Real>(
    planes: usize,
    height: usize,
    width: usize,
    scale: usize,
    g: &[T],
    dx: &mut [T],
) {
    let name = "pool::upsample_nearest_grad";
    let plane = door::product(name, &[height, width]);
    assert_eq!(dx.len(), door::product(name, &[planes, plane]), "{name}: dx is not [{planes}, {height}, {width}]");
    assert_eq!(g.len(), door::product(name, &[dx.len(), scale, scale]), "{name}: g is not {scale}² times as long");
    if scale == 0 {
        return dx.fill(T::ZERO);
    }
    for_volumes(dx, plane, |p, dx| {
        dx.fill(T::ZERO);
        let g = g[p * plane * scale * scale..].chunks_exact(width * scale * scale);
        for (dx, rows) in dx.chunks_exact_mut(width).zip(g) {
            for row in rows.chunks_exact(width * scale) {
                dx.iter_mut().zip(row.chunks_exact(scale)).for_each(|(d, g)| *d += g.iter().copied().sum::<T>());
            }
        }
    });
}
