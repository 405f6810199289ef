//! Points where a formula divides by 0 or has no derivative: the value and the gradient that the documentation states.

use std::f64::consts::PI;

use etude_autograd::{CreateGraph, Tensor, grad};

/// Value and first derivative of Σ f at a vector, and whether the derivative depends on the vector at all.
fn first_order(x: &[f64], f: impl Fn(&Tensor<f64>) -> Tensor<f64>) -> (Vec<f64>, Vec<f64>, bool) {
    let x = Tensor::from_slice(x, [x.len()]).requires_grad();
    let y = f(&x);
    let [first] = grad(&y.sum(), [&x], CreateGraph::Yes);
    (y.to_vec(), first.to_vec(), first.is_tracked())
}

/// Value, first and second derivative of Σ f at a vector.
#[track_caller]
fn orders(x: &[f64], f: impl Fn(&Tensor<f64>) -> Tensor<f64>) -> [Vec<f64>; 3] {
    let x = Tensor::from_slice(x, [x.len()]).requires_grad();
    let y = f(&x);
    let [first] = grad(&y.sum(), [&x], CreateGraph::Yes);
    let [second] = grad(&first.sum(), [&x], CreateGraph::No);
    [y.to_vec(), first.to_vec(), second.to_vec()]
}

#[test]
fn products_have_derivatives_at_zeros() {
    // d(abc) = (bc, ac, ab); the second gradient of their sum is (b + c, a + c, a + b).
    assert_eq!(orders(&[0.0, 3.0, 5.0], |x| x.prod(0)), [vec![0.0], vec![15.0, 0.0, 0.0], vec![8.0, 5.0, 3.0]]);
    assert_eq!(orders(&[0.0, 0.0, 5.0], |x| x.prod(0)), [vec![0.0], vec![0.0; 3], vec![5.0, 5.0, 0.0]]);
    // a + ab + abc
    assert_eq!(orders(&[0.0, 3.0, 5.0], |x| x.cumprod(0))[1], [1.0 + 3.0 + 15.0, 0.0, 0.0]);
    assert_eq!(Tensor::<f64>::zeros([2, 0]).prod(1).to_vec(), [1.0, 1.0]);
}

#[test]
fn roots_have_gradient_zero_at_their_origin() {
    for p in [1.0, f64::INFINITY] {
        let flat = first_order(&[0.0, 0.0], |x| x.norm_lp(p, 0));
        assert_eq!(flat, (vec![0.0], vec![0.0, 0.0], false), "p = {p}: straight but for its kink");
    }
    for p in [1.5, 2.0, 3.0] {
        let [y, first, second] = orders(&[0.0, 0.0], |x| x.norm_lp(p, 0));
        assert_eq!((y, first, second), (vec![0.0], vec![0.0, 0.0], vec![0.0, 0.0]), "p = {p}");
    }
    assert_eq!(orders(&[2.0, 2.0, 2.0], |x| x.std_dims([0])), [vec![0.0], vec![0.0; 3], vec![0.0; 3]]);
    let x = Tensor::from_slice(&[4.0, 0.0, 9.0, 0.0, 0.0, 0.0], [2, 3]).requires_grad();
    let first = [CreateGraph::Yes, CreateGraph::No].map(|graph| {
        let [g] = grad(&x.norm_lp(0.5, 1).sum(), [&x], graph);
        g.to_vec()
    });
    assert_eq!(first[0], first[1]);
    // (√4 + √9)² = 25 with the derivatives 5/√x.
    first[0]
        .iter()
        .zip([2.5f64, 0.0, 5.0 / 3.0, 0.0, 0.0, 0.0])
        .for_each(|(g, w)| assert!((g - w).abs() < 1e-9, "{first:?}"));
    let large = Tensor::from_slice(&[3e300, 4e300, f64::INFINITY, 1.0], [2, 2]).norm_lp(3.0, 1).to_vec();
    assert!((large[0] / 4.497_941_445_275_415e300 - 1.0).abs() < 1e-12, "∛91 = 4.4979…: {large:?}");
    assert_eq!(large[1], f64::INFINITY);
}

