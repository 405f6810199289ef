//! Products against the definition in f64, on every instruction set and number of threads.

use proptest::prelude::*;

use super::*;
use crate::rng::Rng;

/// An operand of that size with random contents and one of several memory layouts.
#[derive(Clone, Debug)]
struct Operand {
    data: Vec<f64>,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl Operand {
    fn new(rng: &mut Rng, rows: usize, cols: usize, layout: usize) -> Self {
        let (row_stride, col_stride) = match layout {
            0 => (cols, 1),
            1 => (1, rows),
            2 => (cols + 3, 1),
            3 => (1, rows + 2),
            4 => (2 * cols + 1, 2),
            5 => (0, 1),
            _ => (1, 0),
        };
        let len = rows.saturating_sub(1) * row_stride + cols.saturating_sub(1) * col_stride + 1;
        let mut data = vec![0.0; len];
        rng.fill_normal(&mut data);
        Operand { data, rows, cols, row_stride, col_stride }
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.row_stride + j * self.col_stride]
    }

    fn values<T: Real>(&self) -> Vec<T> {
        self.data.iter().map(|&x| T::from_f64(x)).collect()
    }

    fn mat<'a, T: Real>(&self, data: &'a [T]) -> Mat<'a, T> {
        Mat::new(data, self.rows, self.cols, self.row_stride, self.col_stride)
    }
}

/// Checks `matmul` in `T` against the definition; the bound is γₖ Σ|a||b| with γₖ ≈ k ε (Higham 2002, eq. 3.13), plus
/// the rounding of the operands and of C.
fn check<T: Real>(a: &Operand, b: &Operand, accumulate: Accumulate) -> Result<(), TestCaseError> {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let (a_data, b_data) = (a.values::<T>(), b.values::<T>());
    let before: Vec<T> = (0..m * n).map(|i| T::from_f64(i as f64 % 7.0 - 3.0)).collect();
    let mut c = before.clone();
    matmul(&mut c, a.mat(&a_data), b.mat(&b_data), accumulate);
    for i in 0..m {
        for j in 0..n {
            let start = if accumulate == Accumulate::Yes { before[i * n + j].to_f64() } else { 0.0 };
            let (mut sum, mut size) = (start, start.abs());
            for p in 0..k {
                sum += a.at(i, p) * b.at(p, j);
                size += (a.at(i, p) * b.at(p, j)).abs();
            }
            let bound = (k + 4) as f64 * T::EPSILON.to_f64() * size;
            let error = (c[i * n + j].to_f64() - sum).abs();
            prop_assert!(error <= bound, "{m}×{k}×{n} at ({i}, {j}): error {error:e} above {bound:e}");
        }
    }
    Ok(())
}

