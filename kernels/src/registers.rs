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
use crate::lanes::{F, MAX_LANES};

/// How many registers hold `len` elements.
#[inline(always)]
pub(crate) fn count<S: Simd, T: Real>(len: usize) -> usize {
    len.div_ceil(T::lanes::<S>())
}

/// A slice, or one number, to read.
#[derive(Clone, Copy)]
pub(crate) struct Src<'a, S: Simd, T: Real> {
    full: &'a [T::V<S>],
    /// What lies behind the full registers: the tail with zeros behind it, or the number.
    rest: F<S, T>,
}

impl<'a, S: Simd, T: Real> Src<'a, S, T> {
    #[inline(always)]
    pub fn new(simd: S, x: &'a [T]) -> Self {
        let (full, tail) = T::split::<S>(x);
        Src { full, rest: F::load(simd, tail) }
    }
    /// Like `new`, but with `pad` behind the tail.
    #[inline(always)]
    pub fn padded(simd: S, x: &'a [T], pad: T) -> Self {
        let (full, tail) = T::split::<S>(x);
        let mut rest = [pad; MAX_LANES];
        rest[..tail.len()].copy_from_slice(tail);
        Src { full, rest: F::load(simd, &rest) }
    }
    /// `x` in every lane of every register.
    #[inline(always)]
    pub fn splat(simd: S, x: T) -> Self {
        Src { full: &[], rest: F::splat(simd, x) }
    }
    #[inline(always)]
    pub fn get(&self, i: usize) -> F<S, T> {
        match self.full.get(i) {
            Some(&v) => F::wrap(self.rest.simd(), v),
            None => self.rest,
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
    #[inline(always)]
    pub fn set(&mut self, i: usize, v: F<S, T>) {
        self.dst.set(i, v);
    }
}

/// The sum of `term(i)` over `0..n`, in registers: two levels of blocks, so that its error grows like √n at most.
#[inline(always)]
pub(crate) fn sum<S: Simd, T: Real>(simd: S, n: usize, mut term: impl FnMut(usize) -> F<S, T>) -> T {
    const BLOCK: usize = 64;
    let zero = F::splat(simd, T::ZERO);
    let (mut total, mut i) = (zero, 0);
    while i < n {
        let end = n.min(i + BLOCK);
        let mut acc = zero;
        while i < end {
            acc = acc + term(i);
            i += 1;
        }
        total = total + acc;
    }
    total.sum()
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
