//! Losses that stop where a margin is kept.

use etude_autograd::{Float, Tensor};

use super::{check, difference, rows};

/// max(0, 1 − y·s), mean, for scores s and signs y = ±1: Cortes & Vapnik 1995.
///
/// A discriminator's loss (Lim & Ye 2017, arXiv:1705.02894) is that of real scores with 1 plus that of false ones with −1.
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn hinge<T: Float>(scores: &Tensor<T>, signs: &Tensor<T>) -> Tensor<T> {
    (scores * signs).affine(-1.0, 1.0).relu().mean()
}

/// d for pairs that belong together (sign 1), max(0, margin − d) for the others (sign −1), mean, of distances d.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn hinge_embedding<T: Float>(distances: &Tensor<T>, signs: &Tensor<T>, margin: f64) -> Tensor<T> {
    check("hinge_embedding", distances, signs);
    let apart = distances.affine(-1.0, margin).relu();
    Tensor::where_cond(&signs.gt_scalar(T::ZERO), distances, &apart).mean()
}

/// max(0, margin − y·(a − b)), mean: a should be above b by the margin where y = 1, below where y = −1.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn margin_ranking<T: Float>(a: &Tensor<T>, b: &Tensor<T>, signs: &Tensor<T>, margin: f64) -> Tensor<T> {
    check("margin_ranking", a, signs);
    (difference("margin_ranking", a, b) * signs).affine(-1.0, margin).relu().mean()
}

/// Σ over wrong classes j of max(0, margin − x\[target\] + x\[j\]) / classes, mean over all rows: Weston & Watkins 1999.
///
/// # Panics
/// If the shapes do not fit or a target is not a class.
#[track_caller]
pub fn multi_margin<T: Float>(logits: &Tensor<T>, targets: &Tensor<i64>, margin: f64) -> Tensor<T> {
    let (logits, targets) = rows("multi_margin", logits, targets);
    let classes = logits.dim(1);
    let right = targets.one_hot::<T>(classes).gt_scalar(T::ZERO);
    let own = logits.gather(1, &targets.unsqueeze(1));
    let excess = (&logits - own).affine(1.0, margin).relu().masked_fill(&right, T::ZERO);
    excess.sum_dims([1]).mean().affine(1.0 / classes as f64, 0.0)
}

/// a·b / (‖a‖·‖b‖) along an axis, which disappears. A norm below 10⁻⁸ counts as that: a vector of zeros has similarity 0
/// and gets no infinite gradient.
///
/// # Panics
/// If the shapes differ or there is no such axis.
#[track_caller]
pub fn cosine_similarity<T: Float>(a: &Tensor<T>, b: &Tensor<T>, axis: usize) -> Tensor<T> {
    check("cosine_similarity", a, b);
    let norm = |x: &Tensor<T>| x.norm_l2(axis).clamp(1e-8, f64::INFINITY);
    (a * b).sum_dims([axis]) / (norm(a) * norm(b))
}

/// 1 − cos(a, b) for rows that belong together (sign 1), max(0, cos(a, b) − margin) for the others (sign −1), mean.
/// `a`, `b` `[batch, size]`, `signs` `[batch]`.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn cosine_embedding<T: Float>(a: &Tensor<T>, b: &Tensor<T>, signs: &Tensor<T>, margin: f64) -> Tensor<T> {
    let fits = a.rank() == 2 && signs.shape() == [a.shape()[0]];
    assert!(fits, "cosine_embedding: vectors {:?} and signs {:?}", a.shape(), signs.shape());
    let cos = cosine_similarity(a, b, 1);
    let (near, far) = (cos.affine(-1.0, 1.0), cos.affine(1.0, -margin).relu());
    Tensor::where_cond(&signs.gt_scalar(T::ZERO), &near, &far).mean()
}

/// max(0, ‖anchor − positive‖ − ‖anchor − negative‖ + margin), mean, with norms over the last axis: Schroff, Kalenichenko
/// & Philbin 2015, arXiv:1503.03832, eq. (2), with plain distances. As in PyTorch each difference is moved by 10⁻⁶.
///
/// # Panics
/// If the shapes differ or there is no axis.
#[track_caller]
pub fn triplet_margin<T: Float>(
    anchor: &Tensor<T>,
    positive: &Tensor<T>,
    negative: &Tensor<T>,
    margin: f64,
) -> Tensor<T> {
    assert!(anchor.rank() >= 1, "triplet_margin: {:?} has no axis", anchor.shape());
    let distance = |other: &Tensor<T>| {
        let d = difference("triplet_margin", anchor, other).affine(1.0, 1e-6);
        d.norm_l2(anchor.rank() - 1)
    };
    (distance(positive) - distance(negative)).affine(1.0, margin).relu().mean()
}
