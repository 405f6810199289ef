//! What the checks find of one entry, as numbers: the rows of `cargo xtask ops`.

use etude_kernels::isa::{self, Isa};
use etude_kernels::rng::Rng;

use super::{FIRST, SECOND, close_above, tensors, widen};
use crate::table::{Case, Draw, Entry, Size, Tolerance};

/// What was run of one entry, and the largest error found.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Orders of derivatives that equal central differences: 2, or 0 where there is no derivative.
    pub orders: u32,
    /// The instruction sets on which values were computed.
    pub isas: Vec<Isa>,
    /// Random cases, each on every instruction set.
    pub cases: u32,
    /// The largest error of a value in f32, in units of the f32 epsilon as the entry's tolerance counts them.
    pub largest: f64,
}

/// Runs values and derivatives of `cases` cases; the same ones each time.
///
/// # Errors
/// Says what differs at the first case that fails.
pub fn survey(entry: &Entry, cases: u32) -> Result<Survey, String> {
    let mut rng = Rng::new(0x0905);
    let isas = Isa::available();
    let mut largest = 0.0f64;
    for _ in 0..cases {
        let choices: Vec<u32> = (0..24).map(|_| rng.next_u32()).collect();
        let case = (entry.sample)(&mut Draw::new(&choices, Size::Small));
        let fails = |error: String| format!("{}: {error}\n{case:?}", entry.name);
        for &isa in &isas {
            largest = largest.max(isa::with(isa, || error(entry, &case)).map_err(fails)?);
        }
        if entry.differentiable {
            (FIRST.holds)(entry, &case).map_err(fails)?;
            (SECOND.holds)(entry, &case).map_err(fails)?;
        }
    }
    Ok(Survey { orders: if entry.differentiable { 2 } else { 0 }, isas, cases, largest })
}

/// The largest error of the f32 value.
fn error(entry: &Entry, case: &Case) -> Result<f64, String> {
    let values = case.values();
    let want = (entry.reference)(case, &values);
    let got = widen(&(entry.f32)(case, &tensors(&values)));
    let scale = values.iter().flat_map(|x| &x.data).fold(1e-3, |m: f64, v| m.max(v.abs()));
    let epsilon = f64::from(f32::EPSILON);
    close_above(scale, "f32", &got, &want, entry.tolerance, epsilon)?;
    let top = want.iter().filter(|v| v.is_finite()).fold(scale, |m: f64, v| m.max(v.abs()));
    let units = |(g, w): (&f64, &f64)| match entry.tolerance {
        _ if g == w || g.is_nan() => 0.0,
        // Half a unit is what rounding the exact result costs.
        Tolerance::Each(_) => ((g - w).abs() / (epsilon * w.abs()) - 0.5).max(0.0),
        Tolerance::Largest(_) => (g - w).abs() / (epsilon * top),
    };
    Ok(got.iter().zip(&want).map(units).fold(0.0, f64::max))
}
