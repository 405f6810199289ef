//! The op table of this crate: every loss, with an independent definition, for the checks of [`etude_autograd`].
//!
//! Losses with kinks (a margin, a distance of 0) get inputs whose kinks are known, so that no central difference steps
//! over one. Where a kink lies at a difference, the entry hands the loss `a` and `a − d`.

use etude_autograd::table::{Array, Case, Draw, Entry, Tolerance, indices};
use etude_autograd::{Float, Tensor, entry};

use crate::loss;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn mean(x: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let x: Vec<f64> = x.into_iter().collect();
    vec![x.iter().sum::<f64>() / x.len() as f64]
}

/// Logits and a target for each row.
fn classified(draw: &mut Draw<'_>) -> Case {
    let (n, classes) = (draw.positive(5), draw.positive(4));
    let ids = draw.ids(&[n], classes);
    Case::new(draw).input(&[n, classes]).with_ids(ids)
}

/// The weights 0.5, 1, 1.5, … of the classes.
fn class_weights<T: Float>(classes: usize) -> Tensor<T> {
    Tensor::arange(classes).to_float::<T>().affine(0.5, 0.5)
}

/// ln softmax of each row, and its target.
fn log_softmax(case: &Case, x: &Array) -> Vec<(Vec<f64>, usize)> {
    let rows = x.rows(1).into_iter().map(|row| {
        let sum: f64 = row.iter().map(|v| v.exp()).sum();
        row.into_iter().map(|v| (v.exp() / sum).ln()).collect::<Vec<_>>()
    });
    rows.zip(case.ids[0].to_vec()).map(|(row, t)| (row, t as usize)).collect()
}

fn smoothed(
    case: &Case,
    x: &Array,
    smoothing: f64,
    weight: impl Fn(usize) -> f64,
    counts: impl Fn(usize) -> bool,
) -> Vec<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, target) in log_softmax(case, x).into_iter().filter(|row| counts(row.1)) {
        let uniform: f64 = row.iter().enumerate().map(|(c, v)| -v * weight(c)).sum();
        sum += (1.0 - smoothing) * weight(target) * -row[target] + smoothing / row.len() as f64 * uniform;
        total += weight(target);
    }
    vec![sum / total]
}

/// Numbers and a sign for each.
fn signed(draw: &mut Draw<'_>, kinks: &'static [f64]) -> Case {
    let shape = filled(draw);
    let ids = draw.ids(&shape, 2);
    Case::new(draw).input_in(&shape, -2.0, 2.0, kinks).with_ids(ids)
}

fn filled(draw: &mut Draw<'_>) -> Vec<usize> {
    draw.shape(3).into_iter().map(|n| n.max(1)).collect()
}

/// −1 or 1.
fn signs<T: Float>(case: &Case) -> Tensor<T> {
    case.ids[0].to_float::<T>().affine(2.0, -1.0)
}

fn with_signs(case: &Case, x: &Array, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let signs = case.ids[0].to_vec().into_iter().map(|id| 2.0 * id as f64 - 1.0);
    mean(x.data.iter().zip(signs).map(|(&x, y)| f(x, y)))
}

/// `a` and a difference with kinks.
fn apart(draw: &mut Draw<'_>, kinks: &'static [f64]) -> Case {
    let shape = filled(draw);
    Case::new(draw).input(&shape).input_in(&shape, -2.0, 2.0, kinks)
}

fn of_difference(x: &[Array], f: impl Fn(f64) -> f64) -> Vec<f64> {
    mean(x[1].data.iter().map(|&d| f(d)))
}

fn huber(d: f64, delta: f64) -> f64 {
    if d.abs() <= delta { d * d / 2.0 } else { delta * d.abs() - delta * delta / 2.0 }
}

fn pair(draw: &mut Draw<'_>) -> Case {
    let shape = filled(draw);
    Case::new(draw).input(&shape).input(&shape)
}

fn each(x: &[Array], f: impl Fn(f64, f64) -> f64) -> impl Iterator<Item = f64> {
    x[0].data.iter().zip(&x[1].data).map(move |(&a, &b)| f(a, b))
}

