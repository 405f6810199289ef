//! Figures of minisom 2.3.6 (`tests/golden/minisom_reference.py`): same start, same schedule, no randomness.

use etude_data::digits;
use etude_som::{Decay, Lattice, Neighbourhood, Som, Training};
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("../data/minisom.json")).expect("the reference file is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn singles(value: &Value) -> Vec<f32> {
    numbers(value).iter().map(|x| *x as f32).collect()
}

fn run(all: &Value, name: &str) -> Value {
    all["runs"].as_array().expect("runs").iter().find(|r| r["name"] == name).expect("the run").clone()
}

fn lattice(run: &Value) -> Lattice {
    let size = |key: &str| run[key].as_u64().expect("a size") as usize;
    if run["topology"] == "hexagonal" {
        Lattice::hexagonal(size("rows"), size("cols"))
    } else {
        Lattice::rectangular(size("rows"), size("cols"))
    }
}

fn training(run: &Value) -> Training {
    let sigma = run["sigma"].as_f64().expect("σ");
    let steps = run["epochs"].as_u64().expect("epochs") as usize;
    Training { steps, sigma: Decay::Asymptotic(sigma), rate: Decay::Asymptotic(0.5) }
}

#[track_caller]
fn close(what: &str, got: f64, want: &Value, tolerance: f64) {
    let want = want.as_f64().expect("a number");
    assert!((got - want).abs() < tolerance, "{what}: {got}, minisom {want}");
}

/// U-matrix over its largest entry, as minisom gives it.
fn scaled_u_matrix(som: &Som) -> Vec<f64> {
    let u = som.u_matrix();
    let largest = u.iter().fold(0.0f64, |m, x| m.max(*x));
    u.iter().map(|x| x / largest).collect()
}

#[test]
fn iris_from_minisoms_start() {
    let all = reference();
    let iris = singles(&all["iris"]);
    for name in ["iris", "iris-hex", "iris-bubble", "iris-mexican"] {
        let run = run(&all, name);
        let shape = match run["neighbourhood"].as_str() {
            Some("bubble") => Neighbourhood::Bubble,
            Some("mexican_hat") => Neighbourhood::MexicanHat,
            _ => Neighbourhood::Gaussian,
        };
        let mut som =
            Som::from_prototypes(lattice(&run), 4, singles(&run["start"])).expect("a map").with_neighbourhood(shape);
        close(name, som.quantisation_error(&iris).expect("iris"), &run["qe0"], 1e-6);
        som.train_batch(&iris, &training(&run)).expect("iris");
        // S4 of the reference table: QE 0.3235, TE 0.0400.
        close(name, som.quantisation_error(&iris).expect("iris"), &run["qe"], 1e-6);
        close(name, som.topographic_error(&iris).expect("iris"), &run["te"], 1e-9);
        for (got, want) in som.prototypes().iter().zip(numbers(&run["weights"])) {
            assert!((f64::from(*got) - want).abs() < 1e-5, "{name}: {got} {want}");
        }
        let hits: Vec<f64> = som.hits(&iris).expect("iris").iter().map(|h| *h as f64).collect();
        assert_eq!(hits, numbers(&run["hits"]), "{name}");
        for (got, want) in scaled_u_matrix(&som).iter().zip(numbers(&run["u_matrix_mean"])) {
            assert!((got - want).abs() < 1e-5, "{name}: {got} {want}");
        }
    }
}

#[test]
fn principal_plane_is_minisoms_up_to_signs() {
    let all = reference();
    let (iris, run) = (singles(&all["iris"]), run(&all, "iris"));
    let ours = Som::from_principal_plane(lattice(&run), &iris, 4).expect("a map");
    close("QE of the start", ours.quantisation_error(&iris).expect("iris"), &run["qe0"], 1e-6);
    assert_eq!(ours.topographic_error(&iris).expect("iris"), 0.0);
    let theirs = singles(&run["start"]);
    // An eigenvector has no sign: one of the four mirror images of the map must fit.
    let fits = [(false, false), (false, true), (true, false), (true, true)].iter().any(|(flip_rows, flip_cols)| {
        (0..49).all(|node| {
            let (row, col) = (node / 7, node % 7);
            let mirrored = if *flip_rows { 6 - row } else { row } * 7 + if *flip_cols { 6 - col } else { col };
            ours.prototype(node).iter().zip(&theirs[mirrored * 4..]).all(|(a, b)| (a - b).abs() < 1e-5)
        })
    });
    assert!(fits);
}

#[test]
fn digits_are_those_of_the_issue() {
    // S7: QE₀ 1.8271, QE 1.1425, TE 0.0134 (the issue asks for 1.15 and 0.03).
    let all = reference();
    let run = run(&all, "digits");
    let samples: Vec<f32> = digits_pixels();
    let mut som = Som::from_principal_plane(lattice(&run), &samples, 64).expect("a map");
    close("QE of the start", som.quantisation_error(&samples).expect("digits"), &run["qe0"], 1e-6);
    som.train_batch(&samples, &training(&run)).expect("digits");
    close("QE", som.quantisation_error(&samples).expect("digits"), &run["qe"], 1e-5);
    // One sample more or less is 1/1797.
    close("TE", som.topographic_error(&samples).expect("digits"), &run["te"], 1.5 / 1797.0);
}

fn digits_pixels() -> Vec<f32> {
    digits().pixels.to_vec().iter().map(|p| p / 16.0).collect()
}
