//! Adam and AdamW.
//!
//! Sources: Kingma & Ba 2015, *Adam: a method for stochastic optimization*, arXiv 1412.6980, algorithm 1 (the moments are
//! corrected before the root, ε is added after it); Loshchilov & Hutter 2019, *Decoupled weight decay regularization*,
//! arXiv 1711.05101, algorithm 2; Reddi, Kale & Kumar 2018, *On the convergence of Adam and beyond*, arXiv 1904.09237,
//! algorithm 2 (AMSGrad, with PyTorch's correction of the moments).

use etude_kernels::optim;
use serde::Serialize;

use super::{Optim, Rule, check_setting};
use crate::module::Module;

/// m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  θ ← θ − lr·m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).
/// Weight decay, if any, is added to the gradient.
pub type Adam = Optim<AdamRule<false>>;

/// [`Adam`] whose weight decay shrinks the parameter itself, θ ← θ − lr·λ·θ; λ is 0.01 unless told.
pub type AdamW = Optim<AdamRule<true>>;

/// The settings of [`Adam`] and, with decoupled weight decay, [`AdamW`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdamRule<const DECOUPLED: bool> {
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
}

impl<const DECOUPLED: bool> Optim<AdamRule<DECOUPLED>> {
    /// The parameters of `model`, with β = (0.9, 0.999) and ε = 10⁻⁸.
    ///
    /// # Panics
    /// If there are none, or `lr` is negative or not finite.
    #[track_caller]
    pub fn new(model: &dyn Module, lr: f64) -> Self {
        let weight_decay = if DECOUPLED { 0.01 } else { 0.0 };
        Self::with_rule(model, lr, AdamRule { betas: [0.9, 0.999], eps: 1e-8, weight_decay, amsgrad: false })
    }

    /// The decays β₁ and β₂ of the moments.
    ///
    /// # Panics
    /// If one is not in [0, 1).
    #[track_caller]
    pub fn betas(self, first: f64, second: f64) -> Self {
        let betas = [first, second];
        assert!(betas.iter().all(|beta| (0.0..1.0).contains(beta)), "betas: {betas:?} are not in [0, 1)");
        self.configure(|rule| rule.betas = betas)
    }

    /// ε, added to the root of the second moment.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn eps(self, eps: f64) -> Self {
        check_setting("eps", eps);
        self.configure(|rule| rule.eps = eps)
    }

    /// Divides by the root of the largest second moment so far (AMSGrad), so that no step grows because gradients got small.
    pub fn amsgrad(self) -> Self {
        self.configure(|rule| rule.amsgrad = true)
    }

    /// The weight decay λ.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        check_setting("weight_decay", weight_decay);
        self.configure(|rule| rule.weight_decay = weight_decay)
    }
}

impl<const DECOUPLED: bool> Rule for AdamRule<DECOUPLED> {
    const NAME: &'static str = if DECOUPLED { "AdamW" } else { "Adam" };

    fn states(&self) -> Vec<&'static str> {
        let mut names = vec!["exp_avg", "exp_avg_sq"];
        if self.amsgrad {
            names.push("max_exp_avg_sq");
        }
        names
    }

    fn update(&self, lr: f64, decay: bool, step: u64, param: &mut [f32], grad: &[f32], states: &mut [&mut [f32]]) {
        let hyper = optim::Adam {
            lr,
            beta1: self.betas[0],
            beta2: self.betas[1],
            eps: self.eps,
            weight_decay: if decay { self.weight_decay } else { 0.0 },
            decoupled: DECOUPLED,
            step,
        };
        match states {
            [m, v] => optim::adam(param, grad, m, v, &hyper),
            [m, v, most] => optim::amsgrad(param, grad, m, v, most, &hyper),
            _ => unreachable!("Adam has two states, AMSGrad three"),
        }
    }
}
