//! Checks that the op table drives. Feature `testing`.
//!
//! [`run`] feeds one [`Check`] with proptest's choices for one [`Entry`]; a crate with its own table calls it in the same
//! way. proptest shrinks the choices, and with them the case.

mod derivatives;
mod survey;
mod values;

use etude_kernels::isa::{self, Isa};
use proptest::collection::vec;
use proptest::num::u32::ANY;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::dtype::Float;
use crate::table::{Array, Case, Draw, Entry, Size, Tolerance};
use crate::tensor::Tensor;

pub use derivatives::{FIRST, FUSED_EQUALS_COMPOSITE, SECOND, SINGLE_EQUALS_DOUBLE};
pub use survey::{Survey, survey};
pub use values::{EMPTY, LAYOUTS, NAN, ONES, REFERENCE, THREADS};

/// A property of one entry at one case. The error says what differs.
pub struct Check {
    /// What it states.
    pub name: &'static str,
    /// The sizes it is about.
    pub size: Size,
    /// The property.
    pub holds: fn(&Entry, &Case) -> Result<(), String>,
}

/// Every check.
pub const ALL: [&Check; 10] = [
    &REFERENCE,
    &LAYOUTS,
    &ONES,
    &EMPTY,
    &NAN,
    &THREADS,
    &FIRST,
    &SECOND,
    &FUSED_EQUALS_COMPOSITE,
    &SINGLE_EQUALS_DOUBLE,
];

/// Checks every entry with `cases` random cases each.
///
/// # Panics
/// With the names of the operations that fail, the smallest failing case found of each, and what differs.
#[track_caller]
pub fn run(check: &Check, entries: &[Entry], cases: u32) {
    let mut failures = Vec::new();
    for entry in entries {
        // Large cases are few: they are about paths, not about values.
        let cases = if check.size == Size::Large { cases.div_ceil(16) } else { cases };
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&vec(ANY, 24), |choices| {
            let case = (entry.sample)(&mut Draw::new(&choices, check.size));
            (check.holds)(entry, &case).map_err(|error| TestCaseError::fail(format!("{error}\n{case:?}")))
        });
        if let Err(error) = result {
            failures.push(format!("{}: {error}", entry.name));
        }
    }
    assert!(failures.is_empty(), "{}: {} operations fail\n{}", check.name, failures.len(), failures.join("\n"));
}

/// The inputs as tensors of one precision.
fn tensors<T: Float>(values: &[Array]) -> Vec<Tensor<T>> {
    values.iter().map(|a| Tensor::from_vec(a.data.iter().map(|&x| T::from_f64(x)).collect(), &a.shape)).collect()
}

fn widen<T: Float>(x: &Tensor<T>) -> Vec<f64> {
    x.to_vec().into_iter().map(|v| v.to_f64()).collect()
}

fn on_every_isa(mut f: impl FnMut(Isa) -> Result<(), String>) -> Result<(), String> {
    Isa::available()
        .into_iter()
        .try_for_each(|isa| isa::with(isa, || f(isa)).map_err(|error| format!("{isa}: {error}")))
}

/// Compares element by element; NaN equals NaN.
fn close(what: &str, got: &[f64], want: &[f64], tolerance: Tolerance, epsilon: f64) -> Result<(), String> {
    close_above(1e-3, what, got, want, tolerance, epsilon)
}

/// As [`close`], with the errors of [`Tolerance::Largest`] relative to at least `floor`.
fn close_above(
    floor: f64,
    what: &str,
    got: &[f64],
    want: &[f64],
    tolerance: Tolerance,
    epsilon: f64,
) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{what}: {} elements, expected {}", got.len(), want.len()));
    }
    let largest = want.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let bound = match tolerance {
            // Half a unit is what rounding the exact result to T costs.
            Tolerance::Each(n) => (n + 0.5) * epsilon * w.abs(),
            Tolerance::Largest(n) => n * epsilon * largest.max(floor),
        };
        let equal = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= bound;
        if !equal {
            return Err(format!("{what}: element {i} is {g:e}, expected {w:e} within {bound:e}"));
        }
    }
    Ok(())
}
