//! Emoji by arithmetic: a convolutional variational autoencoder learns people, faces and animals; lines between codes turn one
//! into another, and the mean difference between cats and faces of the same expression gives any face a cat's ears.
//!
//! Directions of attributes in the codes: White 2016, *Sampling Generative Networks*, arXiv:1609.04468, section 4.

#[path = "shared/fit.rs"]
mod fit;

use anyhow::{Context, Result};
use etude_ae_vae::measure::psnr;
use etude_ae_vae::{Autoencoder, ConvVae, ConvVaeConfig, KlWeight, Likelihood, PictureConfig};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture};
use etude_data::plot::Chart;
use etude_data::{Emoji, emoji};
use etude_nn::{Act, Ctx};

use fit::{Course, fit};

const SHAPE: [usize; 3] = [3, 32, 32];
const KINDS: [&str; 3] = ["Smileys & Emotion", "People & Body", "Animals & Nature"];
/// Pictures along a line.
const STEPS: usize = 10;

/// The same expression on a face and on a cat.
const CATS: [[&str; 2]; 8] = [
    ["smile", "smile_cat"],
    ["joy", "joy_cat"],
    ["smiley", "smiley_cat"],
    ["heart_eyes", "heart_eyes_cat"],
    ["smirk", "smirk_cat"],
    ["kissing_closed_eyes", "kissing_cat"],
    ["cry", "crying_cat_face"],
    ["scream", "scream_cat"],
];

/// Faces that are shown; none is one of a pair with a cat.
const FACES: [&str; 12] = [
    "grinning",
    "wink",
    "neutral_face",
    "open_mouth",
    "sunglasses",
    "stuck_out_tongue",
    "flushed",
    "sleeping",
    "dizzy_face",
    "mask",
    "smiling_imp",
    "alien",
];
const LINES: [[&str; 2]; 5] =
    [["smiley", "cat"], ["dog", "panda_face"], ["heart", "rage"], ["older_man", "princess"], ["frog", "robot_face"]];

/// The emoji of three kinds.
struct Set {
    /// `[n, 3·32·32]`.
    images: Tensor,
    names: Vec<String>,
}

impl Set {
    fn new(emoji: &Emoji) -> Self {
        let kinds = emoji.labels.to_vec();
        let kept = |i: &usize| KINDS.contains(&emoji.categories[kinds[*i] as usize].as_str());
        let kept: Vec<usize> = (0..emoji.names.len()).filter(kept).collect();
        let names = kept.iter().map(|&i| emoji.names[i].clone()).collect();
        Set { images: chosen(&emoji.images.flatten_from(1), &kept), names }
    }

    fn number(&self, name: &str) -> Result<usize> {
        self.names.iter().position(|other| other == name).with_context(|| format!("no emoji {name}"))
    }

    fn numbers(&self, names: &[&str]) -> Result<Vec<usize>> {
        names.iter().map(|name| self.number(name)).collect()
    }

    fn pairs(&self, names: &[[&str; 2]]) -> Result<Vec<[usize; 2]>> {
        names.iter().map(|[a, b]| Ok([self.number(a)?, self.number(b)?])).collect()
    }

    /// Which emoji is nearest to each picture, by squared error.
    fn nearest(&self, pictures: &Tensor) -> Vec<usize> {
        let nearest =
            |i| (&self.images - pictures.narrow(0, i, 1)).square().sum_dims([1]).argmin(0).to_vec()[0] as usize;
        (0..pictures.dim(0)).map(nearest).collect()
    }
}

/// Some rows of a tensor, by their numbers.
fn chosen(x: &Tensor, numbers: &[usize]) -> Tensor {
    x.index_select(0, &Tensor::from_vec(numbers.iter().map(|&i| i as i64).collect(), [numbers.len()]))
}

/// Rows of pictures, `columns` in each.
fn picture(sets: &[&Tensor], columns: usize) -> Picture {
    let all = Tensor::concat(sets, 0);
    let [c, h, w] = SHAPE;
    Picture::grid(&all.reshape([all.dim(0), c, h, w]), &Grid::new(columns))
}

