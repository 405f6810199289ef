//! k-means: codes in as many clusters as are asked for, each around its mean.
//!
//! Lloyd 1982, *Least squares quantization in PCM*, from starts by k-means++ (Arthur & Vassilvitskii 2007), the best of several.
//! Distances are computed in f64: clusters near each other and far from 0 are told apart as far as f32 tells codes apart.

use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::ConfigError;
use serde::{Deserialize, Serialize};

use crate::autoencoder::check_codes;
use crate::error::Error;
use crate::mixture::plus_plus;

/// How [`KMeans`] looks for clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KMeansConfig {
    /// Number of clusters.
    pub clusters: usize,
    /// The most steps of a run; it ends when no code changes its cluster.
    pub steps: usize,
    /// Runs from starts of their own, the best of which counts.
    pub runs: usize,
}

impl Default for KMeansConfig {
    /// Ten clusters, the best of ten runs.
    fn default() -> Self {
        KMeansConfig { clusters: 10, steps: 300, runs: 10 }
    }
}

impl KMeansConfig {
    /// Every number must be at least 1.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("clusters", self.clusters), ("steps", self.steps), ("runs", self.runs)] {
            ConfigError::check(value > 0, "KMeansConfig", field, value, "at least 1")?;
        }
        Ok(())
    }
}

/// Clusters of codes.
#[derive(Clone, Debug)]
pub struct KMeans {
    means: Tensor,
    spread: f64,
}

impl KMeans {
    /// Finds clusters of `codes`, `[n, dim]`. A cluster that loses its last code stays where it is.
    ///
    /// # Errors
    /// If the configuration makes no sense, there are fewer codes than clusters, or one is not finite.
    pub fn fit(codes: &Tensor, config: &KMeansConfig, rng: &mut impl AsMut<Rng>) -> Result<Self, Error> {
        config.validate()?;
        let fits = codes.rank() == 2 && codes.dim(1) > 0;
        ConfigError::check(fits, "KMeans", "codes", format!("{:?}", codes.shape()), "[n, dim] with dim at least 1")?;
        let (n, k) = (codes.dim(0), config.clusters);
        ConfigError::check(n >= k, "KMeans", "codes", n, "at least as many as there are clusters")?;
        check_codes(codes)?;
        let (codes, dim) = (wide(codes), codes.dim(1));
        let data = codes.to_vec();
        let mut runs = (0..config.runs).map(|_| {
            let start = Tensor::from_vec(plus_plus(&data, dim, k, rng.as_mut()).concat(), [k, dim]);
            no_grad(|| KMeans::run(&codes, start, config.steps))
        });
        let first = runs.next().expect("validated: there is a run");
        Ok(runs.fold(first, |best, other| if other.spread < best.spread { other } else { best }))
    }

    fn run(codes: &Tensor<f64>, mut means: Tensor<f64>, steps: usize) -> Self {
        let k = means.dim(0);
        let mut before = Vec::new();
        for _ in 0..steps {
            let clusters = nearest(codes, &means);
            if clusters.to_vec() == before {
                break;
            }
            before = clusters.to_vec();
            let members: Tensor<f64> = clusters.one_hot(k);
            let counts = members.sum_dims([0]).reshape([k, 1]);
            let moved = members.t().matmul(codes) / counts.clamp(1.0, f64::INFINITY);
            means = Tensor::where_cond(&counts.gt_scalar(0.5), &moved, &means);
        }
        let own = means.index_select(0, &nearest(codes, &means));
        let spread = (codes - own).square().to_vec().into_iter().sum();
        let narrow = means.to_vec().into_iter().map(|v| v as f32).collect();
        KMeans { means: Tensor::from_vec(narrow, means.shape()), spread }
    }

    /// The mean of each cluster, `[clusters, dim]`.
    pub fn means(&self) -> &Tensor {
        &self.means
    }

    /// The sum of the squared distances of the codes from their means: what k-means makes small.
    pub fn spread(&self) -> f64 {
        self.spread
    }

    /// The cluster of each code, whose mean is nearest: `[n, dim]` → `[n]`. Codes must be finite: one that is not is given a
    /// cluster that says nothing.
    ///
    /// # Panics
    /// If the codes have another size.
    #[track_caller]
    pub fn assign(&self, codes: &Tensor) -> Tensor<i64> {
        let (shape, dim) = (codes.shape(), self.means.dim(1));
        assert!(shape.len() == 2 && shape[1] == dim, "KMeans: codes {shape:?}, expected [n, {dim}]");
        no_grad(|| nearest(&wide(codes), &wide(&self.means)))
    }
}

