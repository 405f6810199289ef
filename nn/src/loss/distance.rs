//! Distances of predictions from targets.

use etude_autograd::{Float, Tensor};

use super::difference;

/// (a − b)², mean.
///
/// # Panics
/// If the shapes differ: broadcasting here is nearly always a mistake.
#[track_caller]
pub fn mse<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    difference("mse", a, b).square().mean()
}

/// |a − b|, mean.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn l1<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    difference("l1", a, b).abs().mean()
}

/// d²/2 where |d| ≤ δ, δ·(|d| − δ/2) beyond, of d = a − b, mean: Huber 1964, eq. (3.1).
///
/// # Panics
/// If the shapes differ or δ is not positive.
#[track_caller]
pub fn huber<T: Float>(a: &Tensor<T>, b: &Tensor<T>, delta: f64) -> Tensor<T> {
    assert!(delta > 0.0, "huber: δ is {delta}, expected more than 0");
    of_difference(&difference("huber", a, b), delta)
}

/// With c = d limited to ±δ, both branches are c·(d − c/2): no kink at 0, and the second derivative there is 1.
fn of_difference<T: Float>(d: &Tensor<T>, delta: f64) -> Tensor<T> {
    let c = d.clamp(-delta, delta);
    (&c * (d - c.affine(0.5, 0.0))).mean()
}

/// d²/(2β) where |d| ≤ β, |d| − β/2 beyond, of d = a − b, mean: [`huber`] divided by β, which tends to [`l1`] for β → 0.
///
/// Girshick 2015, arXiv:1504.08083, eq. (3), with β = 1.
///
/// # Panics
/// If the shapes differ or β is not positive.
#[track_caller]
pub fn smooth_l1<T: Float>(a: &Tensor<T>, b: &Tensor<T>, beta: f64) -> Tensor<T> {
    assert!(beta > 0.0, "smooth_l1: β is {beta}, expected more than 0");
    of_difference(&difference("smooth_l1", a, b), beta).affine(1.0 / beta, 0.0)
}
