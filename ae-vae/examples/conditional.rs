//! Digits to order: a conditional variational autoencoder draws the class that is asked for, in any handwriting.
//!
//! Sohn, Lee & Yan 2015; figures as in Kingma et al. 2014, *Semi-supervised Learning with Deep Generative Models*,
//! arXiv:1406.5298, figure 1. A network that learnt to read real digits, and has never seen a generated one, says whether they
//! are what was asked for.

#[path = "shared/classes.rs"]
mod classes;

use anyhow::Result;
use etude_ae_vae::{Autoencoder, Conditional, Generative};
use etude_autograd::{Tensor, no_grad};
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::picture::{Grid, Picture};
use etude_data::plot::Chart;
use etude_nn::Ctx;

const CLASSES: usize = 10;
/// Numbers of a handwriting: so few that they are not spent on the class, which is known.
const CODE: usize = 4;
/// Handwritings in each picture.
const STYLES: usize = 8;
/// Generated digits of each class that are judged.
const JUDGED: usize = 200;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "ae-vae", "conditional", "Digits to order")?;
    let [real, test] = [mnist::train(), mnist::test()].map(|set| (set.images.flatten_from(1), set.labels));
    let mut cx = Ctx::train(args.seed);
    let (model, curve) = classes::conditional(&real, CODE, args.pick(10_000, 2_000), &mut cx)?;
    let reader = classes::classifier(&real, args.pick(1_500, 500), &mut cx)?;
    let generated = classes::generate(&model, JUDGED, &mut cx.eval())?;

    report.about(
        "A conditional variational autoencoder was told the class of each of 10,000 handwritten digits, so that its code is left \
         with the handwriting.",
        "In the first picture a column is a digit and a row a random handwriting; in the second the rows are the handwritings of \
         the test digits on the left.",
    );
    let understood = classes::accuracy(&reader, &generated, &cx);
    report.result("read_as_asked", understood, Better::Higher, args.pick(0.94, 0.85));
    report.result("reader_on_real_digits", classes::accuracy(&reader, &test, &cx), Better::Higher, 0.95);

    let eval = &mut cx.eval();
    let styles = model.given(&[0])?.prior(STYLES, eval);
    report.picture(
        &picture(&every_class(&model, &styles)?, CLASSES),
        "styles.png",
        "A row a handwriting, a column a digit",
    )?;
    let shown = test.0.narrow(0, 0, STYLES);
    let known = test.1.to_vec()[..STYLES].iter().map(|&class| usize::try_from(class)).collect::<Result<Vec<_>, _>>()?;
    let codes = no_grad(|| Ok::<_, anyhow::Error>(model.given(&known)?.encode(&shown, eval)))?;
    let drawn = every_class(&model, &codes)?.reshape([STYLES, CLASSES, 784]);
    let analogies = Tensor::concat(&[&shown.unsqueeze(1), &drawn], 1).reshape([STYLES * (CLASSES + 1), 784]);
    let caption = "Test digits on the left, and all ten digits in the handwriting of each";
    report.picture(&picture(&analogies, CLASSES + 1), "analogies.png", caption)?;
    let chart = Chart::new("Digits to order").x("step").y("nats an image").line("training loss", curve);
    report.figure_svg(
        chart.svg()?,
        "loss.svg",
        "Negative evidence lower bound while training, of the pixels given the class",
    )?;
    report.finish()?;
    Ok(())
}

/// Every class in each handwriting, `[n, code]` → `[n·10, 784]`.
fn every_class(model: &Conditional, codes: &Tensor) -> Result<Tensor> {
    let n = codes.dim(0);
    let classes: Vec<usize> = (0..n).flat_map(|_| 0..CLASSES).collect();
    let codes = codes.unsqueeze(1).expand([n, CLASSES, codes.dim(1)]).reshape([n * CLASSES, codes.dim(1)]);
    let given = model.given(&classes)?;
    Ok(no_grad(|| given.likelihood().mean(&given.decode(&codes, &mut Ctx::eval_with_seed(0)))))
}

fn picture(x: &Tensor, columns: usize) -> Picture {
    Picture::grid(&x.reshape([x.dim(0), 1, 28, 28]), &Grid::new(columns))
}
