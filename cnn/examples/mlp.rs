//! A multi-layer perceptron reads the same digits as the convolutional network: what the convolutions are worth.
//!
//!     cargo run --release -p etude-cnn --example mlp -- [--quick] [--seed N] [--out DIR] [--resume]
//!
//! It can be stopped at any moment and resumed with `--resume`, and ends with the same bits.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_cnn::{Fit, FitConfig, ImageMlp, ImageMlpConfig, Step, evaluate, saliency};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture, heat};
use etude_data::plot::Chart;
use etude_data::{Batches, Samples, mnist};
use etude_nn::{Checkpoint, Ctx, Journal, JournalPosition};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "cnn", "mlp", "A multi-layer perceptron reads handwritten digits")?;
    report.about(
        "A perceptron with two hidden layers was trained from scratch on 10,000 MNIST digits as they are; the accuracy is \
         on 2,000 images it never saw.",
        "Look at the pixels that move its decision: without convolutions they are scattered over the whole image.",
    );
    let mut cx = Ctx::train(args.seed);
    let (train, test) = (mnist::train(), mnist::test());
    let model =
        ImageMlp::new(ImageMlpConfig { hidden: vec![512, 256], dropout: 0.4, ..ImageMlpConfig::default() }, &mut cx)?;

    let steps = args.pick(3000, 700);
    let mut batches = train.batches(100).shuffled(&mut cx).endless();
    let mut run = Fit::new(&model, &FitConfig { steps, lr: 2e-3, ..FitConfig::default() })?;
    let (mut curve, mut at) = (Vec::<Step>::new(), JournalPosition::default());
    let checkpoint = report.checkpoint()?;
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, steps))
                .model("model", &model)
                .optimizer("opt", &mut run.opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    if let Some(found) = parts!().resume(&checkpoint)? {
        report.resumed(found.step, found.damaged);
    }
    let mut journal = Journal::resume(Some(report.dir()), "mlp", steps, &at)?;
    while !run.is_done() {
        let (images, labels) = batches.next().expect("an endless iterator over a non-empty set");
        let step = run.step(&images, &labels, &mut cx)?;
        journal.scalar("loss", step.step, step.loss);
        journal.tick(step.step + 1, format!("loss {:.3}", step.loss));
        curve.push(step);
        if (step.step + 1) % 100 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step.step + 1)?;
        }
    }
    journal.finish()?;

    let result = evaluate(&model, &test.images, &test.labels, &cx)?;
    report.result("mlp_accuracy", result.accuracy(), Better::Higher, args.pick(0.96, 0.945));
    report.result("mlp_loss", result.loss, Better::Lower, args.pick(0.16, 0.2));
    let chart = Chart::new("Training").x("step").y("cross-entropy, share of errors");
    let chart = chart.smoothed("cross-entropy", curve.iter().map(|s| (s.step as f64, s.loss)));
    let chart = chart.smoothed("errors", curve.iter().map(|s| (s.step as f64, 1.0 - s.accuracy)));
    report.figure_svg(chart.svg()?, "loss.svg", "Loss and errors on training batches.")?;
    let few = test.first(10);
    let pixels = saliency(&model, &few.images, &few.labels, &cx)?;
    let rows = Tensor::concat(&[&few.images.expand([10, 3, 28, 28]), &heat(&pixels)], 0);
    let answers = result.answers(&test.labels, &(0..10).collect::<Vec<_>>()).join(", ");
    let caption = format!("Ten test digits, and below each the pixels that move its score; digit→answer: {answers}.");
    report.picture(&Picture::grid(&rows, &Grid::new(10)), "saliency.png", caption)?;
    let wrong: Vec<usize> = result.mistakes(&test.labels).into_iter().take(20).collect();
    let ids = Tensor::from_vec(wrong.iter().map(|&i| i as i64).collect(), [wrong.len()]);
    let answers = result.answers(&test.labels, &wrong).join(", ");
    let caption = format!("The surest mistakes on the test, digit→answer, row by row: {answers}.");
    report.picture(&Picture::grid(&test.batch(&ids).0, &Grid::new(10)), "mistakes.png", caption)?;
    report.finish()?;
    Ok(())
}
