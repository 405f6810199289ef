//! Thirty numbers for a digit, by an autoencoder and by principal components: the comparison of Hinton & Salakhutdinov 2006,
//! whose autoencoder had a squared error of 3.00 on MNIST's test images where 30 components had 13.87.

#[path = "shared/mod.rs"]
mod shared;

use anyhow::Result;
use etude_ae_vae::{Autoencoder, Vanilla, VanillaConfig};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::plot::Chart;
use etude_kernels::rng::Rng;
use etude_nn::{Act, Ctx};

use shared::{Plan, rows, train};

const CODE: usize = 30;

/// The mean and an orthonormal basis of the first components, `[components, pixels]`: subspace iteration on the covariance.
fn components(x: &Tensor, count: usize) -> (Tensor, Tensor) {
    let mean = x.mean_keep([0]);
    let centred = x - &mean;
    let covariance = centred.t().matmul(&centred) / x.dim(0) as f32;
    let mut basis: Tensor = Tensor::randn([count, x.dim(1)], &mut Rng::new(0));
    // The error falls with the ratio of neighbouring eigenvalues to twice this power.
    for _ in 0..60 {
        basis = orthonormal(&basis.matmul(&covariance));
    }
    (mean, basis)
}

/// Gram and Schmidt, each row against those before it, in f64 and twice, which is enough.
fn orthonormal(rows: &Tensor) -> Tensor {
    let width = rows.dim(1);
    let mut out: Vec<Vec<f64>> = Vec::new();
    for row in rows.to_vec().chunks_exact(width) {
        let mut row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
        for _ in 0..2 {
            for before in &out {
                let dot: f64 = row.iter().zip(before).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(before).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        out.push(row.into_iter().map(|v| v / norm).collect());
    }
    Tensor::from_vec(out.into_iter().flatten().map(|v| v as f32).collect(), [rows.dim(0), width])
}

fn main() -> Result<()> {
    let args = Args::parse();
    let title = "Thirty numbers for a digit: curved beats straight";
    let mut report = Report::resumable(&args, "ae-vae", "pca", title)?;
    let (images, test) = (mnist::train().images.flatten_from(1), mnist::test().images.flatten_from(1));
    let mut cx = Ctx::train(args.seed);
    let config = VanillaConfig { hidden: vec![512, 256], code: CODE, act: Act::Gelu, ..VanillaConfig::default() };
    let model = Vanilla::new(config, &mut cx)?;
    let prepare = |x: &Tensor, _: &mut Ctx| x.clone();
    let plan = Plan { epochs: args.pick(150, 20), batch: 100, lr: (2e-3, 2e-5), kl: None, minutes: None, prepare };
    let curve = train(&report, "pca", &model, &images, &plan, args.seed, &mut cx)?;

    let (mean, basis) = components(&images, CODE);
    let straight = (&test - &mean).matmul(&basis.t()).matmul(&basis) + &mean;
    let curved = no_grad(|| model.reconstruct(&test, &mut cx.eval()));
    let error = |y: &Tensor| f64::from((y - &test).square().sum_dims([1]).mean().item());
    let (pca, autoencoder) = (error(&straight), error(&curved));
    report.about(
        "A network learnt to keep 30 numbers of each of 10,000 handwritten digits; principal components keep as many.",
        "The rows are test digits, what the network gives back of its 30 numbers, and what 30 components give back: strokes \
         against shadows.",
    );
    report.result("error_over_pca", autoencoder / pca, Better::Lower, args.pick(0.5, 0.62));
    report.result("squared_error", autoencoder, Better::Lower, args.pick(8.0, 10.5));
    report.result("pca_squared_error", pca, Better::Lower, 20.0);
    let caption = "Test digits, by the autoencoder, by principal components";
    report.picture(&rows(&[&test, &curved, &straight.clamp(0.0, 1.0)], 12), "digits.png", caption)?;
    let chart = Chart::new("Thirty numbers for a digit").x("epoch").y("nats an image").line("training loss", curve);
    report.figure_svg(chart.svg()?, "loss.svg", "Cross-entropy while training")?;
    report.finish()?;
    Ok(())
}