/// The mean difference of codes from the first to the second of pairs.
fn direction(codes: &Tensor, pairs: &[[usize; 2]]) -> Tensor {
    let side = |of: usize| chosen(codes, &pairs.iter().map(|pair| pair[of]).collect::<Vec<_>>());
    (side(1) - side(0)).mean_keep([0])
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "ae-vae", "emoji", "Emoji by arithmetic")?;
    let set = Set::new(&emoji());
    let mut cx = Ctx::train(args.seed);
    let net = PictureConfig { image: SHAPE, channels: vec![32, 64, 128], act: Act::Gelu };
    let likelihood = Likelihood::Gaussian { std: 0.06 };
    let model = ConvVae::new(ConvVaeConfig { net, latent: 64, likelihood }, &mut cx)?;
    let course = Course { epochs: args.pick(120, 60), batch: 32, lr: (2e-3, 5e-5) };
    let kl = KlWeight { warm_up: 400, ..KlWeight::default() };
    let curve = fit((&report, "emoji"), &model, set.images.clone(), course, &mut cx, |x, step, cx| {
        Ok(kl.apply(model.forward(&x, cx).loss, step).total())
    })?;

    let codes = no_grad(|| model.encode(&set.images, &mut cx.eval()));
    let decoded = |codes: &Tensor| no_grad(|| likelihood.mean(&model.decode(codes, &mut cx.eval())));
    let cats = set.pairs(&CATS)?;
    let to_cat = direction(&codes, &cats);
    // The faces, which stand together in the set, but for those of a pair.
    let others: Vec<usize> =
        (set.number("grinning")?..set.number("smile_cat")?).filter(|i| cats.iter().all(|pair| pair[0] != *i)).collect();
    let is_cat = |i: &usize| set.names[*i].split('_').any(|word| word == "cat");
    let share = |pictures: &Tensor| {
        let nearest = set.nearest(pictures);
        nearest.iter().filter(|i| is_cat(i)).count() as f64 / nearest.len() as f64
    };
    let other_codes = chosen(&codes, &others);
    let (before, after) = (share(&decoded(&other_codes)), share(&decoded(&(&other_codes + &to_cat))));

    report.about(
        format!(
            "A convolutional variational autoencoder learnt {} emoji of people, faces and animals. The mean difference \
             between the codes of eight cats and of the faces with the same expressions is what makes a cat.",
            set.names.len()
        ),
        format!(
            "Added to the {} faces without such a cat it gives them ears; the figure is the share whose picture is then \
             nearer to one of the cats than to any other emoji; without the edit the share is {before:.2}. The PSNR is of the \
             pictures it learnt. Pictures: Twemoji, © Twitter, Inc and other contributors, \
             CC BY 4.0.",
            others.len()
        ),
    );
    report.result("cats_after_edit", after, Better::Higher, 0.5);
    report.result("psnr", psnr(&decoded(&codes), &set.images), Better::Higher, args.pick(25.0, 21.5));

    let faces = set.numbers(&FACES)?;
    let face_codes = chosen(&codes, &faces);
    let edited = decoded(&(&face_codes + &to_cat));
    let shown = [set.images.clone(), decoded(&codes)].map(|x| chosen(&x, &faces));
    report.picture(
        &picture(&[&shown[0], &shown[1], &edited], faces.len()),
        "faces.png",
        "Faces; what 64 numbers keep of them; plus cat minus face",
    )?;
    let lines = set.pairs(&LINES)?.into_iter().map(|[a, b]| {
        let (a, b) = (codes.narrow(0, a, 1), codes.narrow(0, b, 1));
        let t = Tensor::from_vec((0..STEPS).map(|i| i as f32 / (STEPS - 1) as f32).collect(), [STEPS, 1]);
        decoded(&(&a + t * (&b - &a)))
    });
    let lines: Vec<Tensor> = lines.collect();
    let caption = "Straight lines between the codes of two emoji";
    report.picture(&picture(&lines.iter().collect::<Vec<_>>(), STEPS), "lines.png", caption)?;
    let chart = Chart::new("A VAE of emoji").x("epoch").y("nats an image").line("training loss", curve);
    report.figure_svg(
        chart.svg()?,
        "loss.svg",
        "Negative evidence lower bound while training; a density has no floor at 0",
    )?;
    report.finish()?;
    Ok(())
}
