//! Every loss and every function of linear algebra against the checks of the op table, and what they do at their edges.

use std::panic::catch_unwind;

use etude_autograd::{CreateGraph, Tensor, grad, testing};
use etude_nn::linalg::{self, LinalgError};
use etude_nn::loss::{self, CrossEntropy};
use etude_nn::testing::table;

const CASES: u32 = 32;

#[test]
fn values_equal_their_definitions() {
    use testing::{EMPTY, LAYOUTS, NAN, ONES, REFERENCE, THREADS};
    for check in [&REFERENCE, &LAYOUTS, &ONES, &EMPTY, &NAN, &THREADS] {
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

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape)
}

fn ids(values: &[i64]) -> Tensor<i64> {
    Tensor::from_slice(values, [values.len()])
}

fn ignoring(target: i64) -> CrossEntropy {
    CrossEntropy { ignore: Some(target), ..CrossEntropy::default() }
}

/// A call that must be refused, and its message.
type Refused = (fn() -> Tensor, &'static str);

const REFUSED: &[Refused] = &[
    (
        || loss::cross_entropy(&zeros(&[2, 3]), &ids(&[0])),
        "cross_entropy: logits [2, 3] are not targets [1] and a class axis",
    ),
    (
        || loss::cross_entropy(&zeros(&[1, 3]), &ids(&[3])),
        "cross_entropy: target 3 of row 0 is not one of the 3 classes",
    ),
    (
        || loss::cross_entropy_smooth(&zeros(&[1, 3]), &ids(&[-1]), 0.1),
        "cross_entropy_smooth: target -1 of row 0 is not one of the 3 classes",
    ),
    (
        || loss::cross_entropy_smooth(&zeros(&[1, 3]), &ids(&[0]), 1.5),
        "cross_entropy_smooth: the smoothing is 1.5, expected 0 to 1",
    ),
    (
        || loss::cross_entropy_with(&zeros(&[2, 3]), &ids(&[-100, -1]), &ignoring(-100)),
        "cross_entropy_with: target -1 of row 1 is not one of the 3 classes",
    ),
    (|| loss::nll(&zeros(&[1, 3]), &ids(&[4])), "nll: target 4 of row 0 is not one of the 3 classes"),
    (
        || loss::bce_with_logits(&zeros(&[2]), &zeros(&[3])),
        "bce_with_logits: logits [2] and targets [3] do not broadcast",
    ),
    (
        || loss::bce_with_logits_weighted(&zeros(&[2]), &zeros(&[2]), &zeros(&[3])),
        "bce_with_logits_weighted: shapes do not broadcast: [2] and [3]",
    ),
    (|| loss::multilabel_soft_margin(&zeros(&[2]), &zeros(&[3])), "multilabel_soft_margin: shapes differ: [2] and [3]"),
    (|| loss::mse(&zeros(&[2, 1]), &zeros(&[2])), "mse: shapes differ: [2, 1] and [2]"),
    (|| loss::l1(&zeros(&[2]), &zeros(&[3])), "l1: shapes differ: [2] and [3]"),
    (|| loss::huber(&zeros(&[2]), &zeros(&[3]), 1.0), "huber: shapes differ: [2] and [3]"),
    (|| loss::huber(&zeros(&[2]), &zeros(&[2]), 0.0), "huber: δ is 0, expected more than 0"),
    (|| loss::smooth_l1(&zeros(&[2]), &zeros(&[2]), -1.0), "smooth_l1: β is -1, expected more than 0"),
    (|| loss::kl_std_normal(&zeros(&[2]), &zeros(&[3])), "kl_std_normal: shapes differ: [2] and [3]"),
    (|| loss::kl_div(&zeros(&[]), &zeros(&[])), "kl_div: [] has no axis of outcomes"),
    (|| loss::gaussian_nll(&zeros(&[2]), &zeros(&[2]), &zeros(&[3])), "gaussian_nll: shapes differ: [3] and [2]"),
    (|| loss::poisson_nll(&zeros(&[2]), &zeros(&[3])), "poisson_nll: shapes differ: [2] and [3]"),
    (|| loss::hinge(&zeros(&[2]), &zeros(&[3])), "hinge: shapes do not broadcast: [2] and [3]"),
    (|| loss::hinge_embedding(&zeros(&[2]), &zeros(&[3]), 1.0), "hinge_embedding: shapes differ: [2] and [3]"),
    (
        || loss::margin_ranking(&zeros(&[2]), &zeros(&[3]), &zeros(&[2]), 1.0),
        "margin_ranking: shapes differ: [2] and [3]",
    ),
    (
        || loss::multi_margin(&zeros(&[1, 3]), &ids(&[3]), 1.0),
        "multi_margin: target 3 of row 0 is not one of the 3 classes",
    ),
    (
        || loss::multilabel_margin(&zeros(&[1, 3]), &Tensor::full([1, 2], true)),
        "multilabel_margin: logits [1, 3] and right classes [1, 2] are not both [..., classes]",
    ),
    (|| loss::cosine_similarity(&zeros(&[2]), &zeros(&[2]), 1), "cosine_similarity: axis 1 of [2], which has 1 axes"),
    (
        || loss::cosine_embedding(&zeros(&[2, 3]), &zeros(&[2, 3]), &zeros(&[3]), 0.0),
        "cosine_embedding: vectors [2, 3] and signs [3]",
    ),
    (
        || loss::triplet_margin(&zeros(&[2, 3]), &zeros(&[2, 3]), &zeros(&[2]), 1.0),
        "triplet_margin: shapes differ: [2, 3] and [2]",
    ),
    (
        || loss::triplet_margin(&zeros(&[]), &zeros(&[]), &zeros(&[]), 1.0),
        "triplet_margin: vectors of shape [] have no axis",
    ),
    (
        || loss::triplet_margin_swap(&zeros(&[2, 3]), &zeros(&[1, 3]), &zeros(&[2, 3]), 1.0),
        "triplet_margin_swap: shapes differ: [1, 3] and [2, 3]",
    ),
    (
        || loss::ctc(&zeros(&[2, 1, 2]), &Tensor::from_slice(&[0i64], [1, 1]), &[2], &[1], 0),
        "ctc: label 0 of sequence 0 is the blank or not one of 2 classes",
    ),
];

#[test]
fn what_is_refused_is_named() {
    for (call, wanted) in REFUSED {
        let panic = catch_unwind(call).expect_err(&format!("not refused: {wanted}"));
        assert_eq!(panic.downcast_ref::<String>().map_or("", String::as_str), *wanted);
    }
}

/// The names of the public functions under `src/loss`.
fn losses() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/loss");
    let files = std::fs::read_dir(folder).expect("the sources of the losses").map(|file| file.expect("a file").path());
    let text: String = files.map(|file| std::fs::read_to_string(file).expect("a source file")).collect();
    let name =
        |line: &str| line.strip_prefix("pub fn ").and_then(|rest| rest.split(['<', '(']).next().map(String::from));
    text.lines().filter_map(name).collect()
}

