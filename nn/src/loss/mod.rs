//! Losses. They take logits, never probabilities, unless they say otherwise, and mean over everything likewise.
//!
//! Written in tensor operations of either precision, so that each can be differentiated twice and checked in f64. Those
//! that every step of a classifier needs are fused below, in [`etude_autograd`].

mod binary;
mod classes;
mod ctc;
mod distance;
mod divergence;
mod margin;

use etude_autograd::{Float, Tensor};

pub use binary::{bce_with_logits, bce_with_logits_weighted, multilabel_soft_margin};
pub use classes::{CrossEntropy, cross_entropy, cross_entropy_smooth, cross_entropy_with, nll};
pub use ctc::ctc;
pub use distance::{huber, l1, mse, smooth_l1};
pub use divergence::{gaussian_nll, kl_div, kl_std_normal, poisson_nll};
pub use margin::{
    cosine_embedding, cosine_similarity, hinge, hinge_embedding, margin_ranking, multi_margin, multilabel_margin,
    triplet_margin, triplet_margin_swap,
};

#[track_caller]
fn rows<T: Float>(name: &str, logits: &Tensor<T>, targets: &Tensor<i64>) -> (Tensor<T>, Tensor<i64>) {
    let fits = logits.rank() >= 1 && logits.shape()[..logits.rank() - 1] == *targets.shape();
    assert!(fits, "{name}: logits {:?} are not targets {:?} and a class axis", logits.shape(), targets.shape());
    let (n, classes) = (targets.len(), logits.dim(logits.rank() - 1));
    (logits.reshape([n, classes]), targets.reshape([n]))
}

/// Every target must be a class, but for the one that does not count.
#[track_caller]
fn check_classes(name: &str, targets: &Tensor<i64>, classes: usize, ignore: Option<i64>) {
    let fits = |t: i64| (0..classes as i64).contains(&t) || Some(t) == ignore;
    if let Some((row, t)) = targets.to_vec().into_iter().enumerate().find(|&(_, t)| !fits(t)) {
        panic!("{name}: target {t} of row {row} is not one of the {classes} classes");
    }
}

#[track_caller]
fn check_broadcast<T: Float>(name: &str, a: &Tensor<T>, b: &Tensor<T>) {
    let axes = |x: &Tensor<T>| x.shape().iter().rev().copied().collect::<Vec<_>>();
    let fits = axes(a).into_iter().zip(axes(b)).all(|(n, m)| n == m || n == 1 || m == 1);
    assert!(fits, "{name}: shapes do not broadcast: {:?} and {:?}", a.shape(), b.shape());
}

#[track_caller]
fn check<T: Float>(name: &str, a: &Tensor<T>, b: &Tensor<T>) {
    assert!(a.shape() == b.shape(), "{name}: shapes differ: {:?} and {:?}", a.shape(), b.shape());
}

#[track_caller]
fn difference<T: Float>(name: &str, a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    check(name, a, b);
    a - b
}
