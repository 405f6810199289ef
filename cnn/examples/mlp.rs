//! A multi-layer perceptron reads the same digits as the convolutional network: what the convolutions are worth.
//!
//!     cargo run --release -p etude-cnn --example mlp -- [--quick] [--seed N] [--out DIR]

use anyhow::Result;
use etude_autograd::Tensor;
use etude_cnn::{FitConfig, ImageMlp, ImageMlpConfig, evaluate, fit, saliency};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture, heat};
use etude_data::plot::Chart;
use etude_data::{Samples, mnist};
use etude_nn::{Ctx, Journal};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "cnn", "mlp", "A multi-layer perceptron reads handwritten digits")?;
    report.about(
        "A perceptron with two hidden layers was trained from scratch on 10,000 MNIST digits as they are; the accuracy is \
         on 2,000 images it never saw.",
        "Look at the pixels that move its decision: without convolutions they are scattered over the whole image.",
    );
    let mut cx = Ctx::train(args.seed);
    let (train, test) = (mnist::train(), mnist::test());
    let model =
        ImageMlp::new(ImageMlpConfig { hidden: vec![512, 256], dropout: 0.4, ..ImageMlpConfig::default() }, &mut cx)?;

    let config = FitConfig { steps: args.pick(3000, 700), lr: 2e-3, ..FitConfig::default() };
    let mut journal = Journal::new(None, "mlp", config.steps)?;
    let (mut losses, mut errors) = (Vec::new(), Vec::new());
    fit(&model, &config, train.batches(100).shuffled(&mut cx).endless(), &mut cx, |step| {
        journal.scalar("loss", step.step, step.loss);
        journal.tick(step.step + 1, format!("loss {:.3}", step.loss));
        losses.push((step.step as f64, step.loss));
        errors.push((step.step as f64, 1.0 - step.accuracy));
    })?;
    journal.finish()?;

    let result = evaluate(&model, &test.images, &test.labels, &cx)?;
    report.result("mlp_accuracy", result.accuracy(), Better::Higher, args.pick(0.96, 0.945));
    report.result("mlp_loss", result.loss, Better::Lower, args.pick(0.16, 0.2));
    let chart = Chart::new("Training").x("step").y("cross-entropy, share of errors");
    let chart = chart.smoothed("cross-entropy", losses).smoothed("errors", errors);
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
