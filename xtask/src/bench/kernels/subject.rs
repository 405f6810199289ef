//! What can be measured, and how a measurement becomes rows.

use anyhow::Result;
use etude_kernels::isa::Isa;

use super::pytorch::PyTorch;
use super::roofline::{Cost, Roofline};
use super::rows::Row;
use super::select::Named;
use super::time;

/// A kernel on one shape.
pub struct Subject {
    /// Kernels of one kind: a section of the page, and a word that the filter knows.
    pub group: &'static str,
    /// The kernel's name in the rows.
    pub kernel: &'static str,
    /// What the shape is.
    pub note: &'static str,
    /// The sizes.
    pub shape: Vec<usize>,
    /// What it has to do at least.
    pub cost: Cost,
    /// Whether `--quick` keeps it.
    pub quick: bool,
    /// Whether it is small enough for engines without vectors.
    pub small: bool,
    /// Makes operands and results for these instruction sets and this number of threads.
    pub open: Box<Open>,
}

/// See [`Subject::open`].
pub type Open = dyn Fn(&[Isa], usize) -> Box<dyn Contest> + Send + Sync;

/// Engines side by side on one subject.
pub trait Contest {
    /// Who takes part.
    fn competitors(&self) -> Vec<Competitor>;
    /// One call of competitor `i`.
    fn run(&mut self, i: usize);
    /// The largest error of competitor `i`'s result, where that has a meaning.
    fn max_error(&mut self, i: usize) -> Option<f64>;
}

/// One competitor, as the rows name it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Competitor {
    /// `etude` or a peer.
    pub engine: &'static str,
    /// Its instruction set.
    pub isa: &'static str,
    /// Its elements or precision.
    pub dtype: &'static str,
}

/// The largest error; NaN if any is NaN.
pub fn worst(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |worst, error| if worst.is_nan() || error <= worst { worst } else { error })
}

impl Named for Subject {
    fn kernel(&self) -> &str {
        self.kernel
    }
    fn group(&self) -> &str {
        self.group
    }
    fn is_quick(&self) -> bool {
        self.quick
    }
}

impl Subject {
    /// All competitors on all of `isas`, the scalar one only where the subject is small; PyTorch's own if it is there.
    ///
    /// # Errors
    /// If PyTorch fails.
    pub fn measure(&self, isas: &[Isa], roofline: &Roofline, mut pytorch: Option<&mut PyTorch>) -> Result<Vec<Row>> {
        let isas: Vec<Isa> = isas.iter().copied().filter(|&isa| isa != Isa::Scalar || self.small).collect();
        let mut contest = (self.open)(&isas, roofline.threads);
        let mut competitors = contest.competitors();
        let ours = competitors.len();
        if let Some(pytorch) = &mut pytorch {
            competitors.extend(pytorch.prepare(self.kernel, &self.shape, roofline.threads)?);
        }
        let timings = time::interleaved(competitors.len(), |i, calls| match &mut pytorch {
            Some(pytorch) if i >= ours => pytorch.seconds(i - ours, calls),
            _ => Ok(time::seconds(calls, || contest.run(i))),
        })?;
        let row = |(i, timing): (usize, time::Timing)| {
            let Competitor { engine, isa, dtype } = competitors[i];
            Row {
                kernel: self.kernel.into(),
                shape: self.shape.clone(),
                dtype: dtype.into(),
                engine: engine.into(),
                isa: isa.into(),
                threads: roofline.threads,
                seconds: timing.median,
                gflops: self.cost.flop / timing.median / 1e9,
                gbps: self.cost.bytes() / timing.median / 1e9,
                fraction: roofline.bound(&self.cost, isa, dtype) / timing.median,
                max_error: if i < ours { contest.max_error(i) } else { None },
                spread: timing.spread,
                note: self.note.into(),
                group: self.group.into(),
            }
        };
        Ok(timings.into_iter().enumerate().map(row).collect())
    }
}
