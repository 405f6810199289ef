//! Image classifiers in Étude: multi-layer perceptrons and convolutional networks, their training, and pictures of what
//! they look at.
//!
//! ```
//! use etude_autograd::Tensor;
//! use etude_cnn::{FitConfig, ImageMlp, ImageMlpConfig, evaluate, fit};
//! use etude_nn::Ctx;
//!
//! // Two classes of images of 4 × 4 pixels: dark and light.
//! let mut cx = Ctx::train(0);
//! let images = Tensor::concat(&[&Tensor::zeros([8, 1, 4, 4]), &Tensor::ones([8, 1, 4, 4])], 0);
//! let labels = Tensor::from_vec((0..16).map(|i| i / 8).collect(), [16]);
//! let config = ImageMlpConfig { image: [1, 4, 4], hidden: vec![8], classes: 2, ..ImageMlpConfig::default() };
//! let model = ImageMlp::new(config, &mut cx)?;
//! let batches = std::iter::repeat((images.clone(), labels.clone()));
//! fit(&model, &FitConfig { steps: 100, lr: 0.01, ..FitConfig::default() }, batches, &mut cx, |_| ())?;
//! assert_eq!(evaluate(&model, &images, &labels, &cx)?.accuracy(), 1.0);
//! # Ok::<(), etude_cnn::Error>(())
//! ```
//!
//! * [`ImageMlp`], [`LeNet`], [`ConvNet`] and [`ResNet`] map images `[n, channels, height, width]` to class scores `[n, classes]`.
//! * [`fit`] trains any such [`Layer`](etude_nn::Layer) on batches, [`Fit`] does so step by step, [`evaluate`] measures it.
//! * [`saliency`] shows which pixels move a score (Simonyan et al. 2013), [`grad_cam`] which regions do (Selvaraju et al.
//!   2017).
//!
//! Images, labels and configurations come from outside and are checked where they enter: a mistake there is an [`Error`]
//! that names it, not a panic.
#![forbid(unsafe_code)]

mod check;
mod conv_net;
mod error;
mod evaluate;
mod fit;
mod mlp;
mod resnet;
mod saliency;

pub use conv_net::{ConvNet, ConvNetConfig};
pub use error::Error;
pub use etude_nn::{LeNet, LeNetConfig};
pub use evaluate::{Evaluation, evaluate, predict};
pub use fit::{Fit, FitConfig, Step, fit};
pub use mlp::{ImageMlp, ImageMlpConfig};
pub use resnet::{BasicBlock, ResNet, ResNetConfig};
pub use saliency::{grad_cam, saliency, smooth_saliency};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadMe;
