//! Squares of a matrix transposed in registers: what packing a transposed operand is made of.
//!
//! The façade of lanes has no shuffles, so the two sets that gain most say theirs here; every other one moves element by
//! element. The networks are the usual ones (log₂ n rounds, each exchanging halves of twice the length); they move bits
//! and never compute.

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

use pulp::Simd;

use crate::elem::Real;

/// Side of the larger squares.
pub(super) const SIDE: usize = 16;

/// `to[j·to_stride + i] = from[i·from_stride + j]` for i, j < N, which is 8 or [`SIDE`].
///
/// # Panics
/// If a square leaves its slice.
#[inline(always)]
pub(super) fn square<S: Simd, T: Real, const N: usize>(from: &[T], from_stride: usize, to: &mut [T], to_stride: usize) {
    let last = N - 1;
    assert!(last * from_stride + N <= from.len(), "gemm: a square to transpose leaves its slice");
    assert!(last * to_stride + N <= to.len(), "gemm: a transposed square leaves its slice");
    #[cfg(target_arch = "x86_64")]
    if const { T::F32 } {
        let (from, to) = (from.as_ptr().cast::<f32>(), to.as_mut_ptr().cast::<f32>());
        let wide = TypeId::of::<S>() == TypeId::of::<pulp::x86::V4>();
        if wide && const { N == SIDE } {
            // SAFETY: S is pulp's V4, a value of which exists only where AVX-512 F and DQ do; T is f32; both squares have
            // 16 rows and lie in their slices (assertions above).
            return unsafe { x86::square_16(from, from_stride, to, to_stride) };
        }
        if wide || TypeId::of::<S>() == TypeId::of::<pulp::x86::V3>() {
            for (i, j) in [(0, 0), (0, 8), (8, 0), (8, 8)].into_iter().filter(|&(i, j)| i.max(j) < N) {
                // SAFETY: S is pulp's V3 or V4, values of which exist only where AVX2 does; T is f32; each quarter lies in
                // its square, and the squares in their slices (assertions above).
                unsafe {
                    x86::square_8(from.add(i * from_stride + j), from_stride, to.add(j * to_stride + i), to_stride);
                }
            }
            return;
        }
    }
    for j in 0..N {
        let column: [T; N] = std::array::from_fn(|i| from[i * from_stride + j]);
        to[j * to_stride..][..N].copy_from_slice(&column);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// A 16 × 16 square of f32.
    ///
    /// # Safety
    /// 16 rows of 16 elements lie at both pointers, their strides apart.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    pub(super) unsafe fn square_16(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: row i < 16 lies behind `from` (the caller's promise).
        let rows: [__m512; 16] = std::array::from_fn(|i| unsafe { _mm512_loadu_ps(from.add(i * from_stride)) });
        // Pairs of rows: elements 0, 1 and 2, 3 of each group of four.
        let pairs: [__m512; 16] = std::array::from_fn(|i| {
            let (a, b) = (rows[i / 4 * 4 + i % 4 / 2 * 2], rows[i / 4 * 4 + i % 4 / 2 * 2 + 1]);
            if i % 2 == 0 { _mm512_unpacklo_ps(a, b) } else { _mm512_unpackhi_ps(a, b) }
        });
        // Fours of rows: block (group g of rows, column c of a group) has, in its four parts, columns c, c + 4, …
        let fours: [__m512; 16] = std::array::from_fn(|i| {
            let (g, c) = (i / 4, i % 4);
            let a = _mm512_castps_pd(pairs[4 * g + c / 2]);
            let b = _mm512_castps_pd(pairs[4 * g + c / 2 + 2]);
            _mm512_castpd_ps(if c % 2 == 0 { _mm512_unpacklo_pd(a, b) } else { _mm512_unpackhi_pd(a, b) })
        });
        for c in 0..4 {
            let [g0, g1, g2, g3] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
            let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(g0, g1);
            let high = _mm512_shuffle_f32x4::<0b11_01_11_01>(g0, g1);
            let low2 = _mm512_shuffle_f32x4::<0b10_00_10_00>(g2, g3);
            let high2 = _mm512_shuffle_f32x4::<0b11_01_11_01>(g2, g3);
            let columns = [
                (c, _mm512_shuffle_f32x4::<0b10_00_10_00>(low, low2)),
                (c + 4, _mm512_shuffle_f32x4::<0b10_00_10_00>(high, high2)),
                (c + 8, _mm512_shuffle_f32x4::<0b11_01_11_01>(low, low2)),
                (c + 12, _mm512_shuffle_f32x4::<0b11_01_11_01>(high, high2)),
            ];
            for (column, v) in columns {
                // SAFETY: row `column` < 16 lies behind `to` (the caller's promise).
                unsafe { _mm512_storeu_ps(to.add(column * to_stride), v) };
            }
        }
    }

    /// An 8 × 8 square of f32.
    ///
    /// # Safety
    /// 8 rows of 8 elements lie at both pointers, their strides apart.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn square_8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: row i < 8 lies behind `from` (the caller's promise).
        let rows: [__m256; 8] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(from.add(i * from_stride)) });
        let pairs: [__m256; 8] = std::array::from_fn(|i| {
            let (a, b) = (rows[i / 2 * 2], rows[i / 2 * 2 + 1]);
            if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
        });
        let fours: [__m256; 8] = std::array::from_fn(|i| {
            let (g, c) = (i / 4, i % 4);
            let a = _mm256_castps_pd(pairs[4 * g + c / 2]);
            let b = _mm256_castps_pd(pairs[4 * g + c / 2 + 2]);
            _mm256_castpd_ps(if c % 2 == 0 { _mm256_unpacklo_pd(a, b) } else { _mm256_unpackhi_pd(a, b) })
        });
        for c in 0..4 {
            let low = _mm256_permute2f128_ps::<0x20>(fours[c], fours[4 + c]);
            let high = _mm256_permute2f128_ps::<0x31>(fours[c], fours[4 + c]);
            // SAFETY: rows c and c + 4 < 8 lie behind `to` (the caller's promise).
            unsafe {
                _mm256_storeu_ps(to.add(c * to_stride), low);
                _mm256_storeu_ps(to.add((c + 4) * to_stride), high);
            }
        }
    }
}
