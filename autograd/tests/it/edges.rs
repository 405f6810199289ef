//! Points where a formula divides by 0 or has no derivative: the value and the gradient that the documentation states.

use std::f64::consts::PI;

use etude_autograd::{CreateGraph, PadMode, Tensor, grad};

/// Value, first and second derivative of Σ f at a vector.
fn orders(x: &[f64], f: impl Fn(&Tensor<f64>) -> Tensor<f64>) -> [Vec<f64>; 3] {
    let x = Tensor::from_slice(x, [x.len()]).requires_grad();
    let y = f(&x);
    let [first] = grad(&y.sum(), [&x], CreateGraph::Yes);
    let second = if first.is_tracked() {
        let [second] = grad(&first.sum(), [&x], CreateGraph::No);
        second.to_vec()
    } else {
        vec![0.0; x.len()]
    };
    [y.to_vec(), first.to_vec(), second]
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
    for p in [1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
        let [y, first, second] = orders(&[0.0, 0.0], |x| x.norm_lp(p, 0));
        assert_eq!((y, first, second), (vec![0.0], vec![0.0, 0.0], vec![0.0, 0.0]), "p = {p}");
    }
    assert_eq!(orders(&[2.0, 2.0, 2.0], |x| x.std_dims([0])), [vec![0.0], vec![0.0; 3], vec![0.0; 3]]);
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
fn steps_are_flat_and_name_the_even_half() {
    let x = [-2.5, -1.5, -0.0, 0.5, 1.5, f64::NAN];
    let [round, first, second] = orders(&x, Tensor::round);
    assert_eq!(round[..5], [-2.0, -2.0, 0.0, 0.0, 2.0]);
    assert!(round[5].is_nan() && Tensor::from_slice(&x, [6]).sign().to_vec()[5].is_nan());
    assert_eq!((first, second), (vec![0.0; 6], vec![0.0; 6]));
    assert_eq!(orders(&[0.0, -3.0], Tensor::sign), [vec![0.0, -1.0], vec![0.0; 2], vec![0.0; 2]]);
}

#[test]
fn small_numbers_keep_their_digits() {
    let x = Tensor::from_slice(&[1e-12f64, -1e-12], [2]);
    assert_eq!(x.exp_m1().to_vec(), [1e-12 + 5e-25, -1e-12 + 5e-25]);
    assert_eq!(x.sinh().to_vec(), [1e-12, -1e-12]);
}

#[test]
#[should_panic(expected = "pad_mode: 3 positions beyond axis 0 of [3] by Reflect")]
fn a_reflection_longer_than_its_axis_is_refused() {
    Tensor::<f32>::zeros([3]).pad_mode(0, 3, 0, PadMode::Reflect);
}

#[test]
#[should_panic(expected = "einsum: \"ij,jk->ik\": label j has length 3 in one operand and 4 in another")]
fn a_label_of_two_lengths_is_refused() {
    let (a, b) = (Tensor::<f32>::zeros([2, 3]), Tensor::zeros([4, 5]));
    Tensor::einsum("ij,jk->ik", &[&a, &b]);
}
