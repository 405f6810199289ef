//! Connectionist temporal classification: targets without an alignment.
//!
//! Graves et al. 2006, *Connectionist Temporal Classification*, ICML, section 4.1.

use etude_autograd::{Float, Tensor};

/// A logarithm of nothing that stays finite: e to its power is 0, and differences of two are 0, not NaN.
const NOTHING: f64 = -1e30;

/// −ln p(target | input) of each sequence, `[batch]`, summed over all alignments: the paths of one class a step that become
/// the target when repetitions are merged and blanks removed.
///
/// `log_probs` `[steps, batch, classes]` are logarithms of probabilities ([`Tensor::log_softmax`]), `targets`
/// `[batch, longest]` are classes, of which row i counts its first `target_lengths[i]`; sequence i has
/// `input_lengths[i]` steps. ∞, with a gradient of 0, where no path fits.
///
/// # Panics
/// If the shapes do not fit, a length is longer than its row, an input has no step, or a target that counts is not a
/// class or is the blank.
#[track_caller]
pub fn ctc<T: Float>(
    log_probs: &Tensor<T>,
    targets: &Tensor<i64>,
    input_lengths: &[usize],
    target_lengths: &[usize],
    blank: usize,
) -> Tensor<T> {
    let labels = Labels::new(log_probs.shape(), targets, input_lengths, target_lengths, blank);
    let (steps, batch, places) = (log_probs.dim(0), labels.batch, labels.places);
    // ln p of the label of every place at every step, finite as all that follows.
    let ids = labels.ids.unsqueeze(0).expand([steps, batch, places]);
    let emitted = log_probs.gather(2, &ids).clamp(NOTHING, f64::INFINITY);
    let nothing = |width: usize| Tensor::full([batch, width], T::from_f64(NOTHING));
    let none = T::from_f64(NOTHING);
    // α(t, s) of eq. (6), as logarithms: paths that stand at place s after step t.
    let start = emitted.select(0, 0).narrow(1, 0, places.min(2));
    let mut alpha = Tensor::concat(&[&start, &nothing(places - places.min(2))], 1);
    for t in 1..steps {
        let moved = |by: usize| {
            let by = by.min(places);
            Tensor::concat(&[&nothing(by), &alpha.narrow(1, 0, places - by)], 1)
        };
        let skipped = moved(2).masked_fill(&labels.joined, none);
        let arrived = Tensor::stack(&[&alpha, &moved(1), &skipped], 0).logsumexp(0) + emitted.select(0, t);
        // Sequences that ended keep what they have.
        let runs = input_lengths.iter().map(|&length| t < length).collect();
        alpha = Tensor::where_cond(&Tensor::from_vec(runs, [batch, 1]), &arrived, &alpha);
    }
    // A path ends at the last label or at the blank behind it, eq. (8).
    let ends = alpha.gather(1, &labels.ends);
    let likelihood = Tensor::where_cond(&labels.absent, &Tensor::scalar(none), &ends).logsumexp(1);
    (-&likelihood).masked_fill(&likelihood.lt_scalar(T::from_f64(0.5 * NOTHING)), T::INFINITY)
}

/// The places of all sequences: the labels of the target with a blank before, between and behind them.
struct Labels {
    batch: usize,
    places: usize,
    /// The class of each place, `[batch, places]`.
    ids: Tensor<i64>,
    /// Places that a path cannot reach from the one before the last: blanks, and labels that repeat.
    joined: Tensor<bool>,
    /// The last two places of each, `[batch, 2]`.
    ends: Tensor<i64>,
    /// Which of them there are not.
    absent: Tensor<bool>,
}

impl Labels {
    #[track_caller]
    fn new(x: &[usize], targets: &Tensor<i64>, inputs: &[usize], lengths: &[usize], blank: usize) -> Self {
        let fits = x.len() == 3 && x[0] > 0 && blank < x[2];
        assert!(fits, "ctc: {x:?} is not [steps ≥ 1, batch, classes], or class {blank} for blanks is not one");
        let fits = targets.rank() == 2 && [targets.dim(0), inputs.len(), lengths.len()] == [x[1]; 3];
        assert!(
            fits,
            "ctc: targets {:?}, {} lengths of inputs and {} of targets for {x:?}",
            targets.shape(),
            inputs.len(),
            lengths.len()
        );
        let (longest, classes) = (targets.dim(1), targets.to_vec());
        let places = 2 * longest + 1;
        let (mut ids, mut joined) = (vec![blank as i64; x[1] * places], vec![true; x[1] * places]);
        for (i, (&input, &length)) in inputs.iter().zip(lengths).enumerate() {
            let fits = (1..=x[0]).contains(&input) && length <= longest;
            assert!(fits, "ctc: sequence {i} has {input} steps and {length} labels, of {} and {longest}", x[0]);
            for (s, &class) in classes[i * longest..][..length].iter().enumerate() {
                let fits = class != blank as i64 && (0..x[2] as i64).contains(&class);
                assert!(fits, "ctc: label {class} of sequence {i} is the blank or not one of {} classes", x[2]);
                let at = i * places + 2 * s + 1;
                ids[at] = class;
                joined[at] = s == 0 || ids[at - 2] == class;
            }
        }
        let ends = lengths.iter().flat_map(|&n| [2 * n as i64, (2 * n as i64 - 1).max(0)]).collect();
        let absent = lengths.iter().flat_map(|&n| [false, n == 0]).collect();
        Labels {
            batch: x[1],
            places,
            ids: Tensor::from_vec(ids, [x[1], places]),
            joined: Tensor::from_vec(joined, [x[1], places]),
            ends: Tensor::from_vec(ends, [x[1], 2]),
            absent: Tensor::from_vec(absent, [x[1], 2]),
        }
    }
}
