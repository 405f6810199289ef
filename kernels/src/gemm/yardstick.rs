//! The `gemm` crate over a whole product with threads of its own: what `cargo xtask bench` measures our door against.
//!
//! Behind the feature `yardstick`, because the crate's threading is compiled for the bench alone. It needs `unsafe`, as
//! the crate takes pointers; the bounds are checked first.

use gemm::Parallelism;

use super::Mat;

/// C = A·B of f32 by the `gemm` crate in one call, on `threads` threads of the caller's rayon pool.
///
/// # Panics
/// If inner dimensions differ, `c` has another length, or an operand leaves its data.
pub fn yardstick(c: &mut [f32], a: Mat<'_, f32>, b: Mat<'_, f32>, threads: usize) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "gemm: inner dimensions differ: [{m}, {k}] × [{}, {n}]", b.rows);
    assert_eq!(c.len(), m * n, "gemm: C has {} elements for [{m}, {n}]", c.len());
    a.check();
    b.check();
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    // SAFETY: A is m × k and B is k × n (first assertion) and every element of theirs lies in its slice (`check`, with
    // the strides passed here); C is m × n and row-major (second assertion), exclusive for the call.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
