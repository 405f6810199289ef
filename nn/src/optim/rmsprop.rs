//! RMSprop.
//!
//! Source: Hinton, Srivastava & Swersky 2012, *Neural networks for machine learning*, lecture 6e; the centred form is that
//! of Graves 2013, arXiv 1308.0850, eqs. (38)–(41), with ε outside the root, as in PyTorch.

use etude_kernels::optim;
use serde::Serialize;

use super::{Optim, Rule, check_setting};
use crate::module::Module;

/// s ← α·s + (1 − α)·g²;  θ ← θ − lr·g / (√s + ε), with the mean gradient's square taken off s when centred.
pub type RmsProp = Optim<RmsPropRule>;

/// The settings of [`RmsProp`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RmsPropRule {
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
}

impl RmsProp {
    /// The parameters of `model`, with α = 0.99 and ε = 10⁻⁸.
    ///
    /// # Panics
    /// If there are none, or `lr` is negative or not finite.
    #[track_caller]
    pub fn new(model: &dyn Module, lr: f64) -> Self {
        let rule = RmsPropRule { alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false };
        Self::with_rule(model, lr, rule)
    }

    /// The decay α of the mean square.
    ///
    /// # Panics
    /// If it is not in [0, 1].
    #[track_caller]
    pub fn alpha(self, alpha: f64) -> Self {
        assert!((0.0..=1.0).contains(&alpha), "alpha: {alpha} is not in [0, 1]");
        self.configure(|rule| rule.alpha = alpha)
    }

    /// ε, added to the root.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn eps(self, eps: f64) -> Self {
        check_setting("eps", eps);
        self.configure(|rule| rule.eps = eps)
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

    /// Momentum of the scaled gradients.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn momentum(self, momentum: f64) -> Self {
        check_setting("momentum", momentum);
        self.configure(|rule| rule.momentum = momentum)
    }

    /// Estimates the variance of the gradient instead of its mean square.
    pub fn centered(self) -> Self {
        self.configure(|rule| rule.centered = true)
    }
}

impl Rule for RmsPropRule {
    const NAME: &'static str = "RMSprop";

    fn states(&self) -> Vec<&'static str> {
        let mut names = vec!["square_avg"];
        if self.momentum > 0.0 {
            names.push("momentum_buffer");
        }
        if self.centered {
            names.push("grad_avg");
        }
        names
    }

    fn update(&self, lr: f64, decay: bool, _: u64, param: &mut [f32], grad: &[f32], states: &mut [&mut [f32]]) {
        let hyper = optim::RmsProp {
            lr,
            alpha: self.alpha,
            eps: self.eps,
            weight_decay: if decay { self.weight_decay } else { 0.0 },
            momentum: self.momentum,
            centered: self.centered,
        };
        let [square, rest @ ..] = states else { unreachable!("RMSprop has a mean square") };
        let (buffer, mean): (&mut [f32], &mut [f32]) = match rest {
            [buffer, mean] => (buffer, mean),
            [buffer] if self.momentum > 0.0 => (buffer, &mut []),
            [mean] => (&mut [], mean),
            _ => (&mut [], &mut []),
        };
        optim::rmsprop(param, grad, square, buffer, mean, &hyper);
    }
}
