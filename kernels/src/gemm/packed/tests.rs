//! Packed weights against the definition in f64, on every instruction set and number of threads.

use proptest::prelude::*;

use super::*;
use crate::gemm::{Accumulate, matmul};
use crate::isa::{self, Isa};
use crate::rng::Rng;

fn normals(seed: u64, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    Rng::new(seed).fill_normal(&mut out);
    out
}

/// The weights that a packed matrix stands for.
fn unpacked(packed: &Packed) -> Vec<f32> {
    let mut out = vec![f32::NAN; packed.outputs() * packed.inputs()];
    packed.gather_rows(&(0..packed.outputs() as i64).collect::<Vec<_>>(), &mut out);
    out
}

/// The largest distance of a stored weight from `w`, in row `j` and column `p` of `w` as `[_, inputs]`.
fn allowed(storage: Storage, w: &[f32], inputs: usize, j: usize, p: usize) -> f64 {
    let weight = f64::from(w[j * inputs + p]).abs();
    match storage {
        Storage::F32 => 0.0,
        Storage::Bf16 => weight / 256.0,
        Storage::Int8 => {
            let block = &w[j * inputs..][p / BLOCK * BLOCK..inputs.min((p / BLOCK + 1) * BLOCK)];
            let scale = block.iter().fold(0.0f64, |largest, &w| largest.max(f64::from(w).abs())) / 127.0;
            // Half a step, and what dividing by the scale and multiplying with it round: 2 · 127 · 2⁻²⁴ steps.
            scale * (0.5 + 2e-5)
        }
    }
}

/// Σ|x||w| and Σxw in f64.
fn product(x: &[f32], w: &[f32]) -> (f64, f64) {
    let terms = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w));
    terms.fold((0.0, 0.0), |(size, sum), t| (size + t.abs(), sum + t))
}

