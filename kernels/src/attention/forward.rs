//! The forward pass: FlashAttention-2, algorithm 1.
//!
//! A task is one head with a group of blocks of queries. Each block of keys is copied next to itself once a group, without
//! the keys that nobody sees, and stays in the nearest caches while the blocks of queries meet it.

use pulp::{Simd, WithSimd};

use super::bias::HeadBias;
use super::softmax::{Online, Scores};
use super::{Attention, Bias, Heads, KEYS, Keys, Meeting, Seen, line, tiles};
use crate::buf::Buf;
use crate::elem::Real;
use crate::gemm::{Accumulate, Band, Blocks, Mat, Tile, slack};
use crate::lanes::MAX_LANES;
use crate::par;

/// Blocks of queries of a group at most: with their results they stay in a second-level cache.
const GROUP: usize = 4;
/// Queries for which copying keys takes longer than what it saves.
const FEW: usize = 16;
/// Multiplications that are worth a task of their own, about 10 µs.
const TASK: usize = 1 << 19;

/// Some queries of a head.
struct Task<'a, T> {
    batch: usize,
    head: usize,
    /// The first query.
    from: usize,
    out: Tile<'a, T>,
    max: &'a mut [T],
    sum: &'a mut [T],
}

#[allow(clippy::too_many_arguments)]
pub(super) fn attention_of<T: Real>(
    s: &Attention,
    q: Heads<'_, T>,
    k: Heads<'_, T>,
    v: Heads<'_, T>,
    hidden: Option<&[bool]>,
    bias: Option<Bias<'_, T>>,
    out: &mut [T],
    sums: &mut [T],
) {
    s.check([q, k, v], hidden, out.len(), sums.len());
    bias.iter().for_each(|bias| bias.check(s));
    let (maxima, sums) = sums.split_at_mut(sums.len() / 2);
    if out.is_empty() || s.keys == 0 {
        out.fill(T::ZERO);
        maxima.fill(T::NEG_INFINITY);
        sums.fill(T::ZERO);
        return;
    }
    let each_head = maxima.chunks_mut(s.queries).zip(sums.chunks_mut(s.queries));
    let group = GROUP * s.block();
    let mut tasks = Vec::new();
    for (i, (tile, (max, sum))) in tiles(out, s.queries, s.heads, s.size).into_iter().zip(each_head).enumerate() {
        let (batch, head) = (i / s.heads, i % s.heads);
        let groups = max.chunks_mut(group).zip(sum.chunks_mut(group));
        for (g, (out, (max, sum))) in tile.split(group, s.size).into_iter().zip(groups).enumerate() {
            tasks.push(Task { batch, head, from: g * group, out, max, sum });
        }
    }
    let forward = Forward { s, q, k, v, bias, seen: Seen::new(s, hidden), blocks: Blocks::current() };
    let each = group.min(s.queries) * s.keys * s.size;
    par::chunks_mut(&mut tasks, (TASK / each).max(1), |_, tasks| {
        let mut scratch = Scratch::new(s);
        tasks.iter_mut().for_each(|task| forward.run(task, &mut scratch));
    });
}

struct Forward<'a, T> {
    s: &'a Attention,
    q: Heads<'a, T>,
    k: Heads<'a, T>,
    v: Heads<'a, T>,
    bias: Option<Bias<'a, T>>,
    seen: Seen,
    blocks: Blocks,
}

/// What a task works with: a block of keys and values, and what belongs to its queries.
struct Scratch<T: Real> {
    keys: Buf<T>,
    values: Buf<T>,
    working: Working<T>,
}

/// For one block of queries, or for the group where it says so.
struct Working<T: Real> {
    /// A block of queries, then transposed and scaled for the group.
    queries: Buf<T>,
    transposed: Buf<T>,
    scores: Buf<T>,
    /// For the group: results before they are divided by the sums.
    out: Buf<T>,
    /// For the group: running maximum and sum of each query.
    max: Buf<T>,
    sum: Buf<T>,
}

impl<T: Real> Scratch<T> {
    fn new(s: &Attention) -> Self {
        let (line, block) = (line(s.size), s.block());
        let group = (GROUP * block).min(s.queries.next_multiple_of(block));
        Scratch {
            keys: Buf::scratch(KEYS * line + slack(line)),
            values: Buf::scratch(KEYS * line + slack(line)),
            working: Working::new(s, group),
        }
    }
}

impl<T: Real> Working<T> {
    fn new(s: &Attention, group: usize) -> Self {
        let (line, block) = (line(s.size), s.block());
        Working {
            queries: Buf::scratch(block * line),
            transposed: Buf::scratch(group * s.size.next_multiple_of(MAX_LANES) + slack(block)),
            scores: Buf::scratch(KEYS * block + slack(block)),
            out: Buf::scratch(group * s.size),
            max: Buf::scratch(group),
            sum: Buf::scratch(group),
        }
    }
}

