//! Thirty numbers for a digit, by an autoencoder and by principal components: the comparison of Hinton & Salakhutdinov 2006,
//! whose autoencoder had a squared error of 3.00 on MNIST's test images where 30 components had 13.87.

#[path = "shared/mod.rs"]
mod shared;

use anyhow::{Result, anyhow};
use etude_ae_vae::{Autoencoder, Vanilla, VanillaConfig};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::plot::Chart;
use etude_nn::{Act, Ctx};
use faer::{Mat, Side};

use shared::{Plan, rows, train};

const CODE: usize = 30;

/// The mean of rows and an orthonormal basis of their first principal components, `[count, pixels]`.
fn components(x: &Tensor, count: usize) -> Result<(Tensor, Tensor)> {
    let mean = x.mean_keep([0]);
    let centred = x - &mean;
    let covariance = (centred.t().matmul(&centred) / x.dim(0) as f32).to_vec();
    let n = x.dim(1);
    let symmetric = Mat::from_fn(n, n, |i, j| f64::from(covariance[i * n + j]));
    let eigen = symmetric.self_adjoint_eigen(Side::Lower).map_err(|error| anyhow!("the covariance: {error:?}"))?;
    // The eigenvalues ascend.
    let basis = (0..count).flat_map(|k| (0..n).map(move |i| (i, n - 1 - k)));
    let basis = basis.map(|at| eigen.U()[at] as f32).collect();
    Ok((mean, Tensor::from_vec(basis, [count, n])))
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

    let (mean, basis) = components(&images, CODE)?;
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
