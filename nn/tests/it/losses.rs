//! Every loss and every function of linear algebra against the checks of the op table, and what they do at their edges.

use etude_autograd::{CreateGraph, Tensor, grad, testing};
use etude_nn::linalg::{self, LinalgError};
use etude_nn::loss::{self, CrossEntropy};
use etude_nn::testing::table;

const CASES: u32 = 32;

#[test]
fn values_equal_their_definitions() {
    for check in [&testing::REFERENCE, &testing::LAYOUTS, &testing::EMPTY, &testing::NAN, &testing::THREADS] {
        testing::run(check, &table::entries(), CASES);
    }
}

#[test]
fn first_derivatives_equal_central_differences() {
    testing::run(&testing::FIRST, &table::entries(), CASES);
}

#[test]
fn second_derivatives_equal_central_differences() {
    testing::run(&testing::SECOND, &table::entries(), CASES);
}

#[test]
fn single_precision_equals_double_and_recorded_rules_equal_plain_ones() {
    testing::run(&testing::SINGLE_EQUALS_DOUBLE, &table::entries(), CASES);
    testing::run(&testing::FUSED_EQUALS_COMPOSITE, &table::entries(), CASES);
}

#[test]
fn a_row_that_does_not_count_may_hold_anything() {
    let logits = Tensor::from_slice(&[1.0f32, 2.0, f32::NAN, 0.0], [2, 2]).requires_grad();
    let targets = Tensor::from_slice(&[1i64, -100], [2]);
    let options = CrossEntropy { smoothing: 0.1, ignore: Some(-100), weight: None };
    let y = loss::cross_entropy_with(&logits, &targets, &options);
    let first = loss::cross_entropy_smooth(&logits.narrow(0, 0, 1), &Tensor::from_slice(&[1i64], [1]), 0.1);
    assert!((y.item() - first.item()).abs() < 1e-6);
    let g = y.backward().get(&logits).expect("depends on the logits").to_vec();
    assert!(g[..2].iter().all(|g| g.is_finite()) && g[2..] == [0.0, 0.0], "{g:?}");
}

#[test]
fn an_outcome_without_probability_adds_nothing() {
    let p = Tensor::from_slice(&[0.0f32, 1.0], [1, 2]);
    let log_q = Tensor::from_slice(&[-40.0f32, 0.0], [1, 2]);
    assert_eq!(loss::kl_div(&log_q, &p).item(), 0.0);
    let log_q = Tensor::from_slice(&[f32::NEG_INFINITY, -1.0], [1, 2]).requires_grad();
    let y = loss::kl_div(&log_q, &p);
    assert_eq!(y.item(), 1.0);
    assert_eq!(y.backward().get(&log_q).expect("depends on ln q").to_vec(), [0.0, -1.0]);
}

#[test]
fn a_square_that_turns_into_a_line_is_bent_at_0() {
    type Loss = fn(&Tensor<f64>, &Tensor<f64>) -> Tensor<f64>;
    let losses: [(Loss, f64); 2] = [(|a, b| loss::huber(a, b, 0.5), 1.0), (|a, b| loss::smooth_l1(a, b, 0.5), 2.0)];
    for (loss, bend) in losses {
        let x = Tensor::<f64>::zeros([1]).requires_grad();
        let [first] = grad(&loss(&x, &Tensor::zeros([1])), [&x], CreateGraph::Yes);
        let [second] = grad(&first.sum(), [&x], CreateGraph::No);
        assert_eq!((first.to_vec(), second.to_vec()), (vec![0.0], vec![bend]));
    }
}

#[test]
fn similarity_with_nothing_is_nothing() {
    let a = Tensor::<f32>::zeros([1, 3]).requires_grad();
    let cos = loss::cosine_similarity(&a, &Tensor::ones([1, 3]), 1);
    assert_eq!(cos.to_vec(), [0.0]);
    let g = cos.sum().backward();
    assert!(g.get(&a).expect("depends on a").to_vec().iter().all(|g| g.is_finite()));
}

#[test]
fn a_target_that_no_path_spells_is_infinitely_unlikely() {
    // "1 1" needs a blank between: three steps.
    let x = Tensor::<f32>::zeros([2, 1, 2]).requires_grad();
    let target = Tensor::from_slice(&[1i64, 1], [1, 2]);
    let y = loss::ctc(&x, &target, &[2], &[2], 0);
    assert_eq!(y.to_vec(), [f32::INFINITY]);
    assert_eq!(y.sum().backward().get(&x).expect("depends on x").to_vec(), [0.0; 4]);
}

#[test]
fn impossible_classes_leave_the_gradient_finite() {
    let none = f32::NEG_INFINITY;
    let mut x = vec![0.25f32.ln(); 16];
    x[8..12].copy_from_slice(&[none, none, none, 0.0]);
    let x = Tensor::from_vec(x, [4, 1, 4]).requires_grad();
    let y = loss::ctc(&x, &Tensor::from_slice(&[1i64, 2, 3], [1, 3]), &[4], &[3], 0);
    assert!((y.item() - 3.465_736).abs() < 1e-5, "ln 32: {y:?}");
    let g = y.sum().backward().get(&x).expect("depends on x").to_vec();
    let wanted = [0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, -0.5, 0.0, 0.0, -0.5];
    assert!(g.iter().zip(wanted).all(|(g, w)| (g - w).abs() < 1e-5), "{g:?}");
    let x = Tensor::from_vec([none, none, 0.0, none].repeat(2), [2, 1, 4]).requires_grad();
    let y = loss::ctc(&x, &Tensor::from_slice(&[1i64], [1, 1]), &[2], &[1], 0);
    assert_eq!(y.to_vec(), [f32::INFINITY]);
    assert_eq!(y.sum().backward().get(&x).expect("depends on x").to_vec(), [0.0; 8]);
}

#[test]
#[should_panic(expected = "ctc: label 0 of sequence 0 is the blank")]
fn a_blank_in_a_target_is_refused() {
    loss::ctc(&Tensor::<f32>::zeros([2, 1, 2]), &Tensor::from_slice(&[0i64], [1, 1]), &[2], &[1], 0);
}

#[test]
fn matrices_without_an_inverse_or_a_factor_are_named() {
    let two = |second: [f32; 4]| Tensor::from_slice(&[[1.0, 0.0, 0.0, 1.0], second].concat(), [2, 2, 2]);
    let singular = two([1.0, 2.0, 2.0, 4.0]);
    assert_eq!(linalg::inverse(&singular).err(), Some(LinalgError::Singular(1)));
    assert_eq!(linalg::log_det(&singular).err(), Some(LinalgError::Singular(1)));
    assert_eq!(linalg::cholesky(&two([1.0, 2.0, 2.0, 1.0])).err(), Some(LinalgError::NotPositiveDefinite(1)));
    for bad in [f32::NAN, f32::INFINITY] {
        assert_eq!(linalg::cholesky(&two([1.0, bad, 0.0, 1.0])).err(), Some(LinalgError::NotFinite(1)));
        assert_eq!(linalg::inverse(&two([bad, 0.0, 0.0, 1.0])).err(), Some(LinalgError::NotFinite(1)));
    }
}
