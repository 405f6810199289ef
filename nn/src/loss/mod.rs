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
    cosine_embedding, cosine_similarity, hinge, hinge_embedding, margin_ranking, multi_margin, triplet_margin,
};

#[track_caller]
fn rows<T: Float>(name: &str, logits: &Tensor<T>, targets: &Tensor<i64>) -> (Tensor<T>, Tensor<i64>) {
    let fits = logits.rank() >= 1 && logits.shape()[..logits.rank() - 1] == *targets.shape();
    assert!(fits, "{name}: logits {:?} are not targets {:?} and a class axis", logits.shape(), targets.shape());
    let (n, classes) = (targets.len(), logits.dim(logits.rank() - 1));
    (logits.reshape([n, classes]), targets.reshape([n]))
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