fn on_all(a: &Operand, b: &Operand, accumulate: Accumulate) -> Result<(), TestCaseError> {
    for isa in Isa::available() {
        isa::with(isa, || check::<f32>(a, b, accumulate))?;
        isa::with(isa, || check::<f64>(a, b, accumulate))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn products_are_the_definition(
        seed: u64, m in 0usize..70, k in 0usize..300, n in 0usize..80, la in 0usize..7, lb in 0usize..7, add: bool,
    ) {
        let mut rng = Rng::new(seed);
        let (a, b) = (Operand::new(&mut rng, m, k, la), Operand::new(&mut rng, k, n, lb));
        on_all(&a, &b, if add { Accumulate::Yes } else { Accumulate::No })?;
    }

    #[test]
    fn thin_products_are_the_definition(
        seed: u64, thin in 1usize..6, k in 1usize..700, long in 1usize..600, la in 0usize..5, lb in 0usize..5, flip: bool,
    ) {
        let mut rng = Rng::new(seed);
        let (m, n) = if flip { (long, thin) } else { (thin, long) };
        let (a, b) = (Operand::new(&mut rng, m, k, la), Operand::new(&mut rng, k, n, lb));
        on_all(&a, &b, Accumulate::No)?;
    }

    #[test]
    fn a_batch_is_its_products(
        seed: u64, batch in 1usize..9, m in 1usize..40, k in 1usize..40, n in 1usize..40,
    ) {
        let mut rng = Rng::new(seed);
        let mut x = vec![0f32; batch * m * k];
        let mut y = vec![0f32; k * n];
        rng.fill_normal(&mut x);
        rng.fill_normal(&mut y);
        let a = |i: usize| Mat::row_major(&x[i * m * k..][..m * k], m, k);
        let b = |_| Mat::row_major(&y, k, n);
        let mut c = vec![0f32; batch * m * n];
        batched(&mut c, batch, &a, &b, Accumulate::No);
        for (i, c) in c.chunks_exact(m * n).enumerate() {
            let mut single = vec![0f32; m * n];
            matmul(&mut single, a(i), b(i), Accumulate::No);
            prop_assert_eq!(c, &single[..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// What makes a cached step of a transformer equal to the full pass, to the bit.
    #[test]
    fn an_element_depends_on_its_row_and_column_alone(
        seed: u64, m in 1usize..70, k in 1usize..700, n in 1usize..200, la in 0usize..5, lb in 0usize..5,
        row in 0usize..70, col in 0usize..200,
    ) {
        let mut rng = Rng::new(seed);
        let (a, b) = (Operand::new(&mut rng, m, k, la), Operand::new(&mut rng, k, n, lb));
        let (a_data, b_data) = (a.values::<f32>(), b.values::<f32>());
        let (x, y) = (a.mat(&a_data), b.mat(&b_data));
        let (row, col) = (row % m, col % n);
        for isa in Isa::available() {
            isa::with(isa, || {
                let mut c = vec![0f32; m * n];
                matmul(&mut c, x, y, Accumulate::No);
                let mut line = vec![0f32; n];
                matmul(&mut line, x.block(row, 0, 1, k), y, Accumulate::No);
                prop_assert_eq!(&line[..], &c[row * n..][..n], "row {} on {}", row, isa);
                let mut element = [0f32];
                matmul(&mut element, x.block(row, 0, 1, k), y.block(0, col, k, 1), Accumulate::No);
                prop_assert_eq!(element[0], line[col], "element ({}, {}) on {}", row, col, isa);
                Ok(())
            })?;
        }
    }
}

/// Shapes whose tiles are many, and of every kind of product.
const LARGE: [(usize, usize, usize); 7] =
    [(300, 130, 520), (200, 40, 2100), (1, 700, 2100), (2000, 700, 1), (16, 300, 1030), (1100, 40, 24), (24, 3000, 40)];

#[test]
fn large_products_are_the_definition_and_the_same_on_any_number_of_threads() {
    let mut rng = Rng::new(5);
    for (m, k, n) in LARGE {
        for layout in [0, 1] {
            let (a, b) = (Operand::new(&mut rng, m, k, layout), Operand::new(&mut rng, k, n, 1 - layout));
            on_all(&a, &b, Accumulate::Yes).unwrap();
            let (a_data, b_data) = (a.values::<f32>(), b.values::<f32>());
            for isa in Isa::available() {
                let run = |threads| {
                    let mut c = vec![0f32; m * n];
                    isa::with(isa, || {
                        par::with_threads(threads, || {
                            matmul(&mut c, a.mat(&a_data), b.mat(&b_data), Accumulate::No);
                        });
                    });
                    c
                };
                let one = run(1);
                assert!([2, 3, 8].into_iter().all(|threads| run(threads) == one), "{m}×{k}×{n} on {isa}");
            }
        }
    }
}

#[test]
fn a_packed_operand_gives_the_product() {
    let mut rng = Rng::new(6);
    for (m, k, n) in [(9, 600, 70), (1, 1, 1), (32, 256, 100), (3, 0, 5)] {
        for layout in [0, 1] {
            let (a, b) = (Operand::new(&mut rng, m, k, 0), Operand::new(&mut rng, k, n, layout));
            let (a_data, b_data) = (a.values::<f64>(), b.values::<f64>());
            for isa in Isa::available() {
                let packed = Packed::new(isa, b.mat(&b_data));
                let mut c = vec![1.0; m * n];
                packed.matmul(&mut c, a.mat(&a_data), Accumulate::No);
                for (at, c) in c.into_iter().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let sum: f64 = (0..k).map(|p| a.at(i, p) * b.at(p, j)).sum();
                    assert!((c - sum).abs() <= 1e-12 * (1.0 + k as f64), "{c} instead of {sum}");
                }
            }
        }
    }
}

#[test]
fn wrong_shapes_are_named() {
    let data = [0f32; 12];
    let mat = |rows, cols| Mat::row_major(&data[..rows * cols], rows, cols);
    let message = |run: &(dyn Fn() + std::panic::RefUnwindSafe)| {
        *std::panic::catch_unwind(run).expect_err("must refuse").downcast::<String>().expect("a message")
    };
    let inner = message(&|| matmul(&mut [0.0; 4], mat(2, 3), mat(2, 2), Accumulate::No));
    assert!(inner.contains("[2, 3] × [2, 2]"), "{inner}");
    let length = message(&|| matmul(&mut [0.0; 5], mat(2, 3), mat(3, 2), Accumulate::No));
    assert!(length.contains("5 elements for [2, 2]"), "{length}");
    let bounds = message(&|| assert_eq!(Mat::new(&data, 3, 5, 5, 1).rows, 3));
    assert!(bounds.contains("3 × 5"), "{bounds}");
}
