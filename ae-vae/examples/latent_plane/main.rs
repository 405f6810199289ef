//! A plane of digits to move through: a variational autoencoder with two latent variables, and one HTML file in which its
//! decoder runs again, with the codes of the test digits behind it.
//!
//! The plane of Kingma & Welling 2014, arXiv:1312.6114, figure 4, but continuous. The page needs no server and no library. It
//! carries the decoder's weights in half precision; the model is rounded to them before it is measured, so that the figures
//! here and the digits there are of the same model, and the page says how far its pixels are from those of this program.

mod page;
#[path = "../shared/mod.rs"]
mod shared;

use anyhow::{Context, Result};
use etude_ae_vae::{Autoencoder, Vae, VaeConfig, binarise, measure};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report, thousands};
use etude_data::mnist;
use etude_data::picture::{Grid, Picture};
use etude_data::plot::Chart;
use etude_kernels::rng::Rng;
use etude_nn::{Act, Ctx, Module};
use half::f16;

use shared::{Plan, rows, train};

/// Digits a side of the picture.
const TILES: usize = 20;
/// Codes at which the page checks its decoder.
const CHECKED: usize = 16;

fn main() -> Result<()> {
    let args = Args::parse();
    let title = "A plane of digits to move through";
    let mut report = Report::resumable(&args, "ae-vae", "latent_plane", title)?;
    let (train_set, test_set) = (mnist::train(), mnist::test());
    let (images, test) = (train_set.images.flatten_from(1), test_set.images.flatten_from(1));
    let mut cx = Ctx::train(args.seed);
    let config = VaeConfig { hidden: vec![256, 128], latent: 2, act: Act::Silu, ..VaeConfig::default() };
    let vae = Vae::new(config, &mut cx)?;
    let prepare = |x: &Tensor, cx: &mut Ctx| binarise(x, cx);
    let plan = Plan { epochs: args.pick(150, 30), batch: 100, lr: (2e-3, 2e-5), kl: None, minutes: None, prepare };
    let curve = train(&report, "latent_plane", &vae, &images, &plan, args.seed, &mut cx)?;

    let mut eval = cx.eval();
    let codes = no_grad(|| vae.encode(&test, &mut eval));
    let extent = extent(&codes);
    let plane = plane(extent);
    let exact = no_grad(|| vae.decode(&plane, &mut eval).sigmoid());
    round_decoder(&vae);
    let shown = no_grad(|| vae.decode(&plane, &mut eval).sigmoid());
    let rounding = (&exact - &shown).abs().to_vec().into_iter().fold(0.0, f32::max);

    let drawn = binarise(&test, &mut Rng::new(0));
    let neg_elbo = measure::mean_loss(&vae, &drawn, &mut eval)?;
    let train_codes = no_grad(|| vae.encode(&images, &mut eval));
    let probe = measure::linear_probe((&train_codes, &train_set.labels), (&codes, &test_set.labels), 10)?;

    let checked = codes.narrow(0, 0, CHECKED);
    let html = page::page(&page::Contents {
        decoder: &vae,
        extent,
        codes: &codes,
        labels: &test_set.labels,
        checked: (&checked, &no_grad(|| vae.decode(&checked, &mut eval).sigmoid())),
        about: &format!(
            "Trained on {} digits of MNIST; the points are {} others. Negative evidence lower bound {neg_elbo:.1} nats.",
            thousands(images.dim(0)),
            thousands(test.dim(0))
        ),
    })?;
    let path = report.path("page.html");
    std::fs::write(&path, &html).with_context(|| format!("write {}", path.display()))?;

    report.about(
        "A variational autoencoder learnt to describe each of 10,000 handwritten digits by a point of a plane.",
        "Open the page in a browser and move through the plane: between any two digits there are others.",
    );
    report.result("neg_elbo", neg_elbo, Better::Lower, args.pick(150.0, 160.0));
    report.result("linear_probe", probe, Better::Higher, 0.55);
    report.result("rounding_of_a_pixel", rounding, Better::Lower, 0.005);
    let picture = Picture::grid(&shown.reshape([TILES * TILES, 1, 28, 28]), &Grid::new(TILES));
    report.picture(&picture, "plane.png", "Digits decoded at points of the plane")?;
    let back = no_grad(|| vae.reconstruct(&test.narrow(0, 0, 12), &mut eval));
    report.picture(&rows(&[&test, &back], 12), "digits.png", "Test digits, and what two numbers give back of each")?;
    let caption = format!("The page, {} kilobytes: open it in a browser", html.len() / 1000);
    report.text("page", path.display().to_string(), caption);
    let chart = Chart::new("Two numbers for a digit").x("epoch").y("nats an image").line("training loss", curve);
    report.figure_svg(chart.svg()?, "loss.svg", "Negative evidence lower bound while training")?;
    report.finish()?;
    Ok(())
}

/// Half the side of a square around the origin in which all but a hundredth of the codes lie.
fn extent(codes: &Tensor) -> f32 {
    let mut far: Vec<f32> = codes.to_vec().chunks_exact(2).map(|z| z[0].abs().max(z[1].abs())).collect();
    far.sort_by(f32::total_cmp);
    (far[far.len() * 99 / 100] * 2.0).ceil() / 2.0
}

/// The middles of the squares of the plane, from the upper left one.
fn plane(extent: f32) -> Tensor {
    let middle = |i: usize| (2.0 * (i as f32 + 0.5) / TILES as f32 - 1.0) * extent;
    let points = (0..TILES * TILES).flat_map(|i| [middle(i % TILES), -middle(i / TILES)]).collect();
    Tensor::from_vec(points, [TILES * TILES, 2])
}

/// Rounds the weights of the decoder to half precision.
fn round_decoder(vae: &Vae) {
    for (name, param) in vae.named_params() {
        if page::of_decoder(&name) {
            param.update(|values| values.iter_mut().for_each(|v| *v = f16::from_f32(*v).to_f32()));
        }
    }
}
