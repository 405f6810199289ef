//! Supervised training of a classifier: what every example here would otherwise repeat.
//!
//! AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with a linear warm-up and a cosine down to 0 (the same authors 2017,
//! arXiv:1608.03983, eq. (5) without restarts). The length is counted in steps, so a result does not depend on the machine.

use etude_autograd::Tensor;
use etude_nn::schedule::Schedule;
use etude_nn::{AdamW, ConfigError, Ctx, Layer, Optimizer, check_finite, loss, metrics};

use crate::check;
use crate::error::Error;

/// How [`fit`] trains.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FitConfig {
    /// Updates.
    pub steps: u64,
    /// The highest learning rate.
    pub lr: f64,
    /// Share of the steps over which the rate rises from 0.
    pub warmup: f64,
    /// AdamW's decay of weights; biases and scales do not decay.
    pub weight_decay: f64,
    /// Probability mass that the target gives to all classes.
    pub smoothing: f64,
}

impl Default for FitConfig {
    fn default() -> Self {
        FitConfig { steps: 1000, lr: 3e-3, warmup: 0.1, weight_decay: 1e-2, smoothing: 0.0 }
    }
}

impl FitConfig {
    /// Whether every field is in its range.
    ///
    /// # Errors
    /// With the first that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good, field, value: f64, expected| ConfigError::check(good, "FitConfig", field, value, expected);
        check(self.steps > 0, "steps", self.steps as f64, "at least 1")?;
        check(self.lr.is_finite() && self.lr > 0.0, "lr", self.lr, "a positive number")?;
        check((0.0..=1.0).contains(&self.warmup), "warmup", self.warmup, "a share from 0 to 1")?;
        let decay = self.weight_decay;
        check(decay.is_finite() && decay >= 0.0, "weight_decay", decay, "a number of at least 0")?;
        check((0.0..1.0).contains(&self.smoothing), "smoothing", self.smoothing, "at least 0 and less than 1")
    }

    /// The learning rate over the steps.
    pub fn schedule(&self) -> Schedule {
        let warm_up = (self.warmup * self.steps as f64) as u64;
        Schedule::cosine(self.lr, 0.0, self.steps - warm_up).warm_up(warm_up)
    }
}

/// What one update saw.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// Its number, from 0.
    pub step: u64,
    /// The loss of the batch before the update.
    pub loss: f64,
    /// The accuracy on the batch before the update.
    pub accuracy: f64,
    /// The learning rate.
    pub lr: f64,
}

/// Trains `model` on `batches` of images and labels, and calls `each` after every update.
///
/// # Errors
/// If the configuration or a batch is not valid, the batches end too early, or the loss or a gradient is not finite. The
/// model keeps the weights of the last good update.
pub fn fit(
    model: &impl Layer,
    config: &FitConfig,
    batches: impl IntoIterator<Item = (Tensor, Tensor<i64>)>,
    cx: &mut Ctx,
    mut each: impl FnMut(Step),
) -> Result<(), Error> {
    let mut run = Fit::new(model, config)?;
    let mut batches = batches.into_iter();
    while !run.is_done() {
        let Some((images, labels)) = batches.next() else {
            return Err(Error::Batches { found: run.steps(), expected: config.steps });
        };
        each(run.step(&images, &labels, cx)?);
    }
    Ok(())
}

/// What [`fit`] does, step by step, for a training that is stopped and resumed: all that changes beside the model is in its
/// optimiser, the number of steps included.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run.safetensors");
/// use etude_autograd::Tensor;
/// use etude_cnn::{Fit, FitConfig, ImageMlp, ImageMlpConfig};
/// use etude_nn::{Checkpoint, Ctx};
///
/// let mut cx = Ctx::train(0);
/// let model = ImageMlp::new(ImageMlpConfig::default(), &mut cx)?;
/// let config = FitConfig { steps: 4, ..FitConfig::default() };
/// let mut run = Fit::new(&model, &config)?;
/// macro_rules! parts {
///     () => {
///         // The schedule is a function of the configuration, which must be the same.
///         Checkpoint::new()
///             .config("fit", &config)
///             .model("model", &model)
///             .optimizer("opt", &mut run.opt)
///             .rng("rng", &mut cx.rng)
///     };
/// }
/// parts!().resume(&path)?;
/// while !run.is_done() {
///     let labels = Tensor::from_slice(&[3, 1], [2]);
///     let step = run.step(&Tensor::rand([2, 1, 28, 28], &mut cx), &labels, &mut cx)?.step;
///     parts!().save(&path, step + 1)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fit<'a, M> {
    model: &'a M,
    config: FitConfig,
    schedule: Schedule,
    /// AdamW, for a checkpoint.
    pub opt: AdamW,
}

impl<'a, M: Layer> Fit<'a, M> {
    /// A training before its first step.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(model: &'a M, config: &FitConfig) -> Result<Self, Error> {
        config.validate()?;
        let opt = AdamW::new(model, config.lr).weight_decay(config.weight_decay);
        let opt = opt.decay_where(|_, shape| shape.len() > 1);
        Ok(Fit { model, schedule: config.schedule(), opt, config: config.clone() })
    }

    /// Updates so far.
    pub fn steps(&self) -> u64 {
        self.opt.steps()
    }

    /// Whether all of them are made.
    pub fn is_done(&self) -> bool {
        self.steps() >= self.config.steps
    }

    /// One update.
    ///
    /// # Errors
    /// If the batch is not valid, or the loss or a gradient is not finite. No parameter is changed then; running statistics
    /// and the context's random numbers may have moved on.
    pub fn step(&mut self, images: &Tensor, labels: &Tensor<i64>, cx: &mut Ctx) -> Result<Step, Error> {
        let step = self.steps();
        check::images(images)?;
        check::label_count(labels, images.dim(0))?;
        let logits = self.model.forward(images, cx);
        check::labels(labels, images.dim(0), logits.dim(1))?;
        let accuracy = metrics::accuracy(&logits, labels);
        let loss = if self.config.smoothing > 0.0 {
            loss::cross_entropy_smooth(&logits, labels, self.config.smoothing)
        } else {
            loss::cross_entropy(&logits, labels)
        };
        let value = check_finite(loss.item(), step)?;
        let lr = self.schedule.at(step);
        self.opt.set_lr(lr);
        self.opt.try_step(&loss.backward())?;
        Ok(Step { step, loss: f64::from(value), accuracy, lr })
    }
}
