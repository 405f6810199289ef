//! A variational autoencoder on binarised MNIST: reconstructions, samples, interpolation. It can be stopped at any moment and
//! resumed with `--resume`, and ends with the same bits.

use anyhow::Result;
use etude_ae_vae::{Autoencoder, Generative, Vae, VaeConfig, binarise, measure};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture};
use etude_data::plot::Chart;
use etude_data::{Batches, Samples, mnist};
use etude_kernels::rng::Rng;
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Optimizer, check_finite};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "ae-vae", "vae", "A variational autoencoder dreams digits")?;
    let (epochs, batch) = (args.pick(100, 14), 100);
    let mut cx = Ctx::train(args.seed);

    let train = mnist::train().images.flatten_from(1);
    // The published protocol draws test pixels once; seed 0 whatever the run's seed.
    let test = binarise(&mnist::test().images.flatten_from(1), &mut Rng::new(0));

    let checkpoint = report.checkpoint()?;
    let model = Vae::new(VaeConfig { hidden: vec![400], latent: 20, ..Default::default() }, &mut cx)?;
    let mut opt = Adam::new(&model, 2e-3);
    let mut batches = train.batches(batch).shuffled(&mut cx).endless();
    let total = (epochs * batches.batches_an_epoch()) as u64;
    let schedule = Schedule::cosine(2e-3, 1e-4, total);
    let (mut curve, mut at) = (Vec::new(), JournalPosition::default());
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, total))
                .model("model", &model)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let mut step = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), "vae", total, &at)?;
    while step < total {
        let x = batches.next().expect("an endless iterator over a non-empty set");
        let x = binarise(&x, &mut cx); // drawn anew each time, which keeps 10,000 images from being learnt by heart
        let loss = model.forward(&x, &mut cx).loss.total();
        let nats = check_finite(loss.item(), step)?;
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        step += 1;
        journal.scalar("loss", step, nats);
        curve.push((step as f64 / (total / epochs as u64) as f64, f64::from(nats)));
        if step % 100 == 0 {
            journal.tick(step, format!("{nats:.1} nats"));
            at = journal.position();
            parts!().save(&checkpoint, step)?;
        }
    }
    journal.finish()?;

    let mut eval = cx.eval();
    let neg_elbo = measure::mean_loss(&model, &test, &mut eval)?;
    report.about(
        "A network with 20 latent variables was trained on 10,000 handwritten digits to explain every image by a point \
         in a smooth space, and to draw images from such points.",
        "Samples are decoded from pure noise and should look like handwriting; along the interpolation one digit turns \
         into another without leaving the space of plausible strokes.",
    );
    report.result("vae_neg_elbo", neg_elbo, Better::Lower, args.pick(106.0, 118.0));

    let images = |x: &Tensor| x.reshape([x.dim(0), 1, 28, 28]);
    let shown = test.narrow(0, 0, 12);
    let recon = no_grad(|| model.reconstruct(&shown, &mut eval));
    let strip = Tensor::concat(&[&shown, &recon], 0);
    report.picture(
        &Picture::grid(&images(&strip), &Grid::new(12)),
        "reconstruction.png",
        "Test digits above, their reconstructions below",
    )?;
    let samples = model.sample(60, &mut eval);
    report.picture(
        &Picture::grid(&images(&samples), &Grid::new(12)),
        "samples.png",
        "Decoded from random points of the latent space",
    )?;
    let path = interpolate(&model, &shown, &mut eval);
    report.picture(
        &Picture::grid(&images(&path), &Grid::new(12)),
        "interpolation.png",
        "Straight lines through the latent space, from one test digit to another",
    )?;
    let chart = Chart::new("VAE on MNIST").x("epoch").y("nats an image").smoothed("training loss", curve);
    report.figure_svg(chart.y_range(90.0..200.0).svg()?, "loss.svg", "Negative evidence lower bound while training")?;
    report.finish()?;
    Ok(())
}

/// Twelve points on each of four lines between the codes of neighbouring test images.
fn interpolate(model: &Vae, x: &Tensor, cx: &mut Ctx) -> Tensor {
    no_grad(|| {
        let code = model.encode(x, cx);
        let line = |i: usize| {
            let (a, b) = (code.narrow(0, 2 * i, 1), code.narrow(0, 2 * i + 1, 1));
            let t = Tensor::from_vec((0..12).map(|j| j as f32 / 11.0).collect(), [12, 1]);
            &a + t * (b - &a)
        };
        let lines: Vec<Tensor> = (0..4).map(line).collect();
        model.decode(&Tensor::concat(&lines.iter().collect::<Vec<_>>(), 0), cx).sigmoid()
    })
}
