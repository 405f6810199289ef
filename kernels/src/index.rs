//! Rows and elements picked by index, and their gradients.
//!
//! Indices are checked at the door, so that none can wrap around to another row.
//! Invariant: the scatters add in the order of `ids`, whatever the number of threads, so repeated indices give the same
//! bits every time.

use crate::door;
use crate::elem::{Elem, Real};
use crate::par;
use crate::stamp::stamp;

stamp! {
    Gathers: Elem = [f32, f64, i64, bool];
    /// `out[i, :] = x[ids[i], :]` for rows of `width` elements.
    ///
    /// # Panics
    /// If `out` is not `ids.len() × width` long, or an index is out of range.
    pub fn gather_rows(x: &[T], width: usize, ids: &[i64], out: &mut [T]) = gather_rows_any;
    /// `out[o, j, i] = x[o, ids[o, j, i], i]` for x as [outer, n, inner] and ids as [outer, k, inner].
    ///
    /// # Panics
    /// If a length does not fit, or an index is out of range.
    pub fn gather(x: &[T], outer: usize, n: usize, inner: usize, ids: &[i64], k: usize, out: &mut [T]) = gather_any;
}

stamp! {
    Scatters: Real = [f32, f64];
    /// `out[ids[i], :] += src[i, :]` for rows of `width` elements: the gradient of [`gather_rows`].
    ///
    /// # Panics
    /// If `src` is not `ids.len() × width` long, or an index is out of range.
    pub fn scatter_add_rows(src: &[T], width: usize, ids: &[i64], out: &mut [T]) = scatter_add_rows_any;
    /// `out[o, ids[o, j, i], i] += src[o, j, i]` for src and ids as [outer, k, inner] and out as [outer, n, inner]: the
    /// gradient of [`gather`].
    ///
    /// # Panics
    /// If a length does not fit, or an index is out of range.
    pub fn scatter_add(src: &[T], outer: usize, k: usize, inner: usize, ids: &[i64], n: usize, out: &mut [T]) = scatter_add_any;
}

/// Elements about which one thread handles at a time.
const GRAIN: usize = 1 << 15;

fn gather_rows_any<T: Elem>(x: &[T], width: usize, ids: &[i64], out: &mut [T]) {
    assert_eq!(
        out.len(),
        door::product("index::gather_rows", &[ids.len(), width]),
        "index::gather_rows: out is not {} rows of {width}",
        ids.len()
    );
    if out.is_empty() {
        return;
    }
    door::indices("index::gather_rows", ids, x.len() / width);
    let rows = GRAIN.div_ceil(width);
    par::chunks_mut(out, rows * width, |block, part| {
        for (row, &id) in part.chunks_exact_mut(width).zip(&ids[block * rows..]) {
            row.copy_from_slice(&x[id as usize * width..][..width]);
        }
    });
}

fn scatter_add_rows_any<T: Real>(src: &[T], width: usize, ids: &[i64], out: &mut [T]) {
    assert_eq!(
        src.len(),
        door::product("index::scatter_add_rows", &[ids.len(), width]),
        "index::scatter_add_rows: src is not {} rows of {width}",
        ids.len()
    );
    if src.is_empty() {
        return;
    }
    door::indices("index::scatter_add_rows", ids, out.len() / width);
    for (row, &id) in src.chunks_exact(width).zip(ids) {
        let target = &mut out[id as usize * width..][..width];
        target.iter_mut().zip(row).for_each(|(t, &s)| *t += s);
    }
}

fn gather_any<T: Elem>(x: &[T], outer: usize, n: usize, inner: usize, ids: &[i64], k: usize, out: &mut [T]) {
    assert_eq!(
        x.len(),
        door::product("index::gather", &[outer, n, inner]),
        "index::gather: x is not [{outer}, {n}, {inner}]"
    );
    assert_eq!(
        ids.len(),
        door::product("index::gather", &[outer, k, inner]),
        "index::gather: ids is not [{outer}, {k}, {inner}]"
    );
    assert_eq!(out.len(), ids.len(), "index::gather: out and ids differ in length");
    if out.is_empty() {
        return;
    }
    door::indices("index::gather", ids, n);
    let plane = k * inner;
    let planes = GRAIN.div_ceil(plane);
    par::chunks_mut(out, planes * plane, |block, part| {
        let first = block * planes;
        let ids = &ids[first * plane..];
        for (o, (out, ids)) in part.chunks_exact_mut(plane).zip(ids.chunks_exact(plane)).enumerate() {
            let x = &x[(first + o) * n * inner..][..n * inner];
            for (out, ids) in out.chunks_exact_mut(inner).zip(ids.chunks_exact(inner)) {
                for (i, (out, &id)) in out.iter_mut().zip(ids).enumerate() {
                    *out = x[id as usize * inner + i];
                }
            }
        }
    });
}

