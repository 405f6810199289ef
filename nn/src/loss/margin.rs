//! Losses that stop where a margin is kept.

use etude_autograd::{Float, Tensor};

use super::{check, check_broadcast, check_classes, difference, rows};

/// max(0, 1 − y·s), mean, for scores s and signs y = ±1: Cortes & Vapnik 1995.
///
/// A discriminator's loss (Lim & Ye 2017, arXiv:1705.02894) is that of real scores with 1 plus that of false ones with −1.
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn hinge<T: Float>(scores: &Tensor<T>, signs: &Tensor<T>) -> Tensor<T> {
    check_broadcast("hinge", scores, signs);
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

/// Σ over wrong classes j of `max(0, margin − x[target] + x[j])` / classes, mean over all rows: Weston & Watkins 1999.
///
/// # Panics
/// If the shapes do not fit or a target is not a class.
#[track_caller]
pub fn multi_margin<T: Float>(logits: &Tensor<T>, targets: &Tensor<i64>, margin: f64) -> Tensor<T> {
    let (logits, targets) = rows("multi_margin", logits, targets);
    let classes = logits.dim(1);
    check_classes("multi_margin", &targets, classes, None);
    let right = targets.one_hot::<T>(classes).gt_scalar(T::ZERO);
    let own = logits.gather(1, &targets.unsqueeze(1));
    let excess = (&logits - own).affine(1.0, margin).relu().masked_fill(&right, T::ZERO);
    excess.sum_dims([1]).mean().affine(1.0 / classes as f64, 0.0)
}

/// Σ over each right class r and each wrong one w of `max(0, 1 − (x[r] − x[w]))` / classes, mean over all rows, of logits
/// `[…, classes]` and a mask of the right classes of the same shape: PyTorch's `MultiLabelMarginLoss`, whose lists of
/// classes are the mask's trues.
///
/// # Panics
/// If the shapes differ or there is no axis of classes.
#[track_caller]
pub fn multilabel_margin<T: Float>(logits: &Tensor<T>, right: &Tensor<bool>) -> Tensor<T> {
    let (x, mask) = (logits.shape(), right.shape());
    let fits = x == mask && !x.is_empty();
    assert!(fits, "multilabel_margin: logits {x:?} and right classes {mask:?} are not both [..., classes]");
    let last = logits.rank() - 1;
    let excess = (logits.unsqueeze(last) - logits.unsqueeze(last + 1)).affine(1.0, 1.0).relu();
    let counts = right.unsqueeze(last + 1).and(&right.not().unsqueeze(last));
    let terms = excess.masked_fill(&counts.not(), T::ZERO);
    terms.sum_dims([last, last + 1]).mean().affine(1.0 / x[last] as f64, 0.0)
}

/// a·b / (‖a‖·‖b‖) along an axis, which disappears. A norm below 10⁻⁸ counts as that: a vector of zeros has similarity 0
/// and gets no infinite gradient.
///
/// # Panics
/// If the shapes differ or there is no such axis.
#[track_caller]
pub fn cosine_similarity<T: Float>(a: &Tensor<T>, b: &Tensor<T>, axis: usize) -> Tensor<T> {
    check("cosine_similarity", a, b);
    assert!(axis < a.rank(), "cosine_similarity: axis {axis} of {:?}, which has {} axes", a.shape(), a.rank());
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
    check("cosine_embedding", a, b);
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
    let name = "triplet_margin";
    (moved(name, anchor, positive) - moved(name, anchor, negative)).affine(1.0, margin).relu().mean()
}

/// [`triplet_margin`] with the distance of the negative from the anchor or from the positive, whichever is smaller:
/// Balntas et al. 2016, *Learning local feature descriptors with triplets*, section 3.3. Equal ones share the gradient.
///
/// # Panics
/// If the shapes differ or there is no axis.
#[track_caller]
pub fn triplet_margin_swap<T: Float>(
    anchor: &Tensor<T>,
    positive: &Tensor<T>,
    negative: &Tensor<T>,
    margin: f64,
) -> Tensor<T> {
    let name = "triplet_margin_swap";
    let apart = moved(name, anchor, negative).minimum(&moved(name, positive, negative));
    (moved(name, anchor, positive) - apart).affine(1.0, margin).relu().mean()
}

/// ‖a − b + 10⁻⁶‖ over the last axis.
#[track_caller]
fn moved<T: Float>(name: &str, a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    assert!(a.rank() >= 1, "{name}: vectors of shape {:?} have no axis", a.shape());
    difference(name, a, b).affine(1.0, 1e-6).norm_l2(a.rank() - 1)
}
