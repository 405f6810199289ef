//! Digits out of noise: an autoencoder trained against each of three corruptions, beside a median and a blur.
//!
//! Vincent et al. 2008, *Extracting and composing robust features with denoising autoencoders*, and 2010, *Stacked denoising
//! autoencoders*, section 5.3, have the corruptions.

#[path = "shared/fit.rs"]
mod fit;
#[path = "shared/rows.rs"]
mod rows;

use anyhow::Result;
use etude_ae_vae::measure::psnr;
use etude_ae_vae::{Autoencoder, Corruption, Denoising, DenoisingConfig, VanillaConfig};
use etude_autograd::{Conv2dArgs, Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::plot::{Chart, HeatMap};
use etude_nn::{Act, Ctx};

use fit::{Course, fit};
use rows::rows;

const SIDE: usize = 28;

/// A kind of noise.
struct Kind {
    name: &'static str,
    title: &'static str,
    corruption: Corruption,
}

const KINDS: [Kind; 3] = [
    Kind { name: "gaussian", title: "Gaussian", corruption: Corruption::Gaussian { std: 0.8 } },
    Kind { name: "masking", title: "masking", corruption: Corruption::Masking { share: 0.7 } },
    Kind { name: "salt_and_pepper", title: "salt and pepper", corruption: Corruption::SaltAndPepper { share: 0.5 } },
];

/// The median of `side` × `side` pixels around every pixel, black beyond the edge.
fn median(images: &Tensor, side: usize) -> Tensor {
    let values = images.to_vec();
    let filtered = values.chunks_exact(SIDE * SIDE).flat_map(|image| {
        (0..SIDE * SIDE).map(move |i| {
            let mut around: Vec<f32> = (0..side * side)
                .map(|j| {
                    let place = |at: usize, step: usize| (at + step).checked_sub(side / 2).filter(|&at| at < SIDE);
                    let (y, x) = (place(i / SIDE, j / side), place(i % SIDE, j % side));
                    y.zip(x).map_or(0.0, |(y, x)| image[y * SIDE + x])
                })
                .collect();
            *around.select_nth_unstable_by(side * side / 2, f32::total_cmp).1
        })
    });
    Tensor::from_vec(filtered.collect(), images.shape())
}

/// A Gaussian blur of a deviation in pixels, over 7 × 7.
fn blur(images: &Tensor, deviation: f32) -> Tensor {
    let weights: Vec<f32> = (-3..=3).map(|i| (-0.5 * (i as f32 / deviation).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|w| w / total).collect();
    let (down, across) = (Tensor::from_vec(weights.clone(), [1, 1, 7, 1]), Tensor::from_vec(weights, [1, 1, 1, 7]));
    let pictures = images.reshape([images.dim(0), 1, SIDE, SIDE]);
    let blurred = pictures.conv2d(&down, None, Conv2dArgs { padding: [3, 0], ..Conv2dArgs::default() });
    blurred.conv2d(&across, None, Conv2dArgs { padding: [0, 3], ..Conv2dArgs::default() }).flatten_from(1)
}

/// A filter and its name.
type Filter = (String, Box<dyn Fn(&Tensor) -> Tensor>);

/// The best of two medians and of blurs on training images, each with the brightness that suits it best: a blur of what is
/// masked is too dark.
fn classical(kind: Corruption, train: &Tensor, cx: &mut Ctx) -> Filter {
    let train = train.narrow(0, 0, 500);
    let noisy = kind.apply(&train, cx);
    let medians =
        [3, 5].map(|side| -> Filter { (format!("{side} × {side} median"), Box::new(move |x| median(x, side))) });
    let blurs = (4..=14).map(|tenths| -> Filter {
        let deviation = tenths as f32 / 10.0;
        (format!("blur of {deviation} pixels"), Box::new(move |x| blur(x, deviation)))
    });
    let brightened = |(name, filter): Filter| -> (f64, Filter) {
        let filtered = filter(&noisy);
        let factor = (&filtered * &train).sum().item() / filtered.square().sum().item();
        let bright = move |filtered: Tensor| (filtered * factor).clamp(0.0, 1.0);
        let ratio = psnr(&bright(filtered), &train);
        (ratio, (format!("{name}, times {factor:.2}"), Box::new(move |x| bright(filter(x)))))
    };
    let filters = medians.into_iter().chain(blurs).map(brightened);
    filters.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are filters").1
}

/// PSNR against the share of salt and pepper, of a network that learnt from one share.
fn by_share(model: &Denoising, test: &Tensor, eval: &mut Ctx) -> Result<String> {
    let mut curves = [const { Vec::new() }; 3];
    for percent in (5..=80).step_by(5) {
        let share = percent as f32 / 100.0;
        let noisy = Corruption::SaltAndPepper { share }.apply(test, eval);
        let restored = no_grad(|| model.reconstruct(&noisy, eval));
        let all = [psnr(&restored, test), psnr(&median(&noisy, 3), test), psnr(&noisy, test)];
        curves.iter_mut().zip(all).for_each(|(curve, ratio)| curve.push((f64::from(percent), ratio)));
    }
    let [network, median, spoilt] = curves;
    let chart = Chart::new("Salt and pepper").x("% of the pixels spoilt").y("PSNR, dB");
    let chart = chart.line("network, trained at 50 %", network).line("3 × 3 median", median);
    Ok(chart.dashed("spoilt", spoilt).svg()?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "ae-vae", "denoising", "Digits out of three kinds of noise")?;
    let train = mnist::train().images.flatten_from(1);
    let test = mnist::test().images.flatten_from(1);
    let mut cx = Ctx::train(args.seed);
    let course = Course { epochs: args.pick(24, 8), batch: 100, lr: (2e-3, 1e-4) };
    let mut models = Vec::new();
    let mut chart = Chart::new("Against three kinds of noise").x("epoch").y("nats an image");
    for Kind { name, title, corruption, .. } in KINDS {
        let net = VanillaConfig { hidden: vec![512], code: 256, act: Act::Gelu, ..VanillaConfig::default() };
        let model = Denoising::new(DenoisingConfig { net, corruption }, &mut cx)?;
        let name = format!("denoising-{name}");
        let curve = fit((&report, &name), &model, train.clone(), course, &mut cx, |x, _, cx| {
            Ok(model.forward(&x, cx).loss.total())
        })?;
        chart = chart.line(title, curve);
        models.push(model);
    }

    report.about(
        "Three networks learnt to give back 10,000 handwritten digits, each from images spoilt in a way of its own; the rows \
         are digits that none has seen.",
        "The last row of each picture is the best of some classical filters with a brightness, chosen on training images: it can only \
         smooth, where the network knows what strokes look like. Where fewer pixels are spoilt a median is the better tool, as \
         the curves of salt and pepper show; the table shows what a network gains on a noise that it did not learn.",
    );
    let mut eval = cx.eval();
    let (mut table, mut least, mut least_over) = (Vec::new(), f64::INFINITY, f64::INFINITY);
    let mut pictures = Vec::new();
    for (Kind { name, title, corruption, .. }, model) in KINDS.into_iter().zip(&models) {
        let noisy = corruption.apply(&test, &mut eval);
        let (filter, filtered) = classical(corruption, &train, &mut eval);
        let filtered = filtered(&noisy);
        let restored = |model: &Denoising, eval: &mut Ctx| no_grad(|| model.reconstruct(&noisy, eval));
        let before = psnr(&noisy, &test);
        table.extend(models.iter().map(|model| psnr(&restored(model, &mut eval), &test) - before));
        let ours = restored(model, &mut eval);
        let (gain, classical) = (psnr(&ours, &test) - before, psnr(&filtered, &test) - before);
        (least, least_over) = (least.min(gain), least_over.min(gain - classical));
        let caption = format!(
            "{title}: clean, spoilt ({before:.1} dB), by the network ({:.1} dB), by a {filter} ({:.1} dB)",
            before + gain,
            before + classical
        );
        pictures.push((rows(&[&test, &noisy, &ours, &filtered], 16), format!("{name}.png"), caption));
    }
    report.result("least_psnr_gain", least, Better::Higher, args.pick(5.9, 4.7));
    report.result("least_gain_over_filter", least_over, Better::Higher, args.pick(1.8, 0.7));
    // Masking has no result of its own: the least gain bounds it from below.
    report.result("psnr_gain_gaussian", table[0], Better::Higher, args.pick(8.7, 7.7));
    report.result("psnr_gain_salt_and_pepper", table[8], Better::Higher, args.pick(9.5, 8.5));
    for (picture, file, caption) in pictures {
        report.picture(&picture, &file, caption)?;
    }
    let text: Vec<String> = table.iter().map(|gain| format!("{gain:+.1}")).collect();
    let heat =
        HeatMap::new("PSNR gained, dB", 3, table).text(text).names(["G", "M", "S"], ["G", "M", "S"]).without_bar();
    let caption = "What networks (columns) gain on Gaussian, masking, and salt-and-pepper noise (rows)";
    report.figure_svg(heat.svg()?, "table.svg", caption)?;
    report.figure_svg(
        by_share(&models[2], &test, &mut eval)?,
        "share.svg",
        "Where little is spoilt, a median is the better tool",
    )?;
    report.figure_svg(chart.svg()?, "loss.svg", "Cross-entropy while training")?;
    report.finish()?;
    Ok(())
}