/// Rows of vectors; of more than one number, since the direction of one number has no derivative.
fn vectors(draw: &mut Draw<'_>, count: usize) -> Case {
    let (n, size) = (draw.positive(4), draw.positive(3) + 1);
    let ids = draw.ids(&[n], 2);
    (0..count).fold(Case::new(draw), |case, _| case.input_in(&[n, size], -2.0, 2.0, &[0.0])).with_ids(ids)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn cosines(x: &[Array]) -> Vec<f64> {
    x[0].rows(1).into_iter().zip(x[1].rows(1)).map(|(a, b)| cosine(&a, &b)).collect()
}

/// [`vectors`] and a choice for each row besides the one that they have: on which side of its margin it lies.
fn sided(draw: &mut Draw<'_>, count: usize) -> Case {
    let case = vectors(draw, count);
    let sides = draw.ids(&[case.inputs[0].shape[0]], 2);
    case.with_ids(sides)
}

/// The choices of [`sided`] as a mask of rows.
fn sides(case: &Case) -> Tensor<bool> {
    case.ids[1].eq_scalar(1).unsqueeze(1)
}

/// Vectors whose every number is far from 0, and near it.
fn far_and_near<T: Float>(x: &Tensor<T>) -> (Tensor<T>, Tensor<T>) {
    (x + x.sign().affine(2.0, 0.0), x.affine(0.05, 0.0))
}

/// As [`far_and_near`] of one number, or the second if `near`.
fn placed(x: f64, near: bool) -> f64 {
    if near { 0.05 * x } else { x + 2.0 * x.signum() }
}

/// Anchors, and positives and negatives at distances on both sides of a margin of 0.5: one is within 0.2, the other beyond
/// 2.8.
fn triplets<T: Float>(case: &Case, x: &[Tensor<T>]) -> [Tensor<T>; 3] {
    let ((far_p, near_p), (far_n, near_n)) = (far_and_near(&x[1]), far_and_near(&x[2]));
    let kept = sides(case);
    [
        x[0].clone(),
        &x[0] + Tensor::where_cond(&kept, &near_p, &far_p),
        &x[0] + Tensor::where_cond(&kept, &far_n, &near_n),
    ]
}

/// The rows of the three.
fn triplet_rows(case: &Case, x: &[Array]) -> Vec<[Vec<f64>; 3]> {
    let kept = case.ids[1].to_vec();
    let row = |(i, a): (usize, Vec<f64>)| {
        let at = |x: &Array, near: bool| -> Vec<f64> {
            x.rows(1)[i].iter().zip(&a).map(|(&d, a)| a + placed(d, near)).collect()
        };
        let (p, n) = (at(&x[1], kept[i] == 1), at(&x[2], kept[i] == 0));
        [a, p, n]
    };
    x[0].rows(1).into_iter().enumerate().map(row).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b + 1e-6).powi(2)).sum::<f64>().sqrt()
}

/// Steps × batch × classes, and for each sequence labels, of which some count, and steps enough for them.
fn ctc_case(draw: &mut Draw<'_>) -> Case {
    let (batch, classes, longest) = (draw.dim(2), draw.int(2, 3), draw.int(0, 2));
    let steps = 2 * longest + draw.int(1, 2);
    let ids = draw.ids(&[batch, longest], classes - 1);
    let ids = Tensor::from_vec(ids.to_vec().into_iter().map(|id| id + 1).collect(), [batch, longest]);
    let mut case = Case::new(draw).input_in(&[steps, batch, classes], -3.0, 0.0, &[]).with_ids(ids);
    for _ in 0..batch {
        let labels = draw.int(0, longest);
        let length = draw.int((2 * labels).max(1), steps);
        case = case.int(length).int(labels);
    }
    case
}

fn lengths(case: &Case) -> (Vec<usize>, Vec<usize>) {
    (case.ints.iter().step_by(2).copied().collect(), case.ints.iter().skip(1).step_by(2).copied().collect())
}

/// Every path that the classes allow, those that spell the target added up.
fn ctc_reference(case: &Case, x: &[Array]) -> Vec<f64> {
    let ((inputs, labels), classes) = (lengths(case), x[0].shape[2]);
    let longest = case.ids[0].dim(1);
    let sequence = |b: usize| {
        let target: Vec<usize> =
            case.ids[0].to_vec()[b * longest..][..labels[b]].iter().map(|&id| id as usize).collect();
        let spells = |path: &[usize]| {
            let mut merged = path.to_vec();
            merged.dedup();
            merged.retain(|&class| class != 0);
            merged == target
        };
        let paths = indices(&vec![classes; inputs[b]]);
        let likelihood = |path: &Vec<usize>| (0..path.len()).map(|t| x[0].at(&[t, b, path[t]])).sum::<f64>().exp();
        -paths.iter().filter(|path| spells(path)).map(likelihood).sum::<f64>().ln()
    };
    (0..inputs.len()).map(sequence).collect()
}

