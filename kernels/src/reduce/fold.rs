//! The loops of the reductions: rows across lanes, columns along lanes, both with pairwise leaves.

use pulp::{Simd, WithSimd};

use crate::elem::Real;
use crate::lanes::{F, Four, MAX_LANES, Width};

/// What is folded, on registers and on numbers.
pub(super) trait Fold: Copy + Send + Sync {
    /// What nothing folds to.
    fn start<T: Real>(self) -> T;
    /// One more element, or another accumulator, into an accumulator.
    fn fold<S: Simd, T: Real, W: Width>(self, acc: F<S, T, W>, x: F<S, T, W>) -> F<S, T, W>;
    /// Two results into one.
    fn join<T: Real>(self, a: T, b: T) -> T;
}

macro_rules! folds {
    ($($(#[$doc:meta])* $name:ident $start:ident |$a:ident, $x:ident| $fold:expr, |$p:ident, $q:ident| $join:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name;
        impl Fold for $name {
            fn start<T: Real>(self) -> T {
                T::$start
            }
            #[inline(always)]
            fn fold<S: Simd, T: Real, W: Width>(self, $a: F<S, T, W>, $x: F<S, T, W>) -> F<S, T, W> {
                $fold
            }
            #[inline(always)]
            fn join<T: Real>(self, $p: T, $q: T) -> T {
                $join
            }
        }
    )*};
}
folds! {
    Sum ZERO |a, x| a + x, |p, q| p + q;
    Prod ONE |a, x| a * x, |p, q| p * q;
    Max NEG_INFINITY |a, x| a.max(x), |p, q| if p.is_nan() || p > q { p } else { q };
    Min INFINITY |a, x| a.min(x), |p, q| if p.is_nan() || p < q { p } else { q };
    /// Stays 0 as long as all is finite, and joins likewise.
    Finite ZERO |a, x| x.fma(x.lit(0.0), a), |p, q| p + q;
}

/// Joins results pairwise in the order of their arrival, like a binary counter: the k-th entry covers 2ᵏ of them.
pub(super) struct Tree<T, J> {
    join: J,
    entries: [Option<T>; 48],
}

impl<T: Copy, J: Fn(T, T) -> T> Tree<T, J> {
    pub fn new(join: J) -> Self {
        Tree { join, entries: [None; 48] }
    }
    #[inline(always)]
    pub fn push(&mut self, mut x: T) {
        for entry in &mut self.entries {
            match entry.take() {
                Some(earlier) => x = (self.join)(earlier, x),
                None => {
                    *entry = Some(x);
                    return;
                }
            }
        }
    }
    /// The join of all, the youngest first; `none` if there were none.
    #[inline(always)]
    pub fn finish(self, none: T) -> T {
        let join = self.join;
        self.entries.into_iter().flatten().reduce(|late, early| join(early, late)).unwrap_or(none)
    }
}

/// Independent accumulators, so that additions overlap.
const ACCUMULATORS: usize = 8;
/// Registers in a leaf of a row: each accumulator takes 32.
const LEAF: usize = 32 * ACCUMULATORS;

/// out[r] = the fold of row r, of `n` elements.
pub(super) struct Rows<'a, L, T> {
    pub lane: L,
    pub x: &'a [T],
    pub n: usize,
    pub out: &'a mut [T],
}

impl<L: Fold, T: Real> WithSimd for Rows<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let leaf = LEAF * T::lanes::<S>();
        for (row, out) in self.x.chunks(self.n).zip(self.out) {
            let mut leaves = row.chunks(leaf);
            // One place for the leaf's code; the tree only for rows of several.
            let mut tree = Tree::new(|a, b| self.lane.join(a, b));
            loop {
                let part = leaves.next().unwrap_or(&[]);
                let value = fold_leaf(simd, self.lane, part);
                if row.len() <= leaf {
                    *out = value;
                    break;
                }
                if part.is_empty() {
                    *out = tree.finish(self.lane.start());
                    break;
                }
                tree.push(value);
            }
        }
    }
}

#[inline(always)]
fn fold_leaf<S: Simd, L: Fold, T: Real>(simd: S, lane: L, x: &[T]) -> T {
    let start = F::splat(simd, lane.start());
    let (full, tail) = T::split::<S>(x);
    let (groups, rest) = full.as_chunks::<ACCUMULATORS>();
    let mut acc = [start; ACCUMULATORS];
    for group in groups {
        for (acc, &x) in acc.iter_mut().zip(group) {
            *acc = lane.fold(*acc, F::wrap(simd, x));
        }
    }
    for (acc, &x) in acc.iter_mut().zip(rest) {
        *acc = lane.fold(*acc, F::wrap(simd, x));
    }
    if !tail.is_empty() {
        let mut padded = [lane.start(); MAX_LANES];
        padded[..tail.len()].copy_from_slice(tail);
        acc[ACCUMULATORS - 1] = lane.fold(acc[ACCUMULATORS - 1], F::load(simd, &padded));
    }
    let [a, b, c, d, e, f, g, h] = acc;
    let (a, b, c, d) = (lane.fold(a, b), lane.fold(c, d), lane.fold(e, f), lane.fold(g, h));
    let all = lane.fold(lane.fold(a, b), lane.fold(c, d));
    let mut lanes = all.to_array();
    let mut width = T::lanes::<S>();
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = lane.join(lanes[i], lanes[i + width]);
        }
    }
    lanes[0]
}

