//! Digits in files: words of a codebook, written by a range coder under the probabilities of a prior, against JPEG and PNG.
//!
//! Van den Oord et al. 2017, *Neural Discrete Representation Learning*, arXiv:1711.00937, has the codebook and the prior; that a
//! model of discrete codes is an entropy coder's table is Ballé et al. 2017, *End-to-end Optimized Image Compression*,
//! arXiv:1611.01704, section 2. Several sizes of the codebook give several rates.

mod file;
#[path = "../shared/fit.rs"]
mod fit;
#[path = "../shared/rows.rs"]
mod rows;
mod sheet;

use std::fs;

use anyhow::{Result, ensure};
use etude_ae_vae::{Autoencoder, CodePrior, CodePriorConfig, PictureConfig, Vq, VqConfig};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report, thousands};
use etude_data::mnist;
use etude_data::plot::Chart;
use etude_nn::{Act, Ctx, Module};

use fit::{Course, fit};
use rows::rows;
use sheet::{Coded, bits_at, jpeg, png_bytes, sheet};

/// A codebook, and the convolutions before it: two halve the sides to 7 × 7 words, one to 14 × 14.
struct Size {
    name: &'static str,
    title: &'static str,
    channels: &'static [usize],
    codes: usize,
}

const SIZES: &[Size] = &[
    Size { name: "7x7-of-16", title: "7 × 7 words of 16", channels: &[32, 64], codes: 16 },
    Size { name: "7x7-of-256", title: "7 × 7 words of 256", channels: &[32, 64], codes: 256 },
    Size { name: "14x14-of-16", title: "14 × 14 words of 16", channels: &[32], codes: 16 },
];

/// What one size comes to.
struct Outcome {
    coded: Coded,
    /// Numbers of both networks.
    parameters: usize,
    /// Bits of the file beyond the entropy that the prior promised, as a share.
    overhead: f64,
    /// The file against one with log₂ K bits for every word.
    of_plain: f64,
}

