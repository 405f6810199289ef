//! Mixtures of Gaussians on a grid, and how much of them a generator covers.
//!
//! The usual test of mode collapse (Srivastava et al. 2017, arXiv:1705.07761, §4.1; Lin et al. 2018, arXiv:1712.04086):
//! a sample is good if it lies within three standard deviations of a mode, a mode is covered if enough samples do.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::ConfigError;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Equal Gaussians on a square grid around the origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianGrid {
    /// Modes along one side.
    pub side: usize,
    /// Distance between neighbouring modes.
    pub spacing: f32,
    /// Standard deviation of each mode, on both axes.
    pub std: f32,
}

impl Default for GaussianGrid {
    /// 25 modes, 2 apart, deviation 0.05.
    fn default() -> Self {
        GaussianGrid { side: 5, spacing: 2.0, std: 0.05 }
    }
}

/// How much of a mixture a set of samples covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Modes with enough good samples.
    pub modes: usize,
    /// Share of good samples.
    pub share: f64,
    /// KL(samples ‖ modes) in nats, over the modes that good samples belong to; ln(number of modes) if there are none.
    pub reverse_kl: f64,
}

impl GaussianGrid {
    /// Sizes must be positive.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = |v: f32| v > 0.0 && v.is_finite();
        ConfigError::check(self.side > 0, "GaussianGrid", "side", self.side, "at least 1")?;
        ConfigError::check(positive(self.spacing), "GaussianGrid", "spacing", self.spacing, "a finite number above 0")?;
        ConfigError::check(positive(self.std), "GaussianGrid", "std", self.std, "a finite number above 0")
    }

    /// The centres of the modes.
    pub fn centres(&self) -> Vec<[f32; 2]> {
        let at = |i: usize| (i as f32 - (self.side as f32 - 1.0) / 2.0) * self.spacing;
        (0..self.side * self.side).map(|m| [at(m / self.side), at(m % self.side)]).collect()
    }

    /// `n` samples, `[n, 2]`.
    pub fn sample(&self, n: usize, rng: &mut impl AsMut<Rng>) -> Tensor {
        let centres = self.centres();
        let rng = rng.as_mut();
        let mut out = Vec::with_capacity(2 * n);
        for _ in 0..n {
            for c in centres[rng.below(centres.len())] {
                out.push(c + self.std * rng.normal() as f32);
            }
        }
        Tensor::from_vec(out, [n, 2])
    }

    /// What `samples` (`[n, 2]`) cover, where a mode needs at least `enough` samples within three deviations.
    ///
    /// # Errors
    /// If the samples are not `[n, 2]` with `n > 0`.
    pub fn coverage(&self, samples: &Tensor, enough: usize) -> Result<Coverage, Error> {
        if samples.rank() != 2 || samples.dim(1) != 2 || samples.is_empty() {
            let expected = "[n, 2] with n > 0".to_string();
            return Err(Error::Shape { what: "GaussianGrid::coverage", found: samples.shape().to_vec(), expected });
        }
        let centres = self.centres();
        let mut counts = vec![0usize; centres.len()];
        for p in samples.to_vec().chunks_exact(2) {
            let distance = |c: &[f32; 2]| (p[0] - c[0]).hypot(p[1] - c[1]);
            // Modes are far apart, so at most one is near enough.
            if let Some(mode) = centres.iter().position(|c| distance(c) <= 3.0 * self.std) {
                counts[mode] += 1;
            }
        }
        let good: usize = counts.iter().sum();
        let term = |&count: &usize| {
            let p = count as f64 / good as f64;
            if count == 0 { 0.0 } else { p * (p * centres.len() as f64).ln() }
        };
        Ok(Coverage {
            modes: counts.iter().filter(|&&count| count >= enough).count(),
            share: good as f64 / samples.dim(0) as f64,
            reverse_kl: if good == 0 { (centres.len() as f64).ln() } else { counts.iter().map(term).sum() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_covers_itself() {
        let grid = GaussianGrid::default();
        let c = grid.coverage(&grid.sample(10_000, &mut Rng::new(0)), 20).expect("[n, 2]");
        assert_eq!(c.modes, 25);
        // P(r ≤ 3σ) = 1 − e^(−9/2) = 0.98889 in two dimensions; standard error 0.001.
        assert!((c.share - 0.98889).abs() < 0.005, "{c:?}");
        assert!(c.reverse_kl < 0.01, "{c:?}");
    }

    #[test]
    fn collapse_shows() {
        let grid = GaussianGrid::default();
        let c = grid.coverage(&Tensor::zeros([1000, 2]), 20).expect("[n, 2]");
        assert_eq!((c.modes, c.share), (1, 1.0));
        assert!((c.reverse_kl - 25f64.ln()).abs() < 1e-12);
        let far = grid.coverage(&Tensor::full([10, 2], 1.0), 1).expect("[n, 2]");
        assert_eq!((far.modes, far.share), (0, 0.0));
        assert!(grid.coverage(&Tensor::zeros([0, 2]), 1).is_err());
    }
}
