//! A plain and a denoising autoencoder on MNIST: sixteen numbers for a digit, and a digit out of noise.

use anyhow::Result;
use etude_ae_vae::{Autoencoder, Denoising, DenoisingConfig, Vanilla, VanillaConfig};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture};
use etude_data::plot::Chart;
use etude_data::{Samples, mnist};
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Ctx, Journal, Module, Optimizer, check_finite};

const BATCH: usize = 100;

/// Trains by `loss` and returns the curve of it.
fn train<M: Module>(
    model: &M,
    images: &Tensor,
    epochs: usize,
    journal: &mut Journal,
    cx: &mut Ctx,
    loss: impl Fn(&M, &Tensor, &mut Ctx) -> Tensor,
) -> Result<Vec<(f64, f64)>> {
    let mut batches = images.batches(BATCH).shuffled(cx);
    let each = batches.batches_an_epoch() as u64;
    let schedule = Schedule::cosine(2e-3, 1e-4, epochs as u64 * each);
    let mut opt = Adam::new(model, 2e-3);
    let mut curve = Vec::new();
    for _ in 0..epochs {
        for x in batches.by_ref() {
            let value = loss(model, &x, cx);
            let nats = check_finite(value.item(), opt.steps())?;
            opt.set_lr(schedule.at(opt.steps()));
            opt.step(&value.backward());
            curve.push((opt.steps() as f64 / each as f64, f64::from(nats)));
            journal.tick(opt.steps(), format!("{nats:.1} nats"));
        }
        batches.next_epoch();
    }
    Ok(curve)
}

/// 10·lg(1/MSE) in decibels.
fn psnr(a: &Tensor, b: &Tensor) -> f64 {
    -10.0 * f64::from((a - b).square().mean().item()).log10()
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "ae-vae", "autoencoders", "Sixteen numbers for a digit, a digit out of noise")?;
    let epochs = args.pick(30, 10);
    let mut cx = Ctx::train(args.seed);
    let images = mnist::train().images.flatten_from(1);
    let test = mnist::test().images.flatten_from(1);
    let mut journal = Journal::new(Some(report.dir()), "autoencoders", (2 * epochs * images.dim(0) / BATCH) as u64)?;

    let vanilla = Vanilla::new(VanillaConfig::default(), &mut cx)?;
    let plain = train(&vanilla, &images, epochs, &mut journal, &mut cx, Vanilla::loss)?;
    let denoising = Denoising::new(DenoisingConfig::default(), &mut cx)?;
    let noisy = train(&denoising, &images, epochs, &mut journal, &mut cx, Denoising::loss)?;
    journal.finish()?;

    let mut eval = cx.eval();
    let corrupted = denoising.corruption().apply(&test, &mut eval);
    let (recon, clean) =
        no_grad(|| (vanilla.reconstruct(&test, &mut eval), denoising.reconstruct(&corrupted, &mut eval)));
    report.about(
        "Two networks learnt to give back 10,000 handwritten digits: one through a code of 16 numbers, one from images \
         drowned in noise.",
        "In each picture the rows are what went in and what came out, for digits that neither network has seen.",
    );
    report.result("vanilla_mse", f64::from((&recon - &test).square().mean().item()), Better::Lower, 0.03);
    report.result("denoising_psnr_gain", psnr(&clean, &test) - psnr(&corrupted, &test), Better::Higher, 5.0);
    let rows = |parts: &[&Tensor]| {
        let cut: Vec<Tensor> = parts.iter().map(|x| x.narrow(0, 0, 12)).collect();
        let all = Tensor::concat(&cut.iter().collect::<Vec<_>>(), 0);
        Picture::grid(&all.reshape([12 * parts.len(), 1, 28, 28]), &Grid::new(12))
    };
    report.picture(&rows(&[&test, &recon]), "vanilla.png", "Test digits and what 16 numbers keep of them")?;
    report.picture(&rows(&[&test, &corrupted, &clean]), "denoising.png", "Test digits, corrupted, and denoised")?;
    let chart = Chart::new("Autoencoders on MNIST").x("epoch").y("nats an image");
    let chart = chart.smoothed("plain", plain).smoothed("denoising", noisy).y_range(60.0..260.0);
    report.figure_svg(chart.svg()?, "loss.svg", "Cross-entropy while training")?;
    report.finish()?;
    Ok(())
}
