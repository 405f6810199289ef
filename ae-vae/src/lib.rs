//! Autoencoders and variational autoencoders.
//!
//! One file a model: its configuration, forward pass, loss as named parts, and prior where it has one. All share the verbs of
//! [`Autoencoder`]: `encode`, `decode`, `forward`, `reconstruct`; those with a prior add `sample` ([`Generative`]), those with
//! a likelihood `log_weights` ([`Variational`]). Images are rows of pixels in [0, 1], `[batch, pixels]`; decoders give logits,
//! never probabilities, so that the [`Likelihood`] is stable.
//!
//! | model | paper |
//! |---|---|
//! | [`Vanilla`] | Hinton & Salakhutdinov 2006, *Reducing the dimensionality of data with neural networks* |
//! | [`Denoising`] | Vincent et al. 2008, *Extracting and composing robust features with denoising autoencoders* |
//! | [`Vae`] | Kingma & Welling 2014, arXiv:1312.6114 |
#![forbid(unsafe_code)]

mod autoencoder;
mod corruption;
mod denoising;
mod error;
mod gaussian;
mod likelihood;
mod loss;
pub mod measure;
mod net;
mod vae;
mod vanilla;

pub use autoencoder::{Autoencoder, Generative, Output, Variational, check_pixels};
pub use corruption::Corruption;
pub use denoising::{Denoising, DenoisingConfig};
pub use error::Error;
pub use gaussian::Gaussian;
pub use likelihood::Likelihood;
pub use loss::{KlWeight, Loss, Part};
pub use vae::{Vae, VaeConfig};
pub use vanilla::{Vanilla, VanillaConfig};
