//! Products from bf16 parts against f64, within the bounds that [`Precision`] states.

use proptest::prelude::*;

use super::*;
use crate::gemm::{batched, matmul};
use crate::par;
use crate::rng::Rng;

/// Whether the machine has the unit; says so if not.
fn available() -> bool {
    let available = Isa::Amx.is_available();
    if !available {
        eprintln!("skipped: this machine has no tile unit");
    }
    available
}

fn on_unit<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    isa::with(Isa::Amx, || precision::with(precision, f))
}

/// The bound that [`Precision`] states for an element whose terms err independently, by Σ|a||b|.
fn bound(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.0,
        Precision::High => 2f64.powi(-16),
        Precision::Bf16 => 2f64.powi(-7),
    }
}

/// Random numbers with a layout: rows, columns, both with gaps, every second element.
struct Operand {
    data: Vec<f32>,
    rows: usize,
    cols: usize,
    strides: [usize; 2],
}

impl Operand {
    fn new(rng: &mut Rng, rows: usize, cols: usize, layout: usize) -> Self {
        let strides = [[cols, 1], [1, rows], [cols + 3, 1], [1, rows + 2], [2 * cols + 1, 2], [0, 1], [1, 0]][layout];
        let mut data = vec![0.0; (rows - 1) * strides[0] + (cols - 1) * strides[1] + 1];
        rng.fill_normal(&mut data);
        Operand { data, rows, cols, strides }
    }

    fn mat(&self) -> Mat<'_, f32> {
        Mat::new(&self.data, self.rows, self.cols, self.strides[0], self.strides[1])
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        f64::from(self.data[i * self.strides[0] + j * self.strides[1]])
    }
}

/// Element (i, j) of A·B and of |A|·|B|, in f64.
fn exact(a: &Operand, b: &Operand, i: usize, j: usize) -> [f64; 2] {
    let terms = (0..a.cols).map(|p| a.at(i, p) * b.at(p, j));
    terms.fold([0.0; 2], |[sum, size], x| [sum + x, size + x.abs()])
}

/// The unit itself, whatever the size of the product.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn on_tiles(precision: Precision, c: &mut [f32], a: &Operand, b: &Operand, add: bool) {
    let parts = on_unit(precision, Permission::current).parts;
    product::product(parts, c, a.mat(), b.mat(), add);
}
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn on_tiles(_: Precision, _: &mut [f32], _: &Operand, _: &Operand, _: bool) {
    unreachable!("available() is false");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn products_keep_their_bound_on_any_shape_layout_and_threads(
        seed: u64, m in 1usize..140, k in 32usize..600, n in 1usize..140, la in 0usize..7, lb in 0usize..7,
        threads in 1usize..4, add: bool,
    ) {
        if !available() {
            return Ok(());
        }
        let mut rng = Rng::new(seed);
        let (a, b) = (Operand::new(&mut rng, m, k, la), Operand::new(&mut rng, k, n, lb));
        for precision in [Precision::High, Precision::Bf16] {
            let mut c = vec![0.5f32; m * n];
            let start = if add { 0.5 } else { 0.0 };
            par::with_threads(threads, || on_tiles(precision, &mut c, &a, &b, add));
            for (at, &c) in c.iter().enumerate() {
                let [sum, size] = exact(&a, &b, at / n, at % n);
                let error = (f64::from(c) - sum - start).abs();
                // Repeated rows or columns repeat their errors.
                let factor = if la < 5 && lb < 5 { 1.0 } else { 2.0 };
                let most = factor * bound(precision) * (size + start);
                prop_assert!(error <= most, "{m}×{k}×{n} {precision} at {at}: {error:e} above {most:e}");
            }
        }
    }

    /// The worst case: short sums, whose errors do not average out.
    #[test]
    fn short_sums_keep_twice_the_bound(seed: u64, k in 1usize..32) {
        if !available() {
            return Ok(());
        }
        let mut rng = Rng::new(seed);
        let (a, b) = (Operand::new(&mut rng, 32, k, 0), Operand::new(&mut rng, k, 32, 0));
        for precision in [Precision::High, Precision::Bf16] {
            let mut c = vec![0f32; 32 * 32];
            on_tiles(precision, &mut c, &a, &b, false);
            for (at, &c) in c.iter().enumerate() {
                let [sum, size] = exact(&a, &b, at / 32, at % 32);
                prop_assert!((f64::from(c) - sum).abs() <= 2.0 * bound(precision) * size);
            }
        }
    }
}

