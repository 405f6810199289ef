//! The adversarial autoencoder: a discriminator tells codes from draws of the prior, and the encoder deceives it.
//!
//! Makhzani, Shlens, Jaitly, Goodfellow & Frey 2016, *Adversarial Autoencoders*, arXiv:1511.05644, section 2: each batch is
//! used twice, for the reconstruction and for the game of Goodfellow et al. 2014, arXiv:1406.2661, eq. (1), whose encoder
//! minimises −ln D(q(x)) (its section 3). The encoder is deterministic.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, Layer, Mlp, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Generative, Output, verbs_of_net};
use crate::error::Error;
use crate::net::check_sizes;
use crate::vanilla::{Vanilla, VanillaConfig};

/// The nets of an [`Adversarial`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdversarialConfig {
    /// The sizes of the autoencoder.
    pub net: VanillaConfig,
    /// Hidden layers of the discriminator.
    pub hidden: Vec<usize>,
    /// The weight of the encoder's part in the game, in nats an image.
    pub weight: f64,
}

impl Default for AdversarialConfig {
    /// 784-256-64-8, a discriminator of 128-128, and a weight of 10.
    fn default() -> Self {
        let net = VanillaConfig { code: 8, ..VanillaConfig::default() };
        AdversarialConfig { net, hidden: vec![128, 128], weight: 10.0 }
    }
}

impl AdversarialConfig {
    /// Sizes must be at least 1, the weight not negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        check_sizes("AdversarialConfig", &[], &self.hidden, false)?;
        let good = self.weight >= 0.0 && self.weight.is_finite();
        ConfigError::check(good, "AdversarialConfig", "weight", self.weight, "a finite number from 0")
    }
}

/// A [`Vanilla`] autoencoder and a discriminator of its codes.
///
/// The two are trained by optimisers of their own, each on its own loss:
///
/// ```
/// use etude_ae_vae::{Adversarial, AdversarialConfig, Autoencoder};
/// use etude_autograd::Tensor;
/// use etude_nn::{Adam, Ctx, Module, Optimizer};
///
/// let mut cx = Ctx::train(0);
/// let model = Adversarial::new(AdversarialConfig::default(), &mut cx)?;
/// let mut coder = Adam::new(model.net(), 1e-3);
/// let mut judge = Adam::new(model.discriminator(), 1e-3);
/// let out = model.forward(&Tensor::ones([8, 784]), &mut cx);
/// let game = model.discriminator_loss(&out.code, &mut cx);
/// coder.step(&out.loss.total().backward_for(&model.net().leaves()));
/// judge.step(&game.backward());
/// # Ok::<(), etude_ae_vae::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adversarial {
    config: AdversarialConfig,
    net: Vanilla,
    discriminator: Mlp,
}
module!(Adversarial { net as "", discriminator; config });

impl Adversarial {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: AdversarialConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let sizes = [&[config.net.code], &config.hidden[..], &[1]].concat();
        let net = Vanilla::new(config.net.clone(), cx)?;
        Ok(Adversarial { config, net, discriminator: Mlp::new(&sizes, Act::LeakyRelu(0.2), cx) })
    }

    /// The net, the discriminator and the weight.
    pub fn config(&self) -> &AdversarialConfig {
        &self.config
    }

    /// The autoencoder.
    pub fn net(&self) -> &Vanilla {
        &self.net
    }

    /// What tells codes from the prior: `[n, code]` → `[n, 1]` logits of "from the prior".
    pub fn discriminator(&self) -> &Mlp {
        &self.discriminator
    }

    /// −ln D(z) − ln(1 − D(q(x))), the mean over codes of a batch and as many draws of the prior. The codes are constants:
    /// only the discriminator has a gradient.
    pub fn discriminator_loss(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        let prior = self.prior(code.dim(0), cx);
        self.discriminator_loss_at(code, &prior, cx)
    }

    pub(crate) fn discriminator_loss_at(&self, code: &Tensor, prior: &Tensor, cx: &mut Ctx) -> Tensor {
        let (real, fake) = (self.discriminator.forward(prior, cx), self.discriminator.forward(&code.detach(), cx));
        ((-real).softplus() + fake.softplus()).mean()
    }
}

impl Autoencoder for Adversarial {
    verbs_of_net!();

    /// The loss has the parts `reconstruction` and `adversarial`, −ln D(q(x)): what the autoencoder's optimiser minimises.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let Output { decoded, code, loss } = self.net.forward(x, cx);
        let deceived = (-self.discriminator.forward(&code, cx)).softplus();
        Output { decoded, code, loss: loss.with("adversarial", self.config.weight, deceived) }
    }
}

impl Generative for Adversarial {
    /// N(0, 1).
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        Tensor::randn([n, self.net.config().code], cx)
    }
}
