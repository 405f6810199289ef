//! Points where a formula divides by 0 or has no derivative: the value and the gradient that the documentation states.

use std::f64::consts::PI;
use std::panic::catch_unwind;

use etude_autograd::{Conv1dArgs, CreateGraph, PadMode, Tensor, grad};
use etude_kernels::rng::Rng;

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

fn zeros(shape: &[usize]) -> Tensor<f32> {
    Tensor::zeros(shape)
}

/// A call that must be refused, and its message.
type Refused = (fn() -> Tensor<f32>, &'static str);

const REFUSED: &[Refused] = &[
    (|| zeros(&[3]).pad_mode(0, 3, 0, PadMode::Reflect), "pad_mode: 3 positions beyond axis 0 of [3] by Reflect"),
    (|| zeros(&[0]).pad_mode(0, 1, 0, PadMode::Replicate), "pad_mode: 1 positions beyond axis 0 of [0] by Replicate"),
    (|| zeros(&[3]).pow(&zeros(&[2])), "pow: shapes do not broadcast: [3] and [2]"),
    (|| zeros(&[3]).atan2(&zeros(&[2])), "atan2: shapes do not broadcast: [3] and [2]"),
    (|| zeros(&[3]).prod(1), "prod: axis 1 of a tensor of shape [3], which has 1 axes"),
    (|| zeros(&[3]).cumprod(1), "cumprod: axis 1 of a tensor of shape [3], which has 1 axes"),
    (|| zeros(&[3]).sort(1, false).0, "argsort: axis 1 of a tensor of shape [3], which has 1 axes"),
    (|| zeros(&[3]).topk(4, 0).0, "topk: the 4 largest along axis 0 of [3]"),
    (|| zeros(&[3]).norm_lp(0.0, 0), "norm_lp: the order is 0, expected more than 0"),
    (|| zeros(&[3]).celu(0.0), "celu: α is 0, expected more than 0"),
    (|| zeros(&[3]).hardtanh(1.0, -1.0), "hardtanh: the lower bound 1 is above the upper bound -1"),
    (|| zeros(&[3]).tril(0), "tril: a tensor of shape [3] has fewer than two axes"),
    (|| zeros(&[3, 3]).diagonal(1, 1), "diagonal: axis 1 of [3, 3] stands twice"),
    (|| zeros(&[3]).roll(1, 1), "roll: axis 1 of a tensor of shape [3], which has 1 axes"),
    (|| zeros(&[3]).glu(0), "glu: axis 0 of [3] has no halves"),
    (|| zeros(&[2, 3]).prelu(&zeros(&[2])), "prelu: slopes [2] for x [2, 3], whose axis 1 has 3 channels"),
    (|| zeros(&[3]).dropout(1.5, &mut Rng::new(0)), "dropout: the probability is 1.5, expected 0 to 1"),
    (|| zeros(&[1, 6, 2, 2]).pixel_shuffle(2), "pixel_shuffle: x [1, 6, 2, 2] is not [n, c·2², h, w]"),
    (|| zeros(&[1, 1, 3, 2]).pixel_unshuffle(2), "pixel_unshuffle: x [1, 1, 3, 2] is not [n, c, h·2, w·2]"),
    (
        || zeros(&[1, 1, 0, 2]).adaptive_avg_pool2d([1, 1]),
        "adaptive_avg_pool2d: 1 windows along axis 2 of [1, 1, 0, 1]",
    ),
    (|| zeros(&[1, 1, 2]).adaptive_max_pool2d([1, 1]), "adaptive_max_pool2d: x [1, 1, 2] needs four axes"),
    (
        || zeros(&[1, 1, 0, 2]).upsample_bilinear2d([2, 2], true),
        "upsample_bilinear2d: x [1, 1, 0, 2] is not [n, c, h ≥ 1, w ≥ 1], or the size [2, 2] is empty",
    ),
    (
        || zeros(&[1, 2]).conv1d(&zeros(&[1, 1, 1]), None, Conv1dArgs::default()),
        "conv1d: x [1, 2] and w [1, 1, 1] need three axes",
    ),
    (
        || zeros(&[0, 1, 2]).rnn_scan(&zeros(&[2, 2]), &zeros(&[1, 2]), Tensor::tanh),
        "rnn_scan: projections [0, 1, 2] are not [seq, batch, hidden] with a step",
    ),
    (
        || zeros(&[1, 1, 2]).rnn_scan(&zeros(&[2, 2]), &zeros(&[2, 2]), Tensor::tanh),
        "rnn_scan: the state has shape [2, 2], projections [1, 1, 2] ask for [1, 2]",
    ),
    (|| zeros(&[2, 3]).weight_norm(&zeros(&[3])), "weight_norm: lengths [3] for weights [2, 3]"),
    (|| Tensor::einsum("ij", &[&zeros(&[1, 1])]), "einsum: \"ij\" has no arrow ->"),
    (|| Tensor::einsum("i,i->", &[&zeros(&[1])]), "einsum: \"i,i->\" names 2 operands of 1"),
    (|| Tensor::einsum("i->", &[&zeros(&[1, 1])]), "einsum: \"i->\" names 1 axes of an operand of shape [1, 1]"),
    (|| Tensor::einsum("i->j", &[&zeros(&[1])]), "einsum: \"i->j\": no operand has label j"),
    (|| Tensor::einsum("i->ii", &[&zeros(&[1])]), "einsum: \"i->ii\" asks for a label twice"),
    (|| Tensor::einsum("ii->i", &[&zeros(&[1, 2])]), "einsum: \"ii->i\": axes i of [1, 2] differ in length"),
    (
        || Tensor::einsum("ij,jk->ik", &[&zeros(&[2, 3]), &zeros(&[4, 5])]),
        "einsum: \"ij,jk->ik\": label j has length 3 in one operand and 4 in another",
    ),
];

#[test]
fn misuse_is_named() {
    for (call, wanted) in REFUSED {
        let panic = catch_unwind(call).expect_err(&format!("not refused: {wanted}"));
        let said = panic.downcast_ref::<String>().map_or("", String::as_str);
        assert_eq!(said, *wanted);
    }
}
