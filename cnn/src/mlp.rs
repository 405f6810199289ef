//! A multi-layer perceptron over the pixels: what convolutional networks are measured against.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, Dropout, Layer, Linear, module};

/// The sizes of an [`ImageMlp`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ImageMlpConfig {
    /// Channels, height and width of the images.
    pub image: [usize; 3],
    /// Units of each hidden layer; none makes the model a logistic regression.
    pub hidden: Vec<usize>,
    /// Classes.
    pub classes: usize,
    /// The activation.
    pub act: Act,
    /// Probability of dropping a unit after each hidden layer.
    pub dropout: f64,
}

impl Default for ImageMlpConfig {
    /// For MNIST.
    fn default() -> Self {
        ImageMlpConfig { image: [1, 28, 28], hidden: vec![256, 128], classes: 10, act: Act::Relu, dropout: 0.2 }
    }
}

impl ImageMlpConfig {
    /// Whether every size is at least 1 and the probability is one.
    ///
    /// # Errors
    /// With the first field that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes: [(_, &[usize]); 3] =
            [("image", &self.image), ("hidden", &self.hidden), ("classes", &[self.classes])];
        for (field, sizes) in sizes {
            let good = sizes.iter().all(|&n| n > 0);
            ConfigError::check(good, "ImageMlpConfig", field, format!("{sizes:?}"), "at least 1 everywhere")?;
        }
        let good = (0.0..1.0).contains(&self.dropout);
        ConfigError::check(good, "ImageMlpConfig", "dropout", self.dropout, "a probability, at least 0 and less than 1")
    }
}

/// The pixels of an image as one vector, hidden layers, class scores. Rumelhart et al. 1986 with today's activations.
#[derive(Clone, Debug)]
pub struct ImageMlp {
    /// The linear maps, in order.
    pub layers: Vec<Linear>,
    act: Act,
    dropout: Dropout,
}
module!(ImageMlp { layers; act, dropout });

impl ImageMlp {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: ImageMlpConfig, cx: &mut Ctx) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut sizes = vec![config.image.iter().product()];
        sizes.extend(&config.hidden);
        sizes.push(config.classes);
        let layers = sizes.windows(2).map(|w| Linear::new(w[0], w[1], cx)).collect();
        Ok(ImageMlp { layers, act: config.act, dropout: Dropout::new(config.dropout) })
    }
}

impl Layer for ImageMlp {
    /// Class scores `[n, classes]` of images `[n, channels, height, width]`.
    #[track_caller]
    fn forward(&self, images: &Tensor, cx: &mut Ctx) -> Tensor {
        let mut x = images.flatten_from(1);
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = self.dropout.forward(&self.act.apply(&x), cx);
            }
            x = layer.forward(&x, cx);
        }
        x
    }
}
