//! Walking several strided operands of one shape in runs along the innermost dimension.

use crate::door;
use crate::strided::Strided;

/// One dimension: its length and each operand's stride (0 repeats an element).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dim<const N: usize> {
    pub len: usize,
    pub strides: [usize; N],
}

/// The dimensions that are left after those of length 1 are dropped and those are merged that are contiguous, or
/// repeated, in every operand at once. At least one remains, and none is empty unless all is.
pub(super) struct Plan<const N: usize> {
    /// Outermost first.
    outer: Vec<Dim<N>>,
    pub inner: Dim<N>,
    start: [usize; N],
}

/// Offset, strides and length of an operand, without its type.
pub(super) fn layout<'a, T>(x: &Strided<'a, T>) -> (usize, &'a [usize], usize) {
    (x.offset, x.strides, x.data.len())
}

impl<const N: usize> Plan<N> {
    /// # Panics
    /// If an operand has not the shape's rank or leaves its data, or `len` is not the shape's.
    #[track_caller]
    pub fn new(name: &str, shape: &[usize], operands: [(usize, &[usize], usize); N], len: usize) -> Self {
        let lengths = operands.map(|(_, _, len)| len);
        let operands = operands.map(|(offset, strides, _)| (offset, strides));
        assert_eq!(len, door::product(name, shape), "{name}: out has not the length of the shape {shape:?}");
        for ((offset, strides), len) in operands.into_iter().zip(lengths) {
            door::reach(name, shape, strides, offset, len);
        }
        let mut dims: Vec<Dim<N>> = Vec::with_capacity(shape.len());
        for (axis, &n) in shape.iter().enumerate().filter(|(_, n)| **n != 1) {
            let dim = Dim { len: n, strides: operands.map(|(_, strides)| strides[axis]) };
            match dims.last_mut() {
                Some(last) if (0..N).all(|k| last.strides[k] == n * dim.strides[k]) => {
                    *last = Dim { len: last.len * n, strides: dim.strides };
                }
                _ => dims.push(dim),
            }
        }
        let inner = dims.pop().unwrap_or(Dim { len: 1, strides: [1; N] });
        Plan { outer: dims, inner, start: operands.map(|(offset, _)| offset) }
    }

    /// Calls `f(place in the output, length, place in each operand)` for the runs that make up `from .. to`.
    pub fn runs(&self, from: usize, to: usize, mut f: impl FnMut(usize, usize, [usize; N])) {
        let (mut at, inner) = (from, self.inner);
        if from == to {
            return;
        }
        // The outer index of `from`, then an odometer: no divisions on the way.
        let mut index = vec![0; self.outer.len()];
        let mut place = self.start;
        let mut rest = from / inner.len;
        for (i, dim) in self.outer.iter().enumerate().rev() {
            index[i] = rest % dim.len;
            rest /= dim.len;
            (0..N).for_each(|k| place[k] += index[i] * dim.strides[k]);
        }
        let mut skip = from % inner.len;
        loop {
            let len = (inner.len - skip).min(to - at);
            let mut here = place;
            (0..N).for_each(|k| here[k] += skip * inner.strides[k]);
            f(at, len, here);
            (at, skip) = (at + len, 0);
            if at == to {
                return;
            }
            for (i, dim) in self.outer.iter().enumerate().rev() {
                index[i] += 1;
                (0..N).for_each(|k| place[k] += dim.strides[k]);
                if index[i] < dim.len {
                    break;
                }
                index[i] = 0;
                (0..N).for_each(|k| place[k] -= dim.len * dim.strides[k]);
            }
        }
    }
}
