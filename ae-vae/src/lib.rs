//! Autoencoders and variational autoencoders.
//!
//! One file a model: its configuration, forward pass, loss as named parts, and prior where it has one. All share the verbs of
//! [`Autoencoder`]: `encode`, `decode`, `forward`, `reconstruct`; those with a prior add `sample` ([`Generative`]), those with
//! an approximate posterior `draws` ([`Variational`]). Two are different: a [`Conditional`] has the verbs once it is told the
//! classes ([`Conditional::given`]), a [`Sentence`] has methods of the same names for sentences. Images are rows of pixels in
//! [0, 1], `[batch, pixels]`; decoders give logits, never probabilities, so that the [`Likelihood`] is stable.
//!
//! ```
//! use etude_ae_vae::{Autoencoder, Generative, KlWeight, Vae, VaeConfig};
//! use etude_autograd::Tensor;
//! use etude_nn::{Adam, Ctx, Optimizer};
//!
//! let mut cx = Ctx::train(0);
//! let images = Tensor::rand([8, 64], &mut cx);
//! let model = Vae::new(VaeConfig { input: 64, hidden: vec![32], latent: 2, ..VaeConfig::default() }, &mut cx)?;
//! let mut opt = Adam::new(&model, 1e-3);
//! let out = model.forward(&images, &mut cx);
//! assert_eq!(out.loss.parts().iter().map(|part| part.name).collect::<Vec<_>>(), ["reconstruction", "kl"]);
//! opt.step(&KlWeight::default().apply(out.loss, 0).total().backward());
//! assert_eq!(model.reconstruct(&images, &mut cx).shape(), [8, 64]);
//! assert_eq!(model.sample(16, &mut cx).shape(), [16, 64]);
//! # Ok::<(), etude_ae_vae::Error>(())
//! ```
//!
//! | model | paper |
//! |---|---|
//! | [`Vanilla`] | Hinton & Salakhutdinov 2006, *Reducing the dimensionality of data with neural networks* |
//! | [`Convolutional`] | Masci et al. 2011, *Stacked convolutional auto-encoders* |
//! | [`Denoising`] | Vincent et al. 2008, *Extracting and composing robust features with denoising autoencoders* |
//! | [`Sparse`] | Ng 2011, CS294A lecture notes; Makhzani & Frey 2014, arXiv:1312.5663 |
//! | [`Contractive`] | Rifai et al. 2011, *Contractive auto-encoders* |
//! | [`Vae`], [`ConvVae`] | Kingma & Welling 2014, arXiv:1312.6114; with [`KlWeight`] Higgins et al. 2017, *β-VAE* |
//! | [`Conditional`] | Sohn et al. 2015, *Learning structured output representation using deep conditional generative models* |
//! | [`BetaTc`] | Chen et al. 2018, arXiv:1802.04942 |
//! | [`Iwae`] | Burda et al. 2016, arXiv:1509.00519 |
//! | [`Iaf`] | Kingma et al. 2016, arXiv:1606.04934 |
//! | [`Vamp`] | Tomczak & Welling 2018, arXiv:1705.07120 |
//! | [`Ladder`] | Sønderby et al. 2016, arXiv:1602.02282 |
//! | [`Vq`] with [`CodePrior`] | van den Oord et al. 2017, arXiv:1711.00937 |
//! | [`Wae`] | Tolstikhin et al. 2018, arXiv:1711.01558 |
//! | [`Adversarial`] | Makhzani et al. 2016, arXiv:1511.05644 |
//! | [`Sentence`] | Bowman et al. 2016, arXiv:1511.06349 |
//!
//! [`Mixture`] is a prior for the codes of any model, [`KMeans`] finds clusters of them, and [`measure`] has what is measured.
#![forbid(unsafe_code)]

/// The examples of the crate's page compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod adversarial;
mod autoencoder;
mod beta_tc;
mod code_prior;
mod codebook;
mod conditional;
mod contractive;
mod conv_net;
mod conv_vae;
mod convolutional;
mod corruption;
mod denoising;
mod error;
mod gaussian;
#[cfg(test)]
mod golden_tests;
mod iaf;
mod iwae;
mod kmeans;
mod ladder;
mod likelihood;
mod loss;
pub mod measure;
mod mixture;
mod net;
mod sentence;
mod sparse;
mod vae;
mod vamp;
mod vanilla;
mod vq;
mod wae;

pub use adversarial::{Adversarial, AdversarialConfig};
pub use autoencoder::{Autoencoder, Draws, Generative, Output, Variational, check_pixels};
pub use beta_tc::{BetaTc, BetaTcConfig};
pub use code_prior::{CodePrior, CodePriorConfig};
pub use conditional::{Conditional, ConditionalConfig, Given};
pub use contractive::{Contractive, ContractiveConfig};
pub use conv_net::PictureConfig;
pub use conv_vae::{ConvVae, ConvVaeConfig};
pub use convolutional::{Convolutional, ConvolutionalConfig};
pub use corruption::{Corruption, binarise};
pub use denoising::{Denoising, DenoisingConfig};
pub use error::Error;
pub use gaussian::Gaussian;
pub use iaf::{Iaf, IafConfig};
pub use iwae::Iwae;
pub use kmeans::{KMeans, KMeansConfig};
pub use ladder::{Ladder, LadderConfig};
pub use likelihood::Likelihood;
pub use loss::{KlWeight, Loss, Part};
pub use mixture::{Mixture, MixtureConfig};
pub use sentence::{Sentence, SentenceConfig, Sentences};
pub use sparse::{Sparse, SparseConfig, Sparsity};
pub use vae::{Vae, VaeConfig};
pub use vamp::{Vamp, VampConfig};
pub use vanilla::{Vanilla, VanillaConfig};
pub use vq::{Vq, VqConfig};
pub use wae::{Wae, WaeConfig};
