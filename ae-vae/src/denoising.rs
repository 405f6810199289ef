//! The denoising autoencoder: sees a corrupted image, must give the clean one.
//!
//! Vincent, Larochelle, Bengio & Manzagol 2008, *Extracting and composing robust features with denoising autoencoders*:
//! x̃ ~ q(x̃ | x), loss L(x, g(f(x̃))) (section 2), with the cross-entropy of [`Vanilla`].

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Output, verbs_of_net};
use crate::corruption::Corruption;
use crate::error::Error;
use crate::vanilla::{Vanilla, VanillaConfig};

/// The net and the corruption of a [`Denoising`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DenoisingConfig {
    /// The sizes of the net.
    pub net: VanillaConfig,
    /// What spoils the images.
    pub corruption: Corruption,
}

impl Default for DenoisingConfig {
    /// 784-512-256-128 against Gaussian noise of deviation 0.5.
    fn default() -> Self {
        let net = VanillaConfig { hidden: vec![512, 256], code: 128, ..VanillaConfig::default() };
        DenoisingConfig { net, corruption: Corruption::Gaussian { std: 0.5 } }
    }
}

impl DenoisingConfig {
    /// Sizes must be at least 1, the corruption must be one.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        self.corruption.validate()
    }
}

/// A [`Vanilla`] autoencoder trained against a corruption.
#[derive(Clone, Debug)]
pub struct Denoising {
    config: DenoisingConfig,
    net: Vanilla,
}
module!(Denoising { net as ""; config });

impl Denoising {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or the corruption makes no sense.
    pub fn new(config: DenoisingConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(Denoising { net: Vanilla::new(config.net.clone(), cx)?, config })
    }

    /// The net and the corruption.
    pub fn config(&self) -> &DenoisingConfig {
        &self.config
    }

    /// The autoencoder.
    pub fn net(&self) -> &Vanilla {
        &self.net
    }

    /// The corruption.
    pub fn corruption(&self) -> Corruption {
        self.config.corruption
    }

    /// As [`Autoencoder::forward`] with images that are corrupted already.
    pub(crate) fn at(&self, seen: &Tensor, x: &Tensor, cx: &mut Ctx) -> Output {
        self.net.forward_to(seen, x, cx)
    }
}

impl Autoencoder for Denoising {
    verbs_of_net!();

    /// Sees corrupted images and pays for what it misses of the clean ones, x. The loss has one part, `reconstruction`.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let seen = self.config.corruption.apply(x, cx);
        self.at(&seen, x, cx)
    }
}
