//! What the examples of this folder share: a training that can be stopped at any moment and resumed, and pictures in rows.

mod rows;

use std::time::Instant;

use anyhow::Result;
use etude_ae_vae::{Autoencoder, KlWeight, Loss};
use etude_autograd::Tensor;
use etude_data::example::Report;
use etude_data::{Batches, Samples};
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Optimizer, check_finite};

pub use rows::rows;

/// How a model is trained.
pub struct Plan {
    pub epochs: usize,
    pub batch: usize,
    /// The learning rate at first and at last, with a cosine between.
    pub lr: (f64, f64),
    /// How the regularisers are weighed; a loss without any needs none.
    pub kl: Option<KlWeight>,
    /// What is done to a batch before it is seen.
    pub prepare: fn(&Tensor, &mut Ctx) -> Tensor,
    /// After how many minutes it stops at a checkpoint, if it is not at its end.
    pub minutes: Option<f64>,
}

/// Trains with a checkpoint every hundred steps and gives the curve of the loss, by epochs. With `--resume` it goes on from
/// the checkpoint and ends with the same bits. The journal is called `name`, as the report is, so that several have room in
/// one folder.
pub fn train<M: Autoencoder>(
    report: &Report,
    name: &str,
    model: &M,
    images: &Tensor,
    plan: &Plan,
    seed: u64,
    cx: &mut Ctx,
) -> Result<Vec<(f64, f64)>> {
    let start = Instant::now();
    let checkpoint = report.checkpoint()?;
    let mut opt = Adam::new(model, plan.lr.0);
    let mut batches = images.batches(plan.batch).shuffled(cx).endless();
    let each = batches.batches_an_epoch() as u64;
    let total = plan.epochs as u64 * each;
    let schedule = Schedule::cosine(plan.lr.0, plan.lr.1, total);
    let mut curve = Vec::new();
    let mut at = JournalPosition::default();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(seed, total))
                .model("model", model)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let mut step = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), name, total, &at)?;
    let mut sum = 0.0;
    while step < total {
        let x = batches.next().expect("an endless iterator over a non-empty set");
        let x = (plan.prepare)(&x, cx);
        let loss: Loss = model.forward(&x, cx).loss;
        let loss = plan.kl.map_or(loss.clone(), |kl| kl.apply(loss, step)).total();
        let nats = check_finite(loss.item(), step)?;
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        step += 1;
        sum += f64::from(nats);
        if step % 100 == 0 || step == total {
            let steps = (step - 1) % 100 + 1;
            let mean = sum / steps as f64;
            sum = 0.0;
            journal.scalar("loss", step, mean as f32);
            curve.push((step as f64 / each as f64, mean));
            journal.tick(step, format!("{mean:.1} nats"));
            at = journal.position();
            parts!().save(&checkpoint, step)?;
            if plan.minutes.is_some_and(|minutes| start.elapsed().as_secs_f64() >= 60.0 * minutes) {
                break;
            }
        }
    }
    journal.finish()?;
    Ok(curve)
}