/// Checks every element of y against the sum over the weights that `packed` stands for; the bound is that of a chain of
/// f32 (Higham 2002, eq. 3.13), whose terms are 256 ± 128 for int8 when one row is multiplied.
fn check(packed: &Packed, x: &[f32], bias: Option<&[f32]>, y: &[f32]) -> Result<(), TestCaseError> {
    let (n, k) = (packed.outputs(), packed.inputs());
    let w = unpacked(packed);
    for (i, y) in y.chunks_exact(n).enumerate() {
        let x = &x[i * k..][..k];
        for j in 0..n {
            let (mut size, mut sum) = product(x, &w[j * k..][..k]);
            if packed.storage() == Storage::Int8 {
                let largest = w[j * k..][..k].iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
                size += 4.0 * f64::from(largest) * x.iter().map(|x| f64::from(x.abs())).sum::<f64>();
            }
            let b = bias.map_or(0.0, |b| f64::from(b[j]));
            sum += b;
            let bound = (k + 4) as f64 * f64::from(f32::EPSILON) * (size + b.abs());
            let error = (f64::from(y[j]) - sum).abs();
            prop_assert!(error <= bound, "{packed:?} row {i} output {j}: error {error:e} above {bound:e}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_storage_multiplies_by_what_it_stands_for(
        m in 1usize..20,
        n in 1usize..150,
        k in 0usize..300,
        biased in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let (w, x, bias) = (normals(seed, n * k), normals(seed ^ 1, m * k), normals(seed ^ 2, n));
        let bias = biased.then_some(&bias[..]);
        for storage in Storage::ALL {
            let packed = Packed::new(storage, &w, n, k);
            for isa in Isa::available() {
                let mut y = vec![f32::NAN; m * n];
                isa::with(isa, || packed.linear(&mut y, &x, bias));
                check(&packed, &x, bias, &y)?;
            }
        }
    }

    #[test]
    fn a_stored_weight_is_as_near_as_its_storage_says(n in 1usize..80, k in 1usize..300, seed in any::<u64>()) {
        let w = normals(seed, n * k);
        for storage in Storage::ALL {
            let stored = unpacked(&Packed::new(storage, &w, n, k));
            for (at, (&w_at, &stored)) in w.iter().zip(&stored).enumerate() {
                let (error, bound) = (f64::from(stored - w_at).abs(), allowed(storage, &w, k, at / k, at % k));
                prop_assert!(error <= bound, "{storage} at {at}: {stored} for {w_at}, bound {bound:e}");
            }
        }
    }
}

#[test]
fn f32_weights_give_the_bits_of_the_unpacked_product() {
    for (m, n, k) in [(1, 200, 700), (1, 64, 256), (7, 130, 513), (170, 96, 300)] {
        let (w, x) = (normals(1, n * k), normals(2, m * k));
        let packed = Packed::new(Storage::F32, &w, n, k);
        for isa in Isa::available() {
            let (mut ours, mut theirs) = (vec![0.0; m * n], vec![0.0; m * n]);
            isa::with(isa, || {
                packed.linear(&mut ours, &x, None);
                matmul(&mut theirs, Mat::row_major(&x, m, k), Mat::row_major(&w, n, k).t(), Accumulate::No);
            });
            assert!(ours == theirs, "{isa} {m} × {n} × {k}");
        }
    }
}

#[test]
fn a_row_of_f32_and_bf16_has_the_same_bits_alone_and_among_others() {
    let (m, n, k) = (9, 150, 600);
    let (w, x, bias) = (normals(3, n * k), normals(4, m * k), normals(5, n));
    for storage in [Storage::F32, Storage::Bf16] {
        let packed = Packed::new(storage, &w, n, k);
        for isa in Isa::available() {
            isa::with(isa, || {
                let (mut all, mut one) = (vec![0.0; m * n], vec![0.0; n]);
                packed.linear(&mut all, &x, Some(&bias));
                for i in 0..m {
                    packed.linear(&mut one, &x[i * k..][..k], Some(&bias));
                    assert!(one == all[i * n..][..n], "{storage} {isa} row {i}");
                }
            });
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for (m, n, k) in [(1, 3000, 500), (400, 200, 300)] {
        let (w, x) = (normals(6, n * k), normals(7, m * k));
        for storage in Storage::ALL {
            let run = |threads| {
                par::with_threads(threads, || {
                    let mut y = vec![0.0; m * n];
                    Packed::new(storage, &w, n, k).linear(&mut y, &x, None);
                    y
                })
            };
            let one = run(1);
            for threads in [2, 3, 8] {
                assert!(run(threads) == one, "{storage} {m} × {n} × {k} on {threads} threads");
            }
        }
    }
}

#[test]
fn bf16_rounds_to_the_nearest_and_ties_to_even() {
    let next = 1.0 + f32::EPSILON * 65536.0; // the bf16 after 1
    let cases = [
        (1.0, 1.0),
        // Half way: to 1, whose last bit is 0; from `next` half way up, to the one after it.
        (f32::midpoint(1.0, next), 1.0),
        (next + (next - 1.0) / 2.0, 1.0 + 2.0 * (next - 1.0)),
        (f32::midpoint(1.0, next) * (1.0 + f32::EPSILON), next),
        (-0.0, -0.0),
        (f32::MAX, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
        (1e-40, f32::from_bits(0x0001_0000)),
    ];
    for (weight, stored) in cases {
        let found = unpacked(&Packed::new(Storage::Bf16, &[weight], 1, 1))[0];
        assert_eq!(found.to_bits(), f32::to_bits(stored), "{weight}: {found}");
    }
    assert!(unpacked(&Packed::new(Storage::Bf16, &[f32::from_bits(0x7f80_0001)], 1, 1))[0].is_nan());
}

#[test]
fn what_int8_cannot_hold_is_seen_and_what_is_too_small_is_zero() {
    let (n, k) = (2, 2 * BLOCK);
    let mut w = normals(8, n * k);
    w[3] = f32::INFINITY;
    w[k..k + BLOCK].fill(1e-40);
    let stored = unpacked(&Packed::new(Storage::Int8, &w, n, k));
    assert!(stored[..BLOCK].iter().all(|w| w.is_nan()), "the block of the infinity");
    assert!(stored[BLOCK..k].iter().all(|w| w.is_finite()), "the block beside it");
    assert!(stored[k..k + BLOCK].iter().all(|&w| w == 0.0), "subnormal");
}

#[test]
fn nan_and_infinity_in_x_reach_every_output() {
    let w = normals(9, 70 * 40);
    for storage in Storage::ALL {
        let packed = Packed::new(storage, &w, 70, 40);
        for rows in [1, 3] {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut x = normals(10, rows * 40);
                x[7] = bad;
                let mut y = vec![0.0; rows * 70];
                packed.linear(&mut y, &x, None);
                assert!(y[..70].iter().all(|y| !y.is_finite()), "{storage} {bad} {rows} rows");
            }
        }
    }
}

#[test]
fn wrong_lengths_are_named() {
    let packed = Packed::new(Storage::F32, &[0.0; 6], 2, 3);
    let message = |f: &dyn Fn()| {
        let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("must refuse");
        error.downcast_ref::<String>().expect("a message").clone()
    };
    let text = message(&|| packed.linear(&mut [0.0; 2], &[0.0; 4], None));
    assert!(text.contains("x has 4") && text.contains("[2, 3]"), "{text}");
    let text = message(&|| packed.linear(&mut [0.0; 2], &[0.0; 3], Some(&[0.0; 3])));
    assert!(text.contains("3 biases"), "{text}");
    let text = message(&|| packed.gather_rows(&[2], &mut [0.0; 3]));
    assert!(text.contains("row 2"), "{text}");
    let text = message(&|| {
        Packed::new(Storage::Int8, &[0.0; 5], 2, 3);
    });
    assert!(text.contains("2 × 3"), "{text}");
}

#[test]
fn bytes_are_those_of_the_storage() {
    let bytes = |storage| Packed::new(storage, &vec![1.0; 128 * 256], 128, 256).bytes();
    assert_eq!(bytes(Storage::F32), 4 * 128 * 256);
    assert_eq!(bytes(Storage::Bf16), 2 * 128 * 256);
    assert_eq!(bytes(Storage::Int8), 128 * 256 + 4 * 128 * 2);
}
