//! Layer normalisation, and root-mean-square normalisation, which is the same without the mean: rows in lanes.

use pulp::{Simd, WithSimd};

use super::{BLOCK, check, moments};
use crate::door;
use crate::elem::Real;
use crate::isa;
use crate::lanes::{F, Four, Two, Width};
use crate::par;
use crate::reduce::{Reduce, reduce};
use crate::registers::{Both, Dst, Operand, Src, count, sum, sums};

/// One block of rows; `mean` is empty unless `CENTRED`.
struct Forward<'a, T, const CENTRED: bool> {
    x: &'a [T],
    w: Operand<'a, T>,
    b: Operand<'a, T>,
    eps: f64,
    n: usize,
    out: &'a mut [T],
    mean: &'a mut [T],
    rstd: &'a mut [T],
}

impl<T: Real, const CENTRED: bool> WithSimd for Forward<'_, T, CENTRED> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let registers = count::<S, T>(self.n);
        let one_nth = 1.0 / self.n as f64;
        let (w, b) = (self.w.src(simd), self.b.src(simd));
        let rows = self.x.chunks(self.n).zip(self.out.chunks_mut(self.n)).zip(self.rstd);
        for (r, ((x, out), rstd)) in rows.enumerate() {
            let mut mean = T::ZERO;
            let square = if CENTRED {
                let (centre, squares) = moments(simd, x);
                mean = T::from_f64(centre);
                self.mean[r] = mean;
                squares * one_nth
            } else {
                let src = Src::new(simd, x);
                let squares = sum(
                    simd,
                    registers,
                    #[inline(always)]
                    |i| {
                        let x = src.group::<Four>(i);
                        x * x
                    },
                );
                squares.to_f64() * one_nth
            };
            let (src, m) = (Src::new(simd, x), F::same(F::splat(simd, mean)));
            *rstd = T::from_f64(1.0 / (square + self.eps).sqrt());
            let (rstd, mut dst) = (F::same(F::splat(simd, *rstd)), Dst::new(simd, out));
            for i in (0..registers).step_by(Four::COUNT) {
                dst.set_group::<Four>(i, ((src.group(i) - m) * rstd).fma(w.group(i), b.group(i)));
            }
        }
    }
}

/// What every kernel here checks: arrays of all rows, weights, and numbers of one a row.
#[track_caller]
fn check_rows(name: &str, rows: usize, n: usize, all: [usize; 2], weights: [Option<usize>; 3], each: [usize; 2]) {
    let len = door::product(name, &[rows, n]);
    for (what, have) in ["x or g", "the result"].into_iter().zip(all) {
        check(name, what, have, len);
    }
    for (what, have) in ["w", "b or db", "dw"].into_iter().zip(weights) {
        check(name, what, have.unwrap_or(n), n);
    }
    for (what, have) in ["mean", "rstd"].into_iter().zip(each) {
        check(name, what, have, rows);
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn layer_norm_of<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    b: Option<&[T]>,
    eps: f64,
    rows: usize,
    n: usize,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    let weights = [w.map(<[T]>::len), b.map(<[T]>::len), None];
    check_rows("layer_norm", rows, n, [x.len(), out.len()], weights, [mean.len(), rstd.len()]);
    forward::<T, true>(x, w, b, eps, n, out, mean, rstd);
}

pub(super) fn rms_norm_of<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    eps: f64,
    rows: usize,
    n: usize,
    out: &mut [T],
    rstd: &mut [T],
) {
    let weights = [w.map(<[T]>::len), None, None];
    check_rows("rms_norm", rows, n, [x.len(), out.len()], weights, [rows, rstd.len()]);
    forward::<T, false>(x, w, None, eps, n, out, &mut [], rstd);
}

#[allow(clippy::too_many_arguments)]
fn forward<T: Real, const CENTRED: bool>(
    x: &[T],
    w: Option<&[T]>,
    b: Option<&[T]>,
    eps: f64,
    n: usize,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    if x.is_empty() {
        return;
    }
    let (isa, each) = (isa::current(), (BLOCK / n).max(1));
    let (w, b) =
        (w.map_or(Operand::Number(T::ONE), Operand::Slice), b.map_or(Operand::Number(T::ZERO), Operand::Slice));
    let mut means = mean.chunks_mut(each);
    let stats = rstd.chunks_mut(each).map(|rstd| (means.next().unwrap_or_default(), rstd));
    let mut blocks: Vec<_> = x.chunks(each * n).zip(out.chunks_mut(each * n)).zip(stats).collect();
    par::chunks_mut(&mut blocks, 1, |_, block| {
        let ((x, out), (mean, rstd)) = &mut block[0];
        isa.run_on::<T, _>(Forward::<T, CENTRED> { x, w, b, eps, n, out, mean, rstd });
    });
}

/// x̂.
#[inline(always)]
fn hat<S: Simd, T: Real, W: Width>(x: F<S, T, W>, mean: F<S, T, W>, rstd: F<S, T, W>) -> F<S, T, W> {
    (x - mean) * rstd
}

/// One block of rows: dx, and the block's share of dw and db (empty if nobody asks; no db and no mean unless `CENTRED`).
struct Backward<'a, T, const CENTRED: bool> {
    x: &'a [T],
    w: Operand<'a, T>,
    mean: &'a [T],
    rstd: &'a [T],
    g: &'a [T],
    n: usize,
    dx: &'a mut [T],
    /// dw, then db.
    share: &'a mut [T],
}