fn scatter_add_any<T: Real>(src: &[T], outer: usize, k: usize, inner: usize, ids: &[i64], n: usize, out: &mut [T]) {
    assert_eq!(
        out.len(),
        door::product("index::scatter_add", &[outer, n, inner]),
        "index::scatter_add: out is not [{outer}, {n}, {inner}]"
    );
    assert_eq!(
        ids.len(),
        door::product("index::scatter_add", &[outer, k, inner]),
        "index::scatter_add: ids is not [{outer}, {k}, {inner}]"
    );
    assert_eq!(src.len(), ids.len(), "index::scatter_add: src and ids differ in length");
    if src.is_empty() {
        return;
    }
    door::indices("index::scatter_add", ids, n);
    let (from, to) = (k * inner, n * inner);
    let planes = GRAIN.div_ceil(from.max(to));
    par::chunks_mut(out, planes * to, |block, part| {
        let first = block * planes;
        for (o, out) in part.chunks_exact_mut(to).enumerate() {
            let at = (first + o) * from;
            let rows = src[at..at + from].chunks_exact(inner).zip(ids[at..at + from].chunks_exact(inner));
            for (src, ids) in rows {
                for (i, (&src, &id)) in src.iter().zip(ids).enumerate() {
                    out[id as usize * inner + i] += src;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gathers_pick_and_scatters_add(
            seed: u64, outer in 0usize..4, n in 1usize..6, inner in 0usize..5, k in 0usize..7,
        ) {
            let mut rng = Rng::new(seed);
            // Whole numbers: sums are exact in any order.
            let mut numbers = |len| (0..len).map(|_| rng.below(100) as f64).collect::<Vec<_>>();
            let (x, src) = (numbers(outer * n * inner), numbers(outer * k * inner));
            let mut rng = Rng::with_stream(seed, 1);
            let ids: Vec<i64> = src.iter().map(|_| rng.below(n) as i64).collect();
            let (mut out, mut sum) = (vec![-1.0; src.len()], x.clone());
            gather(&x, outer, n, inner, &ids, k, &mut out);
            scatter_add(&src, outer, k, inner, &ids, n, &mut sum);
            let mut expected = x.clone();
            for (at, &id) in ids.iter().enumerate() {
                let target = (at / (k * inner) * n + id as usize) * inner + at % inner;
                prop_assert_eq!(out[at], x[target]);
                expected[target] += src[at];
            }
            prop_assert_eq!(sum, expected);
        }

        #[test]
        fn rows_are_picked_and_added(seed: u64, n in 1usize..6, width in 0usize..5, k in 0usize..9) {
            let mut rng = Rng::new(seed);
            let ids: Vec<i64> = (0..k).map(|_| rng.below(n) as i64).collect();
            let x: Vec<f64> = (0..n * width).map(|i| i as f64).collect();
            let mut out = vec![-1.0; k * width];
            gather_rows(&x, width, &ids, &mut out);
            let mut sum = vec![0.0; x.len()];
            scatter_add_rows(&out, width, &ids, &mut sum);
            for (i, row) in ids.iter().zip(0..) {
                prop_assert_eq!(&out[row * width..][..width], &x[*i as usize * width..][..width]);
            }
            // Every row comes back as often as it was picked.
            for (i, (sum, x)) in sum.iter().zip(&x).enumerate() {
                let times = ids.iter().filter(|&&id| id as usize == i / width).count() as f64;
                prop_assert_eq!(*sum, times * x);
            }
        }
    }
}
