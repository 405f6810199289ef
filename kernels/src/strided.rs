//! Copies between strided views and contiguous slices.
//!
//! A view is a slice, an offset and one stride a dimension; 0 repeats an element (broadcasting). Before any loop runs,
//! dimensions of length 1 are dropped and neighbours that lie contiguously are merged, so that what remains is short:
//! runs, repetitions, or a transpose, which goes in square tiles so that both sides use whole cache lines.

use crate::door;
use crate::elem::{Elem, Real};
use crate::par;
use crate::stamp::stamp;

/// A strided view, used together with a shape.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a, T> {
    /// The elements that the view may touch.
    pub data: &'a [T],
    /// Where element (0, …, 0) lies.
    pub offset: usize,
    /// The distance in `data` between neighbours along each dimension.
    pub strides: &'a [usize],
}

stamp! {
    Copies: Elem = [f32, f64, i64, bool];
    /// Gathers the view `src` of that shape into `out`, row-major.
    ///
    /// # Panics
    /// If the ranks differ, `out` has another length, or the view leaves its data.
    pub fn copy(src: Strided<'_, T>, shape: &[usize], out: &mut [T]) = copy_any;
}

stamp! {
    ScatterAdds: Real = [f32, f64];
    /// Adds the row-major `src` to the view of `dst` with that shape, offset and strides. No two elements of the view may
    /// be one (no stride 0).
    ///
    /// # Panics
    /// If the ranks differ, `src` has another length, or the view leaves `dst`.
    pub fn scatter_add(src: &[T], shape: &[usize], dst: &mut [T], offset: usize, strides: &[usize]) = scatter_add_any;
}

/// Elements below which one thread copies alone, and about which each block of a larger copy has.
const GRAIN: usize = 1 << 15;
/// Side of a transpose tile: 16 f32 fill a cache line.
const TILE: usize = 16;

/// One dimension that is left after merging.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dim {
    len: usize,
    stride: usize,
}

/// Drops dimensions of length 1 and merges those that lie contiguously; at least one dimension remains.
fn collapse(shape: &[usize], strides: &[usize]) -> Vec<Dim> {
    let mut dims: Vec<Dim> = Vec::with_capacity(shape.len().max(1));
    for (&len, &stride) in shape.iter().zip(strides).filter(|(len, _)| **len != 1) {
        match dims.last_mut() {
            Some(last) if last.stride == len * stride => *last = Dim { len: last.len * len, stride },
            _ => dims.push(Dim { len, stride }),
        }
    }
    if dims.is_empty() {
        dims.push(Dim { len: 1, stride: 1 });
    }
    dims
}

/// Checks a view once, at the door: its rank, the length of the contiguous side, its last element.
fn check(kernel: &str, shape: &[usize], strides: &[usize], contiguous: usize, offset: usize, data: usize) {
    let len = door::product(kernel, shape);
    assert_eq!(contiguous, len, "{kernel}: the contiguous side has {contiguous} elements, shape {shape:?} has {len}");
    door::reach(kernel, shape, strides, offset, data);
}

fn copy_any<T: Elem>(src: Strided<'_, T>, shape: &[usize], out: &mut [T]) {
    check("strided::copy", shape, src.strides, out.len(), src.offset, src.data.len());
    if out.is_empty() {
        return;
    }
    let dims = collapse(shape, src.strides);
    let data = &src.data[src.offset..];
    let row = out.len() / dims[0].len;
    if out.len() <= 2 * GRAIN || dims[0].len < 2 {
        return copy_block(data, &dims, out);
    }
    // Whole tiles of the first dimension, about GRAIN elements a block.
    let rows = GRAIN.div_ceil(row).next_multiple_of(TILE).min(dims[0].len.div_ceil(2));
    par::chunks_mut(out, rows * row, |i, part| {
        let mut dims = dims.clone();
        let first = i * rows * dims[0].stride;
        dims[0].len = part.len() / row;
        copy_block(&data[first..], &dims, part);
    });
}

/// Copies the view of `data` with dimensions `dims` into `out`.
fn copy_block<T: Elem>(data: &[T], dims: &[Dim], out: &mut [T]) {
    match *dims {
        [Dim { stride: 1, .. }] => out.copy_from_slice(&data[..out.len()]),
        [Dim { stride: 0, .. }] => out.fill(data[0]),
        [Dim { stride, .. }] => out.iter_mut().zip(data.iter().step_by(stride)).for_each(|(o, &x)| *o = x),
        [Dim { stride: 1, len: rows }, Dim { stride, len: cols }] if stride > 1 => {
            transpose(data, rows, cols, stride, out);
        }
        [first, ..] => {
            let row = out.len() / first.len;
            for (i, part) in out.chunks_exact_mut(row).enumerate() {
                copy_block(&data[i * first.stride..], &dims[1..], part);
            }
        }
        [] => unreachable!("collapse leaves a dimension"),
    }
}

/// `out[i, j] = data[i + j·stride]`, tile by tile.
fn transpose<T: Elem>(data: &[T], rows: usize, cols: usize, stride: usize, out: &mut [T]) {
    for i0 in (0..rows).step_by(TILE) {
        let height = TILE.min(rows - i0);
        for j0 in (0..cols).step_by(TILE) {
            let width = TILE.min(cols - j0);
            if (height, width) == (TILE, TILE) {
                full_tile(&data[i0 + j0 * stride..], stride, &mut out[i0 * cols + j0..], cols);
                continue;
            }
            for i in i0..i0 + height {
                for j in j0..j0 + width {
                    out[i * cols + j] = data[i + j * stride];
                }
            }
        }
    }
}

