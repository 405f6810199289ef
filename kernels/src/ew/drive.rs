//! The drivers: one loop per arity, compiled for every instruction set and every function.

use pulp::{Simd, WithSimd};

use super::lane::{Lane, Lane2};
use crate::elem::Real;
use crate::lanes::{One, Two, Width};
use crate::par;
use crate::registers::{Both, Dst, Operand, Src, count};

/// out = f(x).
pub(super) struct Map<'a, L, T> {
    pub lane: L,
    pub x: &'a [T],
    pub out: &'a mut [T],
}

impl<L: Lane, T: Real> WithSimd for Map<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if alone::<S, T>() { self.run::<S, One>(simd) } else { self.run::<S, Two>(simd) }
    }
}

impl<L: Lane, T: Real> Map<'_, L, T> {
    #[inline(always)]
    fn run<S: Simd, W: Width>(self, simd: S) {
        let (n, x, mut out) = (count::<S, T>(self.x.len()), Src::new(simd, self.x), Dst::new(simd, self.out));
        for i in (0..n).step_by(W::COUNT) {
            out.set_group::<W>(i, self.lane.f(x.group(i)));
        }
    }
}

/// Whether one register at once is best: the scalar set's are slow anyway, and the functions of f64 are calls.
const fn alone<S: Simd, T: Real>() -> bool {
    S::F32_LANES == 1 || !T::F32
}

/// out = g·f′(v).
pub(super) struct Grad<'a, L, T> {
    pub lane: L,
    pub v: &'a [T],
    pub g: &'a [T],
    pub out: &'a mut [T],
}

impl<L: Lane, T: Real> WithSimd for Grad<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if alone::<S, T>() { self.run::<S, One>(simd) } else { self.run::<S, Two>(simd) }
    }
}

impl<L: Lane, T: Real> Grad<'_, L, T> {
    #[inline(always)]
    fn run<S: Simd, W: Width>(self, simd: S) {
        let n = count::<S, T>(self.g.len());
        let (v, g, mut out) = (Src::new(simd, self.v), Src::new(simd, self.g), Dst::new(simd, self.out));
        for i in (0..n).step_by(W::COUNT) {
            out.set_group::<W>(i, self.lane.df(v.group(i), g.group(i)));
        }
    }
}

/// out = f(a, b).
pub(super) struct Zip<'a, L, T> {
    pub lane: L,
    pub a: Operand<'a, T>,
    pub b: Operand<'a, T>,
    pub out: &'a mut [T],
}

impl<L: Lane2, T: Real> WithSimd for Zip<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, a, b) = (count::<S, T>(self.out.len()), self.a.src(simd), self.b.src(simd));
        let mut out = Dst::new(simd, self.out);
        for i in 0..n {
            out.set(i, self.lane.f(a.get(i), b.get(i)));
        }
    }
}

/// y = f(y, x).
pub(super) struct Update<'a, L, T> {
    pub lane: L,
    pub x: &'a [T],
    pub y: &'a mut [T],
}

impl<L: Lane2, T: Real> WithSimd for Update<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, x, mut y) = (count::<S, T>(self.y.len()), Src::new(simd, self.x), Both::new(simd, self.y));
        for i in 0..n {
            y.set(i, self.lane.f(y.get(i), x.get(i)));
        }
    }
}

/// Calls `f(start, chunk)` for the fixed chunks of `out`, on one thread if they are less than `least` elements together.
///
/// Taking `f` as a trait object keeps the threads' machinery out of every kernel.
pub(super) fn chunks<T: Send>(out: &mut [T], least: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    const CHUNK: usize = 8 << 10;
    if out.len() < least {
        f(0, out);
    } else {
        par::chunks_mut(out, CHUNK, |i, out| f(i * CHUNK, out));
    }
}
