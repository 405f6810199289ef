//! Layer and batch normalisation.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::module;
use crate::param::{Buffer, Param};

/// Normalises the last axis: Ba et al. 2016, arXiv:1607.06450, eq. (4).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `[dim]`, from 1.
    pub weight: Param,
    /// `[dim]`, from 0.
    pub bias: Option<Param>,
    /// Added to the variance.
    pub eps: f64,
}
module!(LayerNorm { weight, bias; eps });

impl LayerNorm {
    /// ε = 10⁻⁵.
    pub fn new(dim: usize) -> Self {
        LayerNorm { weight: Param::new(Tensor::ones([dim])), bias: Some(Param::new(Tensor::zeros([dim]))), eps: 1e-5 }
    }

    /// Without a bias.
    pub fn no_bias(dim: usize) -> Self {
        LayerNorm { bias: None, ..Self::new(dim) }
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        x.layer_norm(Some(&cx.get(&self.weight)), self.bias.as_ref().map(|b| cx.get(b)).as_ref(), self.eps)
    }
}

/// Normalises each channel (axis 1) over all other axes: Ioffe & Szegedy 2015, arXiv:1502.03167.
///
/// Training uses the batch's mean and biased variance (alg. 1) and moves the running ones towards its mean and *unbiased*
/// variance; evaluation uses the running ones (alg. 2). As PyTorch's.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// `[channels]`, from 1.
    pub weight: Param,
    /// `[channels]`, from 0.
    pub bias: Param,
    /// `[channels]`, from 0.
    pub running_mean: Buffer,
    /// `[channels]`, from 1.
    pub running_var: Buffer,
    /// Batches seen in training; no axes.
    pub num_batches_tracked: Buffer<i64>,
    /// How far one batch moves the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub eps: f64,
}
module!(BatchNorm { weight, bias, running_mean, running_var, num_batches_tracked; momentum, eps });

/// [`BatchNorm`] of `[n, channels]` or `[n, channels, length]`.
pub type BatchNorm1d = BatchNorm;
/// [`BatchNorm`] of `[n, channels, height, width]`.
pub type BatchNorm2d = BatchNorm;

impl BatchNorm {
    /// Momentum 0.1, ε = 10⁻⁵.
    pub fn new(channels: usize) -> Self {
        BatchNorm {
            weight: Param::new(Tensor::ones([channels])),
            bias: Param::new(Tensor::zeros([channels])),
            running_mean: Buffer::new(Tensor::zeros([channels])),
            running_var: Buffer::new(Tensor::ones([channels])),
            num_batches_tracked: Buffer::new(Tensor::scalar(0)),
            momentum: 0.1,
            eps: 1e-5,
        }
    }

    /// Moves the running statistics towards those of a batch with `n` values a channel.
    fn track(&self, mean: &Tensor, var: &Tensor, n: usize) {
        let toward = |old: &Buffer, new: &Tensor, scale: f64| {
            old.set(&(old.get().affine(1.0 - self.momentum, 0.0) + new.detach().affine(self.momentum * scale, 0.0)));
        };
        toward(&self.running_mean, mean, 1.0);
        toward(&self.running_var, var, n as f64 / (n as f64 - 1.0));
        self.num_batches_tracked.set(&Tensor::scalar(self.num_batches_tracked.get().item() + 1));
    }
}

impl Layer for BatchNorm {
    /// # Panics
    /// If axis 1 has another length, or a training batch has a single value a channel: its variance says nothing.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let (w, b) = (cx.get(&self.weight), cx.get(&self.bias));
        let channels = w.len();
        assert!(
            x.rank() >= 2 && x.dim(1) == channels,
            "BatchNorm: x {:?} has not {channels} channels in axis 1",
            x.shape()
        );
        if cx.is_train() {
            let n = x.len() / channels.max(1);
            assert!(n > 1, "BatchNorm: training needs more than one value a channel, x is {:?}", x.shape());
            let (y, mean, var) = x.batch_norm(&w, &b, self.eps);
            self.track(&mean, &var, n);
            return y;
        }
        let mut shape = vec![1; x.rank()];
        shape[1] = channels;
        let scale = w * self.running_var.get().affine(1.0, self.eps).rsqrt();
        let shift = b - self.running_mean.get() * &scale;
        x * scale.reshape(&shape) + shift.reshape(&shape)
    }
}
