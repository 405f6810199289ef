//! Fused optimiser updates: one pass over a parameter, its gradient and its state.

use crate::elem::Real;

/// Stochastic gradient descent with momentum (PyTorch's `SGD`).
///
/// PyTorch's first step takes the gradient undamped into the buffer: there, pass a buffer of zeros and `dampening: 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Momentum μ.
    pub momentum: f64,
    /// Dampening τ of the gradient in the buffer.
    pub dampening: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Nesterov's form.
    pub nesterov: bool,
}

/// Adam and AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay acts on the parameter (AdamW) or on the gradient.
    pub decoupled: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

/// RMSprop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean square.
    pub alpha: f64,
    /// Added to the root.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Momentum; 0 for none.
    pub momentum: f64,
    /// Whether the square is centred by the mean gradient.
    pub centered: bool,
}

fn flush<T: Real>(x: f64) -> T {
    let x = T::from_f64(x);
    if x.to_f64().abs() < T::MIN_POSITIVE.to_f64() { T::ZERO } else { x }
}

/// One step of [`Sgd`]; `buffer` is `&mut []` without momentum.
#[track_caller]
pub fn sgd<T: Real>(param: &mut [T], grad: &[T], buffer: &mut [T], hyper: &Sgd) {
    for i in 0..param.len() {
        let p = param[i].to_f64();
        let mut g = grad[i].to_f64() + hyper.weight_decay * p;
        if hyper.momentum != 0.0 {
            buffer[i] = flush(hyper.momentum * buffer[i].to_f64() + (1.0 - hyper.dampening) * g);
            let b = buffer[i].to_f64();
            g = if hyper.nesterov { g + hyper.momentum * b } else { b };
        }
        param[i] = T::from_f64(p - hyper.lr * g);
    }
}

/// One step of [`Adam`] with the moments `m` and `v`.
#[track_caller]
pub fn adam<T: Real>(param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], hyper: &Adam) {
    let c1 = 1.0 - hyper.beta1.powf(hyper.step as f64);
    let c2 = 1.0 - hyper.beta2.powf(hyper.step as f64);
    for i in 0..param.len() {
        let mut p = param[i].to_f64();
        let mut g = grad[i].to_f64();
        if hyper.decoupled {
            p -= hyper.lr * hyper.weight_decay * p;
        } else {
            g += hyper.weight_decay * p;
        }
        m[i] = flush(hyper.beta1 * m[i].to_f64() + (1.0 - hyper.beta1) * g);
        v[i] = flush(hyper.beta2 * v[i].to_f64() + (1.0 - hyper.beta2) * g * g);
        let root = (v[i].to_f64() / c2).sqrt() + hyper.eps;
        param[i] = T::from_f64(p - hyper.lr * m[i].to_f64() / c1 / root);
    }
}

/// One step of [`RmsProp`]: the mean square, the momentum buffer (`&mut []` without momentum) and the mean gradient
/// (`&mut []` unless centred).
#[track_caller]
pub fn rmsprop<T: Real>(
    param: &mut [T],
    grad: &[T],
    square: &mut [T],
    buffer: &mut [T],
    mean: &mut [T],
    hyper: &RmsProp,
) {
    for i in 0..param.len() {
        let p = param[i].to_f64();
        let g = grad[i].to_f64() + hyper.weight_decay * p;
        square[i] = flush(hyper.alpha * square[i].to_f64() + (1.0 - hyper.alpha) * g * g);
        let mut s = square[i].to_f64();
        if hyper.centered {
            mean[i] = flush(hyper.alpha * mean[i].to_f64() + (1.0 - hyper.alpha) * g);
            s -= mean[i].to_f64().powi(2);
        }
        let step = g / (s.max(0.0).sqrt() + hyper.eps);
        if hyper.momentum > 0.0 {
            buffer[i] = flush(hyper.momentum * buffer[i].to_f64() + step);
            param[i] = T::from_f64(p - hyper.lr * buffer[i].to_f64());
        } else {
            param[i] = T::from_f64(p - hyper.lr * step);
        }
    }
}
