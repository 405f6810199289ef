//! The drivers: one loop per arity, compiled for every instruction set and every function.
//!
//! A driver walks whole registers and then the tail as one more register: the same code on the same lanes, so an
//! element's result does not depend on where it stands in the slice, and the function's body is compiled once.

use pulp::{Simd, WithSimd};

use super::lane::Lane;
use crate::elem::Real;
use crate::lanes::F;

/// out = f(x).
pub(super) fn map1<'a, L: Lane, T: Real>(lane: L, x: &'a [T], out: &'a mut [T]) -> Map1<'a, L, T> {
    Map1 { lane, x, out }
}

/// out = g·f′(v).
pub(super) fn grad1<'a, L: Lane, T: Real>(lane: L, v: &'a [T], g: &'a [T], out: &'a mut [T]) -> Grad1<'a, L, T> {
    Grad1 { lane, v, g, out }
}

pub(super) struct Map1<'a, L, T> {
    lane: L,
    x: &'a [T],
    out: &'a mut [T],
}

impl<L: Lane, T: Real> WithSimd for Map1<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = T::lanes::<S>();
        for (x, out) in self.x.chunks(lanes).zip(self.out.chunks_mut(lanes)) {
            self.lane.f(F::load(simd, x)).store(out);
        }
    }
}

pub(super) struct Grad1<'a, L, T> {
    lane: L,
    v: &'a [T],
    g: &'a [T],
    out: &'a mut [T],
}

impl<L: Lane, T: Real> WithSimd for Grad1<'_, L, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = T::lanes::<S>();
        for ((v, g), out) in self.v.chunks(lanes).zip(self.g.chunks(lanes)).zip(self.out.chunks_mut(lanes)) {
            self.lane.df(F::load(simd, v), F::load(simd, g)).store(out);
        }
    }
}
