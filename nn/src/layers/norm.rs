//! Layer, root-mean-square, group, instance and batch normalisation.

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

/// Divides the last axis by its root mean square: Zhang & Sennrich 2019, arXiv:1910.07467, eq. (4).
#[derive(Clone, Debug)]
pub struct RmsNorm {
    /// `[dim]`, from 1.
    pub weight: Param,
    /// Added to the mean square.
    pub eps: f64,
}
module!(RmsNorm { weight; eps });

impl RmsNorm {
    /// ε = 2⁻²³, the distance from 1 to the next f32.
    pub fn new(dim: usize) -> Self {
        RmsNorm { weight: Param::new(Tensor::ones([dim])), eps: f64::from(f32::EPSILON) }
    }
}

impl Layer for RmsNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        x.rms_norm(Some(&cx.get(&self.weight)), self.eps)
    }
}

/// Normalises each group of neighbouring channels (axis 1) of each sample, over the axes behind too: Wu & He 2018,
/// arXiv:1803.08494, eq. (7).
#[derive(Clone, Debug)]
pub struct GroupNorm {
    /// `[channels]`, from 1.
    pub weight: Param,
    /// `[channels]`, from 0.
    pub bias: Param,
    /// Groups that the channels are cut into.
    pub num_groups: usize,
    /// Added to the variance.
    pub eps: f64,
}
module!(GroupNorm { weight, bias; num_groups, eps });

impl GroupNorm {
    /// ε = 10⁻⁵.
    ///
    /// # Panics
    /// If the channels cannot be cut into so many groups.
    #[track_caller]
    pub fn new(num_groups: usize, channels: usize) -> Self {
        assert!(
            num_groups > 0 && channels.is_multiple_of(num_groups),
            "GroupNorm: {channels} channels are not a multiple of {num_groups} groups"
        );
        let (weight, bias) = (Param::new(Tensor::ones([channels])), Param::new(Tensor::zeros([channels])));
        GroupNorm { weight, bias, num_groups, eps: 1e-5 }
    }
}

impl Layer for GroupNorm {
    /// # Panics
    /// If axis 1 has another length.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let (w, b) = (cx.get(&self.weight), cx.get(&self.bias));
        check_channels("GroupNorm", x, w.len());
        normalise_groups(x, self.num_groups, Some((&w, &b)), self.eps)
    }
}

/// Normalises each channel (axis 1) of each sample over the axes behind: Ulyanov et al. 2016, arXiv:1607.08022, eq. (4).
///
/// Training and evaluation are the same: there are no running statistics, as by PyTorch's default.
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    /// `[channels]`, from 1; only of an affine one.
    pub weight: Option<Param>,
    /// `[channels]`, from 0; only of an affine one.
    pub bias: Option<Param>,
    /// Channels.
    pub num_features: usize,
    /// Added to the variance.
    pub eps: f64,
}
module!(InstanceNorm { weight, bias; num_features, eps });

/// [`InstanceNorm`] of `[n, channels, length]`.
pub type InstanceNorm1d = InstanceNorm;
/// [`InstanceNorm`] of `[n, channels, height, width]`.
pub type InstanceNorm2d = InstanceNorm;

impl InstanceNorm {
    /// Without parameters, ε = 10⁻⁵: PyTorch's default.
    pub fn new(channels: usize) -> Self {
        InstanceNorm { weight: None, bias: None, num_features: channels, eps: 1e-5 }
    }

    /// With a weight and a bias.
    pub fn affine(channels: usize) -> Self {
        let (weight, bias) = (Param::new(Tensor::ones([channels])), Param::new(Tensor::zeros([channels])));
        InstanceNorm { weight: Some(weight), bias: Some(bias), ..Self::new(channels) }
    }
}

impl Layer for InstanceNorm {
    /// # Panics
    /// If axis 1 has another length, there is no axis behind it, or a channel of a sample has a single value: its variance
    /// says nothing.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        check_channels("InstanceNorm", x, self.num_features);
        let single = x.shape()[2..].iter().product::<usize>() == 1;
        assert!(!single, "InstanceNorm: needs more than one value a channel, x is {:?}", x.shape());
        let affine = self.weight.as_ref().zip(self.bias.as_ref()).map(|(w, b)| (cx.get(w), cx.get(b)));
        normalise_groups(x, self.num_features, affine.as_ref().map(|(w, b)| (w, b)), self.eps)
    }
}

#[track_caller]
fn check_channels(layer: &str, x: &Tensor, channels: usize) {
    let fits = x.rank() >= 2 && x.dim(1) == channels;
    assert!(fits, "{layer}: x {:?} has not {channels} channels in axis 1", x.shape());
}

/// Axis 1 of `x` in groups, each with the mean and variance of a sample, then a weight and a bias for each channel.
#[track_caller]
fn normalise_groups(x: &Tensor, groups: usize, affine: Option<(&Tensor, &Tensor)>, eps: f64) -> Tensor {
    let rows = x.dim(0) * groups;
    let y = x.reshape([rows, x.len() / rows.max(1)]).layer_norm(None, None, eps).reshape(x.shape());
    let mut shape = vec![1; x.rank()];
    shape[1] = x.dim(1);
    match affine {
        Some((w, b)) => y * w.reshape(&shape) + b.reshape(&shape),
        None => y,
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
        check_channels("BatchNorm", x, channels);
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
