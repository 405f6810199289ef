//! Layer, root-mean-square and batch normalisation: fused kernels with composite twins.

use std::borrow::Cow;

use etude_kernels::norm as kernel;

use super::around;
use crate::alloc;
use crate::dtype::Float;
use crate::layout::Shape;
use crate::node::{Op, Vjp};
use crate::tensor::Tensor;

/// Over the last axis; inputs x, then weight, then bias, as far as given.
struct LayerNorm<T: Float> {
    eps: f64,
    mean: Tensor<T>,
    rstd: Tensor<T>,
}

impl<T: Float> Op<T> for LayerNorm<T> {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let x = cx.input(0);
        let w = cx.has_input(1).then(|| cx.input(1));
        let (rows, n, _) = around(x.shape(), x.rank() - 1);
        let mut dx = alloc::scratch(x.len());
        let mut dw = cx.has_input(1).then(|| alloc::scratch(n));
        let mut db = cx.has_input(2).then(|| alloc::scratch(n));
        let weights = w.as_ref().map(Tensor::data);
        kernel::layer_norm_grad(
            &x.data(),
            weights.as_deref(),
            &self.mean.data(),
            &self.rstd.data(),
            &g.data(),
            rows,
            n,
            &mut dx,
            dw.as_deref_mut(),
            db.as_deref_mut(),
        );
        let mut grads = vec![Some(Tensor::from_buf(dx, x.shape()))];
        grads.extend(dw.map(|dw| Some(Tensor::from_buf(dw, &[n]))));
        grads.extend(db.map(|db| Some(Tensor::from_buf(db, &[n]))));
        grads
    }
    fn composite(&self, inputs: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(layer_norm_composite(&inputs[0], inputs.get(1), inputs.get(2), self.eps))
    }
}

/// (x − μ)/√(σ² + ε)·w + b from elementary operations. Ba et al. 2016, arXiv:1607.06450, eq. (4).
pub(crate) fn layer_norm_composite<T: Float>(
    x: &Tensor<T>,
    w: Option<&Tensor<T>>,
    b: Option<&Tensor<T>>,
    eps: f64,
) -> Tensor<T> {
    let last = x.rank() - 1;
    let centred = x.centred("layer_norm", &[last]);
    let mut y = &centred * centred.square().mean_keep([last]).affine(1.0, eps).rsqrt();
    if let Some(w) = w {
        y = y * w;
    }
    if let Some(b) = b {
        y = y + b;
    }
    y
}

/// Over the last axis; inputs x, then weight, if given.
struct RmsNorm<T: Float> {
    eps: f64,
    rstd: Tensor<T>,
}

impl<T: Float> Op<T> for RmsNorm<T> {
    fn name(&self) -> &'static str {
        "rms_norm"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let x = cx.input(0);
        let w = cx.has_input(1).then(|| cx.input(1));
        let (rows, n, _) = around(x.shape(), x.rank() - 1);
        let mut dx = alloc::scratch(x.len());
        let mut dw = w.is_some().then(|| alloc::scratch(n));
        let weights = w.as_ref().map(Tensor::data);
        kernel::rms_norm_grad(
            &x.data(),
            weights.as_deref(),
            &self.rstd.data(),
            &g.data(),
            rows,
            n,
            &mut dx,
            dw.as_deref_mut(),
        );
        let mut grads = vec![Some(Tensor::from_buf(dx, x.shape()))];
        grads.extend(dw.map(|dw| Some(Tensor::from_buf(dw, &[n]))));
        grads
    }
    fn composite(&self, inputs: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(rms_norm_composite(&inputs[0], inputs.get(1), self.eps))
    }
}

/// x/√(mean x² + ε)·w from elementary operations. Zhang & Sennrich 2019, arXiv:1910.07467, eq. (4).
pub(crate) fn rms_norm_composite<T: Float>(x: &Tensor<T>, w: Option<&Tensor<T>>, eps: f64) -> Tensor<T> {
    let y = x * x.square().mean_keep([x.rank() - 1]).affine(1.0, eps).rsqrt();
    match w {
        Some(w) => y * w,
        None => y,
    }
}