/// Rows in a leaf of a column.
pub(super) const LEAF_ROWS: usize = 32;
/// Rows that are read side by side, each in order: more would be too many streams for the prefetchers.
const STREAMS: usize = 8;

/// out[c] = the fold of column `from` + c of `x`, a matrix with rows of `inner` elements.
pub(super) struct Columns<'a, L, T> {
    pub lane: L,
    pub x: &'a [T],
    pub inner: usize,
    pub from: usize,
    pub out: &'a mut [T],
}

impl<L: Fold, T: Real> WithSimd for Columns<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.out.len();
        let mut leaves = self.x.chunks(LEAF_ROWS * self.inner);
        let count = leaves.len();
        // Leaves are folded in `out`, which is then joined with the entries of a binary counter as in `Tree`: an entry is
        // kept while the bit of its level is set in the number of leaves.
        let levels = if count > 1 { count.ilog2() as usize + 1 } else { 0 };
        let mut entries = vec![self.lane.start(); levels * width];
        for done in 0..count {
            self.out.fill(self.lane.start());
            for rows in leaves.next().unwrap_or_default().chunks(STREAMS * self.inner) {
                add_rows(simd, self.lane, rows, self.inner, self.from, self.out);
            }
            if count == 1 {
                return;
            }
            let level = (!done).trailing_zeros() as usize;
            for entry in entries.chunks(width).take(level) {
                join(self.lane, entry, self.out);
            }
            entries[level * width..][..width].copy_from_slice(self.out);
        }
        let mut kept = entries.chunks(width).enumerate().filter(|(level, _)| count >> level & 1 == 1);
        if let Some((_, youngest)) = kept.next() {
            self.out.copy_from_slice(youngest);
        }
        for (_, entry) in kept {
            join(self.lane, entry, self.out);
        }
    }
}

/// late = the fold of early, then late.
#[inline(always)]
fn join<L: Fold, T: Real>(lane: L, early: &[T], late: &mut [T]) {
    for (late, &early) in late.iter_mut().zip(early) {
        *late = lane.join(early, *late);
    }
}

/// Folds some rows into `out`, in their order.
#[inline(always)]
fn add_rows<S: Simd, L: Fold, T: Real>(simd: S, lane: L, rows: &[T], inner: usize, from: usize, out: &mut [T]) {
    let (lanes, width) = (T::lanes::<S>(), out.len());
    let strip = Four::COUNT * lanes;
    let (wide, narrow) = out.split_at_mut(width - width % strip);
    for (s, out) in wide.chunks_exact_mut(strip).enumerate() {
        let (full, _) = T::split_mut::<S>(out);
        let mut acc: F<S, T, Four> = F::fill(
            simd,
            0,
            #[inline(always)]
            |k| F::wrap(simd, full[k]),
        );
        for row in rows.chunks_exact(inner) {
            let (row, _) = T::split::<S>(&row[from + s * strip..][..strip]);
            let row = F::fill(
                simd,
                0,
                #[inline(always)]
                |k| F::wrap(simd, row[k]),
            );
            acc = lane.fold(acc, row);
        }
        acc.each(
            0,
            #[inline(always)]
            |k, v| full[k] = v.raw(),
        );
    }
    let from = from + wide.len();
    for (s, out) in narrow.chunks_mut(lanes).enumerate() {
        let mut acc = F::load(simd, out);
        for row in rows.chunks_exact(inner) {
            acc = lane.fold(acc, F::load(simd, &row[from + s * lanes..][..out.len()]));
        }
        acc.store(out);
    }
}

/// Σ x² in f64: sixteen accumulators that the compiler turns into registers, and exact products (f32).
pub(super) struct Squares<'a, T>(pub &'a [T]);

impl<T: Real> WithSimd for Squares<'_, T> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut tree = Tree::new(|a: f64, b| a + b);
        for leaf in self.0.chunks(1024) {
            let mut acc = [0.0; 16];
            let (groups, rest) = leaf.as_chunks::<16>();
            for group in groups {
                for (acc, x) in acc.iter_mut().zip(group) {
                    *acc += x.to_f64() * x.to_f64();
                }
            }
            for (acc, x) in acc.iter_mut().zip(rest) {
                *acc += x.to_f64() * x.to_f64();
            }
            tree.push(acc.iter().sum());
        }
        tree.finish(0.0)
    }
}
