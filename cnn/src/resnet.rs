//! Residual networks of basic blocks.
//!
//! He et al. 2016, *Deep Residual Learning for Image Recognition*, arXiv:1512.03385: y = F(x) + x (eq. 1), or with a
//! projection of x where the sizes differ (eq. 2, option B); table 1 has the 18- and 34-layer networks. Parameters are
//! named as torchvision's, so that its published weights load.

use etude_autograd::{Conv2dArgs, Pool2dArgs, Tensor};
use etude_nn::{BatchNorm2d, ConfigError, Conv2d, Ctx, GlobalAvgPool2d, Layer, Linear, Module, Seq, Visitor, module};

/// The sizes of a [`ResNet`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ResNetConfig {
    /// Channels of the images.
    pub inputs: usize,
    /// Feature maps of the first stage; each further one has twice as many.
    pub width: usize,
    /// Blocks of each stage; every stage but the first halves the image.
    pub blocks: Vec<usize>,
    /// Classes.
    pub classes: usize,
}

impl Default for ResNetConfig {
    /// ResNet-18 for ImageNet.
    fn default() -> Self {
        ResNetConfig { inputs: 3, width: 64, blocks: vec![2, 2, 2, 2], classes: 1000 }
    }
}

impl ResNetConfig {
    /// Whether every size is at least 1 and there is a stage.
    ///
    /// # Errors
    /// With the first field that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good, field, value: String| ConfigError::check(good, "ResNetConfig", field, value, "at least 1");
        for (field, value) in [("inputs", self.inputs), ("width", self.width), ("classes", self.classes)] {
            check(value > 0, field, value.to_string())?;
        }
        check(!self.blocks.is_empty() && !self.blocks.contains(&0), "blocks", format!("{:?}", self.blocks))
    }
}

/// Two convolutions of 3 × 3 beside a shortcut: fig. 5 left.
#[derive(Clone, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Seq>,
}
module!(BasicBlock { conv1, bn1, conv2, bn2, downsample });

impl BasicBlock {
    /// A block whose first convolution has this stride.
    pub fn new(inputs: usize, outputs: usize, stride: usize, cx: &mut Ctx) -> Self {
        let project = stride != 1 || inputs != outputs;
        let downsample = project.then(|| {
            let conv = Conv2d::no_bias(inputs, outputs, 1, Conv2dArgs::new(stride, 0), cx);
            Seq::default().then(conv).then(BatchNorm2d::new(outputs))
        });
        BasicBlock {
            conv1: Conv2d::no_bias(inputs, outputs, 3, Conv2dArgs::new(stride, 1), cx),
            bn1: BatchNorm2d::new(outputs),
            conv2: Conv2d::no_bias(outputs, outputs, 3, Conv2dArgs::new(1, 1), cx),
            bn2: BatchNorm2d::new(outputs),
            downsample,
        }
    }
}

impl Layer for BasicBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let y = self.conv1.forward(x, cx);
        let y = self.bn1.forward(&y, cx).relu();
        let y = self.conv2.forward(&y, cx);
        let y = self.bn2.forward(&y, cx);
        match &self.downsample {
            Some(downsample) => (y + downsample.forward(x, cx)).relu(),
            None => (y + x).relu(),
        }
    }
}

/// The network.
#[derive(Clone, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    /// layer1, layer2, …
    stages: Vec<Seq>,
    fc: Linear,
}

impl Module for ResNet {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let ResNet { conv1, bn1, stages, fc } = self;
        visitor.child("conv1", conv1);
        visitor.child("bn1", bn1);
        for (i, stage) in stages.iter().enumerate() {
            visitor.child(&format!("layer{}", i + 1), stage);
        }
        visitor.child("fc", fc);
    }
}

impl ResNet {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: &ResNetConfig, cx: &mut Ctx) -> Result<Self, ConfigError> {
        config.validate()?;
        let conv1 = Conv2d::no_bias(config.inputs, config.width, 7, Conv2dArgs::new(2, 3), cx);
        let (mut stages, mut inputs) = (Vec::new(), config.width);
        for (i, &blocks) in config.blocks.iter().enumerate() {
            let outputs = config.width << i;
            let mut stage = Seq::default();
            for block in 0..blocks {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                stage.push(BasicBlock::new(inputs, outputs, stride, cx));
                inputs = outputs;
            }
            stages.push(stage);
        }
        let fc = Linear::new(inputs, config.classes, cx);
        Ok(ResNet { conv1, bn1: BatchNorm2d::new(config.width), stages, fc })
    }
}

impl Layer for ResNet {
    /// Class scores `[n, classes]` of images `[n, channels, height, width]`.
    #[track_caller]
    fn forward(&self, images: &Tensor, cx: &mut Ctx) -> Tensor {
        let x = self.conv1.forward(images, cx);
        let x = self.bn1.forward(&x, cx).relu();
        let mut x = x.max_pool2d(Pool2dArgs { stride: [2, 2], padding: [1, 1], ..Pool2dArgs::new(3) });
        for stage in &self.stages {
            x = stage.forward(&x, cx);
        }
        let features = GlobalAvgPool2d.forward(&x, cx).flatten_from(1);
        self.fc.forward(&features, cx)
    }
}
