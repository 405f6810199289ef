//! Ways to spoil an image that a denoising autoencoder must undo.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::ConfigError;
use serde::{Deserialize, Serialize};

/// A random corruption of pixels in [0, 1]. The result stays in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Corruption {
    /// Adds N(0, σ²) and clamps.
    Gaussian {
        /// Standard deviation of the noise.
        std: f32,
    },
    /// Sets a share of the pixels to 0: Vincent et al. 2008, §2.3.
    Masking {
        /// The share.
        share: f32,
    },
    /// Sets a share of the pixels to 0 or 1 with equal chance: Vincent et al. 2010, *Stacked Denoising Autoencoders*.
    SaltAndPepper {
        /// The share.
        share: f32,
    },
}

impl Corruption {
    /// Shares must lie in [0, 1], deviations must not be negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Corruption::Gaussian { std } => {
                ConfigError::check(std >= 0.0 && std.is_finite(), "Corruption", "std", std, "a finite number from 0")
            }
            Corruption::Masking { share } | Corruption::SaltAndPepper { share } => {
                ConfigError::check((0.0..=1.0).contains(&share), "Corruption", "share", share, "0 to 1")
            }
        }
    }

    /// A corrupted copy.
    pub fn apply(&self, x: &Tensor, rng: &mut impl AsMut<Rng>) -> Tensor {
        match *self {
            Corruption::Gaussian { std } => (x + Tensor::randn(x.shape(), rng) * std).clamp(0.0, 1.0),
            Corruption::Masking { share } => {
                let hit = Tensor::<f32>::rand(x.shape(), rng).lt_scalar(share);
                x.masked_fill(&hit, 0.0)
            }
            Corruption::SaltAndPepper { share } => {
                // One uniform decides both: below share/2 pepper, below share salt.
                let u = Tensor::<f32>::rand(x.shape(), rng);
                let salted = x.masked_fill(&u.lt_scalar(share), 1.0);
                salted.masked_fill(&u.lt_scalar(share / 2.0), 0.0)
            }
        }
    }
}

/// Black or white pixels: each 1 with its own value as probability. Drawn once, images are statically binarised; drawn anew
/// each time they are seen, dynamically.
pub fn binarise(x: &Tensor, rng: &mut impl AsMut<Rng>) -> Tensor {
    Tensor::rand(x.shape(), rng).lt(x).to_float()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_values_are_as_asked_for() {
        // Standard error of a share at n = 10⁵: √(0.3·0.7/n) = 0.0014; five of them are allowed.
        let x = Tensor::full([100, 1000], 0.5);
        let count = |y: &Tensor, v: f32| y.to_vec().iter().filter(|&&p| p == v).count() as f64 / 1e5;
        let mut rng = Rng::new(1);
        let masked = Corruption::Masking { share: 0.3 }.apply(&x, &mut rng);
        assert!((count(&masked, 0.0) - 0.3).abs() < 0.007 && (count(&masked, 0.5) - 0.7).abs() < 0.007);
        let noisy = Corruption::SaltAndPepper { share: 0.3 }.apply(&x, &mut rng);
        assert!((count(&noisy, 0.0) - 0.15).abs() < 0.007 && (count(&noisy, 1.0) - 0.15).abs() < 0.007);
        let blurred = Corruption::Gaussian { std: 0.1 }.apply(&x, &mut rng);
        let var = blurred.to_vec().iter().map(|p| f64::from(p - 0.5).powi(2)).sum::<f64>() / 1e5;
        assert!((var.sqrt() - 0.1).abs() < 0.002 && blurred.to_vec().iter().all(|p| (0.0..=1.0).contains(p)));
    }

    #[test]
    fn as_many_pixels_are_white_as_they_are_bright() {
        let white = binarise(&Tensor::full([100, 1000], 0.3), &mut Rng::new(2));
        assert!(white.to_vec().iter().all(|&p| p == 0.0 || p == 1.0));
        assert!((white.mean().item() - 0.3).abs() < 0.007);
        let extremes = binarise(&Tensor::from_slice(&[0.0f32, 1.0], [2]), &mut Rng::new(3));
        assert_eq!(extremes.to_vec(), [0.0, 1.0]);
    }

    #[test]
    fn shares_outside_0_to_1_are_refused() {
        for bad in [-0.1, 1.1, f32::NAN] {
            let error = Corruption::Masking { share: bad }.validate().expect_err("must refuse");
            assert!(error.to_string().contains("share"), "{error}");
        }
    }
}