impl<T: Real, const CENTRED: bool> WithSimd for Backward<'_, T, CENTRED> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let registers = count::<S, T>(self.n);
        let one_nth = 1.0 / self.n as f64;
        let w = self.w.src(simd);
        let asked = !self.share.is_empty();
        let (dw, db) = self.share.split_at_mut(if asked { self.n } else { 0 });
        let (mut dw, mut db) = (Both::new(simd, dw), Both::new(simd, db));
        let slices = self.x.chunks(self.n).zip(self.g.chunks(self.n)).zip(self.dx.chunks_mut(self.n));
        for (r, (((x, g), dx), &rstd)) in slices.zip(self.rstd).enumerate() {
            let mean = if CENTRED { self.mean[r] } else { T::ZERO };
            // Behind the tail g is 0 and x̂ is 0 too, so that every product vanishes there.
            let (x, g) = (Src::padded(simd, x, mean), Src::new(simd, g));
            let (m, rstd): (F<S, T, Two>, _) = (F::same(F::splat(simd, mean)), F::same(F::splat(simd, rstd)));
            // With w a number, its product with g is 0 behind the tail too.
            let [total_g, total_gx] = sums(
                simd,
                registers,
                #[inline(always)]
                |i| {
                    let gw = g.group(i) * w.group(i);
                    [gw, gw * hat(x.group(i), m, rstd)]
                },
            );
            let (mean_g, mean_gx) = (m.lit(total_g.to_f64() * one_nth), m.lit(total_gx.to_f64() * one_nth));
            let mut dst = Dst::new(simd, dx);
            for i in (0..registers).step_by(Two::COUNT) {
                let (g, hat) = (g.group::<Two>(i), hat(x.group(i), m, rstd));
                let gw = g * w.group(i);
                let centred = if CENTRED { gw - mean_g } else { gw };
                dst.set_group(i, rstd * (centred - hat * mean_gx));
                if asked {
                    dw.set_group(i, g.fma(hat, dw.group(i)));
                    if CENTRED {
                        db.set_group(i, db.group(i) + g);
                    }
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn layer_norm_grad_of<T: Real>(
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
) {
    check("layer_norm_grad", "x", x.len(), g.len());
    let weights = [w.map(<[T]>::len), db.as_deref().map(<[T]>::len), dw.as_deref().map(<[T]>::len)];
    check_rows("layer_norm_grad", rows, n, [g.len(), dx.len()], weights, [mean.len(), rstd.len()]);
    backward::<T, true>(x, w, mean, rstd, g, n, dx, dw, db);
}

#[allow(clippy::too_many_arguments)]
pub(super) fn rms_norm_grad_of<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    rstd: &[T],
    g: &[T],
    rows: usize,
    n: usize,
    dx: &mut [T],
    dw: Option<&mut [T]>,
) {
    check("rms_norm_grad", "x", x.len(), g.len());
    let weights = [w.map(<[T]>::len), None, dw.as_deref().map(<[T]>::len)];
    check_rows("rms_norm_grad", rows, n, [g.len(), dx.len()], weights, [rows, rstd.len()]);
    backward::<T, false>(x, w, &[], rstd, g, n, dx, dw, None);
}

#[allow(clippy::too_many_arguments)]
fn backward<T: Real, const CENTRED: bool>(
    x: &[T],
    w: Option<&[T]>,
    mean: &[T],
    rstd: &[T],
    g: &[T],
    n: usize,
    dx: &mut [T],
    dw: Option<&mut [T]>,
    db: Option<&mut [T]>,
) {
    // At most so many shares of dw and db, however long the rows: each is written and read once more.
    const SHARES: usize = 64;
    if x.is_empty() {
        [dw, db].into_iter().flatten().for_each(|d| d.fill(T::ZERO));
        return;
    }
    let asked = dw.is_some() || db.is_some();
    let share = if CENTRED { 2 * n } else { n };
    let (isa, rows) = (isa::current(), rstd.len());
    let each = (BLOCK / n).max(if asked { rows.div_ceil(SHARES) } else { 1 });
    let w = w.map_or(Operand::Number(T::ONE), Operand::Slice);
    let blocks = rows.div_ceil(each);
    let mut shares = vec![T::ZERO; if asked { blocks * share } else { 0 }];
    let mut parts = shares.chunks_mut(share);
    let mut jobs: Vec<_> = dx.chunks_mut(each * n).map(|dx| (dx, parts.next().unwrap_or_default())).collect();
    par::chunks_mut(&mut jobs, 1, |i, job| {
        let (dx, share) = &mut job[0];
        let (rows, at) = (i * each..i * each + dx.len() / n, i * each * n..i * each * n + dx.len());
        let mean = if CENTRED { &mean[rows.clone()] } else { mean };
        let block = Backward::<T, CENTRED> { x: &x[at.clone()], w, mean, rstd: &rstd[rows], g: &g[at], n, dx, share };
        isa.run_on::<T, _>(block);
    });
    if asked {
        let mut both = vec![T::ZERO; share];
        reduce(Reduce::Sum, &shares, 1, blocks, share, &mut both);
        for (d, total) in [dw, db].into_iter().zip(both.chunks(n)) {
            if let Some(d) = d {
                d.copy_from_slice(total);
            }
        }
    }
}