/// Squares of f32 are finite in f64, and have digits enough that their differences can be told apart.
fn wide(x: &Tensor) -> Tensor<f64> {
    Tensor::from_vec(x.to_vec().into_iter().map(f64::from).collect(), x.shape())
}

/// Which mean, `[clusters, dim]`, is nearest to each code, `[n, dim]`.
fn nearest(codes: &Tensor<f64>, means: &Tensor<f64>) -> Tensor<i64> {
    // |x − m|² without |x|², which is the same for all.
    let squares = means.square().sum_dims([1]);
    (squares - codes.matmul(&means.t()).affine(2.0, 0.0)).argmin(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_far_apart_are_found_whatever_their_sizes() {
        for seed in 0..5 {
            let mut rng = Rng::new(seed);
            let centres = [[0.0, 0.0], [20.0, 0.0], [0.0, 30.0]];
            let which: Vec<usize> = (0..300).map(|i| if i < 20 { 0 } else { 1 + i % 2 }).collect();
            let values = which.iter().flat_map(|&c| centres[c].map(|v: f32| v + rng.normal() as f32)).collect();
            let codes = Tensor::from_vec(values, [300, 2]);
            let found =
                KMeans::fit(&codes, &KMeansConfig { clusters: 3, ..Default::default() }, &mut rng).expect("fits");
            let clusters = found.assign(&codes).to_vec();
            assert!((0..300).all(|i| (0..300).all(|j| (clusters[i] == clusters[j]) == (which[i] == which[j]))));
            // Each mean is that of its codes.
            for (cluster, mean) in found.means().to_vec().chunks_exact(2).enumerate() {
                let own: Vec<usize> = (0..300).filter(|&i| clusters[i] == cluster as i64).collect();
                let x: f32 = own.iter().map(|&i| codes.to_vec()[2 * i]).sum::<f32>() / own.len() as f32;
                assert!((x - mean[0]).abs() < 1e-3, "{x} against {mean:?}");
            }
            // 600 squares of standard normal numbers, less 2 degrees a mean: standard error √1200 = 35.
            assert!((found.spread() - 594.0).abs() < 150.0, "{}", found.spread());
        }
    }

    #[test]
    fn clusters_are_told_apart_far_from_zero_and_where_squares_leave_f32() {
        // Two clusters: `apart` from each other, a hundredth of that wide.
        for (offset, apart) in [(1e4, 1.0), (-1e6, 10.0), (0.0, 1e30), (1e38, 1e38), (0.0, 1e-30)] {
            let mut rng = Rng::new(0);
            let value = |i: usize, noise: f64| (offset + apart * ((i % 2) as f64 + 0.01 * noise)) as f32;
            let values = (0..400).flat_map(|i| [value(i, rng.normal()), value(i, rng.normal())]).collect();
            let codes = Tensor::from_vec(values, [400, 2]);
            let config = KMeansConfig { clusters: 2, ..Default::default() };
            let found = KMeans::fit(&codes, &config, &mut rng).expect("fits");
            let clusters = found.assign(&codes).to_vec();
            assert!((0..400).all(|i| (clusters[i] == clusters[0]) == (i % 2 == 0)), "{apart} apart at {offset}");
            // 800 squares of a hundredth; at 1e4 the codes themselves are rounded by up to half of a thousandth.
            let spread = found.spread() / (apart * apart);
            assert!((spread - 0.08).abs() < 0.02, "{apart} apart at {offset}: {spread}");
            assert!(found.means().to_vec().iter().all(|m| m.is_finite()));
        }
    }

    #[test]
    fn equal_codes_and_a_cluster_each_work_and_nonsense_is_refused() {
        let mut rng = Rng::new(0);
        let config = KMeansConfig { clusters: 3, runs: 2, ..Default::default() };
        let same = KMeans::fit(&Tensor::ones([5, 2]), &config, &mut rng).expect("fits");
        assert!(same.spread() == 0.0 && same.means().to_vec() == [1.0; 6]);
        let each = KMeans::fit(&Tensor::from_slice(&[1.0, 5.0, 9.0], [3, 1]), &config, &mut rng).expect("fits");
        assert_eq!(each.spread(), 0.0);
        assert!(KMeans::fit(&Tensor::ones([2, 2]), &config, &mut rng).is_err());
        let nan = Tensor::from_slice(&[0.0, f32::NAN, 1.0], [3, 1]);
        assert!(matches!(KMeans::fit(&nan, &config, &mut rng), Err(Error::Code { code: 1, element: 0, .. })));
        assert!(KMeansConfig { runs: 0, ..config }.validate().is_err());
    }
}
