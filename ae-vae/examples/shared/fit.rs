//! A training without a checkpoint, for examples that train several small models one after another.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_data::Samples;
use etude_data::example::Report;
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Ctx, Journal, Module, Optimizer, check_finite};

/// How long, and how fast.
#[derive(Clone, Copy)]
pub struct Course {
    pub epochs: usize,
    pub batch: usize,
    /// The learning rate at first and at last, with a cosine between.
    pub lr: (f64, f64),
}

/// Descends along `loss` of batches of `data`, at the step that it is told, and gives the curve by epochs: the mean of every
/// fifty steps. The journal is called `name`.
pub fn fit<S: Samples + Clone>(
    (report, name): (&Report, &str),
    model: &impl Module,
    data: S,
    course: Course,
    cx: &mut Ctx,
    mut loss: impl FnMut(S::Batch, u64, &mut Ctx) -> Result<Tensor>,
) -> Result<Vec<(f64, f64)>> {
    let mut batches = data.batches(course.batch).shuffled(cx).endless();
    let each = batches.batches_an_epoch() as u64;
    let total = course.epochs as u64 * each;
    let schedule = Schedule::cosine(course.lr.0, course.lr.1, total);
    let mut opt = Adam::new(model, course.lr.0);
    let mut journal = Journal::new(Some(report.dir()), name, total)?;
    let (mut curve, mut recent) = (Vec::new(), Vec::new());
    for step in 0..total {
        let batch = batches.next().expect("an endless iterator over a non-empty set");
        let loss = loss(batch, step, cx)?;
        recent.push(f64::from(check_finite(loss.item(), step)?));
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        if recent.len() == 50 || step + 1 == total {
            let mean = recent.iter().sum::<f64>() / recent.len() as f64;
            recent.clear();
            journal.scalar("loss", step + 1, mean as f32);
            journal.tick(step + 1, format!("{name}: {mean:.1} nats"));
            curve.push(((step + 1) as f64 / each as f64, mean));
        }
    }
    journal.finish()?;
    Ok(curve)
}