#[test]
fn every_loss_stands_in_both_tables() {
    let losses = losses();
    assert!(losses.len() > 20, "{losses:?}");
    let entries = table::entries();
    for name in losses {
        // The one loss that is no more than another name of an operation, which has its entry there.
        let is_entry = entries.iter().any(|entry| entry.name.strip_prefix("loss::") == Some(&name));
        assert!(is_entry || name == "bce_with_logits", "{name} has no entry");
        assert!(REFUSED.iter().any(|(_, message)| message.starts_with(&format!("{name}:"))), "{name} is never refused");
    }
}

#[test]
fn a_variance_below_the_bound_learns_as_one_at_it() {
    let gradient = |var: f64| {
        let var = Tensor::from_slice(&[var], [1]).requires_grad();
        let loss = loss::gaussian_nll(&Tensor::from_slice(&[0.0], [1]), &var, &Tensor::from_slice(&[0.5], [1]));
        let [g] = grad(&loss, [&var], CreateGraph::No);
        (loss.item(), g.item())
    };
    assert_eq!([gradient(1e-9), gradient(-5.0)], [gradient(1e-6); 2]);
    // ½(1/v − d²/v²) at v = 10⁻⁶ and d = ½.
    let expected = 0.5 * (1e6 - 0.25e12);
    assert!((gradient(1e-6).1 / expected - 1.0).abs() < 1e-12);
}

#[test]
fn a_small_loss_has_all_its_digits() {
    let positive = Tensor::scalar(3.0f32);
    for x in [12.0, 15.0, 20.0] {
        let exact = f64::exp(-x).ln_1p();
        let (right, wrong) = (Tensor::scalar(x as f32), Tensor::scalar(-x as f32));
        let (one, zero) = (Tensor::scalar(1.0f32), Tensor::scalar(0.0f32));
        for (loss, expected) in [
            (loss::bce_with_logits_weighted(&right, &one, &positive), 3.0 * exact),
            (loss::bce_with_logits_weighted(&wrong, &zero, &positive), exact),
            (loss::multilabel_soft_margin(&right, &one), exact),
        ] {
            assert!((f64::from(loss.item()) / expected - 1.0).abs() < 1e-6, "{x}: {} for {expected}", loss.item());
        }
    }
}

#[test]
fn divergences_stay_numbers_far_out() {
    // ½(σ² − 1 − ln σ²) at ln σ² = −100: 49.5. At 100 σ² is beyond f32 and so is the loss, in f64 it is not.
    let logvar = Tensor::from_slice(&[-100.0f32, 100.0], [2, 1]).requires_grad();
    let kl = loss::kl_std_normal(&zeros(&[2, 1]), &logvar);
    assert_eq!(kl.to_vec(), [49.5, f32::INFINITY]);
    let g = kl.sum().backward();
    assert_eq!(g.get(&logvar).expect("used").to_vec(), [-0.5, f32::INFINITY]);
    let wide = Tensor::from_slice(&[100.0f64], [1, 1]);
    let wanted = 0.5 * (100f64.exp() - 101.0);
    assert!((loss::kl_std_normal(&Tensor::zeros([1, 1]), &wide).item() / wanted - 1.0).abs() < 1e-12);
}

#[test]
fn triplets_and_label_sets_are_those_of_pytorch() {
    // torch.nn.functional of the numbers below: triplet_margin_loss(…, margin=1, swap=True) and
    // multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]]), PyTorch's own example, which gives 0.85.
    let right = Tensor::from_slice(&[true, false, false, true], [1, 4]);
    let logits = Tensor::from_slice(&[0.1f64, 0.2, 0.4, 0.8], [1, 4]);
    assert!((loss::multilabel_margin(&logits, &right).item() - 0.85).abs() < 1e-12);
    // On a line: ‖a − p‖ = 3, ‖a − n‖ = 4, ‖p − n‖ = 1, so that the swap takes 1: 3 − 1 + 1.
    let at = |x: f64| Tensor::from_slice(&[x], [1, 1]);
    let swapped = loss::triplet_margin_swap(&at(0.0), &at(3.0), &at(4.0), 1.0).item();
    assert!((swapped - 3.0).abs() < 1e-5, "{swapped}");
    assert!(loss::triplet_margin(&at(0.0), &at(3.0), &at(4.0), 1.0).item() < 1e-5);
}
