//! Layer, root-mean-square and batch normalisation, each fused in one pass over memory forward and two backward.
//!
//! With x̂ = (x − mean) · rstd and n elements that share a mean, the gradient with respect to x is
//! rstd · (ĝ − Σĝ/n − x̂ · Σĝx̂/n), where ĝ = g · w (Ioffe & Szegedy 2015, §3; Ba, Kiros & Hinton 2016, eq. 4).
//! Variances are those of the whole group (biased), from a second pass around the mean, so that a large mean does not
//! cancel; that pass corrects the mean as well, as far as it was rounded. Gradients of w and b are summed over fixed blocks, then pairwise.

mod batch;
mod layer;
#[cfg(test)]
mod tests;

use pulp::Simd;

use crate::elem::Real;
use crate::lanes::{F, Four};
use crate::registers::{Src, count, sum, sums};
use crate::stamp::stamp;

stamp! {
    Norms: Real = [f32, f64];
    /// Each row: (x − mean) · rstd · w + b with the row's own mean and rstd = 1 / √(variance + eps).
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`.
    pub fn layer_norm(
        x: &[T],
        w: Option<&[T]>,
        b: Option<&[T]>,
        eps: f64,
        rows: usize,
        n: usize,
        out: &mut [T],
        mean: &mut [T],
        rstd: &mut [T],
    ) = layer::layer_norm_of;
    /// The gradients of [`layer_norm`] from the saved mean and rstd.
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`.
    pub fn layer_norm_grad(
        x: &[T],
        w: Option<&[T]>,
        mean: &[T],
        rstd: &[T],
        g: &[T],
        rows: usize,
        n: usize,
        dx: &mut [T],
        dw: Option<&mut [T]>,
        db: Option<&mut [T]>,
    ) = layer::layer_norm_grad_of;
    /// Each row: x · rstd · w with the row's own rstd = 1 / √(Σx²/n + eps) (Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4).
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`.
    pub fn rms_norm(
        x: &[T],
        w: Option<&[T]>,
        eps: f64,
        rows: usize,
        n: usize,
        out: &mut [T],
        rstd: &mut [T],
    ) = layer::rms_norm_of;
    /// The gradients of [`rms_norm`] from the saved rstd.
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`.
    pub fn rms_norm_grad(
        x: &[T],
        w: Option<&[T]>,
        rstd: &[T],
        g: &[T],
        rows: usize,
        n: usize,
        dx: &mut [T],
        dw: Option<&mut [T]>,
    ) = layer::rms_norm_grad_of;
    /// Each channel of [batch, channels, inner]: (x − mean) / √(var + eps) · w + b with the mean and the biased variance
    /// of the batch, which are given back.
    ///
    /// # Panics
    /// If a length does not fit the shape.
    pub fn batch_norm(
        x: &[T],
        w: Option<&[T]>,
        b: Option<&[T]>,
        eps: f64,
        batch: usize,
        channels: usize,
        inner: usize,
        out: &mut [T],
        mean: &mut [T],
        var: &mut [T],
    ) = batch::batch_norm_of;
    /// The gradients of [`batch_norm`], through the batch's statistics too.
    ///
    /// # Panics
    /// If a length does not fit the shape.
    pub fn batch_norm_grad(
        x: &[T],
        w: Option<&[T]>,
        mean: &[T],
        var: &[T],
        eps: f64,
        g: &[T],
        batch: usize,
        channels: usize,
        inner: usize,
        dx: &mut [T],
        dw: Option<&mut [T]>,
        db: Option<&mut [T]>,
    ) = batch::batch_norm_grad_of;
}

/// Elements that one thread takes at once.
const BLOCK: usize = 16 << 10;

/// The mean of a row and the sum of squares around it.
///
/// The first pass rounds as often as the row is long, so that what it finds for equal numbers may not be theirs: the second
/// corrects it by the sum of distances.
#[inline(always)]
fn moments<S: Simd, T: Real>(simd: S, x: &[T]) -> (f64, f64) {
    let (registers, count) = (count::<S, T>(x.len()), x.len() as f64);
    let src = Src::new(simd, x);
    let total = sum(
        simd,
        registers,
        #[inline(always)]
        |i| src.group::<Four>(i),
    );
    let mean = T::from_f64(total.to_f64() / count);
    // Behind the tail stands the mean, whose distance from itself is 0.
    let (src, m) = (Src::padded(simd, x, mean), F::same(F::splat(simd, mean)));
    let [off, squares] = sums(
        simd,
        registers,
        #[inline(always)]
        |i| {
            let d = src.group::<Four>(i) - m;
            [d, d * d]
        },
    );
    let (off, squares) = (off.to_f64() / count, squares.to_f64());
    let squares = squares - count * off * off;
    // Rounding may leave it below 0; NaN stays.
    (mean.to_f64() + off, if squares < 0.0 { 0.0 } else { squares })
}

#[track_caller]
fn check(name: &str, what: &str, len: usize, want: usize) {
    assert_eq!(len, want, "{name}: {what} has {len} elements, not {want}");
}
