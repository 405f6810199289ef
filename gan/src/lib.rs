//! Generative adversarial networks.
//!
//! One file a model, each with its configuration, networks, and one function a training step; the loop is the user's.
//!
//! ```
//! use etude_gan::modes::GaussianGrid;
//! use etude_gan::wgan_gp::{Critic, Generator, WganGpConfig, critic_step, generator_step};
//! use etude_nn::{Adam, Ctx};
//!
//! let mut cx = Ctx::train(0);
//! let (grid, config) = (GaussianGrid::default(), WganGpConfig { hidden: 16, ..WganGpConfig::default() });
//! let (critic, generator) = (Critic::new(&config, &mut cx)?, Generator::new(&config, &mut cx)?);
//! let (mut critic_opt, mut generator_opt) = (Adam::new(&critic, 1e-3), Adam::new(&generator, 1e-3));
//! for _ in 0..config.critic_steps {
//!     critic_step(&critic, &generator, &config, &mut critic_opt, &grid.sample(64, &mut cx), &mut cx)?;
//! }
//! generator_step(&critic, &generator, &mut generator_opt, 64, &mut cx)?;
//! assert_eq!(generator.sample(5, &mut cx).shape(), [5, 2]);
//! # Ok::<(), etude_gan::Error>(())
//! ```
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
