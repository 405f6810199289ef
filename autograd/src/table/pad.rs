//! Borders around one, two and three axes.

use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::ops::pad::PadMode;

/// A tensor whose last `N` axes have room for their borders; these, the last axis first.
fn bordered<const N: usize>(draw: &mut Draw<'_>) -> Case {
    let mut shape = vec![draw.dim(3)];
    shape.extend((0..N).map(|_| draw.positive(if N == 3 { 3 } else { 4 })));
    let sides = shape[1..].iter().rev().flat_map(|&n| [n, n]);
    let borders: Vec<usize> = sides.map(|n| draw.int(0, (n - 1).min(3))).collect();
    borders.into_iter().fold(Case::new(draw).input(&shape), Case::int)
}

fn border<const N: usize>(case: &Case) -> [usize; N] {
    std::array::from_fn(|side| case.ints[side])
}

/// The border by walking: `step` says where to go from outside of 0..n, if anywhere; else `value` stands there.
fn padded(case: &Case, x: &Array, value: f64, step: impl Fn(i64, i64) -> Option<i64>) -> Vec<f64> {
    let axes = case.ints.len() / 2;
    let side = |axis: usize, which: usize| case.ints[2 * (axes - axis) + which];
    let from = |i: usize, axis: usize| {
        let n = x.shape[axis] as i64;
        let mut at = i as i64 - side(axis, 0) as i64;
        while !(0..n).contains(&at) {
            at = step(at, n)?;
        }
        Some(at as usize)
    };
    let mut shape = x.shape.clone();
    (1..=axes).for_each(|axis| shape[axis] += side(axis, 0) + side(axis, 1));
    Array::from_fn(&shape, |i| {
        let source: Option<Vec<usize>> = (1..=axes).map(|axis| from(i[axis], axis)).collect();
        source.map_or(value, |source| x.at(&[&i[..1], &source].concat()))
    })
    .data
}

/// One mode around one, two and three axes.
macro_rules! borders {
    ($all:ident, $name:literal, $formula:literal, $mode:expr, $value:expr, $step:expr) => {
        $all.push(entry!(concat!("pad1d_", $name), concat!($formula, " of sequences"), bordered::<1>,
            |case, x| x[0].pad1d_mode(border(case), $mode), |case, x| padded(case, &x[0], $value, $step),
            tolerance: Tolerance::Each(0.0)));
        $all.push(entry!(concat!("pad2d_", $name), concat!($formula, " of planes"), bordered::<2>,
            |case, x| x[0].pad2d_mode(border(case), $mode), |case, x| padded(case, &x[0], $value, $step),
            tolerance: Tolerance::Each(0.0)));
        $all.push(entry!(concat!("pad3d_", $name), concat!($formula, " of volumes"), bordered::<3>,
            |case, x| x[0].pad3d_mode(border(case), $mode), |case, x| padded(case, &x[0], $value, $step),
            tolerance: Tolerance::Each(0.0)));
    };
}

pub(super) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    borders!(all, "reflect", "the mirror image around", PadMode::Reflect, 0.0, |at, n| {
        Some(if at < 0 { -at } else { 2 * (n - 1) - at })
    });
    borders!(all, "replicate", "the border repeated around", PadMode::Replicate, 0.0, |at, _| {
        Some(if at < 0 { at + 1 } else { at - 1 })
    });
    borders!(all, "circular", "the other end around", PadMode::Circular, 0.0, |at, n| {
        Some(if at < 0 { at + n } else { at - n })
    });
    borders!(all, "constant", "a number around", PadMode::Constant(-1.5), -1.5, |_, _| None);
    borders!(all, "zero", "zeros around", PadMode::ZERO, 0.0, |_, _| None);
    all
}
