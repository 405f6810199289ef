//! Scaled dot-product attention, softmax(scale·q·kᵀ + bias)·v for every head, in tiles: no scores of a whole sequence exist.
//!
//! Vaswani et al. 2017, arXiv:1706.03762, eq. (1), computed as in Dao et al. 2022, *FlashAttention* (arXiv:2205.14135,
//! algorithms 1 and 4) with the loops of Dao 2023 (arXiv:2307.08691): a block of queries passes over blocks of keys, with
//! a running maximum and sum for each query. These are what the gradient needs of the softmax: not ln Σ exp(score) as there,
//! in which a sum of many exponentials is lost beside a large score. Memory is linear in the lengths.
//!
//! Scores are kept transposed, a row for each key: lanes are queries. So keys and values are read as they come, one block
//! of queries is transposed for all keys, and the softmax needs no sums across lanes.
//!
//! The blocks of keys begin at multiples of `KEYS` whatever is asked: a query's result has the same bits alone (with
//! cached keys) and among others.

mod backward;
mod bias;
mod forward;
mod softmax;
#[cfg(test)]
mod tests;

use pulp::{Simd, WithSimd};

pub use bias::Bias;

use crate::door;
use crate::elem::Real;
use crate::gemm::{Mat, Tile, slack};
use crate::isa::Isa;
use crate::lanes::{MAX_LANES, prefetch};
use crate::stamp::stamp;

/// Keys of a block. With the queries of a block they make a tile of scores that stays in a first-level cache.
const KEYS: usize = 96;
/// Queries of a block at most.
const QUERIES: usize = 96;

/// What attends to what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Number of sequences.
    pub batch: usize,
    /// Heads of each.
    pub heads: usize,
    /// Queries of a head.
    pub queries: usize,
    /// Keys and values of a head.
    pub keys: usize,
    /// Numbers in a query, a key and a value.
    pub size: usize,
    /// Whether query i sees keys 0 ..= i + (keys − queries) only: the last query sees all, the others no future.
    pub causal: bool,
    /// What scores are multiplied with, usually 1/√size.
    pub scale: f64,
}

/// Queries, keys or values where they lie: number c of token t of head h of sequence b is
/// `data[b·strides[0] + h·strides[1] + t·strides[2] + c]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// From a sequence to the next, from a head to the next, from a token to the next.
    pub strides: [usize; 3],
}

/// Where gradients go.
#[derive(Debug)]
pub enum Gradients<'a, T> {
    /// Three tensors `[batch, tokens, heads, size]`.
    Apart {
        /// Of the queries.
        q: &'a mut [T],
        /// Of the keys.
        k: &'a mut [T],
        /// Of the values.
        v: &'a mut [T],
    },
    /// Of a joint projection `[batch, tokens, 3, heads, size]`, with as many queries as keys.
    Joint(&'a mut [T]),
}

stamp! {
    Attends: Real = [f32, f64];
    /// softmax(scale·q·kᵀ + bias)·v of every head as `[batch, queries, heads, size]`. `sums`, `[2, batch, heads, queries]`,
    /// is for the gradient: the largest score m of each query, then its Σ exp(score − m). `hidden`, `[batch, keys]`, is true
    /// for keys that nobody sees; where the bias is −∞ one query does not see one key. A query that sees no key gives zeros
    /// and has the sum 0.
    ///
    /// # Panics
    /// If a length does not fit, or an operand leaves its data.
    pub fn attention(
        s: &Attention,
        q: Heads<'_, T>,
        k: Heads<'_, T>,
        v: Heads<'_, T>,
        hidden: Option<&[bool]>,
        bias: Option<Bias<'_, T>>,
        out: &mut [T],
        sums: &mut [T],
    ) = forward::attention_of;
    /// The gradients of [`attention`] from its results and `g`, the gradient of `out`. A query that sees no key has none,
    /// nor has a key that nobody sees. That of the bias goes to `dbias`, `[batch, heads, queries, keys]`, if it is wanted.
    ///
    /// # Panics
    /// If a length does not fit, or an operand leaves its data.
    pub fn attention_grad(
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
        dbias: Option<&mut [T]>,
    ) = backward::attention_grad_of;
}

