//! Elementwise kernels: functions of one variable, arithmetic with broadcasting, comparison and selection.
//!
//! Each element's result depends on its operands only, never on its place in the slice or on the number of threads.

mod binary;
mod compare;
mod drive;
mod lane;

pub use binary::{Binary, add_assign, axpy, binary};
pub use compare::{Cmp, compare, select};
pub(crate) use lane::sigmoid;
pub use lane::{Saves, Unary};

use crate::elem::Real;
use crate::isa;
use crate::par;

/// Elements a thread takes at once.
const CHUNK: usize = 16 << 10;

/// out = f(x).
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn unary<T: Real>(op: Unary, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "unary: x and out differ in length");
    let isa = isa::current();
    par::chunks_mut(out, CHUNK, |i, out| lane::run(isa, op, &x[i * CHUNK..][..out.len()], out));
}

/// x = f(x), in place.
pub fn unary_mut<T: Real>(op: Unary, x: &mut [T]) {
    let isa = isa::current();
    par::chunks_mut(x, CHUNK, |_, x| {
        let mut copy = [T::ZERO; 1024];
        for part in x.chunks_mut(copy.len()) {
            let copy = &mut copy[..part.len()];
            copy.copy_from_slice(part);
            lane::run(isa, op, copy, part);
        }
    });
}

/// out = g·f′, from x or y = f(x) as [`Unary::saves`] says (`&[]` if it saves nothing).
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn unary_grad<T: Real>(op: Unary, x_or_y: &[T], g: &[T], out: &mut [T]) {
    let saved = if op.saves() == Saves::Nothing { g } else { x_or_y };
    assert_eq!(saved.len(), out.len(), "unary_grad: the saved values and out differ in length");
    assert_eq!(g.len(), out.len(), "unary_grad: g and out differ in length");
    let isa = isa::current();
    par::chunks_mut(out, CHUNK, |i, out| {
        let at = i * CHUNK..i * CHUNK + out.len();
        lane::run_grad(isa, op, &saved[at.clone()], &g[at], out);
    });
}
