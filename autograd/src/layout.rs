//! Shapes, strides, and the arithmetic on them.
//!
//! A [`Layout`] says where the elements of a view lie in its storage. Strides are in elements and never negative; a
//! stride of 0 repeats. Everything here is plain integer work without storage or graph.

use std::fmt;

use smallvec::SmallVec;

/// The lengths of the axes, outermost first. Up to six axes live on the stack.
pub type Shape = SmallVec<[usize; 6]>;

/// A shape that does not fit the data it is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeError {
    /// The number of elements differs from the product of the axes.
    Length {
        /// What was asked for.
        shape: Vec<usize>,
        /// How many elements there are.
        len: usize,
    },
    /// The product of the axes overflows `usize`.
    Overflow {
        /// What was asked for.
        shape: Vec<usize>,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::Length { shape, len } => {
                write!(f, "shape {shape:?} holds {} elements, the data has {len}", shape.iter().product::<usize>())
            }
            ShapeError::Overflow { shape } => write!(f, "shape {shape:?} holds more elements than memory can address"),
        }
    }
}

impl std::error::Error for ShapeError {}

/// The number of elements of `shape`, or an error if it overflows.
pub(crate) fn checked_len(shape: &[usize]) -> Result<usize, ShapeError> {
    // A zero axis makes the tensor empty however large the others are.
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    product.filter(|&n| n <= isize::MAX as usize / 8).ok_or_else(|| ShapeError::Overflow { shape: shape.to_vec() })
}

/// The strides of a contiguous, row-major tensor.
pub(crate) fn contiguous_strides(shape: &[usize]) -> Shape {
    let mut strides = Shape::from_slice(shape);
    let mut step = 1usize;
    for stride in strides.iter_mut().rev() {
        let n = *stride;
        *stride = step;
        // Saturating: an empty tensor may have axes whose product overflows; nothing is read through its strides.
        step = step.saturating_mul(n.max(1));
    }
    strides
}

/// Where the elements of a view lie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub shape: Shape,
    pub strides: Shape,
    pub offset: usize,
}

impl Clone for Layout {
    // By hand: `SmallVec::clone` goes element by element, and every use of a tensor clones its layout.
    fn clone(&self) -> Self {
        Layout { shape: Shape::from_slice(&self.shape), strides: Shape::from_slice(&self.strides), offset: self.offset }
    }
}

impl Layout {
    pub fn contiguous(shape: &[usize]) -> Self {
        Layout { shape: Shape::from_slice(shape), strides: contiguous_strides(shape), offset: 0 }
    }

    pub fn len(&self) -> usize {
        if self.shape.contains(&0) { 0 } else { self.shape.iter().product() }
    }

    /// Whether the elements lie one after another, wherever they begin.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 && stride != expected {
                return self.len() == 0;
            }
            // An empty tensor may have axes whose product overflows.
            expected = n.saturating_mul(expected);
        }
        true
    }

    pub fn permute(&self, axes: &[usize]) -> Self {
        Layout {
            shape: axes.iter().map(|&a| self.shape[a]).collect(),
            strides: axes.iter().map(|&a| self.strides[a]).collect(),
            offset: self.offset,
        }
    }

    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Self {
        let mut out = self.clone();
        out.shape[axis] = len;
        // An empty view keeps its offset: nothing is read through it, and the offset stays within the storage.
        if out.len() > 0 {
            out.offset += start * self.strides[axis];
        }
        out
    }

    /// The view broadcast to `shape`, aligned at the last axis; `None` if an axis is neither 1 nor equal.
    pub fn broadcast(&self, shape: &[usize]) -> Option<Self> {
        let lead = shape.len().checked_sub(self.shape.len())?;
        let mut strides: Shape = SmallVec::from_elem(0, shape.len());
        for (i, (&n, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if n == shape[lead + i] {
                strides[lead + i] = stride;
            } else if n != 1 {
                return None;
            }
        }
        Some(Layout { shape: Shape::from_slice(shape), strides, offset: self.offset })
    }

    /// The same elements under another shape without moving them, if the strides allow it.
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if self.is_contiguous() {
            return Some(Layout { offset: self.offset, ..Layout::contiguous(shape) });
        }
        // Walk both shapes from the outside; a group of old axes may be regrouped only where it is contiguous in itself.
        let old: Vec<(usize, usize)> =
            self.shape.iter().zip(&self.strides).filter(|&(&n, _)| n != 1).map(|(&n, &s)| (n, s)).collect();
        let mut strides: Shape = SmallVec::from_elem(1, shape.len());
        let (mut i, mut j) = (0, 0);
        while i < old.len() && j < shape.len() {
            let (mut from, mut to) = (old[i].0, shape[j]);
            let (first_i, first_j) = (i, j);
            while from != to {
                if from < to {
                    i += 1;
                    from *= old.get(i)?.0;
                } else {
                    j += 1;
                    to *= *shape.get(j)?;
                }
            }
            for k in first_i..i {
                if old[k].1 != old[k + 1].0 * old[k + 1].1 {
                    return None;
                }
            }
            let mut stride = old[i].1;
            for k in (first_j..=j).rev() {
                strides[k] = stride;
                stride *= shape[k];
            }
            i += 1;
            j += 1;
        }
        Some(Layout { shape: Shape::from_slice(shape), strides, offset: self.offset })
    }
}

/// The common shape of two operands under NumPy's broadcasting; `None` if there is none, or none that memory could hold.
pub(crate) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Shape> {
    let shape = common_shape(a, b)?;
    checked_len(&shape).is_ok().then_some(shape)
}

fn common_shape(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let axis = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|i| match (axis(a, i), axis(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offsets(layout: &Layout) -> Vec<usize> {
        let mut out = vec![layout.offset];
        for (&n, &stride) in layout.shape.iter().zip(&layout.strides) {
            out = out.iter().flat_map(|&o| (0..n).map(move |i| o + i * stride)).collect();
        }
        out
    }

    proptest! {
        #[test]
        fn a_reshaped_view_visits_the_same_elements_in_the_same_order(
            dims in prop::collection::vec(1usize..5, 1..5),
            seed in any::<u64>(),
        ) {
            // A permuted and narrowed view, regrouped at a random place.
            let mut axes: Vec<usize> = (0..dims.len()).collect();
            axes.rotate_left(seed as usize % dims.len());
            let layout = Layout::contiguous(&dims).permute(&axes);
            let axis = (seed >> 8) as usize % dims.len();
            let layout = layout.narrow(axis, layout.shape[axis] - 1, 1);
            let cut = (seed >> 16) as usize % (dims.len() + 1);
            let to = [layout.shape[..cut].iter().product(), layout.shape[cut..].iter().product::<usize>()];
            if let Some(view) = layout.reshape(&to) {
                prop_assert_eq!(offsets(&view), offsets(&layout));
            } else {
                prop_assert!(!layout.is_contiguous());
            }
        }
    }

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast_shapes(&[3, 1], &[4]).as_deref(), Some(&[3, 4][..]));
        assert_eq!(broadcast_shapes(&[0, 1], &[1, 5]).as_deref(), Some(&[0, 5][..]));
        assert_eq!(broadcast_shapes(&[2], &[3]), None);
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        assert!(checked_len(&[usize::MAX, 2]).is_err());
        assert_eq!(checked_len(&[usize::MAX, 0]), Ok(0));
        assert_eq!(Layout::contiguous(&[0, usize::MAX, usize::MAX]).len(), 0);
    }
}
