//! A plain and a denoising autoencoder on MNIST: sixteen numbers for a digit, and a digit out of noise. It can be stopped at
//! any moment and resumed with `--resume`, and ends with the same bits.

#[path = "shared/rows.rs"]
mod rows;

use anyhow::Result;
use etude_ae_vae::measure::psnr;
use etude_ae_vae::{Autoencoder, Denoising, DenoisingConfig, Vanilla, VanillaConfig};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::plot::Chart;
use etude_data::{Batches, Samples, mnist};
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Optimizer, check_finite};

use rows::rows;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report =
        Report::resumable(&args, "ae-vae", "autoencoders", "Sixteen numbers for a digit, a digit out of noise")?;
    let mut cx = Ctx::train(args.seed);
    let images = mnist::train().images.flatten_from(1);
    let test = mnist::test().images.flatten_from(1);

    let vanilla = Vanilla::new(VanillaConfig::default(), &mut cx)?;
    let denoising = Denoising::new(DenoisingConfig::default(), &mut cx)?;
    let (mut vanilla_opt, mut denoising_opt) = (Adam::new(&vanilla, 2e-3), Adam::new(&denoising, 2e-3));
    let mut batches = images.batches(100).shuffled(&mut cx).endless();
    let each = batches.batches_an_epoch() as u64;
    let total = args.pick(30, 10) * each;
    let schedule = Schedule::cosine(2e-3, 1e-4, total);
    let (mut plain, mut noisy, mut at) = (Vec::new(), Vec::new(), JournalPosition::default());
    let checkpoint = report.checkpoint()?;
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, total))
                .model("vanilla", &vanilla)
                .model("denoising", &denoising)
                .optimizer("vanilla_opt", &mut vanilla_opt)
                .optimizer("denoising_opt", &mut denoising_opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .data("plain", &mut plain)
                .data("noisy", &mut noisy)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let first = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), "autoencoders", total, &at)?;
    for step in first..total {
        let x = batches.next().expect("an endless iterator over a non-empty set");
        // Descends along a loss and adds it to its curve.
        let update = |loss: Tensor, opt: &mut Adam, curve: &mut Vec<(f64, f64)>| -> Result<f32> {
            let nats = check_finite(loss.item(), step)?;
            opt.set_lr(schedule.at(step));
            opt.step(&loss.backward());
            curve.push(((step + 1) as f64 / each as f64, f64::from(nats)));
            Ok(nats)
        };
        let a = update(vanilla.forward(&x, &mut cx).loss.total(), &mut vanilla_opt, &mut plain)?;
        let b = update(denoising.forward(&x, &mut cx).loss.total(), &mut denoising_opt, &mut noisy)?;
        journal.scalar("plain", step, a);
        journal.scalar("denoising", step, b);
        journal.tick(step + 1, format!("{a:.1} and {b:.1} nats"));
        if (step + 1) % 50 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step + 1)?;
        }
    }
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
    report.picture(&rows(&[&test, &recon], 12), "vanilla.png", "Test digits and what 16 numbers keep of them")?;
    report.picture(&rows(&[&test, &corrupted, &clean], 12), "denoising.png", "Test digits, corrupted, and denoised")?;
    let chart = Chart::new("Autoencoders on MNIST").x("epoch").y("nats an image");
    let chart = chart.smoothed("plain", plain).smoothed("denoising", noisy).y_range(60.0..260.0);
    report.figure_svg(chart.svg()?, "loss.svg", "Cross-entropy while training")?;
    report.finish()?;
    Ok(())
}
