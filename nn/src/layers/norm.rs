//! Layer, root-mean-square, group, instance and batch normalisation.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::module;
use crate::param::{Buffer, Param};

/// Normalises the last axis, or several: Ba et al. 2016, arXiv:1607.06450, eq. (4).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Shaped as the normalised axes, from 1.
    pub weight: Option<Param>,
    /// Shaped as the normalised axes, from 0.
    pub bias: Option<Param>,
    /// The lengths of the normalised axes, the last of the input.
    pub normalized_shape: Vec<usize>,
    /// Added to the variance.
    pub eps: f64,
}
module!(LayerNorm { weight, bias; normalized_shape, eps });

impl LayerNorm {
    /// Of the last axis, ε = 10⁻⁵.
    pub fn new(dim: usize) -> Self {
        Self::over([dim])
    }

    /// Of all elements of the last axes, which have these lengths.
    ///
    /// # Panics
    /// If there is no axis.
    #[track_caller]
    pub fn over(shape: impl AsRef<[usize]>) -> Self {
        let shape = normalised("LayerNorm", shape.as_ref());
        let (weight, bias) = (Param::new(Tensor::ones(&shape)), Param::new(Tensor::zeros(&shape)));
        LayerNorm { weight: Some(weight), bias: Some(bias), normalized_shape: shape, eps: 1e-5 }
    }

    /// Of the last axis, without a bias.
    pub fn no_bias(dim: usize) -> Self {
        LayerNorm { bias: None, ..Self::new(dim) }
    }

    /// The same without weight and bias.
    pub fn no_affine(self) -> Self {
        LayerNorm { weight: None, bias: None, ..self }
    }
}

impl Layer for LayerNorm {
    /// # Panics
    /// If the last axes of `x` have other lengths.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let [w, b] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| cx.get(p).flatten_from(0)));
        joined("LayerNorm", x, &self.normalized_shape, |x| x.layer_norm(w.as_ref(), b.as_ref(), self.eps))
    }
}

/// Divides the last axis, or several, by its root mean square: Zhang & Sennrich 2019, arXiv:1910.07467, eq. (4).
#[derive(Clone, Debug)]
pub struct RmsNorm {
    /// Shaped as the normalised axes, from 1.
    pub weight: Option<Param>,
    /// The lengths of the normalised axes, the last of the input.
    pub normalized_shape: Vec<usize>,
    /// Added to the mean square.
    pub eps: f64,
}
module!(RmsNorm { weight; normalized_shape, eps });

impl RmsNorm {
    /// Of the last axis; ε = 2⁻²³, the distance from 1 to the next f32.
    pub fn new(dim: usize) -> Self {
        Self::over([dim])
    }

    /// Of all elements of the last axes, which have these lengths.
    ///
    /// # Panics
    /// If there is no axis.
    #[track_caller]
    pub fn over(shape: impl AsRef<[usize]>) -> Self {
        let shape = normalised("RmsNorm", shape.as_ref());
        let weight = Some(Param::new(Tensor::ones(&shape)));
        RmsNorm { weight, normalized_shape: shape, eps: f64::from(f32::EPSILON) }
    }

    /// The same without a weight.
    pub fn no_affine(self) -> Self {
        RmsNorm { weight: None, ..self }
    }
}

impl Layer for RmsNorm {
    /// # Panics
    /// If the last axes of `x` have other lengths.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let w = self.weight.as_ref().map(|w| cx.get(w).flatten_from(0));
        joined("RmsNorm", x, &self.normalized_shape, |x| x.rms_norm(w.as_ref(), self.eps))
    }
}

#[track_caller]
fn normalised(layer: &str, shape: &[usize]) -> Vec<usize> {
    assert!(!shape.is_empty(), "{layer}: no axis to normalise");
    shape.to_vec()
}

/// `f` of `x` with its last axes, which must have these lengths, as one.
#[track_caller]
fn joined(layer: &str, x: &Tensor, shape: &[usize], f: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    assert!(x.shape().ends_with(shape), "{layer}: x {:?} does not end with the normalised axes {shape:?}", x.shape());
    if let [_] = shape {
        return f(x);
    }
    f(&x.flatten(x.rank() - shape.len()..)).reshape(x.shape())
}

/// Normalises each group of neighbouring channels (axis 1) of each sample, over the axes behind too: Wu & He 2018,
/// arXiv:1803.08494, eq. (7).
#[derive(Clone, Debug)]
pub struct GroupNorm {
    /// `[channels]`, from 1.
    pub weight: Option<Param>,
    /// `[channels]`, from 0.
    pub bias: Option<Param>,
    /// Groups that the channels are cut into.
    pub num_groups: usize,
    /// Channels.
    pub num_channels: usize,
    /// Added to the variance.
    pub eps: f64,
}
module!(GroupNorm { weight, bias; num_groups, num_channels, eps });

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
        let [weight, bias] = affine(channels);
        GroupNorm { weight, bias, num_groups, num_channels: channels, eps: 1e-5 }
    }

    /// The same without weight and bias.
    pub fn no_affine(self) -> Self {
        GroupNorm { weight: None, bias: None, ..self }
    }
}

