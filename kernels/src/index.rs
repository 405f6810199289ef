//! Rows and elements picked by index, and their gradients.
//!
//! Indices are checked by the caller, where they enter; an index out of range panics here as any slice access does.
//! Invariant: the scatters add in the order of `ids`, whatever the number of threads, so repeated indices give the same
//! bits every time.

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
    assert_eq!(out.len(), ids.len() * width, "index::gather_rows: out is not {} rows of {width}", ids.len());
    if out.is_empty() {
        return;
    }
    let rows = GRAIN.div_ceil(width);
    par::chunks_mut(out, rows * width, |block, part| {
        for (row, &id) in part.chunks_exact_mut(width).zip(&ids[block * rows..]) {
            row.copy_from_slice(&x[id as usize * width..][..width]);
        }
    });
}

fn scatter_add_rows_any<T: Real>(src: &[T], width: usize, ids: &[i64], out: &mut [T]) {
    assert_eq!(src.len(), ids.len() * width, "index::scatter_add_rows: src is not {} rows of {width}", ids.len());
    if src.is_empty() {
        return;
    }
    for (row, &id) in src.chunks_exact(width).zip(ids) {
        let target = &mut out[id as usize * width..][..width];
        target.iter_mut().zip(row).for_each(|(t, &s)| *t += s);
    }
}

fn gather_any<T: Elem>(x: &[T], outer: usize, n: usize, inner: usize, ids: &[i64], k: usize, out: &mut [T]) {
    assert_eq!(x.len(), outer * n * inner, "index::gather: x is not [{outer}, {n}, {inner}]");
    assert_eq!(ids.len(), outer * k * inner, "index::gather: ids is not [{outer}, {k}, {inner}]");
    assert_eq!(out.len(), ids.len(), "index::gather: out and ids differ in length");
    if out.is_empty() {
        return;
    }
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
    assert_eq!(out.len(), outer * n * inner, "index::scatter_add: out is not [{outer}, {n}, {inner}]");
    assert_eq!(ids.len(), outer * k * inner, "index::scatter_add: ids is not [{outer}, {k}, {inner}]");
    assert_eq!(src.len(), ids.len(), "index::scatter_add: src and ids differ in length");
    if src.is_empty() || out.is_empty() {
        return;
    }
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
