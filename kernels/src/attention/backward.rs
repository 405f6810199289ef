//! The backward pass: FlashAttention-2, algorithm 2.
//!
//! A task is one head, or one of several ranges of its keys where there are few heads. Its queries are prepared once; then
//! each block of keys meets all blocks of queries: the probabilities are computed anew from the maxima and the sums.
//! Ranges of keys add their shares of the queries' gradients in order, so that nothing depends on the threads.

use pulp::{Simd, WithSimd};

use super::bias::{self, HeadBias};
use super::softmax::{Grad, Scores};
use super::{Attention, Bias, Gradients, Head, Heads, KEYS, Keys, Meeting, Seen, line, tiles};
use crate::buf::Buf;
use crate::door;
use crate::elem::Real;
use crate::gemm::{Accumulate, Band, Blocks, Mat, Tile, slack};
use crate::lanes::MAX_LANES;
use crate::par;
use crate::registers::{Src, count, sum};

/// Tasks that are enough, if each head is one.
const TASKS: usize = 8;

/// One head with its gradients.
struct Task<'a, T: Real> {
    batch: usize,
    head: usize,
    /// The first key.
    from: usize,
    dk: Tile<'a, T>,
    dv: Tile<'a, T>,
    /// Where the gradient of the queries goes: there, or as a share of it into a buffer.
    dq: Target<'a, T>,
    /// The gradient of the bias, `[queries, keys of the range]`, if it is wanted.
    dbias: Option<Tile<'a, T>>,
}

enum Target<'a, T: Real> {
    Whole(Tile<'a, T>),
    Share(Buf<T>),
}

#[allow(clippy::too_many_arguments)]
pub(super) fn attention_grad_of<T: Real>(
    s: &Attention,
    q: Heads<'_, T>,
    k: Heads<'_, T>,
    v: Heads<'_, T>,
    hidden: Option<&[bool]>,
    bias: Option<Bias<'_, T>>,
    out: &[T],
    sums: &[T],
    g: Heads<'_, T>,
    gradients: Gradients<'_, T>,
    mut dbias: Option<&mut [T]>,
) {
    s.check([q, k, v], hidden, out.len(), sums.len());
    bias.iter().for_each(|bias| bias.check(s));
    if let Some(dbias) = &mut dbias {
        let pairs = door::product("attention_grad", &[s.batch, s.heads, s.queries, s.keys]);
        assert_eq!(dbias.len(), pairs, "attention_grad: dbias has {} elements for {s:?}", dbias.len());
        // Pairs that never meet have no gradient.
        dbias.fill(T::ZERO);
    }
    g.check("attention_grad: g", s, s.queries);
    let Some([dq, dk, dv]) = split(s, gradients) else { return };
    // Ranges of keys, whole blocks: enough for some threads, few enough for the memory that their shares take.
    let ranges = TASKS.div_ceil(s.batch * s.heads).min(s.keys.div_ceil(KEYS));
    let range = s.keys.div_ceil(ranges).next_multiple_of(KEYS);
    let mut scores = dbias.map(|dbias| tiles(dbias, s.queries, 1, s.keys).into_iter());
    let mut tasks = Vec::new();
    let mut whole = Vec::new();
    for (i, ((dq, dk), dv)) in dq.into_iter().zip(dk).zip(dv).enumerate() {
        let (batch, head) = (i / s.heads, i % s.heads);
        let mut dq = Some(dq);
        let pairs = scores.as_mut().and_then(Iterator::next);
        let mut pairs = pairs.into_iter().flat_map(|tile| tile.split(s.queries, range));
        for (part, (dk, dv)) in dk.split(range, s.size).into_iter().zip(dv.split(range, s.size)).enumerate() {
            let dq = match dq.take_if(|_| s.keys <= range) {
                Some(dq) => Target::Whole(dq),
                None => Target::Share(Buf::scratch(s.queries * s.size)),
            };
            tasks.push(Task { batch, head, from: part * range, dk, dv, dq, dbias: pairs.next() });
        }
        whole.extend(dq);
    }
    let out = Heads { data: out, strides: [s.queries * s.heads * s.size, s.size, s.heads * s.size] };
    let backward = Backward { s, q, k, v, bias, out, sums, g, seen: Seen::new(s, hidden), blocks: Blocks::current() };
    par::chunks_mut(&mut tasks, 1, |_, task| backward.run(&mut task[0]));
    // The shares of each head, in the order of its keys.
    let share = |task: Task<'_, T>| if let Target::Share(share) = task.dq { Some(share) } else { None };
    let shares: Vec<Buf<T>> = tasks.into_iter().filter_map(share).collect();
    let mut sums: Vec<_> = whole.into_iter().zip(shares.chunks(s.keys.div_ceil(range))).collect();
    par::chunks_mut(&mut sums, 1, |_, sum| {
        let (dq, shares) = &mut sum[0];
        for row in 0..dq.rows() {
            let dq = dq.row_mut(row);
            dq.fill(T::ZERO);
            for share in shares.iter() {
                dq.iter_mut().zip(&share[row * s.size..]).for_each(|(dq, &x)| *dq += x);
            }
        }
    });
}

