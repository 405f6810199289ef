//! A multi-layer perceptron reads the same digits as the convolutional network: what the convolutions are worth.
//!
//!     cargo run --release -p etude-cnn --example mlp -- [--quick] [--seed N] [--out DIR]

use anyhow::Result;
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
    let picture = Picture::grid(&heat(&pixels), &Grid::new(10));
    report.picture(&picture, "saliency.png", "The pixels that move the right class's score, for ten test digits.")?;
    let wrong: Vec<i64> = result.mistakes(&test.labels).into_iter().take(20).map(|i| i as i64).collect();
    let (images, _) = test.batch(&etude_autograd::Tensor::from_slice(&wrong, [wrong.len()]));
    report.picture(&Picture::grid(&images, &Grid::new(10)), "mistakes.png", "The surest mistakes on the test.")?;
    report.finish()?;
    Ok(())
}
