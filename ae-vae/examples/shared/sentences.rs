//! What the examples of sentences share: a training that can be stopped at any moment and resumed, and lines between codes.

use anyhow::Result;
use etude_ae_vae::{KlWeight, Sentence};
use etude_autograd::Tensor;
use etude_data::example::Report;
use etude_data::{Batches, Samples};
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Optimizer, check_finite};
use serde::{Deserialize, Serialize};

/// Steps of which a curve has the mean.
const MEAN: u64 = 50;

/// How sentence autoencoders are trained.
#[derive(Serialize)]
pub struct Plan {
    pub seed: u64,
    pub steps: u64,
    pub batch: usize,
    /// The learning rate at first and at last, with a cosine between.
    pub lr: (f64, f64),
    pub kl: KlWeight,
}

/// Both parts of the bound while training, by steps, in nats a sentence; the divergence is not weighed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Curve {
    pub reconstruction: Vec<(f64, f64)>,
    pub kl: Vec<(f64, f64)>,
}

/// Trains several models side by side on the same batches, with a checkpoint now and then, and gives the curve of each.
pub fn train(
    report: &Report,
    name: &str,
    models: &[&Sentence],
    sentences: &[Vec<u32>],
    plan: &Plan,
    cx: &mut Ctx,
) -> Result<Vec<Curve>> {
    let checkpoint = report.checkpoint()?;
    let mut opts: Vec<Adam> = models.iter().map(|model| Adam::new(*model, plan.lr.0).clip_norm(5.0)).collect();
    let ids = Tensor::from_vec((0..sentences.len() as i64).collect(), [sentences.len()]);
    let mut batches = ids.batches(plan.batch).shuffled(cx).endless();
    let schedule = Schedule::cosine(plan.lr.0, plan.lr.1, plan.steps);
    let (mut curves, mut sums) = (vec![Curve::default(); models.len()], vec![(0.0, 0.0); models.len()]);
    let mut at = JournalPosition::default();
    macro_rules! parts {
        () => {{
            let mut parts = Checkpoint::new()
                .config("run", plan)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .data("curves", &mut curves)
                .data("journal", &mut at)
                .keep_previous();
            for (i, (model, opt)) in models.iter().zip(&mut opts).enumerate() {
                parts = parts.model(&format!("model{i}"), *model).optimizer(&format!("opt{i}"), opt);
            }
            parts
        }};
    }
    let mut step = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), name, plan.steps, &at)?;
    while step < plan.steps {
        let numbers = batches.next().expect("an endless iterator over a non-empty set").to_vec();
        let chosen: Vec<Vec<u32>> = numbers.into_iter().map(|i| sentences[i as usize].clone()).collect();
        for ((model, opt), sum) in models.iter().zip(&mut opts).zip(&mut sums) {
            let loss = model.forward(&model.batch(&chosen)?, cx).loss;
            let part = |name: &str| loss.part(name).expect("a sentence's loss has both parts");
            (sum.0, sum.1) = (sum.0 + part("reconstruction"), sum.1 + part("kl"));
            let loss = plan.kl.apply(loss, step).total();
            check_finite(loss.item(), step)?;
            opt.set_lr(schedule.at(step));
            opt.step(&loss.backward());
        }
        step += 1;
        if step.is_multiple_of(MEAN) || step == plan.steps {
            let n = ((step - 1) % MEAN + 1) as f64;
            let mut said = Vec::new();
            for (i, (curve, sum)) in curves.iter_mut().zip(&mut sums).enumerate() {
                let (reconstruction, kl) = (sum.0 / n, sum.1 / n);
                *sum = (0.0, 0.0);
                curve.reconstruction.push((step as f64, reconstruction));
                curve.kl.push((step as f64, kl));
                journal.scalar(&format!("reconstruction{i}"), step, reconstruction as f32);
                journal.scalar(&format!("kl{i}"), step, kl as f32);
                said.push(format!("{reconstruction:.1} + {kl:.1}"));
            }
            journal.tick(step, format!("{} nats", said.join(", ")));
            at = journal.position();
            parts!().save(&checkpoint, step)?;
        }
    }
    journal.finish()?;
    Ok(curves)
}

/// `points` codes on the straight line from one code to another, both `[1, latent]`, with both: `[points, latent]`.
pub fn line(from: &Tensor, to: &Tensor, points: usize) -> Tensor {
    let t = (0..points).map(|i| i as f32 / (points - 1) as f32).collect();
    from + Tensor::from_vec(t, [points, 1]) * (to - from)
}
