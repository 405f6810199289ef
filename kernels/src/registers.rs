//! Slices seen as registers, the last one padded.
//!
//! A kernel's loop runs over `0..count(len)`; [`Src`], [`Dst`] and [`Both`] give and take the i-th register of their
//! slices. The tail takes the same way through the same body as every other register: a result does not depend on where
//! its element stands, and the body is compiled once per instruction set.
//!
//! A closure that holds lanes says `#[inline(always)]`: left alone it would be compiled without the instruction set, and
//! every instruction in it become a call.

use pulp::Simd;

use crate::elem::Real;
use crate::lanes::{F, MAX_LANES, Width};

/// How many registers hold `len` elements.
#[inline(always)]
pub(crate) fn count<S: Simd, T: Real>(len: usize) -> usize {
    len.div_ceil(T::lanes::<S>())
}

/// A slice, or one number, to read.
#[derive(Clone, Copy)]
pub(crate) struct Src<'a, S: Simd, T: Real> {
    full: &'a [T::V<S>],
    /// What lies behind the full registers: the tail with the padding behind it, or the number.
    rest: F<S, T>,
    /// What lies behind that: the padding, or the number.
    pad: F<S, T>,
}

impl<'a, S: Simd, T: Real> Src<'a, S, T> {
    #[inline(always)]
    pub fn new(simd: S, x: &'a [T]) -> Self {
        let (full, tail) = T::split::<S>(x);
        let pad = F::splat(simd, T::ZERO);
        // A partial load is a jump into a table.
        Src { full, rest: if tail.is_empty() { pad } else { F::load(simd, tail) }, pad }
    }
    /// Like `new`, but with `pad` behind the tail.
    #[inline(always)]
    pub fn padded(simd: S, x: &'a [T], pad: T) -> Self {
        let (full, tail) = T::split::<S>(x);
        let pad_lanes = F::splat(simd, pad);
        if tail.is_empty() {
            return Src { full, rest: pad_lanes, pad: pad_lanes };
        }
        let mut rest = [pad; MAX_LANES];
        rest[..tail.len()].copy_from_slice(tail);
        Src { full, rest: F::load(simd, &rest), pad: pad_lanes }
    }
    /// `x` in every lane of every register.
    #[inline(always)]
    pub fn splat(simd: S, x: T) -> Self {
        let x = F::splat(simd, x);
        Src { full: &[], rest: x, pad: x }
    }
    #[inline(always)]
    pub fn get(&self, i: usize) -> F<S, T> {
        match self.full.get(i) {
            Some(&v) => F::wrap(self.rest.simd(), v),
            None => self.rest,
        }
    }
    /// The registers from `i` on, padding behind the last.
    #[inline(always)]
    pub fn group<W: Width>(&self, i: usize) -> F<S, T, W> {
        let simd = self.rest.simd();
        match self.full.get(i..i + W::COUNT) {
            Some(full) => F::fill(
                simd,
                0,
                #[inline(always)]
                |k| F::wrap(simd, full[k]),
            ),
            None => F::fill(
                simd,
                i,
                #[inline(always)]
                |i| if i > self.full.len() { self.pad } else { self.get(i) },
            ),
        }
    }
}

/// A slice to write.
pub(crate) struct Dst<'a, S: Simd, T: Real> {
    full: &'a mut [T::V<S>],
    tail: &'a mut [T],
}

impl<'a, S: Simd, T: Real> Dst<'a, S, T> {
    #[inline(always)]
    pub fn new(_: S, out: &'a mut [T]) -> Self {
        let (full, tail) = T::split_mut::<S>(out);
        Dst { full, tail }
    }
    #[inline(always)]
    pub fn set(&mut self, i: usize, v: F<S, T>) {
        match self.full.get_mut(i) {
            Some(out) => *out = v.raw(),
            None => v.store(self.tail),
        }
    }
    /// Writes the registers from `i` on, and nothing behind the last.
    #[inline(always)]
    pub fn set_group<W: Width>(&mut self, i: usize, v: F<S, T, W>) {
        match self.full.get_mut(i..i + W::COUNT) {
            Some(full) => v.each(
                0,
                #[inline(always)]
                |k, v| full[k] = v.raw(),
            ),
            None => v.each(
                i,
                #[inline(always)]
                |i, v| {
                    if i <= self.full.len() {
                        self.set(i, v);
                    }
                },
            ),
        }
    }
}

