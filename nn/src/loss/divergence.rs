//! Divergences and likelihoods of distributions.

use etude_autograd::{Float, Tensor};

use super::{check, difference};

/// KL(N(μ, σ²) ‖ N(0, 1)) = −½ Σ (1 + ln σ² − μ² − σ²) of each row, over all axes but the first: `[batch]`.
///
/// Kingma & Welling 2014, arXiv:1312.6114, appendix B.
///
/// # Panics
/// If the shapes differ or there is no axis.
#[track_caller]
pub fn kl_std_normal<T: Float>(mu: &Tensor<T>, logvar: &Tensor<T>) -> Tensor<T> {
    check("kl_std_normal", mu, logvar);
    assert!(mu.rank() >= 1, "kl_std_normal: {:?} has no batch axis", mu.shape());
    let terms = logvar.affine(1.0, 1.0) - mu.square() - logvar.exp();
    let rest: Vec<usize> = (1..mu.rank()).collect();
    terms.sum_dims(rest).affine(-0.5, 0.0)
}

/// KL(p ‖ q) = Σ p·(ln p − ln q) over the last axis, mean over the others, from probabilities p and the logarithms of q:
/// PyTorch's `kl_div(log_q, p)` with `batchmean`, which is meant for `[batch, outcomes]`. A probability of exactly 0 adds
/// nothing and has no gradient, even where ln q = −∞.
///
/// # Panics
/// If the shapes differ or there is no axis.
#[track_caller]
pub fn kl_div<T: Float>(log_q: &Tensor<T>, p: &Tensor<T>) -> Tensor<T> {
    check("kl_div", log_q, p);
    assert!(p.rank() >= 1, "kl_div: {:?} has no axis of outcomes", p.shape());
    let none = p.eq_scalar(T::ZERO);
    let (log_p, log_q) = (p.masked_fill(&none, T::ONE).ln(), log_q.masked_fill(&none, T::ZERO));
    (p * (log_p - log_q)).sum_dims([p.rank() - 1]).mean()
}

/// ½·(ln σ² + (y − μ)²/σ²), mean: −ln N(y; μ, σ²) without its constant ½ ln 2π. Nix & Weigend 1994, eq. (4).
///
/// Variances below 10⁻⁶ count as that, and get the gradient that it gets.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn gaussian_nll<T: Float>(mean: &Tensor<T>, var: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
    check("gaussian_nll", mean, var);
    // The bound is a constant to the gradient, as PyTorch's is: a variance below it still learns to grow.
    let below = var.lt_scalar(T::from_f64(1e-6));
    let var = &Tensor::where_cond(&below, &(var - var.detach()).affine(1.0, 1e-6), var);
    (var.ln() + difference("gaussian_nll", y, mean).square() / var).mean().affine(0.5, 0.0)
}

/// eˣ − y·x, mean: −ln Poisson(y; λ = eˣ) without its constant ln y!.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn poisson_nll<T: Float>(log_rate: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
    check("poisson_nll", log_rate, y);
    (log_rate.exp() - y * log_rate).mean()
}
