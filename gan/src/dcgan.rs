//! The deep convolutional GAN, for square images whose side is a multiple of 4.
//!
//! Radford, Metz & Chintala 2016, arXiv:1511.06434, §3: strided convolutions instead of pooling, batch normalisation in
//! both networks except at the generator's output and the discriminator's input, ReLU in the generator and leaky ReLU of
//! slope 0.2 in the discriminator, weights from N(0, 0.02²), Adam with β₁ = 0.5. The losses are those of Goodfellow et al.
//! 2014, arXiv:1406.2661, with the non-saturating generator (§3) and, optionally, one-sided label smoothing (Salimans et al.
//! 2016, arXiv:1606.03498, §3.4).

use etude_autograd::{Conv2dArgs, Tensor, no_grad};
use etude_nn::{
    BatchNorm1d, BatchNorm2d, ConfigError, Conv2d, ConvTranspose2d, Ctx, Layer, Linear, Module, Optimizer, Param, Slot,
    check_finite, init, module,
};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DcganConfig {
    /// Channels of an image: 1 grey, 3 colour.
    pub channels: usize,
    /// Side of an image, a multiple of 4.
    pub side: usize,
    /// Size of the generator's noise.
    pub latent: usize,
    /// Channels of the layers next to the image; the layers behind them have twice as many.
    pub width: usize,
    /// What the discriminator should answer for real images: 1, or less to smooth.
    pub real_label: f32,
}

impl Default for DcganConfig {
    /// For MNIST.
    fn default() -> Self {
        DcganConfig { channels: 1, side: 28, latent: 64, width: 32, real_label: 0.9 }
    }
}

impl DcganConfig {
    /// Sizes must be positive, the side a multiple of 4, the label in (0.5, 1].
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("channels", self.channels), ("latent", self.latent), ("width", self.width)] {
            ConfigError::check(value > 0, "DcganConfig", field, value, "at least 1")?;
        }
        let side = self.side > 0 && self.side.is_multiple_of(4);
        ConfigError::check(side, "DcganConfig", "side", self.side, "a multiple of 4")?;
        let label = self.real_label > 0.5 && self.real_label <= 1.0;
        ConfigError::check(label, "DcganConfig", "real_label", self.real_label, "above 0.5, at most 1")
    }
}

/// Weights from N(0, 0.02²) (normalisation: N(1, 0.02²)), biases 0: §3 of the paper and its authors' code.
pub(crate) fn initialise(module: &dyn Module, cx: &mut Ctx) {
    module.each(&mut |name, slot| {
        let Slot::Param(p) = slot else { return };
        let zero = name.ends_with("bias");
        let noise = |p: &Param, cx: &mut Ctx| init::normal(p.shape(), 0.02, cx);
        match (zero, p.shape().len()) {
            (true, _) => p.set(&Tensor::zeros(p.shape())),
            (false, 1) => p.set(&(noise(p, cx) + 1.0)),
            (false, _) => p.set(&noise(p, cx)),
        }
    });
}

/// Noise to images with pixels in (0, 1).
#[derive(Clone, Debug)]
pub struct Generator {
    config: DcganConfig,
    project: Linear,
    norm1: BatchNorm1d,
    up1: ConvTranspose2d,
    norm2: BatchNorm2d,
    up2: ConvTranspose2d,
}
module!(Generator { project, norm1, up1, norm2, up2; config });