impl Attention {
    /// Panics unless the operands fit.
    fn check<T>(&self, [q, k, v]: [Heads<'_, T>; 3], hidden: Option<&[bool]>, out: usize, sums: usize) {
        let Attention { batch, heads, queries, keys, size, .. } = *self;
        q.check("attention: q", self, queries);
        k.check("attention: k", self, keys);
        v.check("attention: v", self, keys);
        let masked = door::product("attention", &[batch, keys]);
        let hides = hidden.map_or(masked, <[bool]>::len);
        assert_eq!(hides, masked, "attention: a mask of {hides} elements for {self:?}");
        let rows = door::product("attention", &[batch, heads, queries]);
        assert_eq!(sums, 2 * rows, "attention: {sums} maxima and sums for {self:?}");
        assert_eq!(out, door::product("attention", &[rows, size]), "attention: out has {out} elements for {self:?}");
    }

    /// The last position that a query sees, if it sees one.
    fn horizon(&self, query: usize) -> isize {
        if self.causal { (query + self.keys) as isize - self.queries as isize } else { self.keys as isize - 1 }
    }

    /// Queries of a block: equal ones, in whole registers.
    fn block(&self) -> usize {
        self.queries.div_ceil(self.queries.div_ceil(QUERIES).max(1)).next_multiple_of(MAX_LANES)
    }
}

impl<'a, T> Heads<'a, T> {
    fn check(&self, what: &str, s: &Attention, tokens: usize) {
        let [of_batch, of_head, of_token] = self.strides;
        let (shape, strides) = ([s.batch, s.heads, tokens, s.size], [of_batch, of_head, of_token, 1]);
        door::reach(what, &shape, &strides, 0, self.data.len());
    }

    /// One head.
    fn head(&self, batch: usize, head: usize) -> Head<'a, T> {
        let [of_batch, of_head, stride] = self.strides;
        Head { data: &self.data[batch * of_batch + head * of_head..], stride }
    }
}

/// The tokens of one head, `stride` apart.
#[derive(Clone, Copy)]
struct Head<'a, T> {
    data: &'a [T],
    stride: usize,
}

/// Tokens by which a head is asked for ahead: its tokens lie far apart, where the machine does not look by itself.
const AHEAD: usize = 8;

impl<'a, T: Real> Head<'a, T> {
    /// Token `i`; asks for one of the next.
    #[inline(always)]
    fn token(&self, i: usize, size: usize) -> &[T] {
        let next = self.data.as_ptr().wrapping_add((i + AHEAD).wrapping_mul(self.stride));
        (0..size).step_by(MAX_LANES).for_each(|c| prefetch(next.wrapping_add(c)));
        &self.data[i * self.stride..][..size]
    }

    /// `count` keys from number `j` on as a matrix: for few queries where they lie, if they lie in order with enough behind
    /// them; else copied into `lines`.
    fn block<'s>(self, keys: Keys<'_>, [j, count]: [usize; 2], few: bool, size: usize, lines: &'s mut [T]) -> Mat<'s, T>
    where
        'a: 's,
    {
        let from = keys.at(j) * self.stride;
        // A single token may have any stride.
        let in_order = few && keys.list.is_none() && self.stride <= self.data.len();
        if in_order && self.data.len() >= from + count * self.stride + slack(self.stride) {
            return Mat::new(&self.data[from..], count, size, self.stride, 1);
        }
        self.gather((j..j + count).map(|i| keys.at(i)), size, lines);
        Mat::new(lines, count, size, line(size), 1)
    }

    /// Copies tokens into lines.
    fn gather(self, tokens: impl Iterator<Item = usize>, size: usize, lines: &mut [T]) {
        for (token, line) in tokens.zip(lines.chunks_exact_mut(line(size))) {
            line[..size].copy_from_slice(self.token(token, size));
        }
    }

    /// Copies `held` tokens from `from` on, multiplied with `factor`, into `lines` lines of whole squares: zeros behind.
    fn gather_padded(self, isa: Isa, [from, held, lines]: [usize; 3], size: usize, factor: T, out: &mut [T]) {
        isa.run_on::<T, _>(Padded { head: self, from, held, lines, size, factor, out });
    }
}