/// Shapes that pass through every loop: several blocks of k, of rows and of columns, and threads that pack together.
const LARGE: [[usize; 3]; 4] = [[600, 700, 300], [64, 1100, 2100], [530, 40, 2100], [40, 3000, 24]];

#[test]
fn large_products_keep_their_bound_and_are_the_same_on_any_number_of_threads() {
    if !available() {
        return;
    }
    let mut rng = Rng::new(7);
    for [m, k, n] in LARGE {
        for layout in [0, 1] {
            let (a, b) = (Operand::new(&mut rng, m, k, layout), Operand::new(&mut rng, k, n, 1 - layout));
            for precision in [Precision::High, Precision::Bf16] {
                let run = |threads| {
                    let mut c = vec![f32::NAN; m * n];
                    par::with_threads(threads, || on_tiles(precision, &mut c, &a, &b, false));
                    c
                };
                let one = run(1);
                assert!([2, 3, 5].into_iter().all(|threads| run(threads) == one), "{m}×{k}×{n} {precision}");
                // An odd step walks through all rows and columns.
                for at in (0..m * n).step_by(101) {
                    let [sum, size] = exact(&a, &b, at / n, at % n);
                    let error = (f64::from(one[at]) - sum).abs();
                    assert!(error <= bound(precision) * size, "{m}×{k}×{n} {precision} at {at}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn the_largest_error_of_high_is_within_sixteen_of_a_plain_sums() {
    if !available() {
        return;
    }
    let mut rng = Rng::new(8);
    for k in [128, 256, 512, 1024, 3000] {
        let (a, b) = (Operand::new(&mut rng, 64, k, 0), Operand::new(&mut rng, k, 64, 0));
        let mut c = vec![0f32; 64 * 64];
        on_unit(Precision::High, || matmul(&mut c, a.mat(), b.mat(), Accumulate::No));
        let (mut ours, mut plain) = (0f64, 0f64);
        for (at, &c) in c.iter().enumerate() {
            let (i, j) = (at / 64, at % 64);
            let [sum, _] = exact(&a, &b, i, j);
            let chain = (0..k).fold(0f32, |s, p| s + a.at(i, p) as f32 * b.at(p, j) as f32);
            ours = ours.max((f64::from(c) - sum).abs());
            plain = plain.max((f64::from(chain) - sum).abs());
        }
        assert!(ours <= 16.0 * plain, "k = {k}: {ours:e} beside {plain:e}");
    }
}

/// The default precision, f64 and every lower instruction set do not change by a bit.
#[test]
fn without_permission_nothing_changes() {
    if !available() {
        return;
    }
    let mut rng = Rng::new(9);
    let (a, b) = (Operand::new(&mut rng, 100, 130, 0), Operand::new(&mut rng, 130, 90, 1));
    let run = |isa, precision| {
        let mut c = vec![0f32; 100 * 90];
        isa::with(isa, || precision::with(precision, || matmul(&mut c, a.mat(), b.mat(), Accumulate::No)));
        c
    };
    let plain = run(Isa::Avx512, Precision::F32);
    assert_eq!(run(Isa::Amx, Precision::F32), plain);
    assert_eq!(run(Isa::Avx512, Precision::High), plain);
    assert_ne!(run(Isa::Amx, Precision::High), plain, "the unit was not used");
    let wide = |data: &[f32]| data.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (x, y) = (wide(&a.data), wide(&b.data));
    let run = |precision| {
        let mut c = vec![0f64; 100 * 90];
        let (a, b) = (Mat::row_major(&x, 100, 130), Mat::row_major(&y, 90, 130).t());
        on_unit(precision, || matmul(&mut c, a, b, Accumulate::No));
        c
    };
    assert_eq!(run(Precision::Bf16), run(Precision::F32));
}

#[test]
fn a_batch_is_its_products() {
    if !available() {
        return;
    }
    let (batch, m, k, n) = (12, 64, 40, 96);
    let mut rng = Rng::new(10);
    let (a, b) = (Operand::new(&mut rng, batch * m, k, 0), Operand::new(&mut rng, k, batch * n, 0));
    let left = |i: usize| a.mat().block(i * m, 0, m, k);
    let right = |i: usize| b.mat().block(0, i * n, k, n);
    on_unit(Precision::High, || {
        let mut c = vec![0f32; batch * m * n];
        par::with_threads(2, || batched(&mut c, batch, &left, &right, Accumulate::No));
        for (i, c) in c.chunks_exact(m * n).enumerate() {
            let mut single = vec![0f32; m * n];
            matmul(&mut single, left(i), right(i), Accumulate::No);
            assert_eq!(c, single);
        }
    });
}

/// Infinities, NaN with any payload and numbers that bf16 cannot hold reach the elements that they reach in f32, as the
/// same kind of number, and no others.
#[test]
fn what_has_no_parts_is_multiplied_in_f32() {
    if !available() {
        return;
    }
    let odd = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0x7fff_ffff), f32::from_bits(0xff80_0001)];
    let (m, k, n) = (64, 64, 64);
    let kind = |x: f32| (x.is_nan(), x.is_infinite(), x.is_sign_negative() && !x.is_nan());
    for (seed, &x) in odd.iter().chain(&[f32::MAX, -3.4e38]).enumerate() {
        for layout in 0..5 {
            let mut rng = Rng::new(seed as u64);
            let (mut a, mut b) = (Operand::new(&mut rng, m, k, layout), Operand::new(&mut rng, k, n, layout));
            let put = |of: &mut Operand, i: usize, j: usize, x| of.data[i * of.strides[0] + j * of.strides[1]] = x;
            put(&mut a, 3, 5, x);
            put(&mut b, 40, 33, x);
            // Exact in bf16, so that a lower part of zero meets the infinity; and a true zero.
            put(&mut b, 5, 7, 1.0);
            put(&mut b, 5, 8, 0.0);
            for accumulate in [Accumulate::No, Accumulate::Yes] {
                let run = |precision| {
                    let mut c = vec![1f32; m * n];
                    on_unit(precision, || matmul(&mut c, a.mat(), b.mat(), accumulate));
                    c
                };
                let want = run(Precision::F32);
                for precision in [Precision::High, Precision::Bf16] {
                    for (at, (&got, &want)) in run(precision).iter().zip(&want).enumerate() {
                        let same = if want.is_finite() {
                            (got - want).abs() <= 2e-2 * want.abs().max(16.0)
                        } else {
                            kind(got) == kind(want)
                        };
                        assert!(same, "{x} {precision} at {at}: {got} instead of {want}");
                    }
                }
            }
        }
    }
}

/// What the unit takes as zero: operands and lower parts below the smallest normal number.
#[test]
fn subnormal_operands_count_as_zeros_at_most() {
    if !available() {
        return;
    }
    let (m, k, n) = (64, 64, 64);
    let tiny = vec![f32::MIN_POSITIVE / 2.0; m * k];
    let large = vec![1e30f32; k * n];
    let mut c = vec![f32::NAN; m * n];
    let exact = 64.0 * f64::from(f32::MIN_POSITIVE / 2.0) * 1e30;
    on_unit(Precision::High, || {
        matmul(&mut c, Mat::row_major(&tiny, m, k), Mat::row_major(&large, k, n), Accumulate::No);
    });
    assert!(c.iter().all(|&c| (0.0..=1.001 * exact).contains(&f64::from(c))));
}