impl Generator {
    /// A generator with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: &DcganConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let (wide, small) = (2 * config.width, config.side / 4);
        let up = Conv2dArgs::new(2, 1);
        let generator = Generator {
            project: Linear::no_bias(config.latent, wide * small * small, cx),
            norm1: BatchNorm1d::new(wide * small * small),
            up1: ConvTranspose2d::new(wide, config.width, 4, up, cx),
            norm2: BatchNorm2d::new(config.width),
            up2: ConvTranspose2d::new(config.width, config.channels, 4, up, cx),
            config: config.clone(),
        };
        initialise(&generator, cx);
        Ok(generator)
    }

    /// Images from noise `[n, latent]` → `[n, channels, side, side]`.
    pub fn forward(&self, z: &Tensor, cx: &mut Ctx) -> Tensor {
        let small = self.config.side / 4;
        let x = self.project.forward(z, cx);
        let x = self.norm1.forward(&x, cx).relu();
        let x = x.reshape([z.dim(0), 2 * self.config.width, small, small]);
        let x = self.up1.forward(&x, cx);
        let x = self.norm2.forward(&x, cx).relu();
        self.up2.forward(&x, cx).sigmoid()
    }

    /// Images of `n` draws of noise, recorded.
    pub fn generate(&self, n: usize, cx: &mut Ctx) -> Tensor {
        let z = Tensor::randn([n, self.config.latent], cx);
        self.forward(&z, cx)
    }
}

/// Images to the logit of being real.
#[derive(Clone, Debug)]
pub struct Discriminator {
    config: DcganConfig,
    down1: Conv2d,
    down2: Conv2d,
    norm2: BatchNorm2d,
    judge: Linear,
}
module!(Discriminator { down1, down2, norm2, judge; config });

impl Discriminator {
    /// A discriminator with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: &DcganConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let (wide, small) = (2 * config.width, config.side / 4);
        let down = Conv2dArgs::new(2, 1);
        let discriminator = Discriminator {
            down1: Conv2d::new(config.channels, config.width, 4, down, cx),
            down2: Conv2d::new(config.width, wide, 4, down, cx),
            norm2: BatchNorm2d::new(wide),
            judge: Linear::new(wide * small * small, 1, cx),
            config: config.clone(),
        };
        initialise(&discriminator, cx);
        Ok(discriminator)
    }

    /// `[n, channels, side, side]` → `[n, 1]`.
    pub fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let x = self.down1.forward(x, cx).leaky_relu(0.2);
        let x = self.down2.forward(&x, cx);
        let x = self.norm2.forward(&x, cx).leaky_relu(0.2);
        self.judge.forward(&x.flatten_from(1), cx)
    }
}

/// One step of the discriminator on a batch of real images against as many generated ones. Returns its loss,
/// −E[ln D(x)] − E[ln(1 − D(x̃))].
///
/// # Errors
/// If the images have another shape, or the loss or a gradient is not finite; nothing is updated then.
pub fn discriminator_step(
    discriminator: &Discriminator,
    generator: &Generator,
    opt: &mut dyn Optimizer,
    real: &Tensor,
    cx: &mut Ctx,
) -> Result<f32, Error> {
    let c = &discriminator.config;
    if real.rank() != 4 || real.shape()[1..] != [c.channels, c.side, c.side] || real.is_empty() {
        let expected = format!("[n, {}, {}, {}] with n > 0", c.channels, c.side, c.side);
        return Err(Error::Shape { what: "dcgan::discriminator_step", found: real.shape().to_vec(), expected });
    }
    let fake = no_grad(|| generator.generate(real.dim(0), cx));
    let on_real = discriminator.forward(real, cx).bce_with_logits(&Tensor::scalar(c.real_label)).mean();
    let on_fake = discriminator.forward(&fake, cx).bce_with_logits(&Tensor::scalar(0.0)).mean();
    let loss = on_real + on_fake;
    let value = check_finite(loss.item(), opt.steps())?;
    opt.try_step(&loss.backward())?;
    Ok(value)
}

/// One step of the generator with `n` draws of noise. Returns its loss, −E[ln D(G(z))].
///
/// # Errors
/// If the loss or a gradient is not finite; nothing is updated then.
pub fn generator_step(
    discriminator: &Discriminator,
    generator: &Generator,
    opt: &mut dyn Optimizer,
    n: usize,
    cx: &mut Ctx,
) -> Result<f32, Error> {
    let fake = generator.generate(n, cx);
    let loss = discriminator.forward(&fake, cx).bce_with_logits(&Tensor::scalar(1.0)).mean();
    let value = check_finite(loss.item(), opt.steps())?;
    opt.try_step(&loss.backward_for(&generator.leaves()))?;
    Ok(value)
}
