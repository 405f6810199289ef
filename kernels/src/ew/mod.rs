//! Elementwise kernels: functions of one variable, arithmetic with broadcasting, comparison and selection.
//!
//! Each element's result depends on its operands only, never on its place in the slice or on the number of threads.

mod binary;
mod broadcast;
mod compare;
mod drive;
mod lane;
#[cfg(test)]
mod tests;

pub use binary::Binary;
pub use compare::Cmp;
pub(crate) use lane::sigmoid;
pub use lane::{Saves, Unary};

use crate::elem::{Elem, Real};
use crate::isa;
use crate::stamp::stamp;
use crate::strided::Strided;

stamp! {
    Maps: Real = [f32, f64];
    /// out = f(x).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn unary(op: Unary, x: &[T], out: &mut [T]) = unary_of;
    /// x = f(x), in place.
    pub fn unary_mut(op: Unary, x: &mut [T]) = unary_in_place;
    /// out = g·f′, from x or y = f(x) as [`Unary::saves`] says (`&[]` if it saves nothing).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn unary_grad(op: Unary, x_or_y: &[T], g: &[T], out: &mut [T]) = unary_grad_of;
    /// out = a ∘ b, both broadcast to `shape`.
    ///
    /// # Panics
    /// If the ranks differ, `out` has another length, or an operand leaves its data.
    pub fn binary(op: Binary, a: Strided<'_, T>, b: Strided<'_, T>, shape: &[usize], out: &mut [T]) = binary::binary_of;
    /// acc += x.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_assign(acc: &mut [T], x: &[T]) = binary::add_assign_of;
    /// y += alpha · x.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn axpy(alpha: T, x: &[T], y: &mut [T]) = binary::axpy_of;
}

stamp! {
    Compares: Elem = [f32, f64, i64, bool];
    /// out = whether a ∘ b, both broadcast to `shape`.
    ///
    /// # Panics
    /// If the ranks differ, `out` has another length, or an operand leaves its data.
    pub fn compare(op: Cmp, a: Strided<'_, T>, b: Strided<'_, T>, shape: &[usize], out: &mut [bool]) = compare::compare_of;
    /// out = a where the mask holds, else b; all broadcast to `shape`.
    ///
    /// # Panics
    /// If the ranks differ, `out` has another length, or an operand leaves its data.
    pub fn select(mask: Strided<'_, bool>, a: Strided<'_, T>, b: Strided<'_, T>, shape: &[usize], out: &mut [T])
        = compare::select_of;
}

/// Elements from which a sum, product or the like is worth a second thread.
const CHEAP: usize = 64 << 10;
/// The same for a function of tens of operations.
const DEAR: usize = 16 << 10;

fn unary_of<T: Real>(op: Unary, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "unary: x and out differ in length");
    let isa = isa::current();
    drive::chunks(out, op.least(), &|at, out| lane::run(isa, op, &x[at..at + out.len()], out));
}

fn unary_in_place<T: Real>(op: Unary, x: &mut [T]) {
    let isa = isa::current();
    drive::chunks(x, op.least(), &|_, x| {
        // Copies that stay in the first-level cache, so that no function is compiled a second time.
        let mut copy = [T::ZERO; 512];
        for part in x.chunks_mut(copy.len()) {
            let copy = &mut copy[..part.len()];
            copy.copy_from_slice(part);
            lane::run(isa, op, copy, part);
        }
    });
}

fn unary_grad_of<T: Real>(op: Unary, x_or_y: &[T], g: &[T], out: &mut [T]) {
    let saved = if op.saves() == Saves::Nothing { g } else { x_or_y };
    assert_eq!(saved.len(), out.len(), "unary_grad: the saved values and out differ in length");
    assert_eq!(g.len(), out.len(), "unary_grad: g and out differ in length");
    let isa = isa::current();
    drive::chunks(out, op.least(), &|at, out| {
        let end = at + out.len();
        lane::run_grad(isa, op, &saved[at..end], &g[at..end], out);
    });
}

impl Unary {
    fn least(self) -> usize {
        match self {
            Unary::Neg | Unary::Abs | Unary::Square | Unary::Relu | Unary::LeakyRelu(_) => CHEAP,
            Unary::Clamp(..) | Unary::Affine(..) | Unary::Recip | Unary::Sqrt => CHEAP,
            _ => DEAR,
        }
    }
}