/// Over every axis but 1, with the batch's own statistics; inputs x, then weight, then bias, as far as given.
struct BatchNorm<T: Float> {
    eps: f64,
    mean: Tensor<T>,
    var: Tensor<T>,
}

impl<T: Float> Op<T> for BatchNorm<T> {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let x = cx.input(0);
        let w = cx.has_input(1).then(|| cx.input(1));
        let (batch, channels, inner) = around(x.shape(), 1);
        let mut dx = alloc::scratch(x.len());
        let mut dw = cx.has_input(1).then(|| alloc::scratch(channels));
        let mut db = cx.has_input(2).then(|| alloc::scratch(channels));
        let weights = w.as_ref().map(Tensor::data);
        kernel::batch_norm_grad(
            &x.data(),
            weights.as_deref(),
            &self.mean.data(),
            &self.var.data(),
            self.eps,
            &g.data(),
            batch,
            channels,
            inner,
            &mut dx,
            dw.as_deref_mut(),
            db.as_deref_mut(),
        );
        let mut grads = vec![Some(Tensor::from_buf(dx, x.shape()))];
        grads.extend([dw, db].into_iter().flatten().map(|buf| Some(Tensor::from_buf(buf, &[channels]))));
        grads
    }
    fn composite(&self, inputs: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(batch_norm_composite(&inputs[0], inputs.get(1), inputs.get(2), self.eps))
    }
}

/// (x − μ)/√(σ² + ε)·w + b from elementary operations. Ioffe & Szegedy 2015, arXiv:1502.03167, alg. 1.
pub(crate) fn batch_norm_composite<T: Float>(
    x: &Tensor<T>,
    w: Option<&Tensor<T>>,
    b: Option<&Tensor<T>>,
    eps: f64,
) -> Tensor<T> {
    let axes: Shape = (0..x.rank()).filter(|&i| i != 1).collect();
    let centred = x.centred("batch_norm", &axes);
    let mut y = &centred * centred.square().mean_keep(&axes).affine(1.0, eps).rsqrt();
    if let Some(w) = w {
        y = y * per_channel(w, x.rank());
    }
    if let Some(b) = b {
        y = y + per_channel(b, x.rank());
    }
    y
}

/// `[c]` as `[1, c, 1, …]`.
fn per_channel<T: Float>(v: &Tensor<T>, rank: usize) -> Tensor<T> {
    let mut shape = Shape::from_elem(1, rank);
    shape[1] = v.len();
    v.reshape(shape)
}

#[track_caller]
fn check_weight<T: Float>(op: &str, v: &Tensor<T>, n: usize, what: &str) {
    assert!(v.shape() == [n], "{op}: the {what} has shape {:?}, expected [{n}]", v.shape());
}

/// A weight of ones where only a bias is given: the inputs of a node stand one behind the other.
fn weight_beside<'a, T: Float>(
    w: Option<&'a Tensor<T>>,
    b: Option<&Tensor<T>>,
    n: usize,
) -> Option<Cow<'a, Tensor<T>>> {
    match (w, b) {
        (None, Some(_)) => Some(Cow::Owned(Tensor::ones([n]))),
        _ => w.map(Cow::Borrowed),
    }
}