impl Layer for GroupNorm {
    /// # Panics
    /// If axis 1 has another length.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        check_channels("GroupNorm", x, self.num_channels);
        normalise_groups(x, self.num_groups, [&self.weight, &self.bias], self.eps, cx)
    }
}

/// A weight of ones and a bias of zeros.
fn affine(channels: usize) -> [Option<Param>; 2] {
    [Tensor::ones([channels]), Tensor::zeros([channels])].map(|x| Some(Param::new(x)))
}

/// Normalises each channel (axis 1) of each sample over the axes behind: Ulyanov et al. 2016, arXiv:1607.08022, eq. (4).
///
/// Training and evaluation are the same unless there are running statistics, which PyTorch's default has not: training then
/// moves them towards the means over the samples of the means and unbiased variances of a batch, and evaluation uses them.
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    /// `[channels]`, from 1; only of an affine one.
    pub weight: Option<Param>,
    /// `[channels]`, from 0; only of an affine one.
    pub bias: Option<Param>,
    /// What evaluation uses, if anything.
    pub running: Option<Running>,
    /// Channels.
    pub num_features: usize,
    /// How far one batch moves the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub eps: f64,
}
module!(InstanceNorm { weight, bias, running as ""; num_features, momentum, eps });

/// [`InstanceNorm`] of `[n, channels, length]`.
pub type InstanceNorm1d = InstanceNorm;
/// [`InstanceNorm`] of `[n, channels, height, width]`.
pub type InstanceNorm2d = InstanceNorm;

impl InstanceNorm {
    /// Without parameters and running statistics, ε = 10⁻⁵, momentum 0.1: PyTorch's default.
    pub fn new(channels: usize) -> Self {
        InstanceNorm { weight: None, bias: None, running: None, num_features: channels, momentum: 0.1, eps: 1e-5 }
    }

    /// The same with running statistics (`track_running_stats=True`). Their count of batches stays as it is, as in PyTorch.
    pub fn running_stats(self) -> Self {
        InstanceNorm { running: Some(Running::new(self.num_features)), ..self }
    }

    /// With a weight and a bias.
    pub fn affine(channels: usize) -> Self {
        let [weight, bias] = affine(channels);
        InstanceNorm { weight, bias, ..Self::new(channels) }
    }
}

impl Layer for InstanceNorm {
    /// # Panics
    /// If axis 1 has another length, or a channel of a sample that is normalised by its own statistics has a single value: its
    /// variance says nothing.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        check_channels("InstanceNorm", x, self.num_features);
        if let (Some(running), false) = (&self.running, cx.is_train()) {
            return running.normalise(x, [&self.weight, &self.bias], self.eps, cx);
        }
        let n = x.shape()[2..].iter().product::<usize>();
        assert!(n != 1, "InstanceNorm: needs more than one value a channel, x is {:?}", x.shape());
        if let Some(running) = self.running.as_ref().filter(|_| !x.is_empty()) {
            let x = x.detach().flatten_from(2);
            let [mean, var] = [x.mean_dims([2]), x.var_dims([2])].map(|each| each.mean_dims([0]));
            running.track(self.momentum, &mean, &var, n);
        }
        normalise_groups(x, self.num_features, [&self.weight, &self.bias], self.eps, cx)
    }
}

#[track_caller]
fn check_channels(layer: &str, x: &Tensor, channels: usize) {
    let fits = x.rank() >= 2 && x.dim(1) == channels;
    assert!(fits, "{layer}: x {:?} has not {channels} channels in axis 1", x.shape());
}

/// Axis 1 of `x` in groups, each with the mean and variance of a sample, then the weight and bias of each channel.
#[track_caller]
fn normalise_groups(x: &Tensor, groups: usize, [w, b]: [&Option<Param>; 2], eps: f64, cx: &Ctx) -> Tensor {
    let rows = x.dim(0) * groups;
    let mut y = x.reshape([rows, x.len() / rows.max(1)]).layer_norm(None, None, eps).reshape(x.shape());
    if let Some(w) = w {
        y = y * per_channel(&cx.get(w), x.rank());
    }
    if let Some(b) = b {
        y = y + per_channel(&cx.get(b), x.rank());
    }
    y
}

/// `[channels]` as `[1, channels, 1, …]`.
fn per_channel(v: &Tensor, rank: usize) -> Tensor {
    let mut shape = vec![1; rank];
    shape[1] = v.len();
    v.reshape(shape)
}

