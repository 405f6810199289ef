//! The deep convolutional GAN with convolutions from end to end, for square images whose side is a power of two.
//!
//! Radford, Metz & Chintala 2016, arXiv:1511.06434, §3 and fig. 1: the noise is an image of one pixel, which transposed
//! convolutions enlarge to 4 × 4 and then double until the side is reached; the discriminator is its mirror. Weights,
//! normalisation and activations as in [`crate::dcgan`]; pixels are tanh's, in (−1, 1). Parameter names are those of
//! PyTorch's DCGAN tutorial (`main.0.weight` and so on).

use etude_autograd::{Conv2dArgs, Tensor};
use etude_nn::{Act, BatchNorm2d, ConfigError, Conv2d, ConvTranspose2d, Ctx, Layer, Module, Optimizer, Seq};
use etude_nn::{check_finite, module};
use serde::{Deserialize, Serialize};

use crate::dcgan::initialise;
use crate::error::Error;

/// The networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DcganConvConfig {
    /// Channels of an image: 1 grey, 3 colour.
    pub channels: usize,
    /// Side of an image, a power of two from 8.
    pub side: usize,
    /// Size of the generator's noise.
    pub latent: usize,
    /// Feature maps next to the image; each layer further from it has twice as many.
    pub width: usize,
}

impl Default for DcganConvConfig {
    /// For colour images of 32 × 32.
    fn default() -> Self {
        DcganConvConfig { channels: 3, side: 32, latent: 100, width: 64 }
    }
}

impl DcganConvConfig {
    /// Sizes must be positive, the side a power of two from 8.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("channels", self.channels), ("latent", self.latent), ("width", self.width)] {
            ConfigError::check(value > 0, "DcganConvConfig", field, value, "at least 1")?;
        }
        let side = self.side >= 8 && self.side.is_power_of_two();
        ConfigError::check(side, "DcganConvConfig", "side", self.side, "a power of two from 8")
    }

    /// Feature maps at 4 × 4 pixels, then at each doubling, the image excluded.
    fn widths(&self) -> Vec<usize> {
        let doublings = (self.side / 4).ilog2();
        (0..doublings).rev().map(|i| self.width << i).collect()
    }
}

/// Noise to images.
#[derive(Clone, Debug)]
pub struct Generator {
    latent: usize,
    main: Seq,
}
module!(Generator { main; latent });

impl Generator {
    /// A generator with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: &DcganConvConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let (mut main, mut inputs) = (Seq::default(), config.latent);
        for (i, outputs) in config.widths().into_iter().enumerate() {
            let args = if i == 0 { Conv2dArgs::new(1, 0) } else { Conv2dArgs::new(2, 1) };
            main.push(ConvTranspose2d::no_bias(inputs, outputs, 4, args, cx));
            main.push(BatchNorm2d::new(outputs));
            main.push(Act::Relu);
            inputs = outputs;
        }
        main.push(ConvTranspose2d::no_bias(inputs, config.channels, 4, Conv2dArgs::new(2, 1), cx));
        main.push(Act::Tanh);
        let generator = Generator { latent: config.latent, main };
        initialise(&generator, cx);
        Ok(generator)
    }

    /// Images from noise `[n, latent]` → `[n, channels, side, side]`.
    #[track_caller]
    pub fn forward(&self, z: &Tensor, cx: &mut Ctx) -> Tensor {
        self.main.forward(&z.reshape([z.dim(0), self.latent, 1, 1]), cx)
    }
}

/// Images to the logit of being real.
#[derive(Clone, Debug)]
pub struct Discriminator {
    image: [usize; 3],
    main: Seq,
}
module!(Discriminator { main; image });

impl Discriminator {
    /// A discriminator with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: &DcganConvConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let (mut main, mut inputs) = (Seq::default(), config.channels);
        for (i, outputs) in config.widths().into_iter().rev().enumerate() {
            main.push(Conv2d::no_bias(inputs, outputs, 4, Conv2dArgs::new(2, 1), cx));
            if i > 0 {
                main.push(BatchNorm2d::new(outputs));
            }
            main.push(Act::LeakyRelu(0.2));
            inputs = outputs;
        }
        main.push(Conv2d::no_bias(inputs, 1, 4, Conv2dArgs::new(1, 0), cx));
        let discriminator = Discriminator { image: [config.channels, config.side, config.side], main };
        initialise(&discriminator, cx);
        Ok(discriminator)
    }

    /// `[n, channels, side, side]` → `[n]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.main.forward(x, cx).flatten_from(0)
    }
}

/// Both networks, each with its optimiser.
pub struct Players<'a> {
    /// Makes images.
    pub generator: &'a Generator,
    /// Judges them.
    pub discriminator: &'a Discriminator,
    /// Updates the generator.
    pub opt_g: &'a mut dyn Optimizer,
    /// Updates the discriminator.
    pub opt_d: &'a mut dyn Optimizer,
}

/// One step of the discriminator and then of the generator, on the same generated images. Returns their losses,
/// −E[ln D(x)] − E[ln(1 − D(x̃))] and −E[ln D(x̃)]: Goodfellow et al. 2014, arXiv:1406.2661, §3.
///
/// # Errors
/// If the images have another shape, or a loss or a gradient is not finite; that network is not updated then.
pub fn step(players: Players<'_>, real: &Tensor, z: &Tensor, cx: &mut Ctx) -> Result<[f32; 2], Error> {
    let Players { generator, discriminator, opt_g, opt_d } = players;
    if real.rank() != 4 || real.shape()[1..] != discriminator.image || real.is_empty() {
        let [channels, side, _] = discriminator.image;
        let expected = format!("[n, {channels}, {side}, {side}] with n > 0");
        return Err(Error::Shape { what: "dcgan_conv::step", found: real.shape().to_vec(), expected });
    }
    let fake = generator.forward(z, cx);
    let judge = |x: &Tensor, label: f32, cx: &mut Ctx| {
        discriminator.forward(x, cx).bce_with_logits(&Tensor::scalar(label)).mean()
    };
    let loss_d = judge(real, 1.0, cx) + judge(&fake.detach(), 0.0, cx);
    let value_d = check_finite(loss_d.item(), opt_d.steps())?;
    opt_d.try_step(&loss_d.backward())?;
    let loss_g = judge(&fake, 1.0, cx);
    let value_g = check_finite(loss_g.item(), opt_g.steps())?;
    opt_g.try_step(&loss_g.backward_for(&generator.leaves()))?;
    Ok([value_d, value_g])
}
