//! A LeNet reads handwritten digits: training on 10,000 images, the test accuracy, and pictures of what it looks at.
//!
//!     cargo run --release -p etude-cnn --example lenet -- [--quick] [--seed N] [--out DIR] [--resume]
//!
//! It can be stopped at any moment and resumed with `--resume`, and ends with the same bits.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_cnn::{Evaluation, Fit, FitConfig, LeNet, LeNetConfig, Step, evaluate, grad_cam, smooth_saliency};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture, heat};
use etude_data::plot::{Chart, HeatMap};
use etude_data::{Augment, Batches, ImageSet, Samples, mnist};
use etude_nn::{Checkpoint, Ctx, Journal, JournalPosition};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "cnn", "lenet", "A convolutional network reads handwritten digits")?;
    report.about(
        "A LeNet (two convolutions, two poolings, three linear layers) was trained from scratch on 10,000 MNIST digits, \
         each shifted, turned and scaled a little every time it came up; the accuracy is on 2,000 images it never saw.",
        "Look at the pixels that move its decision (bright where the score is sensitive), and at its mistakes: many are \
         hard for a person too.",
    );
    let mut cx = Ctx::train(args.seed);
    let (train, test) = (mnist::train(), mnist::test());
    let config = LeNetConfig { channels: [12, 24], hidden: [128, 84], dropout: 0.1, ..LeNetConfig::default() };
    let model = LeNet::new(config, &mut cx)?;

    let steps = args.pick(1200, 260);
    let augment = Augment { shift: 2.0, rotate: 12.0, scale: 0.12, ..Augment::default() };
    let mut changes = cx.rng.split();
    let mut batches = train.batches(64).shuffled(&mut cx).endless();
    let mut run = Fit::new(&model, &FitConfig { steps, lr: 4e-3, ..FitConfig::default() })?;
    let (mut curve, mut at) = (Vec::<Step>::new(), JournalPosition::default());
    let checkpoint = report.checkpoint()?;
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, steps))
                .model("model", &model)
                .optimizer("opt", &mut run.opt)
                .rng("rng", &mut cx.rng)
                .rng("changes", &mut changes)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    if let Some(found) = parts!().resume(&checkpoint)? {
        report.resumed(found.step, found.damaged);
    }
    let mut journal = Journal::resume(Some(report.dir()), "lenet", steps, &at)?;
    while !run.is_done() {
        let (images, labels) = batches.next().expect("an endless iterator over a non-empty set");
        let step = run.step(&augment.apply(&images, &mut changes), &labels, &mut cx)?;
        journal.scalar("loss", step.step, step.loss);
        journal.tick(step.step + 1, format!("loss {:.3}", step.loss));
        curve.push(step);
        if (step.step + 1) % 20 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step.step + 1)?;
        }
    }
    journal.finish()?;

    let result = evaluate(&model, &test.images, &test.labels, &cx)?;
    report.result("lenet_accuracy", result.accuracy(), Better::Higher, args.pick(0.98, 0.96));
    report.result("lenet_loss", result.loss, Better::Lower, args.pick(0.07, 0.14));
    look(&mut report, &model, &test, &result, &cx)?;
    mistakes(&mut report, &test, &result)?;
    filters(&mut report, &model)?;
    report.figure_svg(loss_chart(&curve, &result).svg()?, "loss.svg", "Cross-entropy while training.")?;
    let counts = result.confusion.rows().flatten().map(|&n| (1.0 + n as f64).ln());
    let text = result.confusion.rows().flatten().map(|n| n.to_string());
    let names = || (0..10).map(|digit| digit.to_string());
    let confusion = HeatMap::new("Digit (row) taken for (column)", 10, counts).text(text);
    let confusion = confusion.names(names(), names()).without_bar();
    let caption = "How often each digit of the test (row) was taken for each (column); colours by the logarithm.";
    report.figure_svg(confusion.svg()?, "confusion.svg", caption)?;
    report.finish()?;
    Ok(())
}

/// One digit of each kind, the pixels its score is sensitive to, and where the evidence lies.
fn look(report: &mut Report, model: &LeNet, test: &ImageSet, result: &Evaluation, cx: &Ctx) -> Result<()> {
    let (found, labels) = (result.predicted.to_vec(), test.labels.to_vec());
    let right = |digit: i64| (0..labels.len()).find(|&i| labels[i] == digit && found[i] == digit);
    let chosen: Vec<i64> = (0..10).filter_map(right).map(|i| i as i64).collect();
    let ids = Tensor::from_slice(&chosen, [chosen.len()]);
    let (images, classes) = test.batch(&ids);
    let pixels = smooth_saliency(model, &images, &classes, 16, 0.15, cx)?;
    let regions = grad_cam(model, &images, &classes, cx)?;
    // The maps' 5 × 5 cells, enlarged to 25 × 25, cover the image but for its border.
    let regions = regions.upsample_nearest2d(5).pad2d([1, 2, 1, 2]);
    let shape = [chosen.len(), 3, 28, 28];
    let rows = Tensor::concat(&[&images.expand(shape), &heat(&pixels), &heat(&regions)], 0);
    let picture = Picture::grid(&rows, &Grid::new(chosen.len()));
    let caption = "Test digits; below each the pixels that move its score most (mean of 16 noisy gradients), and the \
                   regions whose feature maps speak for it (Grad-CAM).";
    report.picture(&picture, "saliency.png", caption)?;
    Ok(())
}

/// The surest wrong answers.
fn mistakes(report: &mut Report, test: &ImageSet, result: &Evaluation) -> Result<()> {
    let wrong: Vec<usize> = result.mistakes(&test.labels).into_iter().take(20).collect();
    if wrong.is_empty() {
        report.text("mistakes", "none", "Mistakes on the test images.");
        return Ok(());
    }
    let ids = Tensor::from_vec(wrong.iter().map(|&i| i as i64).collect(), [wrong.len()]);
    let (images, _) = test.batch(&ids);
    let answers = result.answers(&test.labels, &wrong).join(", ");
    let caption = format!("The surest mistakes, digit→answer, row by row: {answers}.");
    report.picture(&Picture::grid(&images, &Grid::new(10)), "mistakes.png", caption)?;
    Ok(())
}

/// The kernels of the first convolution.
fn filters(report: &mut Report, model: &LeNet) -> Result<()> {
    let kernels = heat(&model.conv1.weight.get().detach());
    let picture = Picture::grid(&kernels, &Grid { upscale: 12, ..Grid::new(6) });
    report.picture(&picture, "filters.png", "The 5 × 5 kernels of the first layer: strokes and edges.")?;
    Ok(())
}

fn loss_chart(curve: &[Step], result: &Evaluation) -> Chart {
    let points = curve.iter().map(|s| (s.step as f64, s.loss));
    let last = curve.last().map_or(0.0, |s| s.step as f64);
    Chart::new("Training")
        .x("step")
        .y("cross-entropy (nats)")
        .log_y()
        .smoothed("training batches", points)
        .dashed("test, at the end", [(0.0, result.loss), (last, result.loss)])
}
