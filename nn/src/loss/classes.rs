//! One class of several.

use etude_autograd::{Float, Tensor};

use super::{check_classes, rows};

/// `−ln softmax(logits)[target]`, mean over all rows. `logits` `[…, classes]`, `targets` `[…]`.
///
/// # Panics
/// If the shapes do not fit or a target is not a class.
#[track_caller]
pub fn cross_entropy<T: Float>(logits: &Tensor<T>, targets: &Tensor<i64>) -> Tensor<T> {
    let (logits, targets) = rows("cross_entropy", logits, targets);
    logits.cross_entropy(&targets)
}

/// Cross-entropy against (1 − ε)·one-hot + ε/classes: Szegedy et al. 2016, arXiv:1512.00567, section 7.
///
/// # Panics
/// If the shapes do not fit, a target is not a class, or `smoothing` is not in [0, 1].
#[track_caller]
pub fn cross_entropy_smooth<T: Float>(logits: &Tensor<T>, targets: &Tensor<i64>, smoothing: f64) -> Tensor<T> {
    assert!((0.0..=1.0).contains(&smoothing), "cross_entropy_smooth: the smoothing is {smoothing}, expected 0 to 1");
    let (logits, targets) = rows("cross_entropy_smooth", logits, targets);
    check_classes("cross_entropy_smooth", &targets, logits.dim(1), None);
    // The mean over classes of −log_softmax(x) is logsumexp(x) − mean(x).
    let uniform = (logits.logsumexp(1) - logits.mean_dims([1])).mean();
    logits.cross_entropy(&targets).affine(1.0 - smoothing, 0.0) + uniform.affine(smoothing, 0.0)
}

/// What [`cross_entropy_with`] counts, and how much.
#[derive(Clone, Debug)]
pub struct CrossEntropy<T: Float = f32> {
    /// ε of [`cross_entropy_smooth`].
    pub smoothing: f64,
    /// The target of rows that do not count; it need not be a class. PyTorch's default, −100, is none here.
    pub ignore: Option<i64>,
    /// The weight of each class, `[classes]`; a constant.
    pub weight: Option<Tensor<T>>,
}

impl<T: Float> Default for CrossEntropy<T> {
    fn default() -> Self {
        CrossEntropy { smoothing: 0.0, ignore: None, weight: None }
    }
}

/// Cross-entropy with label smoothing, rows that do not count and weights of classes, as PyTorch's: Σ over rows that count
/// of `(1 − ε)·w[target]·nll + ε/classes·Σ w·nll` of each class, divided by `Σ w[target]`. NaN if no row counts.
///
/// # Panics
/// If the shapes do not fit, a target that counts is not a class, or `smoothing` is not in [0, 1].
#[track_caller]
pub fn cross_entropy_with<T: Float>(logits: &Tensor<T>, targets: &Tensor<i64>, options: &CrossEntropy<T>) -> Tensor<T> {
    let CrossEntropy { smoothing, ignore, weight } = options;
    assert!((0.0..=1.0).contains(smoothing), "cross_entropy_with: the smoothing is {smoothing}, expected 0 to 1");
    let (logits, targets) = rows("cross_entropy_with", logits, targets);
    let classes = logits.dim(1);
    let weight = weight.as_ref().map_or_else(|| Tensor::ones([classes]), Tensor::detach);
    let fits = weight.shape() == [classes];
    assert!(fits, "cross_entropy_with: the weights have shape {:?}, expected [{classes}]", weight.shape());
    check_classes("cross_entropy_with", &targets, classes, *ignore);
    let counts = |target: i64| Some(target) != *ignore;
    let of_rows: Vec<i64> = (0..).zip(targets.to_vec()).filter(|&(_, t)| counts(t)).map(|(row, _)| row).collect();
    let of_rows = Tensor::from_vec(of_rows.clone(), [of_rows.len()]);
    // Only the rows that count are looked at, so that a NaN elsewhere does no harm.
    let (logits, targets) = (logits.index_select(0, &of_rows), targets.take_rows(&of_rows));
    let weights = weight.unsqueeze(1).embedding(&targets).squeeze(1);
    let total = weights.sum();
    let sharp = (logits.cross_entropy_each(&targets) * weights).sum() / &total;
    if *smoothing == 0.0 {
        return sharp;
    }
    let smooth = -(logits.log_softmax(1) * weight).sum() / total;
    sharp.affine(1.0 - smoothing, 0.0) + smooth.affine(smoothing / classes as f64, 0.0)
}

/// `−log_probs[target]`, mean over all rows: cross-entropy of what [`Tensor::log_softmax`] gave. `log_probs`
/// `[…, classes]`, `targets` `[…]`.
///
/// # Panics
/// If the shapes do not fit or a target is not a class.
#[track_caller]
pub fn nll<T: Float>(log_probs: &Tensor<T>, targets: &Tensor<i64>) -> Tensor<T> {
    let (log_probs, targets) = rows("nll", log_probs, targets);
    check_classes("nll", &targets, log_probs.dim(1), None);
    -log_probs.gather(1, &targets.unsqueeze(1)).mean()
}
