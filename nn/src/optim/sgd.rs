//! Stochastic gradient descent with momentum.
//!
//! Source: Sutskever, Martens, Dahl & Hinton 2013, *On the importance of initialization and momentum in deep learning*;
//! in PyTorch's form, where the learning rate multiplies the buffer instead of entering it.

use etude_kernels::optim;
use serde::Serialize;

use super::{Optim, Rule, check_setting};
use crate::module::Module;

/// g ← ∇ + λ·θ;  b ← μ·b + (1 − τ)·g;  θ ← θ − lr·(g + μ·b with Nesterov, b without, g if μ = 0).
pub type Sgd = Optim<SgdRule>;

/// The settings of [`Sgd`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SgdRule {
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
}

impl Sgd {
    /// Plain gradient descent on the parameters of `model`.
    ///
    /// # Panics
    /// If there are none, or `lr` is negative or not finite.
    #[track_caller]
    pub fn new(model: &dyn Module, lr: f64) -> Self {
        Self::with_rule(model, lr, SgdRule::default())
    }

    /// Momentum μ.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn momentum(self, momentum: f64) -> Self {
        check_setting("momentum", momentum);
        self.configure(|rule| rule.momentum = momentum)
    }

    /// Dampening τ of the gradient in the buffer; the first gradient enters undamped.
    ///
    /// # Panics
    /// If it is not finite.
    #[track_caller]
    pub fn dampening(self, dampening: f64) -> Self {
        assert!(dampening.is_finite(), "dampening: {dampening} is not finite");
        self.configure(|rule| rule.dampening = dampening)
    }

    /// Nesterov's form of the momentum, which is set before.
    ///
    /// # Panics
    /// If there is no momentum.
    #[track_caller]
    pub fn nesterov(self) -> Self {
        assert!(self.rules().all(|rule| rule.momentum > 0.0), "nesterov: there is no momentum");
        self.configure(|rule| rule.nesterov = true)
    }

    /// The L2 penalty λ, added to the gradient.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        check_setting("weight_decay", weight_decay);
        self.configure(|rule| rule.weight_decay = weight_decay)
    }
}

impl Rule for SgdRule {
    const NAME: &'static str = "SGD";

    fn states(&self) -> Vec<&'static str> {
        if self.momentum == 0.0 { vec![] } else { vec!["momentum_buffer"] }
    }

    fn update(&self, lr: f64, decay: bool, step: u64, param: &mut [f32], grad: &[f32], states: &mut [&mut [f32]]) {
        let hyper = optim::Sgd {
            lr,
            momentum: self.momentum,
            // With the buffer at zero this is PyTorch's first step: b ← g.
            dampening: if step == 1 { 0.0 } else { self.dampening },
            weight_decay: if decay { self.weight_decay } else { 0.0 },
            nesterov: self.nesterov,
        };
        match states {
            [buffer] => optim::sgd(param, grad, buffer, &hyper),
            _ => optim::sgd(param, grad, &mut [], &hyper),
        }
    }
}