/// The tiles of the heads for q, k and v; `None` if that is all that was to be done.
fn split<'a, T: Real>(s: &Attention, gradients: Gradients<'a, T>) -> Option<[Vec<Tile<'a, T>>; 3]> {
    let [queries, keys] = [s.queries, s.keys].map(|n| door::product("attention_grad", &[s.batch, s.heads, n, s.size]));
    let nothing = queries == 0 || keys == 0;
    let check = |what, len, want| assert_eq!(len, want, "attention_grad: d{what} has {len} elements for {s:?}");
    match gradients {
        Gradients::Apart { q, k, v } => {
            check("q", q.len(), queries);
            check("k", k.len(), keys);
            check("v", v.len(), keys);
            if nothing {
                [q, k, v].into_iter().for_each(|d| d.fill(T::ZERO));
                return None;
            }
            let heads = |data, tokens| tiles(data, tokens, s.heads, s.size);
            Some([heads(q, s.queries), heads(k, s.keys), heads(v, s.keys)])
        }
        Gradients::Joint(all) => {
            assert_eq!(queries, keys, "attention_grad: a joint projection has as many queries as keys: {s:?}");
            check("qkv", all.len(), door::product("attention_grad", &[3, queries]));
            if nothing {
                return None;
            }
            let mut heads = [Vec::new(), Vec::new(), Vec::new()];
            for (i, tile) in tiles(all, s.queries, 3 * s.heads, s.size).into_iter().enumerate() {
                heads[i / s.heads % 3].push(tile);
            }
            Some(heads)
        }
    }
}

struct Backward<'a, T> {
    s: &'a Attention,
    q: Heads<'a, T>,
    k: Heads<'a, T>,
    v: Heads<'a, T>,
    bias: Option<Bias<'a, T>>,
    out: Heads<'a, T>,
    sums: &'a [T],
    g: Heads<'a, T>,
    seen: Seen,
    blocks: Blocks,
}

/// Tokens of all blocks of queries of a head, as lines and transposed.
struct Lines<T: Real> {
    lines: Buf<T>,
    transposed: Buf<T>,
}

impl<T: Real> Lines<T> {
    /// Those of `head`, multiplied with `factor`.
    fn new(s: &Attention, blocks: Blocks, head: Head<'_, T>, factor: f64) -> Self {
        let (block, line, padded) = (s.block(), line(s.size), s.size.next_multiple_of(MAX_LANES));
        let count = s.queries.div_ceil(block);
        let mut lines = Buf::scratch(count * block * line + slack(line));
        let mut transposed = Buf::scratch(count * block * padded + slack(block));
        for (i, from) in (0..s.queries).step_by(block).enumerate() {
            let (lines, held) = (&mut lines[i * block * line..], block.min(s.queries - from));
            head.gather_padded(blocks.isa, [from, held, block], s.size, T::from_f64(factor), lines);
            blocks.transpose(lines, line, [block, padded], &mut transposed[i * block * padded..], block);
        }
        Lines { lines, transposed }
    }

