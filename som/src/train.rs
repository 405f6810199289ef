//! Training: batch epochs over all samples, and the original rule of one sample at a time.
//!
//! Batch (Kohonen 2013, eq. (8)): every prototype becomes the mean of all samples, weighted by the neighbourhood of their
//! winners. Samples with the same winner are summed first, in f64 and in their order, so an epoch is one search
//! (see `search.rs`) and one product of the nodes × nodes weights with the sums; results do not depend on the number of
//! threads. Online (Kohonen 2001, eq. (3.2)): w ← w + α(t) h (x − w) for one sample after another.

use crate::error::{Error, Result, check_rows};
use crate::map::Som;
use crate::neighbourhood::Weights;
use crate::search::matches;
use etude_kernels::gemm::{Accumulate, Mat, matmul};
use etude_kernels::rng::Rng;

/// How a setting falls in the course of the training.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Decay {
    /// Always the same.
    Constant(f64),
    /// start / (1 + 2t/T): to a third of the start at the end, minisom's default.
    Asymptotic(f64),
    /// From the first to the second value along a line.
    Linear(f64, f64),
    /// From the first to the second value by equal factors.
    Exponential(f64, f64),
}

impl Decay {
    /// Value at step `t` of `total`.
    pub fn at(self, t: usize, total: usize) -> f64 {
        let share = t as f64 / total as f64;
        match self {
            Decay::Constant(value) => value,
            Decay::Asymptotic(start) => start / (1.0 + t as f64 / (total as f64 / 2.0)),
            Decay::Linear(start, end) => start + share * (end - start),
            Decay::Exponential(start, end) => start * (end / start).powf(share),
        }
    }

    fn check(self, what: &'static str, largest: f64, expected: &'static str) -> Result<()> {
        let (start, end) = match self {
            Decay::Constant(value) | Decay::Asymptotic(value) => (value, value),
            Decay::Linear(start, end) | Decay::Exponential(start, end) => (start, end),
        };
        if [start, end].iter().all(|x| *x > 0.0 && *x <= largest) {
            return Ok(());
        }
        Err(Error::BadArgument { what, value: format!("{self:?}"), expected })
    }
}

/// Settings of a training.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Training {
    /// Batch: passes over all samples. Online: single samples shown.
    pub steps: usize,
    /// Radius of the neighbourhood in units of the distance of nodes.
    pub sigma: Decay,
    /// Share of the way from the old to the new prototype, in (0, 1]. Kohonen's batch rule is 1.
    pub rate: Decay,
}

impl Default for Training {
    /// 50 steps from σ = 3 at rate 0.5, both falling to a third, as minisom's defaults do.
    fn default() -> Self {
        Self { steps: 50, sigma: Decay::Asymptotic(3.0), rate: Decay::Asymptotic(0.5) }
    }
}

impl Training {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::BadArgument { what: "steps", value: "0".into(), expected: "at least 1" });
        }
        self.sigma.check("sigma", f64::MAX, "positive numbers")?;
        self.rate.check("rate", 1.0, "numbers in (0, 1]")
    }
}

/// Nodes of one product in a batch update: bounds the memory of the weights to this many rows of nodes.
const NODE_TILE: usize = 256;

impl Som {
    /// Trains with batch epochs.
    pub fn train_batch(&mut self, samples: &[f32], training: &Training) -> Result<()> {
        self.train_batch_with(samples, training, |_, _| {})
    }

    /// Trains with batch epochs and calls `after` with the number of each finished epoch and the map.
    pub fn train_batch_with(
        &mut self,
        samples: &[f32],
        training: &Training,
        mut after: impl FnMut(usize, &Som),
    ) -> Result<()> {
        training.validate()?;
        check_rows("samples", samples, self.width)?;
        for epoch in 0..training.steps {
            let (sigma, rate) = (training.sigma.at(epoch, training.steps), training.rate.at(epoch, training.steps));
            self.batch_epoch(samples, sigma, rate);
            after(epoch, self);
        }
        Ok(())
    }