/// Every loss, and with the feature `linalg` its operations.
pub fn entries() -> Vec<Entry> {
    #[cfg(not(feature = "linalg"))]
    return losses();
    #[cfg(feature = "linalg")]
    [losses(), super::linalg::entries()].into_iter().flatten().collect()
}

fn losses() -> Vec<Entry> {
    let loose = Tolerance::Largest(64.0);
    vec![
        entry!("loss::cross_entropy", "−ln softmax(x)[target], mean", classified, |case, x| loss::cross_entropy(&x[0], &case.ids[0]),
            |case, x| smoothed(case, &x[0], 0.0, |_| 1.0, |_| true), tolerance: loose),
        entry!("loss::cross_entropy_smooth", "cross-entropy against (1 − ε)·one-hot + ε/classes", classified,
            |case, x| loss::cross_entropy_smooth(&x[0], &case.ids[0], 0.2),
            |case, x| smoothed(case, &x[0], 0.2, |_| 1.0, |_| true), tolerance: loose),
        entry!("loss::cross_entropy_with", "cross-entropy with smoothing, weights and ignored rows", |draw| {
            // A first row whose target counts, so that there is something to divide by.
            let mut case = classified(draw);
            let mut ids = case.ids[0].to_vec();
            ids[0] = 0;
            case.ids[0] = Tensor::from_vec(ids, case.ids[0].shape());
            case
        }, |case, x| {
            let options = loss::CrossEntropy { smoothing: 0.3, ignore: Some(1), weight: Some(class_weights(x[0].dim(1))) };
            loss::cross_entropy_with(&x[0], &case.ids[0], &options)
        }, |case, x| smoothed(case, &x[0], 0.3, |c| 0.5 + 0.5 * c as f64, |t| t != 1), tolerance: loose, propagates_nan: false),
        entry!("loss::nll", "−log_probs[target], mean", classified, |case, x| loss::nll(&x[0], &case.ids[0]), |case, x| {
            mean(x[0].rows(1).into_iter().zip(case.ids[0].to_vec()).map(|(row, t)| -row[t as usize]))
        }, tolerance: loose, propagates_nan: false),
        entry!("loss::bce_with_logits_weighted", "−p·y·ln σ(x) − (1 − y)·ln(1 − σ(x))", |draw| {
            let shape = filled(draw);
            let case = Case::new(draw).input_in(&shape, -6.0, 6.0, &[]).input_in(&shape, 0.0, 1.0, &[]);
            case.input_in(&shape[shape.len().saturating_sub(1)..], 0.5, 3.0, &[])
        }, |case, x| loss::bce_with_logits_weighted(&x[0], &x[1], &x[2]), |_, x| {
            let weights = x[2].data.iter().cycle();
            let of = |(x, (y, p)): (f64, (f64, &f64))| -p * y * sigmoid(x).ln() - (1.0 - y) * sigmoid(-x).ln();
            x[0].data.iter().copied().zip(x[1].data.iter().copied().zip(weights)).map(of).collect()
        }, tolerance: loose),
        entry!("loss::multilabel_soft_margin", "binary cross-entropy, mean over labels and rows", |draw| {
            let shape = filled(draw);
            Case::new(draw).input_in(&shape, -6.0, 6.0, &[]).input_in(&shape, 0.0, 1.0, &[])
        }, |case, x| loss::multilabel_soft_margin(&x[0], &x[1]),
            |_, x| mean(each(x, |x, y| -y * sigmoid(x).ln() - (1.0 - y) * sigmoid(-x).ln())), tolerance: loose),
        entry!("loss::mse", "(a − b)², mean", pair, |case, x| loss::mse(&x[0], &x[1]), |_, x| mean(each(x, |a, b| (a - b).powi(2))), tolerance: loose),
        entry!("loss::l1", "|a − b|, mean", |draw| apart(draw, &[0.0]), |case, x| loss::l1(&x[0], &(&x[0] - &x[1])),
            |_, x| of_difference(x, f64::abs), tolerance: loose),
        entry!("loss::huber", "d²/2 within δ, δ(|d| − δ/2) beyond, mean", |draw| apart(draw, &[-0.7, 0.7]),
            |case, x| loss::huber(&x[0], &(&x[0] - &x[1]), 0.7), |_, x| of_difference(x, |d| huber(d, 0.7)), tolerance: loose),
        entry!("loss::smooth_l1", "d²/2β within β, |d| − β/2 beyond, mean", |draw| apart(draw, &[-0.7, 0.7]),
            |case, x| loss::smooth_l1(&x[0], &(&x[0] - &x[1]), 0.7), |_, x| of_difference(x, |d| huber(d, 0.7) / 0.7), tolerance: loose),
        entry!("loss::kl_std_normal", "KL(N(μ, σ²) ‖ N(0, 1)) of each row", |draw| {
            let (n, size) = (draw.dim(4), draw.dim(4));
            Case::new(draw).input(&[n, size]).input(&[n, size])
        }, |case, x| loss::kl_std_normal(&x[0], &x[1]), |_, x| {
            let rows = x[0].rows(1).into_iter().zip(x[1].rows(1));
            let of = |(m, v): (f64, f64)| 0.5 * (m * m + v.exp() - 1.0 - v);
            rows.map(|(mu, logvar)| mu.into_iter().zip(logvar).map(of).sum()).collect()
        }, tolerance: loose),
        entry!("loss::kl_div", "Σ p·(ln p − ln q) over outcomes, mean", |draw| {
            let (n, outcomes) = (draw.positive(4), draw.positive(4));
            Case::new(draw).input_in(&[n, outcomes], -3.0, 0.0, &[]).input_in(&[n, outcomes], 0.05, 1.0, &[])
        }, |case, x| loss::kl_div(&x[0], &x[1]), |_, x| {
            let rows = x[0].rows(1).into_iter().zip(x[1].rows(1));
            mean(rows.map(|(q, p)| q.iter().zip(p).map(|(q, p)| p * (p.ln() - q)).sum()))
        }, tolerance: loose),
        entry!("loss::gaussian_nll", "½(ln σ² + (y − μ)²/σ²), mean", |draw| {
            let shape = filled(draw);
            Case::new(draw).input(&shape).input_in(&shape, 0.2, 2.0, &[]).input(&shape)
        }, |case, x| loss::gaussian_nll(&x[0], &x[1], &x[2]), |_, x| {
            let rest = x[1].data.iter().zip(&x[2].data);
            mean(x[0].data.iter().zip(rest).map(|(m, (v, y))| 0.5 * (v.ln() + (y - m).powi(2) / v)))
        }, tolerance: loose),
        entry!("loss::poisson_nll", "eˣ − y·x, mean", pair, |case, x| loss::poisson_nll(&x[0], &x[1]), |_, x| mean(each(x, |x, y| x.exp() - y * x)), tolerance: loose),
        entry!("loss::hinge", "max(0, 1 − y·s), mean", |draw| signed(draw, &[-1.0, 1.0]), |case, x| loss::hinge(&x[0], &signs(case)),
            |case, x| with_signs(case, &x[0], |s, y| (1.0 - y * s).max(0.0)), tolerance: loose),
        entry!("loss::hinge_embedding", "d together, max(0, m − d) apart, mean", |draw| signed(draw, &[0.5]),
            |case, x| loss::hinge_embedding(&x[0], &signs(case), 0.5),
            |case, x| with_signs(case, &x[0], |d, y| if y > 0.0 { d } else { (0.5 - d).max(0.0) }), tolerance: loose),
        entry!("loss::margin_ranking", "max(0, m − y·(a − b)), mean", |draw| {
            let case = apart(draw, &[-0.5, 0.5]);
            let ids = draw.ids(&case.inputs[0].shape, 2);
            case.with_ids(ids)
        }, |case, x| loss::margin_ranking(&x[0], &(&x[0] - &x[1]), &signs(case), 0.5),
            |case, x| with_signs(case, &x[1], |d, y| (0.5 - y * d).max(0.0)), tolerance: loose),
        entry!("loss::multi_margin", "Σ max(0, m − x[target] + x[j]) / classes, mean", |draw| {
            let mut case = classified(draw);
            case.inputs[0].shape[1] += 1; // so that there is a wrong class
            case.inputs[0].kinks = &[-1.5, -0.5, 0.5, 1.5];
            case
        }, |case, x| {
            // Near multiples of 0.8, whose differences never come near the margin.
            let logits = x[0].round().affine(0.7, 0.0) + x[0].affine(0.1, 0.0);
            loss::multi_margin(&logits, &case.ids[0], 1.0)
        }, |case, x| {
            let near = |v: f64| 0.7 * v.round() + 0.1 * v;
            let row = |(row, t): (Vec<f64>, i64)| {
                let wrong = (0..row.len()).filter(|&j| j as i64 != t);
                wrong.map(|j| (1.0 - near(row[t as usize]) + near(row[j])).max(0.0)).sum::<f64>() / row.len() as f64
            };
            mean(x[0].rows(1).into_iter().zip(case.ids[0].to_vec()).map(row))
        }, tolerance: loose),
        entry!("loss::cosine_similarity", "a·b / (‖a‖·‖b‖) along an axis", |draw| vectors(draw, 2), |case, x| loss::cosine_similarity(&x[0], &x[1], 1),
            |_, x| cosines(x), tolerance: loose),
        // b is nearly a or nearly −a: on both sides of the margin, for either sign.
        entry!("loss::cosine_embedding", "1 − cos together, max(0, cos − m) apart, mean", |draw| sided(draw, 2), |case, x| {
            let b = Tensor::where_cond(&sides(case), &x[0], &-&x[0]) + x[1].affine(0.02, 0.0);
            loss::cosine_embedding(&x[0], &b, &signs(case), 0.2)
        }, |case, x| {
            let row = |(i, a): (usize, Vec<f64>)| {
                let sign = if case.ids[1].to_vec()[i] == 1 { 1.0 } else { -1.0 };
                let b: Vec<f64> = a.iter().zip(&x[1].rows(1)[i]).map(|(a, d)| sign * a + 0.02 * d).collect();
                cosine(&a, &b)
            };
            let cosines = x[0].rows(1).into_iter().enumerate().map(row).collect();
            let cosines = Array { shape: vec![x[0].shape[0]], data: cosines };
            with_signs(case, &cosines, |cos, y| if y > 0.0 { 1.0 - cos } else { (cos - 0.2).max(0.0) })
        }, tolerance: loose),
        entry!("loss::triplet_margin", "max(0, ‖a − p‖ − ‖a − n‖ + m), mean", |draw| sided(draw, 3), |case, x| {
            let [a, p, n] = triplets(case, x);
            loss::triplet_margin(&a, &p, &n, 0.5)
        }, |case, x| {
            let of = |[a, p, n]: [Vec<f64>; 3]| (distance(&a, &p) - distance(&a, &n) + 0.5).max(0.0);
            mean(triplet_rows(case, x).into_iter().map(of))
        }, tolerance: loose),
        // Both ways round: a near negative is near the anchor in one and near the positive in the other.
        entry!("loss::triplet_margin_swap", "the same with the nearer of ‖a − n‖ and ‖p − n‖, mean", |draw| sided(draw, 3), |case, x| {
            let [a, p, n] = triplets(case, x);
            loss::triplet_margin_swap(&a, &p, &n, 0.5) + loss::triplet_margin_swap(&p, &a, &n, 0.5)
        }, |case, x| {
            let of = |a: &[f64], p: &[f64], n: &[f64]| (distance(a, p) - distance(a, n).min(distance(p, n)) + 0.5).max(0.0);
            mean(triplet_rows(case, x).into_iter().map(|[a, p, n]| of(&a, &p, &n) + of(&p, &a, &n)))
        }, tolerance: loose),
        entry!("loss::multilabel_margin", "Σ over a right and a wrong label of max(0, 1 − (x[right] − x[wrong])) / labels, mean", |draw| {
            let (n, classes) = (draw.positive(4), draw.positive(4));
            let ids = draw.ids(&[n, classes], 2);
            Case::new(draw).input_in(&[n, classes], -2.0, 2.0, &[-1.5, -0.5, 0.5, 1.5]).with_ids(ids)
        }, |case, x| {
            let logits = x[0].round().affine(0.7, 0.0) + x[0].affine(0.1, 0.0);
            loss::multilabel_margin(&logits, &case.ids[0].eq_scalar(1))
        }, |case, x| {
            let near = |v: f64| 0.7 * v.round() + 0.1 * v;
            let ids = case.ids[0].to_vec();
            let row = |(i, row): (usize, Vec<f64>)| {
                let is_right = |j: usize| ids[i * row.len() + j] == 1;
                let of = |(r, w): (usize, usize)| (1.0 - near(row[r]) + near(row[w])).max(0.0);
                let rights = (0..row.len()).filter(|&r| is_right(r));
                let pairs = rights.flat_map(|r| (0..row.len()).filter(|&w| !is_right(w)).map(move |w| (r, w)));
                pairs.map(of).sum::<f64>() / row.len() as f64
            };
            mean(x[0].rows(1).into_iter().enumerate().map(row))
        }, tolerance: loose, propagates_nan: false), // without a pair of labels nothing is looked at
        entry!("loss::ctc", "−ln Σ p(path) over the paths that spell the target", ctc_case, |case, x| {
            let (inputs, labels) = lengths(case);
            loss::ctc(&x[0], &case.ids[0], &inputs, &labels, 0)
        }, ctc_reference, tolerance: loose, propagates_nan: false),
    ]
}
