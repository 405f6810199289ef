//! The convolutions that encoders and decoders of pictures are made of.

use etude_autograd::{Conv2dArgs, Tensor};
use etude_nn::{Act, ConfigError, Conv2d, ConvTranspose2d, Ctx, Layer, module};
use serde::{Deserialize, Serialize};

/// The size of a picture and the convolutions over it.
///
/// Each convolution has 4 × 4 taps and stride 2, so that it halves the sides; the decoder mirrors it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureConfig {
    /// Channels, height, width; rows of a batch hold them in that order.
    pub image: [usize; 3],
    /// Channels after each convolution, outermost first. Height and width must be multiples of 2 to their number.
    pub channels: Vec<usize>,
    /// The activation after each.
    pub act: Act,
}

impl Default for PictureConfig {
    /// 28 × 28 grey pixels through 16 and 32 channels to 7 × 7.
    fn default() -> Self {
        PictureConfig { image: [1, 28, 28], channels: vec![16, 32], act: Act::Relu }
    }
}

impl PictureConfig {
    /// Sizes must be at least 1, and the sides divisible.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let good = !self.channels.is_empty() && self.channels.len() < 32 && !self.channels.contains(&0);
        let expected = "sizes of at least 1, between 1 and 31 of them";
        ConfigError::check(good, "PictureConfig", "channels", format!("{:?}", self.channels), expected)?;
        let step = 1 << self.channels.len();
        let [c, h, w] = self.image;
        let good = c > 0 && h > 0 && w > 0 && h % step == 0 && w % step == 0;
        let expected = format!("a channel, and sides that are multiples of {step}");
        ConfigError::check(good, "PictureConfig", "image", format!("{:?}", self.image), &expected)
    }

    /// Numbers in a picture.
    pub fn pixels(&self) -> usize {
        self.image.iter().product()
    }

    /// Channels, height and width of what the encoder gives.
    pub fn features(&self) -> [usize; 3] {
        let step = 1 << self.channels.len();
        [self.channels[self.channels.len() - 1], self.image[1] / step, self.image[2] / step]
    }
}

/// Convolutions with an activation after each.
#[derive(Clone, Debug)]
pub(crate) struct ConvEncoder {
    encoder: Vec<Conv2d>,
    config: PictureConfig,
}
module!(ConvEncoder { encoder; config });

impl ConvEncoder {
    pub(crate) fn new(config: &PictureConfig, cx: &mut Ctx) -> Self {
        let channels = [&config.image[..1], &config.channels].concat();
        let conv = |w: &[usize]| Conv2d::new(w[0], w[1], 4, Conv2dArgs::new(2, 1), cx);
        ConvEncoder { encoder: channels.windows(2).map(conv).collect(), config: config.clone() }
    }

    /// Rows of pixels to `[batch, channels, height, width]` of [`PictureConfig::features`].
    #[track_caller]
    pub(crate) fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let [c, h, w] = self.config.image;
        let pictures = x.reshape([x.dim(0), c, h, w]);
        self.encoder.iter().fold(pictures, |x, layer| self.config.act.apply(&layer.forward(&x, cx)))
    }
}

/// Transposed convolutions with an activation between them.
#[derive(Clone, Debug)]
pub(crate) struct ConvDecoder {
    decoder: Vec<ConvTranspose2d>,
    act: Act,
}
module!(ConvDecoder { decoder; act });

impl ConvDecoder {
    /// `numbers` for each pixel.
    pub(crate) fn new(config: &PictureConfig, numbers: usize, cx: &mut Ctx) -> Self {
        let mut channels = [&config.image[..1], &config.channels].concat();
        channels[0] *= numbers;
        channels.reverse();
        let conv = |w: &[usize]| ConvTranspose2d::new(w[0], w[1], 4, Conv2dArgs::new(2, 1), cx);
        ConvDecoder { decoder: channels.windows(2).map(conv).collect(), act: config.act }
    }

    /// Features `[batch, channels, height, width]` to rows of numbers.
    pub(crate) fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let (last, before) = self.decoder.split_last().expect("validated: there is a convolution");
        let x = before.iter().fold(x.clone(), |x, layer| self.act.apply(&layer.forward(&x, cx)));
        last.forward(&x, cx).flatten_from(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_in_its_own_size() {
        let cx = &mut Ctx::train(0);
        let config = PictureConfig { image: [3, 8, 12], channels: vec![5, 7], act: Act::Relu };
        config.validate().expect("divisible by four");
        let features = ConvEncoder::new(&config, cx).forward(&Tensor::ones([2, config.pixels()]), cx);
        assert_eq!(features.shape(), [2, 7, 2, 3]);
        assert_eq!(config.features(), [7, 2, 3]);
        assert_eq!(ConvDecoder::new(&config, 2, cx).forward(&features, cx).shape(), [2, 2 * config.pixels()]);
    }

    #[test]
    fn sides_that_cannot_be_halved_are_refused() {
        for image in [[1, 28, 27], [0, 28, 28], [1, 0, 28]] {
            assert_eq!(PictureConfig { image, ..Default::default() }.validate().expect_err("nonsense").field, "image");
        }
        assert!(PictureConfig { channels: vec![], ..Default::default() }.validate().is_err());
    }
}
