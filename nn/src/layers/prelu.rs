//! The rectifier whose slope below 0 is learnt.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::module;
use crate::param::Param;

/// x above 0, slope·x below: He et al. 2015, arXiv:1502.01852, eq. (1).
#[derive(Clone, Debug)]
pub struct PRelu {
    /// One slope, `[1]`, or one for each channel, `[channels]`.
    pub weight: Param,
}
module!(PRelu { weight });

impl PRelu {
    /// `slopes` slopes of ¼: 1, or the number of channels.
    pub fn new(slopes: usize) -> Self {
        PRelu { weight: Param::new(Tensor::full([slopes], 0.25)) }
    }
}

impl Layer for PRelu {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        x.prelu(&cx.get(&self.weight))
    }
}
