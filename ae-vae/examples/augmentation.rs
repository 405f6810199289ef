//! Digits that nobody wrote, to train on: what those of a conditional variational autoencoder add to twenty real digits of each
//! class, and what they are worth alone.
//!
//! To train on generated images and test on real ones is the classification accuracy score of Ravuri & Vinyals 2019,
//! arXiv:1905.10887. A generator has nothing to give but what it has seen: here one has seen 10,000 digits with their classes,
//! and another only the same few as the classifier.

#[path = "shared/classes.rs"]
mod classes;

use anyhow::Result;
use etude_autograd::Tensor;
use etude_data::example::{Args, Better, Report};
use etude_data::mnist;
use etude_data::picture::{Grid, Picture};
use etude_data::plot::{Chart, Point};
use etude_kernels::rng::Rng;
use etude_nn::Ctx;

use classes::Digits;

/// Real digits of each class that a classifier has.
const FEW: usize = 20;
/// Generated digits of each class: the real ones are repeated until they are as many, so that each half counts as much.
const GENERATED: usize = 25 * FEW;
/// Numbers of a handwriting.
const CODE: usize = 8;
/// Rows of each kind in the picture.
const ROWS: usize = 3;

/// What a classifier is trained on.
const DIETS: [&str; 4] = [
    "the few real digits",
    "with digits of a model of 10,000",
    "with digits of a model of the few",
    "only digits of the model of 10,000",
];

fn main() -> Result<()> {
    let args = Args::parse();
    let title = "Digits that nobody wrote, to train on";
    let mut report = Report::new(&args, "ae-vae", "augmentation", title)?;
    let [real, test] = [mnist::train(), mnist::test()].map(|set| (set.images.flatten_from(1), set.labels));
    let mut cx = Ctx::train(args.seed);
    let (seen_all, curve) = classes::conditional(&real, CODE, args.pick(10_000, 2_500), &mut cx)?;

    let mut eval = cx.eval();
    let mut accuracies = DIETS.map(|_| Vec::new());
    let mut shown = Vec::new();
    for draw in 0..args.pick(5, 2) {
        let few = few(&real, &mut cx.rng);
        let (seen_few, _) = classes::conditional(&few, CODE, args.pick(1_000, 300), &mut cx)?;
        let generated = classes::generate(&seen_all, GENERATED, &mut eval)?;
        let of_few = classes::generate(&seen_few, GENERATED, &mut eval)?;
        let repeated = together(&[&few; GENERATED / FEW]);
        if draw == 0 {
            shown = [(&few, FEW), (&generated, GENERATED), (&of_few, GENERATED)]
                .map(|(set, each)| rows(set, each))
                .to_vec();
        }
        let diets = [few, together(&[&repeated, &generated]), together(&[&repeated, &of_few]), generated];
        for (digits, accuracies) in diets.iter().zip(&mut accuracies) {
            let reader = classes::classifier(digits, args.pick(800, 300), &mut cx)?;
            accuracies.push(classes::accuracy(&reader, &test, &cx));
        }
    }

    report.about(
        "A small network learnt to read digits from 20 real ones of each class, alone and together with digits that conditional \
         variational autoencoders drew to order: one had seen 10,000 real digits with their classes, another only the same 20 of each.",
        "What the first adds is what it has kept of the other 9,800 digits, so it is no gift; the second knows nothing more than the \
         20, and its digits do harm. Each point is the accuracy on real test digits with another draw of the 20.",
    );
    let means = accuracies.each_ref().map(|values| mean(values));
    report.result("accuracy_gained", means[1] - means[0], Better::Higher, args.pick(0.025, 0.0));
    report.result("accuracy_generated_alone", means[3], Better::Higher, args.pick(0.93, 0.87));
    report.result("accuracy_real", means[0], Better::Higher, 0.86);
    let caption =
        "Accuracy on real test digits: mean and standard deviation over the draws of the real digits, and each draw";
    report.text("accuracies", table(&accuracies), caption);
    let caption =
        "Three rows each: real digits, digits of the model of 10,000, digits of the model of 20 of each class";
    let pictures = Tensor::concat(&shown.iter().collect::<Vec<_>>(), 0);
    report.picture(&Picture::grid(&pictures.reshape([30 * ROWS, 1, 28, 28]), &Grid::new(10)), "digits.png", caption)?;
    let chart = Chart::new(title).x("draw of the real digits").y("accuracy on real test digits");
    let chart = DIETS.iter().zip(&accuracies).fold(chart, |chart, (name, values)| {
        chart.scatter(*name, (1..).map(f64::from).zip(values.iter().copied()).collect::<Vec<Point>>())
    });
    report.figure_svg(chart.svg()?, "accuracy.svg", "Accuracy after training on each set of digits")?;
    let chart = Chart::new("Digits to order").x("step").y("nats an image").line("training loss", curve);
    report.figure_svg(chart.svg()?, "loss.svg", "Negative evidence lower bound of the model that saw 10,000 digits")?;
    report.finish()?;
    Ok(())
}

/// The same number of digits of each class, drawn at random, class by class.
fn few(digits: &Digits, rng: &mut Rng) -> Digits {
    let labels = digits.1.to_vec();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    rng.shuffle(&mut order);
    let of_class = |class| order.iter().filter(|&&i| labels[i] == class).take(FEW).collect::<Vec<_>>();
    let ids: Vec<i64> = (0..10).flat_map(of_class).map(|&i| i as i64).collect();
    let ids = Tensor::from_vec(ids, [10 * FEW]);
    (digits.0.index_select(0, &ids), digits.1.take_rows(&ids))
}

fn together(sets: &[&Digits]) -> Digits {
    let images: Vec<&Tensor> = sets.iter().map(|set| &set.0).collect();
    let labels: Vec<&Tensor<i64>> = sets.iter().map(|set| &set.1).collect();
    (Tensor::concat(&images, 0), Tensor::concat_ids(&labels, 0))
}

/// The first digits of every class of a set that lies class by class, `each` of each: a column a class.
fn rows(digits: &Digits, each: usize) -> Tensor {
    digits.0.reshape([10, each, 784]).narrow(1, 0, ROWS).transpose(0, 1).reshape([10 * ROWS, 784])
}

/// A line for each of what the classifiers were trained on.
fn table(accuracies: &[Vec<f64>; DIETS.len()]) -> String {
    let line = |(name, values): (&&str, &Vec<f64>)| {
        let each: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
        format!("{name}: {:.3} ± {:.3} ({})", mean(values), deviation(values), each.join(", "))
    };
    DIETS.iter().zip(accuracies).map(line).collect::<Vec<_>>().join("\n")
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the values, not of their mean.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}
