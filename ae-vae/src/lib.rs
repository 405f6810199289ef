//! Autoencoders and variational autoencoders.
//!
//! One file a model: its configuration, forward pass, loss as named parts, and sampler where it has a prior. All share
//! [`Autoencoder`]: encode, decode, reconstruct. Images are rows of pixels in [0, 1], `[batch, pixels]`; decoders give
//! logits, never probabilities, so that the likelihood is stable.
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
mod vae;
mod vanilla;

pub use autoencoder::{Autoencoder, check_pixels};
pub use corruption::Corruption;
pub use denoising::{Denoising, DenoisingConfig};
pub use error::Error;
pub use vae::{ElboParts, Vae, VaeConfig, VaeOutput};
pub use vanilla::{Vanilla, VanillaConfig};
