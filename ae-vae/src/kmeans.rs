//! k-means: codes in as many clusters as are asked for, each around its mean.
//!
//! Lloyd 1982, *Least squares quantization in PCM*, from starts by k-means++ (Arthur & Vassilvitskii 2007), the best of several.

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
        let data: Vec<f64> = codes.to_vec().into_iter().map(f64::from).collect();
        let mut runs = (0..config.runs).map(|_| {
            let start = plus_plus(&data, codes.dim(1), k, rng.as_mut()).concat();
            let start = Tensor::from_vec(start.into_iter().map(|v| v as f32).collect(), [k, codes.dim(1)]);
            no_grad(|| KMeans::run(codes, start, config.steps))
        });
        let first = runs.next().expect("validated: there is a run");
        Ok(runs.fold(first, |best, other| if other.spread < best.spread { other } else { best }))
    }

    fn run(codes: &Tensor, means: Tensor, steps: usize) -> Self {
        let k = means.dim(0);
        let mut found = KMeans { means, spread: f64::INFINITY };
        let mut before = Vec::new();
        for _ in 0..steps {
            let clusters = found.assign(codes);
            if clusters.to_vec() == before {
                break;
            }
            before = clusters.to_vec();
            let members: Tensor = clusters.one_hot(k);
            let counts = members.sum_dims([0]).reshape([k, 1]);
            let means = members.t().matmul(codes) / counts.clamp(1.0, f64::INFINITY);
            found.means = Tensor::where_cond(&counts.gt_scalar(0.5), &means, &found.means);
        }
        let own = found.means.index_select(0, &found.assign(codes));
        let far = (codes - own).square().sum_dims([1]).to_vec();
        found.spread = far.into_iter().map(f64::from).sum();
        found
    }

    /// The mean of each cluster, `[clusters, dim]`.
    pub fn means(&self) -> &Tensor {
        &self.means
    }

    /// The sum of the squared distances of the codes from their means: what k-means makes small.
    pub fn spread(&self) -> f64 {
        self.spread
    }

    /// The cluster of each code, whose mean is nearest: `[n, dim]` → `[n]`.
    ///
    /// # Panics
    /// If the codes have another size.
    #[track_caller]
    pub fn assign(&self, codes: &Tensor) -> Tensor<i64> {
        let (shape, dim) = (codes.shape(), self.means.dim(1));
        assert!(shape.len() == 2 && shape[1] == dim, "KMeans: codes {shape:?}, expected [n, {dim}]");
        // |x − m|² without |x|², which is the same for all.
        let squares = self.means.square().sum_dims([1]);
        (squares - codes.matmul(&self.means.t()).affine(2.0, 0.0)).argmin(1)
    }
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