struct Padded<'a, T> {
    head: Head<'a, T>,
    from: usize,
    held: usize,
    lines: usize,
    size: usize,
    factor: T,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Padded<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let padded = self.size.next_multiple_of(MAX_LANES);
        for (i, line) in self.out.chunks_exact_mut(line(self.size)).take(self.lines).enumerate() {
            let (numbers, rest) = line[..padded].split_at_mut(self.size);
            rest.fill(T::ZERO);
            if i < self.held {
                let token = self.head.token(self.from + i, self.size);
                numbers.iter_mut().zip(token).for_each(|(to, &x)| *to = x * self.factor);
            } else {
                numbers.fill(T::ZERO);
            }
        }
    }
}

/// The distance between tokens in scratch: an odd number of cache lines, so that a column of them does not contend for
/// the same few sets.
fn line(size: usize) -> usize {
    (size.div_ceil(MAX_LANES) | 1) * MAX_LANES
}

/// The keys of one sequence that are seen at all, by position.
#[derive(Clone, Copy)]
struct Keys<'a> {
    /// The positions; `None`: all.
    list: Option<&'a [usize]>,
    /// The first, if all are seen.
    first: usize,
    count: usize,
}

impl Keys<'_> {
    fn at(&self, i: usize) -> usize {
        self.list.map_or(self.first + i, |list| list[i])
    }
}

/// The keys that are seen, for all sequences.
struct Seen {
    keys: usize,
    lists: Option<Vec<Vec<usize>>>,
}

impl Seen {
    fn new(s: &Attention, hidden: Option<&[bool]>) -> Self {
        let list = |hidden: &[bool]| (0..s.keys).filter(|&i| !hidden[i]).collect();
        Seen { keys: s.keys, lists: hidden.map(|hidden| hidden.chunks_exact(s.keys).map(list).collect()) }
    }

    /// Those of a sequence.
    fn of(&self, batch: usize) -> Keys<'_> {
        self.within(batch, 0, self.keys)
    }

    /// Those of a sequence at positions `from..to`.
    fn within(&self, batch: usize, from: usize, to: usize) -> Keys<'_> {
        match &self.lists {
            None => Keys { list: None, first: from, count: to - from },
            Some(lists) => {
                let at = |position| lists[batch].partition_point(|&p| p < position);
                let list = &lists[batch][at(from)..at(to)];
                Keys { list: Some(list), first: 0, count: list.len() }
            }
        }
    }
}

/// A block of queries meets a block of keys.
#[derive(Clone, Copy)]
struct Meeting {
    /// Keys that any of the queries sees.
    rows: usize,
    /// Query r sees none of the keys behind number r + `reach`.
    reach: isize,
    /// Whether some query does not see all of the `rows`.
    diagonal: bool,
}

impl Meeting {
    /// Of `held` queries from `query` on with `count` keys from number `j` on.
    fn new(s: &Attention, query: usize, held: usize, keys: Keys<'_>, j: usize, count: usize) -> Self {
        if !s.causal {
            return Meeting { rows: count, reach: isize::MAX / 2, diagonal: false };
        }
        // Positions grow by at least 1, so no key beyond `reach` can be nearer.
        let reach = s.horizon(query) - keys.at(j) as isize;
        let rows = held.saturating_add_signed(reach).min(count);
        let diagonal = rows > 0 && keys.at(j + rows - 1) as isize > s.horizon(query);
        Meeting { rows, reach, diagonal }
    }

    /// For each key the first query that sees it, from `query` on; a negative number where that lies before.
    fn first_queries<T: Real>(&self, s: &Attention, query: usize, keys: Keys<'_>, j: usize) -> [T; KEYS] {
        let mut first = [T::ZERO; KEYS];
        for (i, first) in first.iter_mut().enumerate().take(self.rows) {
            *first = T::from_f64((keys.at(j + i) as isize - s.horizon(query)) as f64);
        }
        first
    }
}

/// `[batch, tokens, columns, size]` as one tile for each column of each sequence.
fn tiles<T>(data: &mut [T], tokens: usize, columns: usize, size: usize) -> Vec<Tile<'_, T>> {
    if data.is_empty() {
        return Vec::new();
    }
    let rows = data.len() / (columns * size);
    Tile::whole(data, rows, columns * size).split(tokens, size)
}
