//! An intruder among digits: a variational autoencoder that has never seen an eight finds eights by how ill it explains them.
//!
//! An & Cho 2015, *Variational Autoencoder based Anomaly Detection using Reconstruction Probability*: there the score is
//! the reconstruction's probability, here the importance-weighted estimate of −ln p(x), beside the reconstruction's squared
//! error.

#[path = "shared/mod.rs"]
mod shared;

use anyhow::Result;
use etude_ae_vae::{Autoencoder, Vae, VaeConfig, binarise, measure};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::plot::Chart;
use etude_nn::{Act, Ctx};

use shared::{Plan, rows, train};

/// The digit that is held out.
const INTRUDER: i64 = 8;

/// The rows whose label is, or is not, the intruder.
fn select(images: &Tensor, labels: &Tensor<i64>, intruders: bool) -> Tensor {
    let ids = (0i64..).zip(labels.to_vec()).filter(|&(_, label)| (label == INTRUDER) == intruders).map(|(i, _)| i);
    let ids: Vec<i64> = ids.collect();
    let count = ids.len();
    images.index_select(0, &Tensor::from_vec(ids, [count]))
}

/// The area under the curve of scores of familiar and strange images.
fn area(familiar: &[f32], strange: &[f32]) -> Result<f64> {
    let scores = [familiar, strange].concat();
    let is_strange: Vec<bool> = (0..scores.len()).map(|i| i >= familiar.len()).collect();
    Ok(measure::auroc(&scores, &is_strange)?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    let title = "A digit that was never seen gives itself away";
    let mut report = Report::resumable(&args, "ae-vae", "anomaly", title)?;
    let (train_set, test_set) = (mnist::train(), mnist::test());
    let images = select(&train_set.images.flatten_from(1), &train_set.labels, false);
    let test = test_set.images.flatten_from(1);
    let familiar = select(&test, &test_set.labels, false);
    let strange = select(&test, &test_set.labels, true);

    let mut cx = Ctx::train(args.seed);
    let config = VaeConfig { hidden: vec![400], latent: 20, act: Act::Gelu, ..VaeConfig::default() };
    let vae = Vae::new(config, &mut cx)?;
    let prepare = |x: &Tensor, cx: &mut Ctx| binarise(x, cx);
    let plan = Plan { epochs: args.pick(100, 15), batch: 100, lr: (2e-3, 5e-5), kl: None, minutes: None, prepare };
    let curve = train(&report, "anomaly", &vae, &images, &plan, args.seed, &mut cx)?;

    let mut eval = cx.eval();
    let mut surprise = |x: &Tensor| -> Result<Vec<f32>> {
        let x = binarise(x, &mut eval);
        Ok(measure::log_likelihood(&vae, &x, args.pick(200, 20), &mut eval)?.to_vec().into_iter().map(|p| -p).collect())
    };
    let (nll_familiar, nll_strange) = (surprise(&familiar)?, surprise(&strange)?);
    let back = |x: &Tensor| no_grad(|| vae.reconstruct(x, &mut cx.eval()));
    let error = |x: &Tensor| (back(x) - x).square().sum_dims([1]).to_vec();
    report.about(
        "A variational autoencoder was trained on handwritten digits without any eight.",
        "Eights come back as threes, fives and nines, the nearest things that the network knows; the score is the chance that \
         an eight looks stranger to it than another test digit.",
    );
    report.result("auroc", area(&nll_familiar, &nll_strange)?, Better::Higher, 0.80);
    report.result("auroc_squared_error", area(&error(&familiar), &error(&strange))?, Better::Higher, 0.80);
    let shown = [&familiar, &back(&familiar.narrow(0, 0, 12)), &strange, &back(&strange.narrow(0, 0, 12))];
    report.picture(&rows(&shown, 12), "digits.png", "Familiar digits and eights, each above what comes back")?;
    let share = |scores: &[f32], to: f32| scores.iter().filter(|&&s| s <= to).count() as f64 / scores.len() as f64;
    let below = |scores: &[f32]| (60..=260).map(|to| (f64::from(to), share(scores, to as f32))).collect::<Vec<_>>();
    let chart = Chart::new("How strange a digit is").x("−ln p(x), nats").y("share of images below");
    let chart = chart.line("digits of kinds that were seen", below(&nll_familiar)).line("eights", below(&nll_strange));
    report.figure_svg(chart.svg()?, "scores.svg", "Scores of familiar and strange digits")?;
    let chart = Chart::new("Without eights").x("epoch").y("nats an image").line("training loss", curve);
    report.figure_svg(chart.svg()?, "loss.svg", "Negative evidence lower bound while training")?;
    report.finish()?;
    Ok(())
}