    /// Block `i`: `[held, size]`, and `[size, width]` of its transpose.
    fn block(&self, s: &Attention, i: usize, [held, width]: [usize; 2]) -> (Mat<'_, T>, Mat<'_, T>) {
        let (block, line, padded) = (s.block(), line(s.size), s.size.next_multiple_of(MAX_LANES));
        let lines = Mat::new(&self.lines[i * block * line..], held, s.size, line, 1);
        (lines, Mat::new(&self.transposed[i * block * padded..], s.size, width, block, 1))
    }
}

/// Σ g·out of each query.
struct Dots<'a, T> {
    out: Head<'a, T>,
    g: &'a [T],
    size: usize,
    dots: &'a mut [T],
}

impl<T: Real> WithSimd for Dots<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (i, (dot, g)) in self.dots.iter_mut().zip(self.g.chunks_exact(line(self.size))).enumerate() {
            let (g, out) = (Src::new(simd, &g[..self.size]), Src::new(simd, self.out.token(i, self.size)));
            *dot = sum(
                simd,
                count::<S, T>(self.size),
                #[inline(always)]
                |r| g.get(r) * out.get(r),
            );
        }
    }
}

/// What a task works with.
struct Scratch<T: Real> {
    q: Lines<T>,
    g: Lines<T>,
    /// For each query, padded to whole blocks.
    max: Buf<T>,
    factor: Buf<T>,
    delta: Buf<T>,
    dq: Buf<T>,
    keys: Buf<T>,
    values: Buf<T>,
    /// Scores, then probabilities; and their gradients.
    p: Buf<T>,
    dp: Buf<T>,
    dk: Buf<T>,
    dv: Buf<T>,
}

