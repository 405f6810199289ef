//! Comparison and selection with broadcasting.
//!
//! These are plain loops that the compiler vectorises: the operands are four types, the results bytes.

use super::broadcast::{Plan, layout};
use super::{CHEAP, Strided, drive};
use crate::elem::Elem;

/// A comparison; every one but `Ne` is false for NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// a < b.
    Lt,
    /// a ≤ b.
    Le,
    /// a > b.
    Gt,
    /// a ≥ b.
    Ge,
    /// a = b.
    Eq,
    /// a ≠ b.
    Ne,
}

pub(super) fn compare_of<T: Elem>(op: Cmp, a: Strided<'_, T>, b: Strided<'_, T>, shape: &[usize], out: &mut [bool]) {
    match op {
        Cmp::Lt => zip(a, b, shape, out, |a, b| a < b),
        Cmp::Le => zip(a, b, shape, out, |a, b| a <= b),
        Cmp::Gt => zip(a, b, shape, out, |a, b| a > b),
        Cmp::Ge => zip(a, b, shape, out, |a, b| a >= b),
        Cmp::Eq => zip(a, b, shape, out, |a, b| a == b),
        Cmp::Ne => zip(a, b, shape, out, |a, b| a != b),
    }
}

fn zip<T: Elem>(
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    shape: &[usize],
    out: &mut [bool],
    f: impl Fn(T, T) -> bool + Copy + Sync,
) {
    let plan = Plan::new("compare", shape, [layout(&a), layout(&b)], out.len());
    let [da, db] = plan.inner.strides;
    drive::chunks(out, CHEAP, &|start, out| {
        plan.runs(start, start + out.len(), |at, len, [i, j]| {
            let out = &mut out[at - start..][..len];
            match (da, db) {
                (1, 1) => {
                    let pairs = a.data[i..i + len].iter().zip(&b.data[j..j + len]);
                    out.iter_mut().zip(pairs).for_each(|(o, (&a, &b))| *o = f(a, b));
                }
                (1, 0) => out.iter_mut().zip(&a.data[i..i + len]).for_each(|(o, &a)| *o = f(a, b.data[j])),
                _ => out.iter_mut().enumerate().for_each(|(k, o)| *o = f(a.data[i + k * da], b.data[j + k * db])),
            }
        });
    });
}

pub(super) fn select_of<T: Elem>(
    mask: Strided<'_, bool>,
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    shape: &[usize],
    out: &mut [T],
) {
    let plan = Plan::new("select", shape, [layout(&mask), layout(&a), layout(&b)], out.len());
    let [dm, da, db] = plan.inner.strides;
    drive::chunks(out, CHEAP, &|start, out| {
        plan.runs(start, start + out.len(), |at, len, [m, i, j]| {
            let out = &mut out[at - start..][..len];
            if [dm, da, db] == [1; 3] {
                let pairs = a.data[i..i + len].iter().zip(&b.data[j..j + len]);
                let all = mask.data[m..m + len].iter().zip(pairs);
                out.iter_mut().zip(all).for_each(|(o, (&m, (&a, &b)))| *o = if m { a } else { b });
            } else if [dm, da, db] == [1, 0, 1] {
                // A number where the mask holds: masked_fill.
                let (a, all) = (a.data[i], mask.data[m..m + len].iter().zip(&b.data[j..j + len]));
                out.iter_mut().zip(all).for_each(|(o, (&m, &b))| *o = if m { a } else { b });
            } else {
                let pick = |k: usize| if mask.data[m + k * dm] { a.data[i + k * da] } else { b.data[j + k * db] };
                out.iter_mut().enumerate().for_each(|(k, o)| *o = pick(k));
            }
        });
    });
}
