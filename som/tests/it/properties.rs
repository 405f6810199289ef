//! Invariants of training: order of samples, threads, symmetry, falling errors, reproducible seeds.

use etude_kernels::par;
use etude_kernels::rng::Rng;
use etude_som::{Decay, Lattice, Neighbourhood, Som, Training};
use proptest::prelude::*;

/// Points of three Gaussian clusters in three dimensions.
fn clusters(rows: usize, seed: u64) -> (Vec<f32>, Vec<usize>) {
    let mut rng = Rng::new(seed);
    let centres = [[0.0, 0.0, 0.0], [6.0, 0.0, 1.0], [0.0, 6.0, -1.0]];
    let labels: Vec<usize> = (0..rows).map(|i| i % 3).collect();
    let samples = labels.iter().flat_map(|&l| centres[l].map(|c: f64| (c + 0.5 * rng.normal()) as f32)).collect();
    (samples, labels)
}

fn trained(lattice: Lattice, samples: &[f32], training: &Training) -> Som {
    let mut som = Som::from_principal_plane(lattice, samples, 3).expect("a map");
    som.train_batch(samples, training).expect("samples");
    som
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_order_of_samples_does_not_matter_in_batch(seed in any::<u64>(), hexagonal in any::<bool>(), toroidal in any::<bool>()) {
        let (samples, _) = clusters(90, seed);
        let mut order: Vec<usize> = (0..90).collect();
        Rng::new(seed ^ 1).shuffle(&mut order);
        let shuffled: Vec<f32> = order.iter().flat_map(|&i| samples[3 * i..3 * i + 3].to_vec()).collect();
        let mut lattice = if hexagonal { Lattice::hexagonal(4, 5) } else { Lattice::rectangular(4, 5) };
        lattice.toroidal = toroidal;
        // The same start for both: sums in another order may round the principal axes differently.
        let start = Som::from_principal_plane(lattice, &samples, 3).expect("a map");
        let (mut a, mut b) = (start.clone(), start);
        let training = Training { steps: 5, ..Training::default() };
        a.train_batch(&samples, &training).expect("samples");
        b.train_batch(&shuffled, &training).expect("samples");
        for (x, y) in a.prototypes().iter().zip(b.prototypes()) {
            prop_assert!((x - y).abs() < 1e-4, "{} {}", x, y);
        }
    }

    #[test]
    fn shifting_the_samples_shifts_the_map(seed in any::<u64>(), shift in -5.0f32..5.0) {
        let (samples, _) = clusters(60, seed);
        let start = Som::from_principal_plane(Lattice::rectangular(3, 4), &samples, 3).expect("a map");
        let moved: Vec<f32> = samples.iter().map(|x| x + shift).collect();
        let prototypes = start.prototypes().iter().map(|x| x + shift).collect();
        let mut b = Som::from_prototypes(Lattice::rectangular(3, 4), 3, prototypes).expect("a map");
        let mut a = start;
        let training = Training { steps: 3, ..Training::default() };
        a.train_batch(&samples, &training).expect("samples");
        b.train_batch(&moved, &training).expect("samples");
        for (x, y) in a.prototypes().iter().zip(b.prototypes()) {
            prop_assert!((x + shift - y).abs() < 1e-3, "{} {}", x, y);
        }
    }
}

/// Σ over samples and nodes of h ‖x − w‖² for given winners, on a 5 × 5 grid at σ = 1.
fn distortion_for(winners: &[usize], samples: &[f32], prototypes: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (x, &c) in samples.chunks_exact(3).zip(winners) {
        for (j, w) in prototypes.chunks_exact(3).enumerate() {
            let (dr, dc) = ((c / 5) as f64 - (j / 5) as f64, (c % 5) as f64 - (j % 5) as f64);
            let squared: f64 = x.iter().zip(w).map(|(x, w)| f64::from(x - w).powi(2)).sum();
            sum += (-0.5 * (dr * dr + dc * dc)).exp() * squared;
        }
    }
    sum
}

#[test]
fn an_epoch_minimises_the_distortion_for_its_winners() {
    // Kohonen 2013, eq. (8): at rate 1 the new prototypes are the weighted means, the minimum of a quadratic form. Moving
    // any of them must make it worse. (With new winners it may rise: those are chosen by the plain distance.)
    let (samples, _) = clusters(150, 3);
    let start = Som::from_principal_plane(Lattice::rectangular(5, 5), &samples, 3).expect("a map");
    let winners: Vec<usize> = start.matches(&samples).expect("samples").iter().map(|m| m.best).collect();
    let mut som = start.clone();
    som.train_batch(&samples, &Training { steps: 1, sigma: Decay::Constant(1.0), rate: Decay::Constant(1.0) })
        .expect("samples");
    let best = distortion_for(&winners, &samples, som.prototypes());
    assert!(best < distortion_for(&winners, &samples, start.prototypes()));
    for i in 0..som.prototypes().len() {
        for step in [-0.05, 0.05] {
            let mut moved = som.prototypes().to_vec();
            moved[i] += step;
            assert!(distortion_for(&winners, &samples, &moved) > best, "prototype value {i}");
        }
    }
}