impl<T: Float> Tensor<T> {
    /// (x − μ)/√(σ² + ε)·w + b over the last axis, with its mean μ and biased variance σ².
    ///
    /// Ba et al. 2016, arXiv:1607.06450, eq. (4).
    ///
    /// # Panics
    /// If there is no axis, or `w` or `b` has not its length.
    #[track_caller]
    pub fn layer_norm(&self, w: Option<&Tensor<T>>, b: Option<&Tensor<T>>, eps: f64) -> Self {
        assert!(self.rank() > 0, "layer_norm: a tensor of shape [] has no axis");
        let (rows, n, _) = around(self.shape(), self.rank() - 1);
        let w = weight_beside(w, b, n);
        w.as_deref().inspect(|w| check_weight("layer_norm", w, n, "weight"));
        b.inspect(|b| check_weight("layer_norm", b, n, "bias"));
        let (mut out, mut mean, mut rstd) = (alloc::scratch(self.len()), alloc::scratch(rows), alloc::scratch(rows));
        let (weight, bias) = (w.as_deref().map(Tensor::data), b.map(Tensor::data));
        kernel::layer_norm(
            &self.data(),
            weight.as_deref(),
            bias.as_deref(),
            eps,
            rows,
            n,
            &mut out,
            &mut mean,
            &mut rstd,
        );
        let op = LayerNorm { eps, mean: Tensor::from_buf(mean, &[rows]), rstd: Tensor::from_buf(rstd, &[rows]) };
        let inputs: Vec<&Tensor<T>> = [Some(self), w.as_deref(), b].into_iter().flatten().collect();
        Tensor::record(op, &inputs, Tensor::from_buf(out, self.shape()))
    }

    /// x/√(mean x² + ε)·w over the last axis.
    ///
    /// Zhang & Sennrich 2019, arXiv:1910.07467, eq. (4).
    ///
    /// # Panics
    /// If there is no axis, or `w` has not its length.
    #[track_caller]
    pub fn rms_norm(&self, w: Option<&Tensor<T>>, eps: f64) -> Self {
        assert!(self.rank() > 0, "rms_norm: a tensor of shape [] has no axis");
        let (rows, n, _) = around(self.shape(), self.rank() - 1);
        w.inspect(|w| check_weight("rms_norm", w, n, "weight"));
        let (mut out, mut rstd) = (alloc::scratch(self.len()), alloc::scratch(rows));
        let weight = w.map(Tensor::data);
        kernel::rms_norm(&self.data(), weight.as_deref(), eps, rows, n, &mut out, &mut rstd);
        let op = RmsNorm { eps, rstd: Tensor::from_buf(rstd, &[rows]) };
        let inputs: Vec<&Tensor<T>> = [Some(self), w].into_iter().flatten().collect();
        Tensor::record(op, &inputs, Tensor::from_buf(out, self.shape()))
    }

    /// (x − μ)/√(σ² + ε)·w + b for every channel (axis 1), with the mean and biased variance of this batch, which are
    /// returned as well, untracked, for the running statistics. A weight that is not given is 1, a bias 0.
    ///
    /// Ioffe & Szegedy 2015, arXiv:1502.03167, alg. 1.
    ///
    /// # Panics
    /// If there are fewer than two axes, or `w` or `b` has not the number of channels.
    #[track_caller]
    pub fn batch_norm(&self, w: Option<&Tensor<T>>, b: Option<&Tensor<T>>, eps: f64) -> (Self, Self, Self) {
        assert!(self.rank() >= 2, "batch_norm: x {:?} needs two axes", self.shape());
        let (batch, channels, inner) = around(self.shape(), 1);
        let w = weight_beside(w, b, channels);
        w.as_deref().inspect(|w| check_weight("batch_norm", w, channels, "weight"));
        b.inspect(|b| check_weight("batch_norm", b, channels, "bias"));
        let mut out = alloc::scratch(self.len());
        let (mut mean, mut var) = (alloc::scratch(channels), alloc::scratch(channels));
        let (weight, bias) = (w.as_deref().map(Tensor::data), b.map(Tensor::data));
        kernel::batch_norm(
            &self.data(),
            weight.as_deref(),
            bias.as_deref(),
            eps,
            batch,
            channels,
            inner,
            &mut out,
            &mut mean,
            &mut var,
        );
        let (mean, var) = (Tensor::from_buf(mean, &[channels]), Tensor::from_buf(var, &[channels]));
        let op = BatchNorm { eps, mean: mean.clone(), var: var.clone() };
        let inputs: Vec<&Tensor<T>> = [Some(self), w.as_deref(), b].into_iter().flatten().collect();
        let y = Tensor::record(op, &inputs, Tensor::from_buf(out, self.shape()));
        (y, mean, var)
    }
}