impl<T: Real> Backward<'_, T> {
    fn run(&self, task: &mut Task<'_, T>) {
        let s = self.s;
        let (block, line) = (s.block(), line(s.size));
        let q = Lines::new(s, self.blocks, self.q.head(task.batch, task.head), s.scale);
        let g = Lines::new(s, self.blocks, self.g.head(task.batch, task.head), 1.0);
        let [max, factor, delta] = self.rows(task, &g);
        let scratch = &mut Scratch {
            q,
            g,
            max,
            factor,
            delta,
            dq: Buf::filled(s.queries * s.size, T::ZERO),
            keys: Buf::scratch(KEYS * line + slack(line)),
            values: Buf::scratch(KEYS * line + slack(line)),
            p: Buf::scratch(KEYS * block + slack(block)),
            dp: Buf::scratch(KEYS * block + slack(block)),
            dk: Buf::scratch(KEYS * s.size),
            dv: Buf::scratch(KEYS * s.size),
        };
        let keys = self.seen.within(task.batch, task.from, task.from + task.dk.rows());
        if keys.count < task.dk.rows() {
            for row in 0..task.dk.rows() {
                task.dk.row_mut(row).fill(T::ZERO);
                task.dv.row_mut(row).fill(T::ZERO);
            }
        }
        let (k, v) = (self.k.head(task.batch, task.head), self.v.head(task.batch, task.head));
        let bias = self.bias.map(|bias| bias.head(task.batch, task.head));
        for j in (0..keys.count).step_by(KEYS) {
            let count = KEYS.min(keys.count - j);
            k.gather((j..j + count).map(|i| keys.at(i)), s.size, &mut scratch.keys);
            v.gather((j..j + count).map(|i| keys.at(i)), s.size, &mut scratch.values);
            scratch.dk.fill(T::ZERO);
            scratch.dv.fill(T::ZERO);
            for (i, from) in (0..s.queries).step_by(block).enumerate() {
                self.meet([i, from, block.min(s.queries - from)], keys, [j, count], bias, task, scratch);
            }
            let rows = scratch.dk.chunks_exact(s.size).zip(scratch.dv.chunks_exact(s.size));
            for (i, (dk, dv)) in (j..j + count).zip(rows) {
                let row = keys.at(i) - task.from;
                task.dk.row_mut(row).copy_from_slice(dk);
                task.dv.row_mut(row).copy_from_slice(dv);
            }
        }
        let scale = T::from_f64(s.scale);
        let give = |row: &mut [T], x: &[T]| row.iter_mut().zip(x).for_each(|(row, &x)| *row = x * scale);
        match &mut task.dq {
            Target::Whole(tile) => {
                scratch.dq.chunks_exact(s.size).enumerate().for_each(|(i, dq)| give(tile.row_mut(i), dq));
            }
            Target::Share(share) => give(share, &scratch.dq),
        }
    }

    /// For each query, in whole blocks: its largest score, one over its sum, and Σ g·out (FlashAttention-2, algorithm 2,
    /// line 4).
    fn rows(&self, task: &Task<'_, T>, g: &Lines<T>) -> [Buf<T>; 3] {
        let s = self.s;
        let padded = s.queries.next_multiple_of(s.block());
        // A query that sees nothing has no probabilities: the factor 0, and a maximum that makes no NaN before it.
        let [mut max, mut factor, mut delta] = [(); 3].map(|()| Buf::filled(padded, T::ZERO));
        let (maxima, sums) = self.sums.split_at(self.sums.len() / 2);
        let given = (task.batch * s.heads + task.head) * s.queries..;
        let rows = maxima[given.clone()].iter().zip(&sums[given]).take(s.queries);
        for ((max, factor), (&given, &sum)) in max.iter_mut().zip(&mut factor[..]).zip(rows) {
            if sum != T::ZERO {
                (*max, *factor) = (given, T::ONE / sum);
            }
        }
        let (out, g) = (self.out.head(task.batch, task.head), &g.lines[..]);
        self.blocks.isa.run_on::<T, _>(Dots { out, g, size: s.size, dots: &mut delta[..s.queries] });
        [max, factor, delta]
    }

    /// Block `i` of queries, `held` from `from` on, meets `count` keys from number `j` on.
    fn meet(
        &self,
        [i, from, held]: [usize; 3],
        keys: Keys<'_>,
        [j, count]: [usize; 2],
        bias: Option<HeadBias<'_, T>>,
        task: &mut Task<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let (s, block, line) = (self.s, self.s.block(), line(self.s.size));
        let meeting = Meeting::new(s, from, held, keys, j, count);
        let Meeting { rows, reach, diagonal } = meeting;
        if rows == 0 {
            return;
        }
        let Scratch { q, g, max, factor, delta, dq, keys: k, values: v, p, dp, dk, dv } = scratch;
        let width = held.next_multiple_of(self.blocks.isa.lanes());
        let (q, q_t) = q.block(s, i, [held, width]);
        let (g, g_t) = g.block(s, i, [held, width]);
        let (k, v) = (Mat::new(k, rows, s.size, line, 1), Mat::new(v, rows, s.size, line, 1));
        self.blocks.product(&mut p[..rows * width], k, q_t, Accumulate::No, Band::Wanted(reach));
        self.blocks.product(&mut dp[..rows * width], v, g_t, Accumulate::No, Band::Wanted(reach));
        if let Some(bias) = bias {
            bias.add(&mut p[..rows * width], width, [from, held], keys, j);
        }
        let first = diagonal.then(|| meeting.first_queries::<T>(s, from, keys, j));
        let first = first.as_ref().map(|first| &first[..]);
        self.blocks.isa.run_on::<T, _>(Grad {
            scores: Scores { data: &mut p[..rows * width], rows, width, held, reach, first },
            dp: &mut dp[..rows * width],
            max: &max[i * block..][..block],
            factor: &factor[i * block..][..block],
            delta: &delta[i * block..][..block],
        });
        if let Some(dbias) = &mut task.dbias {
            bias::give(&dp[..rows * width], width, [from, held], keys, j, dbias, task.from);
        }
        let by_key = |x| Mat::new(x, rows, held, width, 1);
        self.blocks.product(&mut dv[..rows * s.size], by_key(p), g, Accumulate::Yes, Band::Upper(reach));
        self.blocks.product(&mut dk[..rows * s.size], by_key(dp), q, Accumulate::Yes, Band::Upper(reach));
        let dq = &mut dq[i * block * s.size..][..held * s.size];
        let ds = Mat::new(dp, held, rows, 1, width);
        self.blocks.product(dq, ds, k, Accumulate::Yes, Band::Lower(reach));
    }
}