#[test]
fn without_neighbours_the_error_falls_every_epoch() {
    // At a radius far below 1 only the winner learns: Lloyd's algorithm, whose mean squared error never rises.
    let (samples, _) = clusters(150, 3);
    let mut som = Som::from_principal_plane(Lattice::rectangular(5, 5), &samples, 3).expect("a map");
    let mut last = som.distortion(&samples, 1e-3).expect("samples");
    let first = last;
    let training = Training { steps: 12, sigma: Decay::Constant(1e-3), rate: Decay::Constant(1.0) };
    som.train_batch_with(&samples, &training, |epoch, som| {
        let now = som.distortion(&samples, 1e-3).expect("samples");
        assert!(now <= last * (1.0 + 1e-6), "epoch {epoch}: {last} to {now}");
        last = now;
    })
    .expect("samples");
    assert!(last < 0.5 * first, "{first} to {last}");
}

#[test]
fn every_kind_of_map_learns_the_clusters() {
    let (samples, labels) = clusters(300, 9);
    for lattice in [
        Lattice::rectangular(6, 6),
        Lattice::hexagonal(6, 6),
        Lattice::rectangular(6, 6).toroidal(),
        Lattice::hexagonal(6, 6).toroidal(),
    ] {
        for shape in [Neighbourhood::Gaussian, Neighbourhood::Bubble] {
            let start = Som::from_principal_plane(lattice, &samples, 3).expect("a map").with_neighbourhood(shape);
            let before = start.quantisation_error(&samples).expect("samples");
            let mut som = start;
            som.train_batch(&samples, &Training { sigma: Decay::Linear(2.5, 1.1), ..Training::default() })
                .expect("samples");
            let after = som.quantisation_error(&samples).expect("samples");
            assert!(after < 0.5 * before, "{lattice:?} {shape:?}: {before} to {after}");
            assert!(som.label_map(&samples, &labels).expect("labels").purity > 0.99, "{lattice:?} {shape:?}");
        }
    }
}

#[test]
fn online_training_learns_over_seeds_and_repeats_itself() {
    let (samples, labels) = clusters(300, 4);
    let training = Training { steps: 3000, sigma: Decay::Linear(3.0, 1.0), rate: Decay::Asymptotic(0.5) };
    for seed in 0..3 {
        let run = || {
            let mut rng = Rng::new(seed);
            let mut som = Som::from_random_samples(Lattice::hexagonal(6, 6), &samples, 3, &mut rng).expect("a map");
            som.train_online(&samples, &training, &mut rng).expect("samples");
            som
        };
        let som = run();
        assert_eq!(som, run(), "seed {seed}");
        // The clusters have σ = 0.5 in three dimensions: one prototype each would leave √3 · 0.5 · 0.92 ≈ 0.80.
        let error = som.quantisation_error(&samples).expect("samples");
        assert!(error < 0.6, "seed {seed}: {error}");
        assert!(som.label_map(&samples, &labels).expect("labels").purity > 0.99);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (samples, _) = clusters(2000, 6);
    let training = Training { steps: 4, ..Training::default() };
    let one = par::with_threads(1, || trained(Lattice::hexagonal(8, 9), &samples, &training));
    for n in [2, 3, 8] {
        assert_eq!(par::with_threads(n, || trained(Lattice::hexagonal(8, 9), &samples, &training)), one, "{n} threads");
    }
}

#[test]
fn a_map_with_more_nodes_than_a_tile_equals_the_definition() {
    // 18 × 20 = 360 nodes cross the tile of 256. One epoch at rate 1 against the plain double sum.
    let (samples, _) = clusters(40, 2);
    let lattice = Lattice::rectangular(18, 20);
    let start = Som::from_principal_plane(lattice, &samples, 3).expect("a map");
    let winners = start.matches(&samples).expect("samples");
    let mut som = start;
    som.train_batch(&samples, &Training { steps: 1, sigma: Decay::Constant(2.0), rate: Decay::Constant(1.0) })
        .expect("samples");
    for node in (0..360).step_by(7) {
        let (r, c) = ((node / 20) as f64, (node % 20) as f64);
        let mut sum = [0.0f64; 4];
        for (x, m) in samples.chunks_exact(3).zip(&winners) {
            let (dr, dc) = ((m.best / 20) as f64 - r, (m.best % 20) as f64 - c);
            let h = (-(dr * dr + dc * dc) / 8.0).exp();
            (0..3).for_each(|k| sum[k] += h * f64::from(x[k]));
            sum[3] += h;
        }
        for k in 0..3 {
            let want = sum[k] / sum[3];
            assert!((f64::from(som.prototype(node)[k]) - want).abs() < 1e-6 * (1.0 + want.abs()), "node {node}");
        }
    }
}

#[test]
fn component_planes_are_columns_of_the_prototypes() {
    let som = Som::from_prototypes(Lattice::rectangular(1, 2), 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("a map");
    assert_eq!(som.component_plane(1).expect("a feature"), vec![2.0, 5.0]);
    assert!(som.component_plane(3).is_err());
}
