//! Ten heaps of digits without a label: k-means and a mixture of Gaussians on the codes of a variational autoencoder, against
//! k-means on the pixels.
//!
//! The mixture on codes is the start of Jiang et al. 2017, *Variational Deep Embedding*, arXiv:1611.05148. Nothing here sees a
//! label until the clusters are there: networks, clusters and the choice among runs are of the training images alone, and the
//! figures are those of test images.

#[path = "shared/mod.rs"]
mod shared;

use anyhow::Result;
use etude_ae_vae::{Autoencoder, KMeans, KMeansConfig, Mixture, MixtureConfig, Vae, VaeConfig, binarise, measure};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::plot::{Chart, HeatMap};
use etude_nn::{Act, Ctx};

use shared::{Plan, rows, train};

const CLUSTERS: usize = 10;
/// Test digits of a cluster in the picture.
const MEMBERS: usize = 12;

fn main() -> Result<()> {
    let args = Args::parse();
    let title = "Ten heaps of digits without a label";
    let mut report = Report::resumable(&args, "ae-vae", "clustering", title)?;
    let (images, test_set) = (mnist::train().images.flatten_from(1), mnist::test());
    let (test, classes) = (test_set.images.flatten_from(1), &test_set.labels);
    let mut cx = Ctx::train(args.seed);
    let config = VaeConfig { hidden: vec![400], latent: 10, act: Act::Gelu, ..VaeConfig::default() };
    let vae = Vae::new(config, &mut cx)?;
    let prepare = |x: &Tensor, cx: &mut Ctx| binarise(x, cx);
    let plan = Plan { epochs: args.pick(100, 20), batch: 100, lr: (2e-3, 5e-5), kl: None, minutes: None, prepare };
    let curve = train(&report, "clustering", &vae, &images, &plan, args.seed, &mut cx)?;

    let [codes, test_codes] = [&images, &test].map(|x| no_grad(|| vae.encode(x, &mut cx.eval())));
    let runs = args.pick(10, 4);
    let config = KMeansConfig { clusters: CLUSTERS, runs, ..KMeansConfig::default() };
    let of_pixels = KMeans::fit(&images, &config, &mut cx)?.assign(&test);
    let of_codes = KMeans::fit(&codes, &config, &mut cx)?.assign(&test_codes);
    let mixture = mixture(&codes, runs, &mut cx)?;
    let of_mixture = mixture.responsibilities(&test_codes).argmax(1);

    report.about(
        "A variational autoencoder described 10,000 handwritten digits by 10 numbers each; a mixture of ten Gaussians was fitted to \
         these, all without labels.",
        "A row is a cluster: the digit decoded at its middle, and test digits that fell into it. The figures are those of the best \
         way to name the ten clusters by the ten digits.",
    );
    let found = [("mixture_of_codes", &of_mixture), ("kmeans_of_codes", &of_codes), ("kmeans_of_pixels", &of_pixels)];
    let mut figures = Vec::new();
    for (name, clusters) in found {
        let accuracy = measure::match_clusters(clusters, classes)?.accuracy;
        let information = measure::normalised_mutual_information(clusters, classes)?;
        let rand = measure::adjusted_rand_index(clusters, classes)?;
        figures.push((name, [("accuracy", accuracy), ("information", information), ("rand", rand)]));
    }
    // Accuracy, normalised information and adjusted Rand index that are wanted of each, and the gain of accuracy.
    let wanted = [args.pick([0.62, 0.65, 0.5], [0.55, 0.6, 0.45]), [0.5, 0.45, 0.35], [0.45, 0.4, 0.3]];
    for ((name, measures), wanted) in figures.iter().zip(wanted) {
        for ((measure, value), wanted) in measures.iter().zip(wanted) {
            report.result(&format!("{measure}_{name}"), *value, Better::Higher, wanted);
        }
    }
    let gain = figures[0].1[0].1 - figures[2].1[0].1;
    report.result("accuracy_gained_over_pixels", gain, Better::Higher, 0.04);

    let matching = measure::match_clusters(&of_mixture, classes)?;
    let mut order = matching.class_of.clone();
    order.sort_by_key(|&(_, class)| class);
    let middles = no_grad(|| vae.decode(&mixture.means(), &mut cx.eval()).sigmoid());
    let members = |cluster: i64| (0..).zip(of_mixture.to_vec()).filter(move |&(_, c)| c == cluster).map(|(i, _)| i);
    let row = |cluster: i64| {
        let ids: Vec<i64> = members(cluster).take(MEMBERS).collect();
        let blank = Tensor::ones([MEMBERS - ids.len(), 784]);
        let some = test.index_select(0, &Tensor::from_slice(&ids, [ids.len()]));
        Tensor::concat(&[&middles.narrow(0, cluster as usize, 1), &some, &blank], 0)
    };
    let pictures: Vec<Tensor> = order.iter().map(|&(cluster, _)| row(cluster)).collect();
    let caption = "A row a cluster: its middle, decoded, and test digits that fell into it";
    report.picture(&rows(&pictures.iter().collect::<Vec<_>>(), MEMBERS + 1), "clusters.png", caption)?;
    let labels = classes.to_vec();
    let counts: Vec<usize> = order
        .iter()
        .flat_map(|&(cluster, _)| (0..10).map(move |class| (cluster, class)))
        .map(|(cluster, class)| members(cluster).filter(|&i| labels[i as usize] == class).count())
        .collect();
    let name = |i: usize| format!("{}", i + 1);
    let map = HeatMap::new("Digits in clusters", 10, counts.iter().map(|&c| c as f64))
        .text(counts.iter().map(ToString::to_string))
        .names((0..order.len()).map(name), (0..10).map(|class| class.to_string()))
        .without_bar();
    let caption = "Test digits in each cluster of the mixture: a row a cluster, a column a digit";
    report.figure_svg(map.svg()?, "table.svg", caption)?;
    let chart = Chart::new("Ten numbers for a digit").x("epoch").y("nats an image").line("training loss", curve);
    report.figure_svg(chart.svg()?, "loss.svg", "Negative evidence lower bound while training")?;
    report.finish()?;
    Ok(())
}

/// The likeliest of `runs` fits.
fn mixture(codes: &Tensor, runs: usize, cx: &mut Ctx) -> Result<Mixture> {
    let config = MixtureConfig { components: CLUSTERS, ..MixtureConfig::default() };
    let mut fits = (0..runs).map(|_| Ok(Mixture::fit(codes, &config, cx)?)).collect::<Result<Vec<_>>>()?;
    let last = |mixture: &Mixture| mixture.history().last().copied().unwrap_or(f64::NEG_INFINITY);
    fits.sort_by(|a, b| last(a).total_cmp(&last(b)));
    Ok(fits.pop().expect("there is a fit"))
}
