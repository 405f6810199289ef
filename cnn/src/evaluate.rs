//! How good a classifier is.

use etude_autograd::{Tensor, no_grad};
use etude_nn::metrics::Confusion;
use etude_nn::{Ctx, Layer, loss};

use crate::check;
use crate::error::Error;

/// Images a forward pass; bounds the memory of an evaluation, and changes nothing else.
const BATCH: usize = 250;

/// What a classifier did with labelled images.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// How often each class was taken for each.
    pub confusion: Confusion,
    /// The class of each image, `[n]`.
    pub predicted: Tensor<i64>,
    /// The class probabilities of each image, `[n, classes]`.
    pub probabilities: Tensor,
}

impl Evaluation {
    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.confusion.accuracy()
    }

    /// Numbers of the images that were taken for another class, the surest mistake first.
    ///
    /// # Panics
    /// If `labels` are not those of the evaluation.
    #[track_caller]
    pub fn mistakes(&self, labels: &Tensor<i64>) -> Vec<usize> {
        let (found, labels) = (self.predicted.to_vec(), labels.to_vec());
        assert_eq!(found.len(), labels.len(), "mistakes: labels of other images");
        let sure = self.probabilities.max(1).to_vec();
        let mut wrong: Vec<usize> = (0..found.len()).filter(|&i| found[i] != labels[i]).collect();
        wrong.sort_by(|&a, &b| sure[b].total_cmp(&sure[a]));
        wrong
    }

    /// Label and answer of each of these images, as `4→9`.
    ///
    /// # Panics
    /// If `labels` are not those of the evaluation, or a number is too large.
    #[track_caller]
    pub fn answers(&self, labels: &Tensor<i64>, numbers: &[usize]) -> Vec<String> {
        let (found, labels) = (self.predicted.to_vec(), labels.to_vec());
        assert_eq!(found.len(), labels.len(), "answers: labels of other images");
        numbers.iter().map(|&i| format!("{}→{}", labels[i], found[i])).collect()
    }
}

/// The class probabilities of `images`, `[n, classes]`, in evaluation mode and without a graph.
///
/// # Errors
/// If the images are not `[n, channels, height, width]` of finite numbers.
pub fn predict(model: &dyn Layer, images: &Tensor, cx: &Ctx) -> Result<Tensor, Error> {
    Ok(scores(model, images, cx)?.softmax(1))
}

/// Loss, confusion and predictions on labelled images.
///
/// # Errors
/// If the images are not `[n, channels, height, width]` of finite numbers, or the labels do not fit them and the model.
pub fn evaluate(model: &dyn Layer, images: &Tensor, labels: &Tensor<i64>, cx: &Ctx) -> Result<Evaluation, Error> {
    check::label_count(labels, images.shape().first().copied().unwrap_or(0))?;
    let scores = scores(model, images, cx)?;
    let classes = scores.dim(1);
    check::labels(labels, scores.dim(0), classes)?;
    let predicted = scores.argmax(1);
    let mut confusion = Confusion::new(classes);
    confusion.add(&predicted, labels);
    let loss = f64::from(loss::cross_entropy(&scores, labels).item());
    Ok(Evaluation { loss, confusion, predicted, probabilities: scores.softmax(1) })
}

fn scores(model: &dyn Layer, images: &Tensor, cx: &Ctx) -> Result<Tensor, Error> {
    check::images(images)?;
    let mut cx = cx.eval();
    let n = images.dim(0);
    let part = |start| model.forward(&images.narrow(0, start, BATCH.min(n - start)), &mut cx);
    let parts: Vec<Tensor> = no_grad(|| (0..n).step_by(BATCH).map(part).collect());
    Ok(Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0))
}
