//! Bad input: typed errors that name the argument and the numbers; degenerate maps and samples give defined results.

use etude_kernels::rng::Rng;
use etude_som::{Decay, Error, Lattice, Som, Training};

fn small() -> Som {
    Som::from_prototypes(Lattice::rectangular(2, 2), 2, vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).expect("a map")
}

#[test]
fn samples_are_checked_at_every_door() {
    let mut som = small();
    let training = Training::default();
    assert_eq!(som.train_batch(&[], &training).expect_err("empty").to_string(), "samples: no samples");
    let ragged = som.train_batch(&[1.0, 2.0, 3.0], &training).expect_err("ragged");
    assert_eq!(ragged.to_string(), "samples has length 3, expected a multiple of 2 features");
    let nan = som.train_online(&[1.0, 2.0, 3.0, f32::NAN], &training, &mut Rng::new(0)).expect_err("NaN");
    assert_eq!(nan.to_string(), "samples: sample 1, feature 1 is NaN, expected a finite number");
    let infinite = som.quantisation_error(&[f32::INFINITY, 0.0]).expect_err("infinite");
    assert!(matches!(infinite, Error::NotFinite { row: 0, feature: 0, .. }));
    assert_eq!(som, small(), "a refused training leaves the map alone");
    for result in [som.topographic_error(&[]), som.distortion(&[f32::NAN, 0.0], 1.0), som.distortion(&[0.0, 0.0], 0.0)]
    {
        assert!(result.is_err());
    }
    assert!(som.hits(&[1.0]).is_err() && som.matches(&[1.0]).is_err() && som.label_map(&[], &[]).is_err());
}

#[test]
fn maps_are_checked() {
    let lattice = Lattice::rectangular(2, 2);
    let short = Som::from_prototypes(lattice, 2, vec![0.0; 7]).expect_err("short");
    assert_eq!(short.to_string(), "prototypes has length 7, expected 4 nodes × 2 features");
    assert!(Som::from_prototypes(lattice, 0, vec![]).is_err());
    assert!(Som::from_prototypes(Lattice::rectangular(usize::MAX, 1), 2, vec![]).is_err());
    assert!(Som::from_prototypes(lattice, 1, vec![0.0, 1.0, f32::NAN, 0.0]).is_err());
    assert!(Som::from_principal_plane(Lattice::rectangular(0, 2), &[1.0, 2.0], 2).is_err());
    assert!(Som::from_principal_plane(lattice, &[1.0, f32::NEG_INFINITY], 2).is_err());
    assert!(Som::from_random_samples(lattice, &[], 2, &mut Rng::new(0)).is_err());
}

#[test]
fn one_node_takes_the_mean() {
    let mut som = Som::from_principal_plane(Lattice::rectangular(1, 1), &[1.0, 2.0, 3.0, 6.0], 2).expect("a map");
    let training = Training { steps: 1, rate: Decay::Constant(1.0), ..Training::default() };
    som.train_batch(&[1.0, 2.0, 3.0, 6.0], &training).expect("samples");
    assert_eq!(som.prototypes(), &[2.0, 4.0]);
    assert!(som.topographic_error(&[1.0, 2.0]).is_err());
    assert_eq!(som.u_matrix(), vec![0.0]);
}

#[test]
fn few_duplicate_and_constant_samples_stay_finite() {
    // Fewer samples than nodes, all the same, one feature without variance.
    let samples = [3.0, 1.0].repeat(5);
    let mut som = Som::from_principal_plane(Lattice::hexagonal(5, 4), &samples, 2).expect("a map");
    som.train_batch(&samples, &Training { steps: 60, rate: Decay::Constant(1.0), ..Training::default() })
        .expect("samples");
    assert!(som.prototypes().iter().all(|x| x.is_finite()));
    assert!(som.quantisation_error(&samples).expect("samples") < 1e-6);
}

#[test]
fn a_tiny_radius_underflows_to_the_winner_alone() {
    let mut som = small();
    let training = Training { steps: 3, sigma: Decay::Constant(1e-200), rate: Decay::Constant(1.0) };
    som.train_batch(&[0.1, 0.1, 0.9, 0.9], &training).expect("samples");
    assert!(som.prototypes().iter().all(|x| x.is_finite()), "{:?}", som.prototypes());
    assert_eq!(som.prototype(0), &[0.1, 0.1]);
    assert_eq!(som.prototype(1), &[1.0, 0.0]);
}

#[test]
fn values_whose_squares_overflow_are_still_ordered() {
    let som = Som::from_prototypes(Lattice::rectangular(1, 2), 1, vec![1e30, -1e30]).expect("a map");
    let matches = som.matches(&[2e30, -5e29]).expect("finite samples");
    assert_eq!([matches[0].best, matches[1].best], [0, 1]);
}