impl<T: Real> Forward<'_, T> {
    fn run(&self, task: &mut Task<'_, T>, scratch: &mut Scratch<T>) {
        let s = self.s;
        let (block, line, padded) = (s.block(), line(s.size), s.size.next_multiple_of(MAX_LANES));
        let end = task.from + task.out.rows();
        let Scratch { keys: to_k, values: to_v, working } = scratch;
        let q = self.q.head(task.batch, task.head);
        for (i, from) in (task.from..end).step_by(block).enumerate() {
            let held = block.min(end - from);
            q.gather_padded(self.blocks.isa, [from, held, block], s.size, T::from_f64(s.scale), &mut working.queries);
            let to = &mut working.transposed[i * padded * block..];
            self.blocks.transpose(&working.queries, line, [block, padded], to, block);
        }
        working.max.fill(T::NEG_INFINITY);
        working.sum.fill(T::ZERO);
        let (k, v) = (self.k.head(task.batch, task.head), self.v.head(task.batch, task.head));
        let bias = self.bias.map(|bias| bias.head(task.batch, task.head));
        let (keys, few) = (self.seen.of(task.batch), end - task.from < FEW);
        for j in (0..keys.count).step_by(KEYS) {
            if keys.at(j) as isize > s.horizon(end - 1) {
                break;
            }
            let count = KEYS.min(keys.count - j);
            let blocks = [k.block(keys, [j, count], few, s.size, to_k), v.block(keys, [j, count], few, s.size, to_v)];
            for (i, from) in (task.from..end).step_by(block).enumerate() {
                self.meet([i, from, block.min(end - from)], keys, j, blocks, bias, working);
            }
        }
        let Working { out, max, sum, .. } = working;
        task.max.copy_from_slice(&max[..task.max.len()]);
        task.sum.copy_from_slice(&sum[..task.sum.len()]);
        self.blocks.isa.run_on::<T, _>(Finish { out: &mut task.out, result: out, sum, size: s.size });
    }

    /// Block `i` of queries, `held` from `from` on, meets the keys and values from number `j` on.
    fn meet(
        &self,
        [i, from, held]: [usize; 3],
        keys: Keys<'_>,
        j: usize,
        [k, v]: [Mat<'_, T>; 2],
        bias: Option<HeadBias<'_, T>>,
        working: &mut Working<T>,
    ) {
        let s = self.s;
        let (block, padded) = (s.block(), s.size.next_multiple_of(MAX_LANES));
        let meeting = Meeting::new(s, from, held, keys, j, k.rows);
        let Meeting { rows, reach, diagonal } = meeting;
        if rows == 0 {
            return;
        }
        let Working { transposed, scores, out, max, sum, .. } = working;
        let width = held.next_multiple_of(self.blocks.isa.lanes());
        let queries = Mat::new(&transposed[i * padded * block..], s.size, width, block, 1);
        let (k, v) = (k.block(0, 0, rows, s.size), v.block(0, 0, rows, s.size));
        self.blocks.product(&mut scores[..rows * width], k, queries, Accumulate::No, Band::Wanted(reach));
        if let Some(bias) = bias {
            bias.add(&mut scores[..rows * width], width, [from, held], keys, j);
        }
        let first = diagonal.then(|| meeting.first_queries::<T>(s, from, keys, j));
        let first = first.as_ref().map(|first| &first[..]);
        let out = &mut out[i * block * s.size..][..held * s.size];
        let data = &mut scores[..rows * width];
        self.blocks.isa.run_on::<T, _>(Online {
            scores: Scores { data, rows, width, held, reach, first },
            max: &mut max[i * block..][..block],
            sum: &mut sum[i * block..][..block],
            out: if j == 0 { &mut [] } else { &mut *out },
            size: s.size,
        });
        let p = Mat::new(scores, held, rows, 1, width);
        // The first block of keys is the first that any query meets: positions grow.
        let accumulate = if j == 0 { Accumulate::No } else { Accumulate::Yes };
        self.blocks.product(out, p, v, accumulate, Band::Lower(reach));
    }
}

/// Divides the results by the sums.
struct Finish<'a, 't, T> {
    out: &'a mut Tile<'t, T>,
    result: &'a [T],
    sum: &'a [T],
    size: usize,
}

impl<T: Real> WithSimd for Finish<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Finish { out, result, sum, size } = self;
        for (row, (result, &sum)) in result.chunks_exact(size).zip(sum).take(out.rows()).enumerate() {
            let out = out.row_mut(row);
            if sum == T::ZERO {
                out.fill(T::ZERO);
            } else {
                let factor = T::ONE / sum;
                out.iter_mut().zip(result).for_each(|(out, &x)| *out = x * factor);
            }
        }
    }
}
