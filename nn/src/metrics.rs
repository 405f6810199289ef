//! What is measured but not differentiated.

use etude_autograd::Tensor;

/// The share of rows of `[n, classes]` whose largest score is at the target; NaN without rows.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn accuracy(logits: &Tensor, targets: &Tensor<i64>) -> f64 {
    let hits = logits.argmax(1).eq(targets);
    assert!(hits.shape() == targets.shape(), "accuracy: logits {:?}, targets {:?}", logits.shape(), targets.shape());
    hits.to_vec().iter().filter(|&&hit| hit).count() as f64 / targets.len() as f64
}

/// A mean that grows: losses over an epoch, weighted by the batch if need be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    /// One more value.
    pub fn add(&mut self, value: impl Into<f64>) {
        self.add_weighted(value, 1.0);
    }

    /// One more value that counts `weight` times.
    pub fn add_weighted(&mut self, value: impl Into<f64>, weight: f64) {
        self.sum += value.into() * weight;
        self.weight += weight;
    }

    /// The mean so far; NaN before the first value.
    pub fn get(&self) -> f64 {
        self.sum / self.weight
    }
}

/// How often each class was taken for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// Nothing seen yet.
    pub fn new(classes: usize) -> Self {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Adds predictions.
    ///
    /// # Panics
    /// If the numbers differ or one is not a class.
    #[track_caller]
    pub fn add(&mut self, predicted: &Tensor<i64>, targets: &Tensor<i64>) {
        let (p, t) = (predicted.shape(), targets.shape());
        assert!(p == t, "Confusion: {p:?} predictions, {t:?} targets");
        for (p, t) in predicted.to_vec().into_iter().zip(targets.to_vec()) {
            let class = |i: i64| usize::try_from(i).ok().filter(|&i| i < self.classes);
            let (Some(p), Some(t)) = (class(p), class(t)) else {
                panic!("Confusion: prediction {p} or target {t} is not one of the {} classes", self.classes)
            };
            self.counts[t * self.classes + p] += 1;
        }
    }

    /// How often `target` was taken for `predicted`.
    ///
    /// # Panics
    /// If one is not a class.
    #[track_caller]
    pub fn count(&self, target: usize, predicted: usize) -> u64 {
        assert!(target.max(predicted) < self.classes, "Confusion: {target}, {predicted} of {} classes", self.classes);
        self.counts[target * self.classes + predicted]
    }

    /// The counts, a row a target.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes.max(1))
    }

    /// How many were seen.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share of right predictions; NaN before the first.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|i| self.counts[i * (self.classes + 1)]).sum();
        right as f64 / self.total() as f64
    }
}