    fn batch_epoch(&mut self, samples: &[f32], sigma: f64, rate: f64) {
        let (nodes, width) = (self.lattice.len(), self.width);
        // Sums of the samples by winner with their number as one more feature: numerator and denominator in one product.
        let mut sums = vec![0.0f64; nodes * (width + 1)];
        for (x, m) in samples.chunks_exact(width).zip(matches(samples, &self.prototypes, width)) {
            let sum = &mut sums[m.best * (width + 1)..(m.best + 1) * (width + 1)];
            sum.iter_mut().zip(x).for_each(|(s, x)| *s += f64::from(*x));
            sum[width] += 1.0;
        }
        let table = Weights::new(self.lattice, self.neighbourhood, sigma);
        for (tile, prototypes) in self.prototypes.chunks_mut(NODE_TILE * width).enumerate() {
            let rows = prototypes.len() / width;
            // h is symmetric: what node j takes from winner i is what i would take from j.
            let weights: Vec<f64> = (0..rows).flat_map(|j| table.row(tile * NODE_TILE + j)).collect();
            let mut means = vec![0.0f64; rows * (width + 1)];
            let (a, b) = (Mat::row_major(&weights, rows, nodes), Mat::row_major(&sums, nodes, width + 1));
            matmul(&mut means, a, b, Accumulate::No);
            for (w, mean) in prototypes.chunks_exact_mut(width).zip(means.chunks_exact(width + 1)) {
                let total = mean[width];
                if total > 0.0 {
                    w.iter_mut()
                        .zip(mean)
                        .for_each(|(w, m)| *w = ((1.0 - rate) * f64::from(*w) + rate * m / total) as f32);
                }
            }
        }
    }

    /// Trains with single samples drawn at random.
    pub fn train_online(&mut self, samples: &[f32], training: &Training, rng: &mut impl AsMut<Rng>) -> Result<()> {
        training.validate()?;
        let rows = check_rows("samples", samples, self.width)?;
        for step in 0..training.steps {
            let (sigma, rate) = (training.sigma.at(step, training.steps), training.rate.at(step, training.steps));
            let pick = rng.as_mut().below(rows);
            self.learn_one(&samples[pick * self.width..(pick + 1) * self.width], sigma, rate);
        }
        Ok(())
    }

    fn learn_one(&mut self, x: &[f32], sigma: f64, rate: f64) {
        let winner = matches(x, &self.prototypes, self.width)[0].best;
        for (node, w) in self.prototypes.chunks_exact_mut(self.width).enumerate() {
            let d = self.lattice.displacement(winner, node);
            let step = (rate * self.neighbourhood.weight(d, self.lattice.topology, sigma)) as f32;
            w.iter_mut().zip(x).for_each(|(w, x)| *w += step * (x - *w));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decays_begin_and_end_where_they_say() {
        assert_eq!([Decay::Asymptotic(3.0).at(0, 50), Decay::Asymptotic(3.0).at(50, 50)], [3.0, 1.0]);
        assert_eq!([Decay::Linear(2.0, 1.0).at(0, 4), Decay::Linear(2.0, 1.0).at(2, 4)], [2.0, 1.5]);
        assert!((Decay::Exponential(8.0, 2.0).at(5, 10) - 4.0).abs() < 1e-12);
        assert_eq!(Decay::Constant(0.3).at(7, 9), 0.3);
    }

    #[test]
    fn settings_are_checked() {
        let bad = |training: Training| training.validate().expect_err("out of range").to_string();
        let base = Training::default();
        assert_eq!(bad(Training { steps: 0, ..base.clone() }), "steps is 0, expected at least 1");
        assert_eq!(
            bad(Training { sigma: Decay::Constant(0.0), ..base.clone() }),
            "sigma is Constant(0.0), expected positive numbers"
        );
        assert_eq!(
            bad(Training { rate: Decay::Linear(1.0, f64::NAN), ..base.clone() }),
            "rate is Linear(1.0, NaN), expected numbers in (0, 1]"
        );
        assert!(base.validate().is_ok());
    }
}
