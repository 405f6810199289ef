//! A DCGAN draws digits. It can be stopped at any moment and resumed with `--resume`, and ends with the same bits.

use anyhow::Result;
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture};
use etude_data::plot::Chart;
use etude_data::{Batches, ImageSet, Samples, mnist};
use etude_gan::dcgan::{DcganConfig, Discriminator, Generator, discriminator_step, generator_step};
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Layer, LeNet, LeNetConfig, Optimizer};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "gan", "dcgan", "A DCGAN draws digits")?;
    let (steps, batch) = (args.pick(1600, 300), 64);
    let config = DcganConfig::default();
    let mut cx = Ctx::train(args.seed);
    let (generator, discriminator) = (Generator::new(&config, &mut cx)?, Discriminator::new(&config, &mut cx)?);
    let mut g_opt = Adam::new(&generator, 5e-4).betas(0.5, 0.999);
    let mut d_opt = Adam::new(&discriminator, 2e-4).betas(0.5, 0.999);
    let fixed = Tensor::randn([12, config.latent], &mut cx);
    let checkpoint = report.checkpoint()?;
    // Pixels of the pictures of the fixed noise so far.
    let mut progress: Vec<f32> = Vec::new();
    let (mut d_losses, mut g_losses) = (Vec::new(), Vec::new());
    let mut batches = mnist::train().images.batches(batch).shuffled(&mut cx).drop_last().endless();
    let mut at = JournalPosition::default();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, steps))
                .model("generator", &generator)
                .model("discriminator", &discriminator)
                .optimizer("g_opt", &mut g_opt)
                .optimizer("d_opt", &mut d_opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .floats("progress", &mut progress)
                .data("d_losses", &mut d_losses)
                .data("g_losses", &mut g_losses)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let first = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), "dcgan", steps, &at)?;
    for step in first..steps {
        let real = batches.next().expect("an endless iterator over a non-empty set");
        let d = discriminator_step(&discriminator, &generator, &mut d_opt, &real, &mut cx)?;
        let g = generator_step(&discriminator, &generator, &mut g_opt, batch, &mut cx)?;
        d_losses.push((step as f64, f64::from(d)));
        g_losses.push((step as f64, f64::from(g)));
        journal.scalar("discriminator", step, d);
        journal.scalar("generator", step, g);
        journal.tick(step, format!("discriminator {d:.3}, generator {g:.3}"));
        // The same twelve points of noise at five moments: 1/16, 1/8, 1/4, 1/2 of the run, and its end.
        if (0..5).any(|k| step + 1 == steps >> (4 - k)) {
            let mut eval = cx.eval();
            progress.extend(no_grad(|| generator.forward(&fixed, &mut eval)).to_vec());
        }
        if (step + 1) % 20 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step + 1)?;
        }
    }
    journal.finish()?;

    let mut eval = cx.eval();
    let samples = no_grad(|| generator.generate(60, &mut eval));
    report.about(
        "A generator of transposed convolutions learnt to draw digits from 64 random numbers only by trying to deceive a \
         discriminator, which saw 10,000 real ones.",
        "The first picture shows fresh samples; the second the same twelve points of noise at five moments of the training.",
    );
    let classes = classes_drawn(&generator, &mnist::train(), &mut cx)?;
    report.result("dcgan_classes", classes as f64, Better::Higher, args.pick(9.0, 5.0));
    report.picture(&Picture::grid(&samples, &Grid::new(12)), "samples.png", "Sixty samples at the end")?;
    let rows = Tensor::from_slice(&progress, [progress.len() / (28 * 28), 1, 28, 28]);
    report.picture(
        &Picture::grid(&rows, &Grid::new(12)),
        "progress.png",
        "The same noise after 1/16, 1/8, 1/4, 1/2 and all of the steps",
    )?;
    let chart = Chart::new("DCGAN on MNIST")
        .x("step")
        .y("loss")
        .smoothed("discriminator", d_losses)
        .smoothed("generator", g_losses);
    report.figure_svg(chart.svg()?, "losses.svg", "Neither side wins for good")?;
    report.finish()?;
    Ok(())
}

/// How many of the ten digits make up at least 3 % of 1,000 samples each, by the judgement of a LeNet trained for the
/// purpose: a generator that collapses draws only a few.
fn classes_drawn(generator: &Generator, train: &ImageSet, cx: &mut Ctx) -> Result<usize> {
    let judge = LeNet::new(LeNetConfig::default(), cx)?;
    let mut opt = Adam::new(&judge, 2e-3);
    for (x, labels) in train.batches(64).shuffled(cx) {
        opt.step(&judge.forward(&x, cx).cross_entropy(&labels).backward());
    }
    let mut eval = cx.eval();
    let mut counts = [0; 10];
    for _ in 0..10 {
        let digits = no_grad(|| judge.forward(&generator.generate(100, &mut eval), &mut eval)).argmax(1);
        digits.to_vec().into_iter().for_each(|digit| counts[digit as usize] += 1);
    }
    Ok(counts.iter().filter(|&&count| count >= 30).count())
}
