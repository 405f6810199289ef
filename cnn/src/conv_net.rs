//! Convolutions with batch normalisation and nothing else: the smallest modern image classifier.
//!
//! Springenberg et al. 2015, *Striving for Simplicity: The All Convolutional Net*, arXiv:1412.6806: strides instead of
//! pooling, and the mean over each feature map before the class scores (Lin et al. 2014); with batch normalisation after
//! every convolution (Ioffe & Szegedy 2015), which makes their biases superfluous.

use etude_autograd::{Conv2dArgs, Tensor};
use etude_nn::{Act, BatchNorm2d, ConfigError, Conv2d, Ctx, Flatten, GlobalAvgPool2d, Layer, Linear, Seq, module};

/// The sizes of a [`ConvNet`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConvNetConfig {
    /// Channels of the images.
    pub inputs: usize,
    /// Feature maps of each convolution; every one but the first halves the image.
    pub channels: Vec<usize>,
    /// Classes.
    pub classes: usize,
}

impl Default for ConvNetConfig {
    /// For MNIST.
    fn default() -> Self {
        ConvNetConfig { inputs: 1, channels: vec![32, 64, 128], classes: 10 }
    }
}

impl ConvNetConfig {
    /// Whether there is a convolution and every size is at least 1.
    ///
    /// # Errors
    /// With the first field that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good, field, value, expected| ConfigError::check(good, "ConvNetConfig", field, value, expected);
        check(self.inputs > 0, "inputs", self.inputs.to_string(), "at least 1")?;
        let channels = !self.channels.is_empty() && !self.channels.contains(&0);
        check(channels, "channels", format!("{:?}", self.channels), "at least one size, each at least 1")?;
        check(self.classes > 0, "classes", self.classes.to_string(), "at least 1")
    }
}

/// Convolutions of 3 × 3 with batch normalisation and rectifiers, the mean of each feature map, class scores.
///
/// Parameters are named as in one `nn.Sequential`: 0 and 1 are the first convolution and its normalisation.
#[derive(Clone, Debug)]
pub struct ConvNet {
    layers: Seq,
}
module!(ConvNet { layers as "" });

impl ConvNet {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: &ConvNetConfig, cx: &mut Ctx) -> Result<Self, ConfigError> {
        config.validate()?;
        let (mut layers, mut inputs) = (Seq::default(), config.inputs);
        for (i, &outputs) in config.channels.iter().enumerate() {
            let stride = if i == 0 { 1 } else { 2 };
            layers.push(Conv2d::no_bias(inputs, outputs, 3, Conv2dArgs::new(stride, 1), cx));
            layers.push(BatchNorm2d::new(outputs));
            layers.push(Act::Relu);
            inputs = outputs;
        }
        let layers = layers.then(GlobalAvgPool2d).then(Flatten).then(Linear::new(inputs, config.classes, cx));
        Ok(ConvNet { layers })
    }
}

impl Layer for ConvNet {
    /// Class scores `[n, classes]` of images `[n, channels, height, width]`.
    #[track_caller]
    fn forward(&self, images: &Tensor, cx: &mut Ctx) -> Tensor {
        self.layers.forward(images, cx)
    }
}
