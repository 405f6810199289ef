//! Losses. They take logits, never probabilities, and mean over everything unless they say otherwise.

use etude_autograd::Tensor;

/// `−ln softmax(logits)[target]`, mean over all rows. `logits` `[…, classes]`, `targets` `[…]`.
///
/// # Panics
/// If the shapes do not fit or a target is not a class.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, targets: &Tensor<i64>) -> Tensor {
    let (logits, targets) = rows("cross_entropy", logits, targets);
    logits.cross_entropy(&targets)
}

/// Cross-entropy against (1 − ε)·one-hot + ε/classes: Szegedy et al. 2016, arXiv:1512.00567, section 7.
///
/// # Panics
/// If the shapes do not fit, a target is not a class, or `smoothing` is not in [0, 1].
#[track_caller]
pub fn cross_entropy_smooth(logits: &Tensor, targets: &Tensor<i64>, smoothing: f64) -> Tensor {
    assert!((0.0..=1.0).contains(&smoothing), "cross_entropy_smooth: the smoothing is {smoothing}, expected 0 to 1");
    let (logits, targets) = rows("cross_entropy_smooth", logits, targets);
    // The mean over classes of −log_softmax(x) is logsumexp(x) − mean(x).
    let uniform = (logits.logsumexp(1) - logits.mean_dims([1])).mean();
    logits.cross_entropy(&targets) * (1.0 - smoothing as f32) + uniform * smoothing as f32
}

/// −y·ln σ(x) − (1 − y)·ln(1 − σ(x)) of each element: reduce it as the model asks, `.sum_dims([1]).mean()` for a VAE.
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn bce_with_logits(logits: &Tensor, targets: &Tensor) -> Tensor {
    logits.bce_with_logits(targets)
}

/// (a − b)², mean.
///
/// # Panics
/// If the shapes differ: broadcasting here is nearly always a mistake.
#[track_caller]
pub fn mse(a: &Tensor, b: &Tensor) -> Tensor {
    difference("mse", a, b).square().mean()
}

/// |a − b|, mean.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn l1(a: &Tensor, b: &Tensor) -> Tensor {
    difference("l1", a, b).abs().mean()
}

/// d²/2 where |d| ≤ δ, δ·(|d| − δ/2) beyond, of d = a − b, mean: Huber 1964, eq. (3.1).
///
/// # Panics
/// If the shapes differ or δ is not positive.
#[track_caller]
pub fn huber(a: &Tensor, b: &Tensor, delta: f64) -> Tensor {
    assert!(delta > 0.0, "huber: δ is {delta}, expected more than 0");
    let d = difference("huber", a, b).abs();
    // With c = min(|d|, δ), both branches are c·(|d| − c/2).
    let c = d.clamp(0.0, delta);
    (&c * (d - c.affine(0.5, 0.0))).mean()
}

/// KL(N(μ, σ²) ‖ N(0, 1)) = −½ Σ (1 + ln σ² − μ² − σ²) of each row, over all axes but the first: `[batch]`.
///
/// Kingma & Welling 2014, arXiv:1312.6114, appendix B.
///
/// # Panics
/// If the shapes differ or there is no axis.
#[track_caller]
pub fn kl_std_normal(mu: &Tensor, logvar: &Tensor) -> Tensor {
    check("kl_std_normal", mu, logvar);
    assert!(mu.rank() >= 1, "kl_std_normal: {:?} has no batch axis", mu.shape());
    let terms = logvar.affine(1.0, 1.0) - mu.square() - logvar.exp();
    let rest: Vec<usize> = (1..mu.rank()).collect();
    terms.sum_dims(rest).affine(-0.5, 0.0)
}

/// ½·(ln σ² + (y − μ)²/σ²), mean: −ln N(y; μ, σ²) without its constant ½ ln 2π. Nix & Weigend 1994, eq. (4).
///
/// Variances below 10⁻⁶ count as that, and then get no gradient.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn gaussian_nll(mean: &Tensor, var: &Tensor, y: &Tensor) -> Tensor {
    check("gaussian_nll", mean, var);
    let var = var.clamp(1e-6, f64::INFINITY);
    (var.ln() + difference("gaussian_nll", y, mean).square() / &var).mean().affine(0.5, 0.0)
}

/// max(0, 1 − y·s), mean, for scores s and signs y = ±1: Cortes & Vapnik 1995.
///
/// A discriminator's loss (Lim & Ye 2017, arXiv:1705.02894) is that of real scores with 1 plus that of false ones with −1.
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn hinge(scores: &Tensor, signs: &Tensor) -> Tensor {
    (scores * signs).affine(-1.0, 1.0).relu().mean()
}

#[track_caller]
fn rows(name: &str, logits: &Tensor, targets: &Tensor<i64>) -> (Tensor, Tensor<i64>) {
    let fits = logits.rank() >= 1 && logits.shape()[..logits.rank() - 1] == *targets.shape();
    assert!(fits, "{name}: logits {:?} are not targets {:?} and a class axis", logits.shape(), targets.shape());
    let (n, classes) = (targets.len(), logits.dim(logits.rank() - 1));
    (logits.reshape([n, classes]), targets.reshape([n]))
}

#[track_caller]
fn check(name: &str, a: &Tensor, b: &Tensor) {
    assert!(a.shape() == b.shape(), "{name}: shapes differ: {:?} and {:?}", a.shape(), b.shape());
}

#[track_caller]
fn difference(name: &str, a: &Tensor, b: &Tensor) -> Tensor {
    check(name, a, b);
    a - b
}
