//! Generative adversarial networks.
//!
//! One file a model, each with its configuration, networks, and one function a training step; the loop is the user's.
//!
//! | model | paper |
//! |---|---|
//! | [`wgan_gp`] | Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*, arXiv:1704.00028 |
//! | [`dcgan`] | Radford et al. 2016, *Unsupervised Representation Learning with DCGANs*, arXiv:1511.06434 |
//! | [`dcgan_conv`] | the same, with the convolutions of its fig. 1 |
//!
//! [`modes`] measures mode coverage on mixtures whose modes are known.
#![forbid(unsafe_code)]

pub mod dcgan;
pub mod dcgan_conv;
mod error;
pub mod modes;
pub mod wgan_gp;

pub use error::Error;
