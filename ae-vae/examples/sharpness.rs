//! "Samples of variational autoencoders are blurry": measured beside those of a GAN that learnt from the same digits.
//!
//! The blur is that of the mean: the decoder says the expected grey of each pixel, and where a code leaves a stroke's place open,
//! that is the mean over places. A discriminator would see it (Larsen et al. 2016, arXiv:1512.09300, section 1). A sharp sample
//! is not yet a good one, so both are measured: sharpness, and the distance between the distributions of real and drawn digits
//! in the features of a network that reads digits.

#[path = "shared/reader.rs"]
mod reader;
#[path = "shared/mod.rs"]
mod shared;

use anyhow::Result;
use etude_ae_vae::{Generative, Vae, VaeConfig, binarise, measure};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::plot::Chart;
use etude_data::{Samples, mnist};
use etude_gan::dcgan::{DcganConfig, Discriminator, Generator, discriminator_step, generator_step};
use etude_nn::{Act, Adam, Ctx, Journal, frechet_distance};

use shared::{Plan, rows, train};

/// Digits of each kind in the picture.
const SHOWN: usize = 12;

fn main() -> Result<()> {
    let args = Args::parse();
    let title = "How blurry is a variational autoencoder?";
    let mut report = Report::resumable(&args, "ae-vae", "sharpness", title)?;
    let [real, test] = [mnist::train(), mnist::test()].map(|set| (set.images.flatten_from(1), set.labels));
    let mut cx = Ctx::train(args.seed);
    let config = VaeConfig { hidden: vec![400], latent: 10, act: Act::Gelu, ..VaeConfig::default() };
    let vae = Vae::new(config, &mut cx)?;
    let prepare = |x: &Tensor, cx: &mut Ctx| binarise(x, cx);
    let plan = Plan { epochs: args.pick(100, 20), batch: 100, lr: (2e-3, 5e-5), kl: None, minutes: None, prepare };
    let curve = train(&report, "sharpness", &vae, &real.0, &plan, args.seed, &mut cx)?;
    let generator = gan(&report, args.pick(1_600, 600), &mut cx)?;
    let reader = reader::classifier(&real, args.pick(1_500, 400), &mut cx)?;

    let n = test.0.dim(0);
    let eval = &mut cx.eval();
    let of_vae = vae.sample(n, eval);
    let of_gan = no_grad(|| generator.generate(n, eval)).flatten_from(1);
    let kinds = [("real", &test.0), ("vae", &of_vae), ("gan", &of_gan)];
    let sharp = kinds.map(|(_, x)| measure::sharpness(x, [1, 28, 28]));
    let [of_real, of_vaes, of_gans] = sharp.each_ref().map(|x| f64::from(x.mean().item()));
    let mut features = |x: &Tensor| no_grad(|| reader.features(&reader::square(x), eval));
    let seen = features(&test.0);
    let mut distance = |x: &Tensor| -> Result<f64> { Ok(frechet_distance(&seen, &features(x))?) };

    report.about(
        "A variational autoencoder and a GAN (a DCGAN) learnt to draw from the same 10,000 handwritten digits.",
        "The strokes of the second row fade at their ends and crossings, where the autoencoder gives the mean of what could be \
         there; those of the third have edges as hard as the real ones of the first, in the right place or not.",
    );
    report.result("sharpness_gan_over_vae", of_gans / of_vaes, Better::Higher, args.pick(2.5, 3.0));
    report.result("sharpness_vae_over_real", of_vaes / of_real, Better::Lower, args.pick(0.4, 0.3));
    report.result("sharpness_gan_over_real", of_gans / of_real, Better::Higher, 0.8);
    report.result("frechet_vae", distance(&of_vae)?, Better::Lower, args.pick(140.0, 85.0));
    report.result("frechet_gan", distance(&of_gan)?, Better::Lower, args.pick(85.0, 80.0));
    // What real digits that the network has seen are away from those that it has not: the floor of the two above.
    report.result("frechet_real", distance(&real.0.narrow(0, 0, n))?, Better::Lower, 3.0);
    report.result(
        "reader_on_real_digits",
        reader::accuracy(&reader, &test, &cx),
        Better::Higher,
        args.pick(0.975, 0.945),
    );

    let caption = "Real digits, samples of the variational autoencoder, samples of the GAN";
    report.picture(&rows(&kinds.map(|(_, x)| x), SHOWN), "digits.png", caption)?;
    let chart = Chart::new(title).x("variance of the Laplacian").y("share of digits below");
    let names = ["real digits", "variational autoencoder", "GAN"];
    let chart = names.iter().zip(&sharp).fold(chart, |chart, (name, sharp)| chart.line(*name, below(&sharp.to_vec())));
    report.figure_svg(chart.svg()?, "sharpness.svg", "How sharp each digit is")?;
    let chart = Chart::new("The variational autoencoder").x("epoch").y("nats an image").line("training loss", curve);
    report.figure_svg(chart.svg()?, "loss.svg", "Negative evidence lower bound while training")?;
    report.finish()?;
    Ok(())
}

/// A DCGAN's generator, trained as in the example `dcgan` of its family.
fn gan(report: &Report, steps: u64, cx: &mut Ctx) -> Result<Generator> {
    const BATCH: usize = 64;
    let config = DcganConfig::default();
    let (generator, discriminator) = (Generator::new(&config, cx)?, Discriminator::new(&config, cx)?);
    let mut g_opt = Adam::new(&generator, 5e-4).betas(0.5, 0.999);
    let mut d_opt = Adam::new(&discriminator, 2e-4).betas(0.5, 0.999);
    let mut journal = Journal::new(Some(report.dir()), "sharpness-gan", steps)?;
    let batches = mnist::train().images.batches(BATCH).shuffled(cx).drop_last().endless();
    for (step, real) in (1..=steps).zip(batches) {
        let d = discriminator_step(&discriminator, &generator, &mut d_opt, &real, cx)?;
        let g = generator_step(&discriminator, &generator, &mut g_opt, BATCH, cx)?;
        journal.scalar("discriminator", step, d);
        journal.scalar("generator", step, g);
        journal.tick(step, format!("discriminator {d:.3}, generator {g:.3}"));
    }
    journal.finish()?;
    Ok(generator)
}

/// The share of values up to each, by a curve of a hundred points.
fn below(values: &[f32]) -> Vec<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |percent: usize| sorted[percent * (sorted.len() - 1) / 100];
    (0..=100).map(|percent| (f64::from(at(percent)), percent as f64 / 100.0)).collect()
}