#[test]
fn powers_and_angles_at_zero() {
    let zero = Tensor::from_slice(&[0.0, 0.0, 0.0], [3]).requires_grad();
    let y = Tensor::from_slice(&[0.0, 1.0, 2.0], [3]).requires_grad();
    let power = zero.pow(&y);
    assert_eq!(power.to_vec(), [1.0, 0.0, 0.0]);
    let [dx, dy] = grad(&power.sum(), [&zero, &y], CreateGraph::No);
    assert_eq!((dx.to_vec(), dy.to_vec()), (vec![0.0, 1.0, 0.0], vec![0.0; 3]));
    let [dy, dx] = grad(&zero.atan2(&y).sum(), [&zero, &y], CreateGraph::No);
    assert_eq!((dy.to_vec(), dx.to_vec()), (vec![0.0, 1.0, 0.5], vec![0.0; 3]));
    let left = Tensor::from_slice(&[0.0, -0.0], [2]).atan2(&Tensor::from_slice(&[-1.0, -1.0], [2]));
    assert_eq!(left.to_vec(), [PI, -PI]);
}

#[test]
fn powers_to_the_0_have_the_mixed_derivative() {
    let x = Tensor::from_slice(&[2.0, f64::INFINITY], [2]).requires_grad();
    let y = Tensor::from_slice(&[0.0, 0.0], [2]).requires_grad();
    let [dx, dy] = grad(&x.pow(&y).sum(), [&x, &y], CreateGraph::Yes);
    assert_eq!((dx.to_vec(), dy.to_vec()), (vec![0.0, 0.0], vec![2f64.ln(), f64::INFINITY]));
    // ∂²/∂x∂y = xʸ⁻¹·(1 + y·ln x), from either side.
    let [mixed] = grad(&dx.narrow(0, 0, 1).sum(), [&y], CreateGraph::No);
    let [other] = grad(&dy.narrow(0, 0, 1).sum(), [&x], CreateGraph::No);
    assert_eq!((mixed.to_vec()[0], other.to_vec()[0]), (0.5, 0.5));
}

#[test]
fn spaces_in_a_sum_of_products_count_for_nothing() {
    let (a, b) = (Tensor::arange(6).to_float::<f64>().reshape([2, 3]), Tensor::<f64>::ones([3, 2]));
    let tight = Tensor::einsum("ij,jk->ik", &[&a, &b]);
    assert_eq!(Tensor::einsum(" i j, jk -> ik ", &[&a, &b]).to_vec(), tight.to_vec());
}

#[test]
fn steps_are_flat_and_name_the_even_half() {
    let x = [-2.5, -1.5, -0.0, 0.5, 1.5, f64::NAN];
    let (round, first, depends) = first_order(&x, Tensor::round);
    assert_eq!(round[..5], [-2.0, -2.0, 0.0, 0.0, 2.0]);
    assert!(round[5].is_nan() && Tensor::from_slice(&x, [6]).sign().to_vec()[5].is_nan());
    assert_eq!((first, depends), (vec![0.0; 6], false));
    assert_eq!(first_order(&[0.0, -3.0], Tensor::sign), (vec![0.0, -1.0], vec![0.0; 2], false));
}

#[test]
fn small_numbers_keep_their_digits() {
    let x = Tensor::from_slice(&[1e-12f64, -1e-12], [2]);
    assert_eq!(x.exp_m1().to_vec(), [1e-12 + 5e-25, -1e-12 + 5e-25]);
    assert_eq!(x.sinh().to_vec(), [1e-12, -1e-12]);
}

#[test]
fn power_iteration_finds_the_first_singular_vectors() {
    // diag(3, −4) turned by a permutation: the first singular value is 4.
    let w = Tensor::from_slice(&[0.0f64, 3.0, -4.0, 0.0], [2, 2]);
    let ones = Tensor::ones([2]);
    let (u, v) = w.power_iteration(&ones, &ones, 40);
    let largest = w.spectral_norm(&u, &v).to_vec();
    largest.iter().zip([0.0, 0.75, -1.0, 0.0]).for_each(|(y, w)| assert!((y - w).abs() < 1e-9, "{largest:?}"));
    let (u, v) = Tensor::<f64>::zeros([2, 3]).power_iteration(&Tensor::ones([2]), &Tensor::ones([3]), 2);
    assert_eq!(
        (u.to_vec(), v.to_vec()),
        (vec![0.0; 2], vec![0.0; 3]),
        "a matrix of zeros has no direction, and no NaN"
    );
}