/// One whole tile through a local array, which the compiler keeps free of bounds checks.
#[inline]
fn full_tile<T: Elem>(data: &[T], stride: usize, out: &mut [T], cols: usize) {
    let mut tile = [[T::default(); TILE]; TILE];
    for (j, line) in tile.iter_mut().enumerate() {
        line.copy_from_slice(&data[j * stride..j * stride + TILE]);
    }
    for i in 0..TILE {
        let line: &mut [T; TILE] = (&mut out[i * cols..i * cols + TILE]).try_into().expect("a slice of TILE elements");
        for (o, column) in line.iter_mut().zip(&tile) {
            *o = column[i];
        }
    }
}

fn scatter_add_any<T: Real>(src: &[T], shape: &[usize], dst: &mut [T], offset: usize, strides: &[usize]) {
    check("strided::scatter_add", shape, strides, src.len(), offset, dst.len());
    let aliased = shape.iter().zip(strides).any(|(&n, &s)| n > 1 && s == 0);
    assert!(!aliased, "strided::scatter_add: shape {shape:?} with strides {strides:?} adds to one element twice");
    if !src.is_empty() {
        add_block(src, &collapse(shape, strides), &mut dst[offset..]);
    }
}

/// Adds `src` to the view of `dst` with dimensions `dims`.
fn add_block<T: Real>(src: &[T], dims: &[Dim], dst: &mut [T]) {
    match *dims {
        [Dim { stride: 1, .. }] => dst.iter_mut().zip(src).for_each(|(d, &s)| *d += s),
        [Dim { stride, .. }] => dst.iter_mut().step_by(stride).zip(src).for_each(|(d, &s)| *d += s),
        [first, ..] => {
            let row = src.len() / first.len;
            for (i, part) in src.chunks_exact(row).enumerate() {
                add_block(part, &dims[1..], &mut dst[i * first.stride..]);
            }
        }
        [] => unreachable!("collapse leaves a dimension"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par;
    use crate::rng::Rng;
    use proptest::prelude::*;

    /// The position of each element of a view, row-major, by the definition.
    fn positions(shape: &[usize], strides: &[usize], offset: usize) -> Vec<usize> {
        shape.iter().zip(strides).fold(vec![offset], |starts, (&n, &stride)| {
            starts.iter().flat_map(|start| (0..n).map(move |i| start + i * stride)).collect()
        })
    }

    /// A view: some dimensions of a contiguous block in a random order, some repeated, some thinned out.
    fn views() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, usize)> {
        let dims = proptest::collection::vec((0usize..9, 1usize..3, any::<u32>(), 0usize..5), 0..5);
        (dims, 0usize..4).prop_map(|(mut dims, offset)| {
            dims.sort_by_key(|dim| dim.2);
            let mut step = 1;
            let mut placed: Vec<_> = Vec::new();
            for &(n, gap, key, repeat) in &dims {
                placed.push((key.reverse_bits(), n, if repeat == 0 { 0 } else { step * gap }));
                step *= if repeat == 0 { 1 } else { n.max(1) * gap };
            }
            placed.sort_unstable();
            (placed.iter().map(|d| d.1).collect(), placed.iter().map(|d| d.2).collect(), offset)
        })
    }

    proptest! {
        #[test]
        fn copies_and_scatters_follow_the_strides((shape, strides, offset) in views(), seed: u64) {
            let positions = positions(&shape, &strides, offset);
            let mut data = vec![0f32; positions.iter().max().map_or(0, |last| last + 1) + offset];
            Rng::new(seed).fill_uniform(&mut data);
            let mut out = vec![-1.0; positions.len()];
            copy(Strided { data: &data, offset, strides: &strides }, &shape, &mut out);
            let expected: Vec<f32> = positions.iter().map(|&p| data[p]).collect();
            prop_assert_eq!(&out, &expected);
            if shape.iter().zip(&strides).all(|(&n, &s)| s > 0 || n < 2) {
                let mut sum = data.clone();
                scatter_add(&out, &shape, &mut sum, offset, &strides);
                let mut expected = data.clone();
                positions.iter().for_each(|&p| expected[p] += data[p]);
                prop_assert_eq!(sum, expected);
            }
        }
    }

    #[test]
    fn large_transposes_are_exact_on_any_number_of_threads() {
        for (rows, cols) in [(1000, 333), (17, 9001), (9001, 17), (512, 512)] {
            let data: Vec<i64> = (0..(rows * cols) as i64).collect();
            for threads in [1, 2, 3, 8] {
                let mut out = vec![-1; data.len()];
                let src = Strided { data: &data, offset: 0, strides: &[1, rows] };
                par::with_threads(threads, || copy(src, &[rows, cols], &mut out));
                assert!(out.iter().enumerate().all(|(at, &v)| v as usize == at / cols + at % cols * rows));
            }
        }
    }

    #[test]
    fn views_outside_of_their_data_are_refused() {
        let run = |shape: &'static [usize], strides: &'static [usize]| {
            std::panic::catch_unwind(move || {
                copy(Strided { data: &[true; 6], offset: 1, strides }, shape, &mut vec![false; shape.iter().product()]);
            })
        };
        assert!(run(&[5], &[1]).is_ok() && run(&[6], &[1]).is_err() && run(&[2, 2], &[1]).is_err());
        assert!(std::panic::catch_unwind(|| scatter_add(&[1.0; 3], &[3], &mut [0.0; 3], 0, &[0])).is_err());
    }
}
