//! Numbers that are added to the scores before the softmax: relative positions (Raffel et al. 2020, arXiv:1910.10683,
//! section 2.1), slopes (Press et al. 2022, arXiv:2108.12409, eq. (1)), and −∞ for a pair that must not meet.

use super::{Attention, Keys};
use crate::door;
use crate::elem::Real;
use crate::gemm::Tile;
use crate::lanes::MAX_LANES;

/// A bias of the scores where it lies: that of query i and key j of head h of sequence b is
/// `data[b·strides[0] + h·strides[1] + i·strides[2] + j·strides[3]]`. A stride of 0 shares it.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// From a sequence, a head, a query, a key to the next.
    pub strides: [usize; 4],
}

impl<'a, T: Real> Bias<'a, T> {
    pub(super) fn check(&self, s: &Attention) {
        door::reach("attention: bias", &[s.batch, s.heads, s.queries, s.keys], &self.strides, 0, self.data.len());
    }

    /// That of one head.
    pub(super) fn head(&self, batch: usize, head: usize) -> HeadBias<'a, T> {
        let [of_batch, of_head, query, key] = self.strides;
        HeadBias { data: &self.data[batch * of_batch + head * of_head..], query, key }
    }
}

/// The bias of one head, with the distances between its queries and its keys.
#[derive(Clone, Copy)]
pub(super) struct HeadBias<'a, T> {
    data: &'a [T],
    query: usize,
    key: usize,
}

impl<T: Real> HeadBias<'_, T> {
    /// Adds it to a tile of scores, a row of `width` for each key from number `j` on, a column for each of `held` queries
    /// from `from` on.
    pub(super) fn add(&self, scores: &mut [T], width: usize, [from, held]: [usize; 2], keys: Keys<'_>, j: usize) {
        // Some queries for all keys, then the next: the lines that these queries share stay near.
        for start in (0..held).step_by(MAX_LANES) {
            let end = held.min(start + MAX_LANES);
            for (r, row) in scores.chunks_exact_mut(width).enumerate() {
                let at = keys.at(j + r) * self.key;
                for (i, score) in row[start..end].iter_mut().enumerate() {
                    *score += self.data[at + (from + start + i) * self.query];
                }
            }
        }
    }
}

/// Writes the gradients of a tile of scores, laid out as in [`HeadBias::add`], into those of a range of keys of a head,
/// which begins at key `first`.
pub(super) fn give<T: Real>(
    scores: &[T],
    width: usize,
    [from, held]: [usize; 2],
    keys: Keys<'_>,
    j: usize,
    to: &mut Tile<'_, T>,
    first: usize,
) {
    for i in 0..held {
        let to = to.row_mut(from + i);
        for (r, row) in scores.chunks_exact(width).enumerate() {
            to[keys.at(j + r) - first] = row[i];
        }
    }
}
