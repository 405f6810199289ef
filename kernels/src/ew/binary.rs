//! Arithmetic of two operands with broadcasting.
//!
//! Along the innermost dimension an operand is a slice or one repeated number: both are fast, whatever repeats outside.
//! What is left (short rows, transposed operands) is gathered into small buffers first.

use pulp::Simd;

use super::broadcast::{Plan, layout};
use super::drive::{self, Update, Zip};
use super::lane::Lane2;
use super::{CHEAP, Strided};
use crate::elem::Real;
use crate::isa::{self, Isa};
use crate::lanes::F;
use crate::registers::Operand;

macro_rules! lanes2 {
    ($($(#[$doc:meta])* $name:ident |$a:ident, $b:ident| $f:expr;)*) => {
        /// An arithmetic operation of two operands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Binary {
            $($(#[$doc])* $name,)*
        }

        mod entry {
            $(
                #[derive(Clone, Copy)]
                pub(super) struct $name;
            )*
        }

        $(
            impl Lane2 for entry::$name {
                #[inline(always)]
                fn f<S: Simd, T: Real>(self, $a: F<S, T>, $b: F<S, T>) -> F<S, T> {
                    $f
                }
            }
        )*

        fn run<T: Real>(isa: Isa, op: Binary, a: Operand<'_, T>, b: Operand<'_, T>, out: &mut [T]) {
            match op {
                $(Binary::$name => isa.run_on::<T, _>(Zip { lane: entry::$name, a, b, out }),)*
            }
        }
    };
}

lanes2! {
    /// a + b.
    Add |a, b| a + b;
    /// a − b.
    Sub |a, b| a - b;
    /// a · b.
    Mul |a, b| a * b;
    /// a / b.
    Div |a, b| a / b;
    /// The larger; NaN if either is NaN.
    Max |a, b| a.max(b);
    /// The smaller; NaN if either is NaN.
    Min |a, b| a.min(b);
    /// −b·ln σ(a) − (1 − b)·ln(1 − σ(a)), of terms that do not cancel for b in [0, 1].
    BceWithLogits |a, b| {
        let wrong = a.at_least(0.0) * (a.lit(1.0) - b) + (-a).at_least(0.0) * b;
        wrong + (-a.abs()).exp_negative().ln_1p_unit()
    };
}

/// y + alpha · x.
#[derive(Clone, Copy)]
struct Axpy(f64);

impl Lane2 for Axpy {
    #[inline(always)]
    fn f<S: Simd, T: Real>(self, y: F<S, T>, x: F<S, T>) -> F<S, T> {
        x.fma(x.lit(self.0), y)
    }
}

/// The shortest innermost dimension that is worth a call of its own.
const RUN: usize = 64;
/// Elements gathered at once.
const GATHER: usize = 512;

pub(super) fn binary_of<T: Real>(op: Binary, a: Strided<'_, T>, b: Strided<'_, T>, shape: &[usize], out: &mut [T]) {
    let plan = Plan::new("binary", shape, [layout(&a), layout(&b)], out.len());
    let isa = isa::current();
    let whole_runs = plan.inner.len >= RUN && plan.inner.strides.iter().all(|&s| s <= 1);
    drive::chunks(out, CHEAP, &|start, out| {
        if whole_runs || out.len() == 1 {
            plan.runs(start, start + out.len(), |at, len, [i, j]| {
                let a = operand(a.data, i, plan.inner.strides[0], len);
                let b = operand(b.data, j, plan.inner.strides[1], len);
                run(isa, op, a, b, &mut out[at - start..][..len]);
            });
        } else {
            let (mut x, mut y) = ([T::ZERO; GATHER], [T::ZERO; GATHER]);
            for (block, out) in out.chunks_mut(GATHER).enumerate() {
                let from = start + block * GATHER;
                plan.runs(from, from + out.len(), |at, len, [i, j]| {
                    gather(a.data, i, plan.inner.strides[0], &mut x[at - from..][..len]);
                    gather(b.data, j, plan.inner.strides[1], &mut y[at - from..][..len]);
                });
                run(isa, op, Operand::Slice(&x[..out.len()]), Operand::Slice(&y[..out.len()]), out);
            }
        }
    });
}

fn operand<T: Real>(data: &[T], at: usize, stride: usize, len: usize) -> Operand<'_, T> {
    if stride == 0 { Operand::Number(data[at]) } else { Operand::Slice(&data[at..at + len]) }
}

fn gather<T: Copy>(data: &[T], at: usize, stride: usize, out: &mut [T]) {
    match stride {
        0 => out.fill(data[at]),
        1 => out.copy_from_slice(&data[at..at + out.len()]),
        _ => out.iter_mut().zip(data[at..].iter().step_by(stride)).for_each(|(o, &x)| *o = x),
    }
}

pub(super) fn add_assign_of<T: Real>(acc: &mut [T], x: &[T]) {
    assert_eq!(acc.len(), x.len(), "add_assign: acc and x differ in length");
    axpy_of(T::ONE, x, acc);
}

pub(super) fn axpy_of<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "axpy: x and y differ in length");
    let (isa, lane) = (isa::current(), Axpy(alpha.to_f64()));
    drive::chunks(y, CHEAP, &|at, y| isa.run_on::<T, _>(Update { lane, x: &x[at..at + y.len()], y }));
}
