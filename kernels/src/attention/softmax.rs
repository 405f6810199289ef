//! The softmax of a tile of scores and its gradient, in lanes: a lane is a query, a row a key.

use pulp::{Simd, WithSimd};

use crate::elem::Real;
use crate::lanes::{F, MAX_LANES};

/// A tile of scores `[rows, width]`, of which the first `held` columns count.
pub(super) struct Scores<'a, T> {
    pub(super) data: &'a mut [T],
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) held: usize,
    /// Query r sees no key behind number r + `reach`.
    pub(super) reach: isize,
    /// For each key the first query that sees it, if some query does not see all.
    pub(super) first: Option<&'a [T]>,
}

impl<T: Real> Scores<'_, T> {
    /// Registers of a row that hold a query.
    #[inline(always)]
    fn registers<S: Simd>(&self) -> usize {
        self.held.div_ceil(T::lanes::<S>())
    }

    /// Rows that a query of register `c` sees.
    #[inline(always)]
    fn seen<S: Simd>(&self, c: usize) -> usize {
        ((c + 1) * T::lanes::<S>()).saturating_add_signed(self.reach).min(self.rows)
    }
}

/// The numbers of the lanes of register `c`.
#[inline(always)]
fn lanes<S: Simd, T: Real>(simd: S, c: usize) -> F<S, T> {
    let numbers: [T; MAX_LANES] = std::array::from_fn(|i| T::literal(i as f64));
    F::load(simd, &numbers) + (c * T::lanes::<S>()) as f64
}

/// Score `v` of row `r`, or `other` where the query does not see the key.
#[inline(always)]
fn masked<S: Simd, T: Real>(v: F<S, T>, r: usize, first: Option<&[T]>, query: F<S, T>, other: F<S, T>) -> F<S, T> {
    match first {
        Some(first) => query.lt(F::splat(v.simd(), first[r])).select(other, v),
        None => v,
    }
}

/// Scores become exponentials; the running maximum and sum of each query go on, and its results so far are rescaled
/// (FlashAttention-2, algorithm 1, lines 9 and 10).
pub(super) struct Online<'a, T> {
    pub(super) scores: Scores<'a, T>,
    pub(super) max: &'a mut [T],
    pub(super) sum: &'a mut [T],
    /// The results so far, `size` numbers for each query; none before the first block of keys.
    pub(super) out: &'a mut [T],
    pub(super) size: usize,
}

impl<T: Real> WithSimd for Online<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Online { scores, max, sum, out, size } = self;
        let wide = T::lanes::<S>();
        for c in 0..scores.registers::<S>() {
            let seen = scores.seen::<S>(c);
            let (max, sum) = (&mut max[c * wide..][..wide], &mut sum[c * wide..][..wide]);
            let factor = match scores.first {
                None => register(simd, scores.data, scores.width, c, seen, None, max, sum),
                first => register(simd, scores.data, scores.width, c, seen, first, max, sum),
            };
            let (data, step) = (T::split_mut::<S>(scores.data).0, scores.width / wide);
            data[c..].iter_mut().step_by(step).take(scores.rows).skip(seen).for_each(|v| *v = T::splat(simd, T::ZERO));
            if !out.is_empty() {
                let factors = factor.to_array();
                let lines = out.chunks_exact_mut(size).skip(c * wide).take(wide);
                for (line, &factor) in lines.zip(&factors) {
                    if factor != T::ONE {
                        line.iter_mut().for_each(|x| *x *= factor);
                    }
                }
            }
        }
    }
}

/// One register of queries over `seen` rows; gives the factor by which its results so far shrink.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn register<S: Simd, T: Real>(
    simd: S,
    data: &mut [T],
    width: usize,
    c: usize,
    seen: usize,
    first: Option<&[T]>,
    max: &mut [T],
    sum: &mut [T],
) -> F<S, T> {
    let (data, step) = (T::split_mut::<S>(data).0, width / T::lanes::<S>());
    let column = &mut data[c..];
    let (query, low) = (lanes::<S, T>(simd, c), F::splat(simd, T::NEG_INFINITY));
    let old = F::load(simd, max);
    // Four chains, because one would wait for each comparison.
    let mut tops = [old; 4];
    for r in (0..seen).step_by(4) {
        for (k, top) in tops.iter_mut().enumerate() {
            // Beyond the end the last row once more.
            let r = (r + k).min(seen - 1);
            *top = larger(*top, masked(F::wrap(simd, column[r * step]), r, first, query, low));
        }
    }
    let top = larger(larger(tops[0], tops[1]), larger(tops[2], tops[3]));
    // A query that has seen nothing yet: any finite number keeps its exponentials 0.
    let shift = top.eq(low).select(F::splat(simd, T::ZERO), top);
    let factor = (old - shift).exp();
    let mut total = F::load(simd, sum) * factor;
    for r in 0..seen {
        let e = (masked(F::wrap(simd, column[r * step]), r, first, query, low) - shift).exp();
        column[r * step] = e.raw();
        total = total + e;
    }
    top.store(max);
    total.store(sum);
    factor
}

/// The larger; `a` if `x` is NaN, which reaches the result through the exponentials anyway.
#[inline(always)]
fn larger<S: Simd, T: Real>(a: F<S, T>, x: F<S, T>) -> F<S, T> {
    a.lt(x).select(x, a)
}

/// p = e^(score − max)·factor and ds = p ⊙ (dp − delta), in place of scores and dp (FlashAttention-2, algorithm 2, lines 11
/// and 14).
pub(super) struct Grad<'a, T> {
    pub(super) scores: Scores<'a, T>,
    /// The gradients of the probabilities, as the scores lie.
    pub(super) dp: &'a mut [T],
    pub(super) max: &'a [T],
    /// One over the sum of each query.
    pub(super) factor: &'a [T],
    /// Σ g·out of each query.
    pub(super) delta: &'a [T],
}

impl<T: Real> WithSimd for Grad<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Grad { scores, dp, max, factor, delta } = self;
        let wide = T::lanes::<S>();
        let step = scores.width / wide;
        for c in 0..scores.registers::<S>() {
            let seen = scores.seen::<S>(c);
            let [max, factor, delta] = [max, factor, delta].map(|x| F::load(simd, &x[c * wide..]));
            let query = lanes::<S, T>(simd, c);
            let p = &mut T::split_mut::<S>(scores.data).0[c..];
            let dp = &mut T::split_mut::<S>(dp).0[c..];
            match scores.first {
                None => column(simd, p, dp, step, seen, None, query, [max, factor, delta]),
                first => column(simd, p, dp, step, seen, first, query, [max, factor, delta]),
            }
            for r in seen..scores.rows {
                (p[r * step], dp[r * step]) = (T::splat(simd, T::ZERO), T::splat(simd, T::ZERO));
            }
        }
    }
}

/// One register of queries over `seen` rows.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn column<S: Simd, T: Real>(
    simd: S,
    p: &mut [T::V<S>],
    dp: &mut [T::V<S>],
    step: usize,
    seen: usize,
    first: Option<&[T]>,
    query: F<S, T>,
    [max, factor, delta]: [F<S, T>; 3],
) {
    let low = F::splat(simd, T::NEG_INFINITY);
    for r in 0..seen {
        let e = (masked(F::wrap(simd, p[r * step]), r, first, query, low) - max).exp() * factor;
        p[r * step] = e.raw();
        dp[r * step] = (e * (F::wrap(simd, dp[r * step]) - delta)).raw();
    }
}