/// A slice to read and write.
pub(crate) struct Both<'a, S: Simd, T: Real> {
    simd: S,
    dst: Dst<'a, S, T>,
}

impl<'a, S: Simd, T: Real> Both<'a, S, T> {
    #[inline(always)]
    pub fn new(simd: S, x: &'a mut [T]) -> Self {
        Both { simd, dst: Dst::new(simd, x) }
    }
    #[inline(always)]
    pub fn get(&self, i: usize) -> F<S, T> {
        match self.dst.full.get(i) {
            Some(&v) => F::wrap(self.simd, v),
            None => F::load(self.simd, self.dst.tail),
        }
    }
    /// The registers from `i` on, zeros behind the last.
    #[inline(always)]
    pub fn group<W: Width>(&self, i: usize) -> F<S, T, W> {
        let full = &*self.dst.full;
        match full.get(i..i + W::COUNT) {
            Some(full) => F::fill(
                self.simd,
                0,
                #[inline(always)]
                |k| F::wrap(self.simd, full[k]),
            ),
            None => F::fill(
                self.simd,
                i,
                #[inline(always)]
                |i| {
                    if i > full.len() { F::splat(self.simd, T::ZERO) } else { self.get(i) }
                },
            ),
        }
    }
    #[inline(always)]
    pub fn set(&mut self, i: usize, v: F<S, T>) {
        self.dst.set(i, v);
    }
    /// Writes the registers from `i` on, and nothing behind the last.
    #[inline(always)]
    pub fn set_group<W: Width>(&mut self, i: usize, v: F<S, T, W>) {
        self.dst.set_group(i, v);
    }
}

/// The sum of `term(i)` over `0..n`, in registers: two levels of blocks, so that its error grows like √n at most. A term
/// of several registers is that of `i`, `i + 1`, …, and 0 behind the last.
#[inline(always)]
pub(crate) fn sum<S: Simd, T: Real, W: Width>(simd: S, n: usize, mut term: impl FnMut(usize) -> F<S, T, W>) -> T {
    sums(
        simd,
        n,
        #[inline(always)]
        |i| [term(i)],
    )[0]
}

/// Several sums at once.
#[inline(always)]
pub(crate) fn sums<S: Simd, T: Real, W: Width, const N: usize>(
    simd: S,
    n: usize,
    mut terms: impl FnMut(usize) -> [F<S, T, W>; N],
) -> [T; N] {
    const BLOCK: usize = 64;
    let zero = [F::same(F::splat(simd, T::ZERO)); N];
    let (mut total, mut i) = (zero, 0);
    while i < n {
        let end = n.min(i + BLOCK * W::COUNT);
        let mut acc = zero;
        while i < end {
            let terms = terms(i);
            for k in 0..N {
                acc[k] = acc[k] + terms[k];
            }
            i += W::COUNT;
        }
        for k in 0..N {
            total[k] = total[k] + acc[k];
        }
    }
    // Not by `map`, which the compiler would call instead of inlining it.
    let mut out = [T::ZERO; N];
    for k in 0..N {
        out[k] = total[k]
            .fold(
                #[inline(always)]
                |a, b| a + b,
            )
            .sum();
    }
    out
}

/// A slice with one number for each element, or one for all of them.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a, T> {
    Slice(&'a [T]),
    Number(T),
}

impl<'a, T: Real> Operand<'a, T> {
    #[inline(always)]
    pub fn src<S: Simd>(self, simd: S) -> Src<'a, S, T> {
        match self {
            Operand::Slice(x) => Src::new(simd, x),
            Operand::Number(x) => Src::splat(simd, x),
        }
    }
}
