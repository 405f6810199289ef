//! A self-organising map of handwritten digits: 20 × 20 prototypes, ordered so that similar digits lie side by side.
//!
//! `cargo run --release -p etude-som --example digits -- [--out DIR]`. Batch training from the principal plane has no
//! randomness, so `--seed` and `--quick` change nothing.

use etude_data::example::{Args, Better, Report};
use etude_data::picture::{Grid, Picture};
use etude_data::plot::{Chart, HeatMap};
use etude_data::{Tensor, digits};
use etude_som::{Decay, Lattice, Som, Training};

const SIDE: usize = 20;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "som", "digits", "A self-organising map sorts handwritten digits")?;
    report.about(
        "A map of 20 × 20 prototypes was trained on 1,797 digits of 8 × 8 pixels without their labels, by 50 batch epochs from the plane of the first two principal components.",
        "Look for regions of one digit that pass smoothly into their neighbours, and for the bright walls of the U-matrix where the digits on both sides have little in common.",
    );
    let data = digits();
    let samples: Vec<f32> = data.pixels.to_vec().iter().map(|p| p / 16.0).collect();
    let labels: Vec<usize> = data.labels.to_vec().iter().map(|&l| l as usize).collect();

    let mut som = Som::from_principal_plane(Lattice::rectangular(SIDE, SIDE), &samples, 64)?;
    let training = Training { steps: 50, sigma: Decay::Asymptotic(3.0), rate: Decay::Asymptotic(0.5) };
    let mut curve = vec![(0.0, som.quantisation_error(&samples)?)];
    som.train_batch_with(&samples, &training, |epoch, som| {
        let error = som.quantisation_error(&samples).expect("the samples were accepted for training");
        curve.push(((epoch + 1) as f64, error));
    })?;

    let map = som.label_map(&samples, &labels)?;
    report.result("digits_qe", som.quantisation_error(&samples)?, Better::Lower, 1.15);
    report.result("digits_te", som.topographic_error(&samples)?, Better::Lower, 0.03);
    report.result("digits_purity", map.purity, Better::Higher, 0.9);

    let names: Vec<String> = map.labels.iter().map(|l| l.map_or(String::new(), |l| l.to_string())).collect();
    let prototypes = Tensor::from_slice(som.prototypes(), [SIDE * SIDE, 1, 8, 8]);
    let grid = Grid { columns: SIDE, padding: 1, upscale: 3, background: 0.25 };
    report.picture(
        &Picture::grid(&prototypes, &grid),
        "prototypes.png",
        "The 400 prototypes in their places on the map.",
    )?;
    let walls = HeatMap::new("U-matrix with the majority digit", SIDE, som.u_matrix()).text(names.clone());
    report.figure_svg(walls.svg()?, "u-matrix.svg", "Mean distance of each prototype to its neighbours; the digit is the majority label of the samples that the node won, added after the training.")?;
    let classes = map.labels.iter().map(|l| l.map_or(f64::NAN, |l| l as f64));
    let labelled = HeatMap::new("Label map", SIDE, classes).text(names);
    report.figure_svg(
        labelled.svg()?,
        "labels.svg",
        "The majority digit of each node as a colour; nodes that won no sample have none.",
    )?;
    let hits = som.hits(&samples)?;
    let hit_map = HeatMap::new("Hits", SIDE, hits.iter().map(|&h| h as f64));
    report.figure_svg(hit_map.svg()?, "hits.svg", "How many digits each node won.")?;
    let learning = Chart::new("Quantisation error").x("epoch").y("mean distance to the prototype").line("", curve);
    report.figure_svg(learning.svg()?, "error.svg", "The error over the 50 epochs; the radius falls from 3 to 1.")?;
    report.finish()?;
    Ok(())
}