fn run(size: &Size, report: &Report, args: &Args, train: &Tensor, test: &Tensor) -> Result<Outcome> {
    let mut cx = Ctx::train(args.seed);
    let net = PictureConfig { channels: size.channels.to_vec(), act: Act::Gelu, ..PictureConfig::default() };
    let vq = Vq::new(VqConfig { net, codes: size.codes, ..VqConfig::default() }, &mut cx)?;
    let course = Course { epochs: args.pick(12, 3), batch: 100, lr: (2e-3, 1e-4) };
    let name = format!("compression-{}", size.name);
    fit((report, &name), &vq, train.clone(), course, &mut cx, |x, _, cx| Ok(vq.forward(&x, cx).loss.total()))?;

    let config = CodePriorConfig { words: size.codes, positions: vq.positions(), embed: 32, hidden: 128 };
    let prior = CodePrior::new(config, &mut cx)?;
    let words = vq.words(train, &mut cx.eval());
    let course = Course { epochs: args.pick(15, 4), batch: 200, lr: (1e-2, 2e-4) };
    let name = format!("{name}-prior");
    fit((report, &name), &prior, words, course, &mut cx, |x, _, cx| Ok(prior.forward(&x, cx)?.total()))?;

    let mut eval = cx.eval();
    let words = vq.words(test, &mut eval);
    let path = report.path(&format!("{}.evq", size.name));
    fs::write(&path, file::write(&vq, &prior, &words, &mut eval)?)?;
    let bytes = fs::read(&path)?;
    let read = file::read(&vq, &prior, &bytes, words.dim(0), &mut eval)?;
    ensure!(read.to_vec() == words.to_vec(), "{}: other words came back", size.name);
    // As a viewer would show it, in 256 levels.
    let images = vq.picture(&read, &mut eval)?;
    let levels = images.to_vec().into_iter().map(|p| (255.0 * p).round() / 255.0).collect();
    let images = Tensor::from_vec(levels, images.shape());
    let promised = no_grad(|| prior.forward(&words, &mut eval))?.each().sum().item();
    let bits = 8.0 * bytes.len() as f64;
    let plain = words.len() as f64 * (size.codes as f64).log2();
    Ok(Outcome {
        coded: Coded::new(bytes.len(), images, test),
        parameters: vq.count() + prior.count(),
        overhead: bits * std::f64::consts::LN_2 / f64::from(promised) - 1.0,
        of_plain: bits / plain,
    })
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "ae-vae", "compression", "Digits in files a fraction of the size of JPEG's")?;
    let train = mnist::train().images.flatten_from(1);
    let test = mnist::test().images.flatten_from(1);
    let sizes = args.pick(SIZES, &SIZES[..2]);
    let ours: Vec<Outcome> =
        sizes.iter().map(|size| run(size, &report, &args, &train, &test)).collect::<Result<_>>()?;

    let sheet = sheet(&test);
    let png = 8.0 * png_bytes(&sheet)? as f64 / test.len() as f64;
    let qualities = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90];
    let jpegs: Vec<Coded> = qualities.iter().map(|&q| jpeg(&sheet, &test, q)).collect::<Result<_>>()?;
    let (least, best) = (&jpegs[0], &ours[1]);
    report.about(
        "Networks learnt to describe a digit by 49 words of a codebook, and how likely each word is after those before it; a \
         range coder writes 2,000 unseen digits to a file, from which they are read back.",
        format!(
            "The rows show what is left of a digit at how many bits a pixel: at fewer bits than the smallest JPEG the strokes \
             stay whole. Rates are those of whole files, where JPEG and PNG have all digits on one sheet and so pay for one \
             header. The networks, {} numbers, are not in the file: this pays for many digits, and only for digits.",
            thousands(best.parameters)
        ),
    );
    let jpeg_bits = bits_at(&jpegs, best.coded.psnr);
    report.result("bits_over_jpeg", best.coded.bits_per_pixel / jpeg_bits, Better::Lower, 0.55);
    report.result("psnr_over_smallest_jpeg", best.coded.psnr - least.psnr, Better::Higher, 1.5);
    report.result("bits_per_pixel", best.coded.bits_per_pixel, Better::Lower, 0.24);
    report.result("psnr", best.coded.psnr, Better::Higher, 20.0);
    report.result("bits_over_png", best.coded.bits_per_pixel / png, Better::Lower, 0.15);
    report.result("bits_over_bits_without_prior", best.of_plain, Better::Lower, 0.5);
    let overhead = ours.iter().map(|o| o.overhead).fold(f64::NEG_INFINITY, f64::max);
    report.result("bits_beyond_entropy", overhead, Better::Lower, 0.005);

    let mut shown = vec![&test];
    shown.extend(ours.iter().map(|o| &o.coded.images));
    shown.push(&least.images);
    let of_ours: Vec<String> =
        sizes.iter().zip(&ours).map(|(size, o)| format!("{} ({})", size.title, rate(&o.coded))).collect();
    let caption = format!(
        "Test digits; {}; the smallest JPEG ({}). PNG without loss: {png:.2} bits a pixel",
        of_ours.join("; "),
        rate(least)
    );
    report.picture(&rows(&shown, 16), "digits.png", caption)?;
    let point = |c: &Coded| (c.bits_per_pixel, c.psnr);
    let chart = Chart::new("2,000 digits in a file").x("bits a pixel").y("PSNR, dB");
    let below_png: Vec<(u8, &Coded)> =
        qualities.into_iter().zip(&jpegs).filter(|jpeg| jpeg.1.bits_per_pixel <= png).collect();
    let title = format!("JPEG, quality {} to {}", qualities[0], below_png.last().map_or(qualities[0], |jpeg| jpeg.0));
    let chart = chart.line(title, below_png.iter().map(|jpeg| point(jpeg.1)));
    let chart = sizes.iter().zip(&ours).fold(chart, |chart, (size, o)| chart.scatter(size.title, [point(&o.coded)]));
    let caption = format!("Rate and quality of whole files; PNG is at {png:.2} bits a pixel without any loss");
    report.figure_svg(chart.x_range(0.0..png).svg()?, "rate.svg", caption)?;
    report.finish()?;
    Ok(())
}

/// `0.21 bits a pixel, 21.9 dB`
fn rate(coded: &Coded) -> String {
    format!("{:.2} bits a pixel, {:.1} dB", coded.bits_per_pixel, coded.psnr)
}
