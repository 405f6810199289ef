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

use crate::elem::Real;
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

/// A sum of squares that was corrected: rounding may leave it below 0. NaN stays.
fn positive(squares: f64) -> f64 {
    if squares < 0.0 { 0.0 } else { squares }
}

#[track_caller]
fn check(name: &str, what: &str, len: usize, want: usize) {
    assert_eq!(len, want, "{name}: {what} has {len} elements, not {want}");
}
