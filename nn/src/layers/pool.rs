//! Pooling: the largest element or the mean of each window.

use etude_autograd::{Pool1dArgs, Pool2dArgs, Pool3dArgs, Tensor};

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// The largest element of each window of `[n, channels, length]`.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool1d {
    /// The windows.
    pub args: Pool1dArgs,
}
module!(MaxPool1d { ; args });

impl MaxPool1d {
    /// Windows side by side.
    pub fn new(kernel: usize) -> Self {
        MaxPool1d { args: Pool1dArgs::new(kernel) }
    }
}

impl Layer for MaxPool1d {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.max_pool1d(self.args)
    }
}

/// The largest element of each window of `[n, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// The windows.
    pub args: Pool2dArgs,
}
module!(MaxPool2d { ; args });

impl MaxPool2d {
    /// Square windows side by side.
    pub fn new(kernel: usize) -> Self {
        MaxPool2d { args: Pool2dArgs::new(kernel) }
    }
}

impl Layer for MaxPool2d {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.max_pool2d(self.args)
    }
}

/// The largest element of each window of `[n, channels, depth, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool3d {
    /// The windows.
    pub args: Pool3dArgs,
}
module!(MaxPool3d { ; args });

impl MaxPool3d {
    /// Cubes side by side.
    pub fn new(kernel: usize) -> Self {
        MaxPool3d { args: Pool3dArgs::new(kernel) }
    }
}

impl Layer for MaxPool3d {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.max_pool3d(self.args)
    }
}

/// The mean of each window of `[n, channels, length]`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool1d {
    /// The windows.
    pub args: Pool1dArgs,
}
module!(AvgPool1d { ; args });

impl AvgPool1d {
    /// Windows side by side.
    pub fn new(kernel: usize) -> Self {
        AvgPool1d { args: Pool1dArgs::new(kernel) }
    }
}

impl Layer for AvgPool1d {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.avg_pool1d(self.args)
    }
}

/// The mean of each window of `[n, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2d {
    /// The windows.
    pub args: Pool2dArgs,
}
module!(AvgPool2d { ; args });

impl AvgPool2d {
    /// Square windows side by side.
    pub fn new(kernel: usize) -> Self {
        AvgPool2d { args: Pool2dArgs::new(kernel) }
    }
}

impl Layer for AvgPool2d {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.avg_pool2d(self.args)
    }
}

/// The mean of each window of `[n, channels, depth, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool3d {
    /// The windows.
    pub args: Pool3dArgs,
}
module!(AvgPool3d { ; args });

impl AvgPool3d {
    /// Cubes side by side.
    pub fn new(kernel: usize) -> Self {
        AvgPool3d { args: Pool3dArgs::new(kernel) }
    }
}

impl Layer for AvgPool3d {
    #[track_caller]
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
        x.avg_pool3d(self.args)
    }
}
