//! The small convolutional network of LeCun et al. 1998, which classifies digits and judges generated ones.

use etude_autograd::{Conv2dArgs, Pool2dArgs, Tensor};

use crate::act::Act;
use crate::config::ConfigError;
use crate::ctx::Ctx;
use crate::layers::{Conv2d, Dropout, Layer, Linear};
use crate::module;

/// The sizes of a [`LeNet`]. The default is LeNet-5 for 28 × 28 pixels.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LeNetConfig {
    /// Channels of the image.
    pub inputs: usize,
    /// Height and width of the image.
    pub image: usize,
    /// Feature maps of the two convolutions.
    pub channels: [usize; 2],
    /// Height and width of the convolutions' kernels.
    pub kernel: usize,
    /// Zeros around the image before the first convolution.
    pub padding: usize,
    /// Units of the two hidden layers.
    pub hidden: [usize; 2],
    /// Classes.
    pub classes: usize,
    /// The activation.
    pub act: Act,
    /// Probability of dropping a feature before each linear layer.
    pub dropout: f64,
}

impl Default for LeNetConfig {
    fn default() -> Self {
        LeNetConfig {
            inputs: 1,
            image: 28,
            channels: [6, 16],
            kernel: 5,
            padding: 2,
            hidden: [120, 84],
            classes: 10,
            act: Act::Relu,
            dropout: 0.0,
        }
    }
}

impl LeNetConfig {
    /// Whether the layers fit together.
    ///
    /// # Errors
    /// With the first field that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good, field, value: &dyn std::fmt::Display, expected: &str| {
            ConfigError::check(good, "LeNetConfig", field, value, expected)
        };
        for (field, value) in [
            ("inputs", self.inputs),
            ("channels", self.channels[0].min(self.channels[1])),
            ("kernel", self.kernel),
            ("hidden", self.hidden[0].min(self.hidden[1])),
            ("classes", self.classes),
        ] {
            check(value > 0, field, &value, "at least 1")?;
        }
        check(
            (0.0..1.0).contains(&self.dropout),
            "dropout",
            &self.dropout,
            "a probability, at least 0 and less than 1",
        )?;
        check(self.side().is_some(), "image", &self.image, "room for two convolutions and two poolings by 2")
    }

    /// Height and width of the last feature maps, if any is left.
    fn side(&self) -> Option<usize> {
        let pooled = (self.image + 2 * self.padding + 1).checked_sub(self.kernel)? / 2;
        let side = (pooled + 1).checked_sub(self.kernel)? / 2;
        (side > 0).then_some(side)
    }
}

/// Convolution, pooling, convolution, pooling, two hidden layers, class scores: LeCun et al. 1998, section II.B, fig. 2.
///
/// As usual today, with rectifiers for scaled tanh, largest for mean in the pooling, full connections between the feature
/// maps, and a linear output for the radial basis functions.
#[derive(Clone, Debug)]
pub struct LeNet {
    /// The first convolution, whose kernels can be looked at.
    pub conv1: Conv2d,
    /// The second convolution.
    pub conv2: Conv2d,
    /// From the feature maps to the first hidden layer.
    pub fc1: Linear,
    /// To the second hidden layer.
    pub fc2: Linear,
    /// To the class scores.
    pub fc3: Linear,
    act: Act,
    dropout: Dropout,
}
module!(LeNet { conv1, conv2, fc1, fc2, fc3; act, dropout });

impl LeNet {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: LeNetConfig, cx: &mut Ctx) -> Result<Self, ConfigError> {
        config.validate()?;
        let LeNetConfig { inputs, channels: [c1, c2], kernel, padding, hidden: [h1, h2], classes, .. } = config;
        let side = config.side().expect("validate() found room");
        Ok(LeNet {
            conv1: Conv2d::new(inputs, c1, kernel, Conv2dArgs::new(1, padding), cx),
            conv2: Conv2d::new(c1, c2, kernel, Conv2dArgs::default(), cx),
            fc1: Linear::new(c2 * side * side, h1, cx),
            fc2: Linear::new(h1, h2, cx),
            fc3: Linear::new(h2, classes, cx),
            act: config.act,
            dropout: Dropout::new(config.dropout),
        })
    }

    /// The last feature maps, `[n, channels, side, side]`: what a picture of attention looks at.
    ///
    /// # Panics
    /// If the images do not fit.
    #[track_caller]
    pub fn maps(&self, images: &Tensor, cx: &mut Ctx) -> Tensor {
        let pool = |x: Tensor| self.act.apply(&x).max_pool2d(Pool2dArgs::new(2));
        let first = pool(self.conv1.forward(images, cx));
        pool(self.conv2.forward(&first, cx))
    }

    /// The second hidden layer, `[n, hidden]`: a description of the image, as Fréchet distances want one.
    ///
    /// # Panics
    /// If the images do not fit.
    #[track_caller]
    pub fn features(&self, images: &Tensor, cx: &mut Ctx) -> Tensor {
        let maps = self.maps(images, cx);
        self.features_of_maps(&maps, cx)
    }

    fn features_of_maps(&self, maps: &Tensor, cx: &mut Ctx) -> Tensor {
        let x = self.dropout.forward(&maps.flatten_from(1), cx);
        let x = self.act.apply(&self.fc1.forward(&x, cx));
        let x = self.dropout.forward(&x, cx);
        self.act.apply(&self.fc2.forward(&x, cx))
    }

    /// The class scores for the feature maps of [`LeNet::maps`].
    ///
    /// # Panics
    /// If the maps do not fit.
    #[track_caller]
    pub fn head(&self, maps: &Tensor, cx: &mut Ctx) -> Tensor {
        let x = self.features_of_maps(maps, cx);
        let x = self.dropout.forward(&x, cx);
        self.fc3.forward(&x, cx)
    }
}

impl Layer for LeNet {
    /// Class scores `[n, classes]` of images `[n, channels, height, width]`.
    #[track_caller]
    fn forward(&self, images: &Tensor, cx: &mut Ctx) -> Tensor {
        let maps = self.maps(images, cx);
        self.head(&maps, cx)
    }
}
