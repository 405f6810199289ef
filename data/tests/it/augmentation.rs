//! Augmentation: what must not change anything does not, and what changes is known in closed form.

use etude_autograd::Tensor;
use etude_data::Augment;
use etude_kernels::rng::Rng;
use proptest::prelude::*;

use crate::cases;

fn images(n: usize, c: usize, h: usize, w: usize, seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    Tensor::from_vec((0..n * c * h * w).map(|_| rng.f32()).collect(), [n, c, h, w])
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn no_change_is_bit_for_bit_the_identity(n in 0usize..3, c in 1usize..4, h in 1usize..9, w in 1usize..9, seed: u64) {
        let x = images(n, c, h, w, seed);
        let y = Augment::default().apply(&x, &mut Rng::new(seed));
        prop_assert_eq!(x.to_vec(), y.to_vec());
        prop_assert_eq!(x.shape(), y.shape());
    }

    #[test]
    fn a_certain_flip_reverses_every_row(c in 1usize..4, h in 1usize..9, w in 1usize..9, seed: u64) {
        let x = images(2, c, h, w, seed);
        let flip = Augment { flip: 1.0, ..Augment::default() };
        let y = flip.apply(&x, &mut Rng::new(seed));
        let reversed: Vec<f32> = x.to_vec().chunks(w).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect();
        prop_assert_eq!(y.to_vec(), reversed);
        prop_assert_eq!(flip.apply(&y, &mut Rng::new(seed)).to_vec(), x.to_vec(), "twice is nothing");
    }

    #[test]
    fn values_stay_between_the_extremes_and_the_seed_decides(seed: u64, shift in 0.0..5f32, rotate in 0.0..180f32, scale in 0.0..0.9f32) {
        let augment = Augment { shift, rotate, scale, flip: 0.5, fill: 0.25 };
        let x = images(3, 2, 7, 6, seed);
        let y = augment.apply(&x, &mut Rng::new(seed));
        // Interpolation is a convex combination; a rounding error of one part in 10⁶ is allowed.
        prop_assert!(y.to_vec().iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v)));
        prop_assert_eq!(y.to_vec(), augment.apply(&x, &mut Rng::new(seed)).to_vec());
        // A constant image of the fill value has no edge to see.
        let flat = Tensor::from_vec(vec![0.25; 42], [1, 1, 7, 6]);
        prop_assert!(augment.apply(&flat, &mut Rng::new(seed)).to_vec().iter().all(|v| (v - 0.25).abs() < 1e-6));
    }
}

#[test]
fn one_setting_does_not_move_the_draws_of_another() {
    // An image that is symmetric under flips, so that only the shift shows.
    let symmetric =
        Tensor::from_vec((0..49).map(|i| [0.0, 0.2, 0.7, 1.0, 0.7, 0.2, 0.0][i / 7]).collect(), [1, 1, 7, 7]);
    let shift = Augment { shift: 2.0, ..Augment::default() };
    let both = Augment { flip: 0.5, ..shift.clone() };
    let rows = |augment: &Augment| {
        augment.apply(&symmetric, &mut Rng::new(5)).to_vec().iter().map(|v| (v * 1e4).round()).sum::<f32>()
    };
    assert_eq!(rows(&shift), rows(&both));
}

#[test]
fn settings_are_checked_by_name() {
    let bad = [
        (Augment { shift: -1.0, ..Augment::default() }, "augment.shift"),
        (Augment { rotate: f32::NAN, ..Augment::default() }, "augment.rotate"),
        (Augment { scale: 1.0, ..Augment::default() }, "augment.scale"),
        (Augment { flip: 2.0, ..Augment::default() }, "augment.flip"),
        (Augment { fill: f32::INFINITY, ..Augment::default() }, "augment.fill"),
    ];
    for (augment, name) in bad {
        assert!(augment.validate().expect_err(name).to_string().starts_with(name));
    }
}

#[test]
#[should_panic(expected = "augment: expected images [n, channels, height, width], found [4, 4]")]
fn a_matrix_is_refused() {
    Augment::default().apply(&Tensor::from_vec(vec![0.0; 16], [4, 4]), &mut Rng::new(0));
}
