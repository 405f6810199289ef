//! The conditional variational autoencoder: images of a class that is asked for.
//!
//! Sohn, Lee & Yan 2015, *Learning Structured Output Representation using Deep Conditional Generative Models*, NeurIPS,
//! eq. (4): the bound of ln p(x|y), with the class y an input of encoder and decoder, and a prior p(z|y) = p(z) that does
//! not know it, as in Kingma et al. 2014, arXiv:1406.5298, eq. (6).

use std::ops::Range;

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, Module, Visitor, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational, repeat};
use crate::error::Error;
use crate::gaussian::{Gaussian, std_normal_log_prob};
use crate::likelihood::Likelihood;
use crate::net::{Decoder, GaussianEncoder};
use crate::vae::VaeConfig;

/// The sizes of a [`Conditional`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConditionalConfig {
    /// The sizes of the nets.
    pub net: VaeConfig,
    /// Number of classes.
    pub classes: usize,
}

impl Default for ConditionalConfig {
    /// 784-400-20 and ten classes.
    fn default() -> Self {
        ConditionalConfig { net: VaeConfig::default(), classes: 10 }
    }
}

impl ConditionalConfig {
    /// Sizes must be at least 1.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        ConfigError::check(self.classes > 0, "ConditionalConfig", "classes", self.classes, "at least 1")
    }
}

/// A variational autoencoder of images given their classes: [`Conditional::given`] gives the model for a batch's classes,
/// with the same verbs as every other.
///
/// ```
/// use etude_ae_vae::{Autoencoder, Conditional, ConditionalConfig, Generative};
/// use etude_autograd::Tensor;
/// use etude_nn::Ctx;
///
/// let mut cx = Ctx::train(0);
/// let model = Conditional::new(ConditionalConfig::default(), &mut cx)?;
/// let loss = model.given(&[3, 5])?.forward(&Tensor::ones([2, 784]), &mut cx).loss.total();
/// let sevens = model.given(&[7; 12])?.sample(12, &mut cx);
/// assert_eq!(sevens.shape(), [12, 784]);
/// # Ok::<(), etude_ae_vae::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conditional {
    config: ConditionalConfig,
    encoder: GaussianEncoder,
    decoder: Decoder,
}
module!(Conditional { encoder as "", decoder as ""; config });

impl Conditional {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: ConditionalConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let VaeConfig { input, ref hidden, latent, act, likelihood } = config.net;
        let encoder = GaussianEncoder::new(input + config.classes, hidden, latent, act, cx);
        let decoder = Decoder::new(latent + config.classes, hidden, input * likelihood.numbers(), act, cx);
        Ok(Conditional { config, encoder, decoder })
    }

    /// The sizes of the nets and the number of classes.
    pub fn config(&self) -> &ConditionalConfig {
        &self.config
    }

    /// The model of images of these classes, one an image of a batch.
    ///
    /// # Errors
    /// If there is none, or one is not a class.
    pub fn given(&self, classes: &[usize]) -> Result<Given<'_>, Error> {
        if classes.is_empty() {
            return Err(Error::Empty { what: "Conditional::given" });
        }
        let of = self.config.classes;
        if let Some(at) = classes.iter().position(|&class| class >= of) {
            return Err(Error::Class { image: at, class: classes[at], classes: of });
        }
        let ids = classes.iter().map(|&class| class as i64).collect();
        Ok(Given { model: self, classes: Tensor::from_vec(ids, [classes.len()]).one_hot(of) })
    }
}

/// A [`Conditional`] autoencoder for the classes of one batch, or of a whole set that is measured. There must be as many images
/// as there are classes; codes may be a multiple of them, `k` draws for each class, draw by draw.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    model: &'a Conditional,
    /// `[batch, classes]`.
    classes: Tensor,
}

impl Module for Given<'_> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.model.visit(visitor);
    }
}

impl Given<'_> {
    /// q(z|x, y) of images `[batch, pixels]`: mean and ln σ², `[batch, latent]` each.
    ///
    /// # Panics
    /// If there is not one class for each image.
    #[track_caller]
    pub fn posterior(&self, x: &Tensor, cx: &mut Ctx) -> Gaussian {
        self.check(x);
        self.model.encoder.forward(&Tensor::concat(&[x, &self.classes], 1), cx)
    }

    #[track_caller]
    fn check(&self, x: &Tensor) {
        let n = self.classes.dim(0);
        assert!(x.dim(0) == n, "Given: images {:?} for {n} classes", x.shape());
    }

    /// The model of the images `range` of `x`.
    #[track_caller]
    fn of_range(&self, x: &Tensor, range: Range<usize>) -> (Self, Tensor) {
        self.check(x);
        let cut = |x: &Tensor| x.narrow(0, range.start, range.len());
        (Given { model: self.model, classes: cut(&self.classes) }, cut(x))
    }

    pub(crate) fn at(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        self.posterior(x, cx).bound(self, x, eps, cx)
    }
}

impl Autoencoder for Given<'_> {
    fn pixels(&self) -> usize {
        self.model.config.net.input
    }
    fn likelihood(&self) -> Likelihood {
        self.model.config.net.likelihood
    }
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.posterior(x, cx).mu
    }
    /// Of one code for each class, or of `k` draws for each, which lie draw by draw.
    #[track_caller]
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        let n = self.classes.dim(0);
        assert!(code.dim(0).is_multiple_of(n), "Given: codes {:?} for {n} classes", code.shape());
        let classes = repeat(&self.classes, code.dim(0) / n);
        self.model.decoder.forward(&Tensor::concat(&[code, &classes], 1), cx)
    }
    /// The loss has the parts `reconstruction` and `kl`, as of a [`crate::Vae`].
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([x.dim(0), self.model.config.net.latent], cx);
        self.at(x, &eps, cx)
    }
    #[track_caller]
    fn forward_range(&self, x: &Tensor, range: Range<usize>, cx: &mut Ctx) -> Output {
        let (model, x) = self.of_range(x, range);
        model.forward(&x, cx)
    }
}

impl Generative for Given<'_> {
    /// N(0, 1), whatever the classes.
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        Tensor::randn([n, self.model.config.net.latent], cx)
    }
}

impl Variational for Given<'_> {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        let eps = Tensor::randn([k, x.dim(0), self.model.config.net.latent], cx);
        self.posterior(x, cx).draws(self, x, &eps, cx, |z, _| std_normal_log_prob(z).sum_dims([1]))
    }
    #[track_caller]
    fn draws_range(&self, x: &Tensor, range: Range<usize>, k: usize, cx: &mut Ctx) -> Draws {
        let (model, x) = self.of_range(x, range);
        model.draws(&x, k, cx)
    }
}