/// Normalises each channel (axis 1) over all other axes: Ioffe & Szegedy 2015, arXiv:1502.03167.
///
/// Training uses the batch's mean and biased variance (alg. 1) and moves the running ones towards its mean and *unbiased*
/// variance; evaluation uses the running ones (alg. 2). As PyTorch's.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// `[channels]`, from 1.
    pub weight: Option<Param>,
    /// `[channels]`, from 0.
    pub bias: Option<Param>,
    /// What evaluation uses; without it, evaluation uses the batch's own statistics as training does.
    pub running: Option<Running>,
    /// Channels.
    pub num_features: usize,
    /// How far one batch moves the running statistics; `None` makes them the mean over all batches so far.
    pub momentum: Option<f64>,
    /// Added to the variance.
    pub eps: f64,
}
module!(BatchNorm { weight, bias, running as ""; num_features, momentum, eps });

/// The running statistics of a [`BatchNorm`] or an [`InstanceNorm`].
#[derive(Clone, Debug)]
pub struct Running {
    /// `[channels]`, from 0.
    pub mean: Buffer,
    /// `[channels]`, from 1.
    pub var: Buffer,
    /// Batches that a [`BatchNorm`] has seen in training; no axes.
    pub batches: Buffer<i64>,
}
module!(Running { mean as "running_mean", var as "running_var", batches as "num_batches_tracked" });

/// [`BatchNorm`] of `[n, channels]` or `[n, channels, length]`.
pub type BatchNorm1d = BatchNorm;
/// [`BatchNorm`] of `[n, channels, height, width]`.
pub type BatchNorm2d = BatchNorm;

impl BatchNorm {
    /// Momentum 0.1, ε = 10⁻⁵.
    pub fn new(channels: usize) -> Self {
        let ([weight, bias], running) = (affine(channels), Some(Running::new(channels)));
        BatchNorm { weight, bias, running, num_features: channels, momentum: Some(0.1), eps: 1e-5 }
    }

    /// The same without weight and bias.
    pub fn no_affine(self) -> Self {
        BatchNorm { weight: None, bias: None, ..self }
    }

    /// The same without running statistics: every batch is normalised by its own (`track_running_stats=False`).
    pub fn no_running_stats(self) -> Self {
        BatchNorm { running: None, ..self }
    }
}

impl Running {
    fn new(channels: usize) -> Self {
        Running {
            mean: Buffer::new(Tensor::zeros([channels])),
            var: Buffer::new(Tensor::ones([channels])),
            batches: Buffer::new(Tensor::scalar(0)),
        }
    }

    /// One batch more, and how far it moves the statistics.
    fn count(&self, momentum: Option<f64>) -> f64 {
        // A count from a file may be anything.
        let batches = self.batches.get().item().max(0).saturating_add(1);
        self.batches.set(&Tensor::scalar(batches));
        momentum.unwrap_or(1.0 / batches as f64)
    }

    /// Moves towards the mean and the biased variance of `n` values a channel.
    fn track(&self, momentum: f64, mean: &Tensor, var: &Tensor, n: usize) {
        let toward = |old: &Buffer, new: &Tensor, scale: f64| {
            old.set(&(old.get().affine(1.0 - momentum, 0.0) + new.detach().affine(momentum * scale, 0.0)));
        };
        toward(&self.mean, mean, 1.0);
        toward(&self.var, var, n as f64 / (n as f64 - 1.0));
    }

    /// `x` by these statistics, then the weight and bias of each channel.
    fn normalise(&self, x: &Tensor, affine: [&Option<Param>; 2], eps: f64, cx: &Ctx) -> Tensor {
        let [w, b] = affine.map(|p| p.as_ref().map(|p| cx.get(p)));
        let rstd = self.var.get().affine(1.0, eps).rsqrt();
        let scale = w.map_or(rstd.clone(), |w| w * &rstd);
        let shift = -(self.mean.get() * &scale);
        let shift = b.map_or(shift.clone(), |b| b + &shift);
        x * per_channel(&scale, x.rank()) + per_channel(&shift, x.rank())
    }
}

impl Layer for BatchNorm {
    /// # Panics
    /// If axis 1 has another length, or a batch that is normalised by its own statistics has a single value a channel: its
    /// variance says nothing.
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let channels = self.num_features;
        check_channels("BatchNorm", x, channels);
        if let (Some(running), false) = (&self.running, cx.is_train()) {
            return running.normalise(x, [&self.weight, &self.bias], self.eps, cx);
        }
        let n = x.len() / channels.max(1);
        assert!(n > 1, "BatchNorm: the statistics of a batch need more than one value a channel, x is {:?}", x.shape());
        let [w, b] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| cx.get(p)));
        let (y, mean, var) = x.batch_norm(w.as_ref(), b.as_ref(), self.eps);
        if let (Some(running), true) = (&self.running, cx.is_train()) {
            running.track(running.count(self.momentum), &mean, &var, n);
        }
        y
    }
}
