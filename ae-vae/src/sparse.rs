//! Sparse autoencoders: a wide code of which each image uses little.
//!
//! Three ways: the L1 norm of the code; KL(ρ ‖ ρ̂ⱼ) = ρ ln(ρ/ρ̂ⱼ) + (1 − ρ) ln((1 − ρ)/(1 − ρ̂ⱼ)) between a wanted and the
//! mean activation of each unit over the batch (Ng 2011, *Sparse autoencoder*, CS294A lecture notes, section 3; Lee et al.
//! 2008 first asked for a small mean activation); and keeping only the k largest units of each image (Makhzani & Frey 2014,
//! *k-Sparse Autoencoders*, arXiv:1312.5663, algorithm 1).

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Output};
use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::vanilla::{Vanilla, VanillaConfig};

/// What keeps a code sparse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sparsity {
    /// Σⱼ |hⱼ| of a code h = relu(·), so that units can be exactly 0.
    L1 {
        /// The weight of the norm.
        weight: f64,
    },
    /// Σⱼ KL(ρ ‖ ρ̂ⱼ) of a code h = σ(·).
    Kl {
        /// ρ, the wanted mean activation.
        target: f64,
        /// β, the weight of the divergence.
        weight: f64,
    },
    /// The k largest units of each image; the others are 0. The code is linear.
    TopK {
        /// How many units.
        k: usize,
    },
}

/// The net and the sparsity of a [`Sparse`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SparseConfig {
    /// The sizes of the net; the code is usually wide.
    pub net: VanillaConfig,
    /// What keeps the code sparse.
    pub sparsity: Sparsity,
}

impl Default for SparseConfig {
    /// 784-1000 of which 25 units speak, as of Makhzani & Frey for MNIST.
    fn default() -> Self {
        let net = VanillaConfig { hidden: vec![], code: 1000, ..VanillaConfig::default() };
        SparseConfig { net, sparsity: Sparsity::TopK { k: 25 } }
    }
}

impl SparseConfig {
    /// Sizes must be at least 1, weights not negative, the target between 0 and 1, k at most the size of the code.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        let check =
            |good, field, value: String, expected: &str| ConfigError::check(good, "Sparsity", field, value, expected);
        let weighs = |w: f64| check(w >= 0.0 && w.is_finite(), "weight", w.to_string(), "a finite number from 0");
        match self.sparsity {
            Sparsity::L1 { weight } => weighs(weight),
            Sparsity::Kl { target, weight } => {
                weighs(weight)?;
                check(target > 0.0 && target < 1.0, "target", target.to_string(), "more than 0, less than 1")
            }
            Sparsity::TopK { k } => {
                let code = self.net.code;
                check((1..=code).contains(&k), "k", k.to_string(), &format!("1 to {code}, the size of the code"))
            }
        }
    }
}

/// A [`Vanilla`] autoencoder whose code is kept sparse.
#[derive(Clone, Debug)]
pub struct Sparse {
    config: SparseConfig,
    net: Vanilla,
}
module!(Sparse { net as ""; config });

impl Sparse {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: SparseConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(Sparse { net: Vanilla::new(config.net.clone(), cx)?, config })
    }

    /// The net and what keeps the code sparse.
    pub fn config(&self) -> &SparseConfig {
        &self.config
    }

    /// The autoencoder.
    pub fn net(&self) -> &Vanilla {
        &self.net
    }

    /// What keeps the code sparse.
    pub fn sparsity(&self) -> Sparsity {
        self.config.sparsity
    }
}

/// The k largest of each row where they stand, 0 elsewhere; gradients flow through those that stay.
fn keep_largest(h: &Tensor, k: usize) -> Tensor {
    let (values, places) = h.topk(k, 1);
    Tensor::zeros(h.shape()).scatter_add(1, &places, &values)
}

/// Σⱼ KL(ρ ‖ ρ̂ⱼ) with ρ̂ⱼ the mean over the batch of activations in (0, 1), `[batch, code]`: a scalar.
fn divergence(h: &Tensor, target: f64) -> Tensor {
    // A unit that is always or never on has a large but finite divergence.
    let mean = h.mean_dims([0]).clamp(1e-6, 1.0 - 1e-6);
    let constant = target * target.ln() + (1.0 - target) * (1.0 - target).ln();
    let cross = mean.ln().affine(target, 0.0) + mean.affine(-1.0, 1.0).ln().affine(1.0 - target, 0.0);
    cross.affine(-1.0, constant).sum()
}

impl Autoencoder for Sparse {
    fn pixels(&self) -> usize {
        self.net.pixels()
    }
    fn likelihood(&self) -> Likelihood {
        self.net.likelihood()
    }
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let h = self.net.encode(x, cx);
        match self.config.sparsity {
            Sparsity::L1 { .. } => h.relu(),
            Sparsity::Kl { .. } => h.sigmoid(),
            Sparsity::TopK { k } => keep_largest(&h, k),
        }
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.net.decode(code, cx)
    }
    /// The loss has the parts `reconstruction` and, unless the largest units are kept, `sparsity`.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let code = self.encode(x, cx);
        let Output { decoded, code, loss } = self.net.output(code, x, cx);
        let loss = match self.config.sparsity {
            Sparsity::L1 { weight } => loss.with("sparsity", weight, code.abs()),
            Sparsity::Kl { target, weight } => loss.with("sparsity", weight, divergence(&code, target)),
            Sparsity::TopK { .. } => loss,
        };
        Output { decoded, code, loss }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn as_many_units_speak_as_were_asked_for() {
        let h = Tensor::randn([20, 9], &mut Rng::new(0));
        let kept = keep_largest(&h, 4).to_vec();
        for (row, kept) in h.to_vec().chunks(9).zip(kept.chunks(9)) {
            let mut sorted = row.to_vec();
            sorted.sort_by(|a: &f32, b| b.total_cmp(a));
            let want: Vec<f32> = row.iter().map(|&v| if v >= sorted[3] { v } else { 0.0 }).collect();
            assert_eq!(kept, want);
        }
    }

    #[test]
    fn the_divergence_is_0_at_the_target_and_positive_elsewhere() {
        let at = |p: f32| divergence(&Tensor::full([3, 2], p), 0.05).item();
        assert!(at(0.05).abs() < 1e-6);
        assert!(at(0.01) > 0.01 && at(0.5) > at(0.1) && at(0.0).is_finite() && at(1.0).is_finite());
        // 2·(0.05 ln(0.05/0.5) + 0.95 ln(0.95/0.5))
        assert!((at(0.5) - 2.0 * 0.494_631_8).abs() < 1e-5, "{}", at(0.5));
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = |sparsity, field: &str| {
            let error = SparseConfig { sparsity, ..SparseConfig::default() }.validate().expect_err("nonsense");
            assert_eq!(error.field, field);
        };
        refused(Sparsity::TopK { k: 0 }, "k");
        refused(Sparsity::TopK { k: 1001 }, "k");
        refused(Sparsity::Kl { target: 1.0, weight: 1.0 }, "target");
        refused(Sparsity::L1 { weight: f64::INFINITY }, "weight");
    }
}
