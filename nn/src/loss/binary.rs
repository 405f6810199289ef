//! Independent questions with two answers each.

use etude_autograd::{Float, Tensor};

use super::{check, check_broadcast};

/// −y·ln σ(x) − (1 − y)·ln(1 − σ(x)) of each element: reduce it as the model asks, `.sum_dims([1]).mean()` for a VAE.
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn bce_with_logits<T: Float>(logits: &Tensor<T>, targets: &Tensor<T>) -> Tensor<T> {
    logits.bce_with_logits(targets)
}

/// −p·y·ln σ(x) − (1 − y)·ln(1 − σ(x)) of each element, where the weight p of a positive answer broadcasts: p > 1 recalls
/// more, p < 1 is more precise.
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn bce_with_logits_weighted<T: Float>(logits: &Tensor<T>, targets: &Tensor<T>, positive: &Tensor<T>) -> Tensor<T> {
    check_broadcast("bce_with_logits_weighted", logits, targets);
    check_broadcast("bce_with_logits_weighted", targets, positive);
    // ln σ(x) = −softplus(−x) and ln(1 − σ(x)) = −softplus(x): either is exact where its target asks for it.
    targets.affine(-1.0, 1.0) * logits.softplus() + targets * positive * (-logits).softplus()
}

/// The mean over labels and rows of the binary cross-entropy of `[…, labels]` with targets 0 or 1.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn multilabel_soft_margin<T: Float>(logits: &Tensor<T>, targets: &Tensor<T>) -> Tensor<T> {
    check("multilabel_soft_margin", logits, targets);
    logits.bce_with_logits(targets).mean()
}
