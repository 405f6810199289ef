//! Layer normalisation: rows in lanes.

use pulp::{Simd, WithSimd};

use super::{BLOCK, check};
use crate::door;
use crate::elem::Real;
use crate::isa;
use crate::lanes::{F, Four, Two, Width};
use crate::par;
use crate::reduce::{Reduce, reduce};
use crate::registers::{Both, Dst, Operand, Src, count, sum, sums};

struct Forward<'a, T> {
    x: &'a [T],
    w: Operand<'a, T>,
    b: Operand<'a, T>,
    eps: f64,
    n: usize,
    out: &'a mut [T],
    mean: &'a mut [T],
    rstd: &'a mut [T],
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let registers = count::<S, T>(self.n);
        let one_nth = 1.0 / self.n as f64;
        let (w, b) = (self.w.src(simd), self.b.src(simd));
        let stats = self.mean.iter_mut().zip(self.rstd);
        for ((x, out), (mean, rstd)) in self.x.chunks(self.n).zip(self.out.chunks_mut(self.n)).zip(stats) {
            let src = Src::new(simd, x);
            *mean = T::from_f64(
                sum(
                    simd,
                    registers,
                    #[inline(always)]
                    |i| src.group::<Four>(i),
                )
                .to_f64()
                    * one_nth,
            );
            let m = F::same(F::splat(simd, *mean));
            // Behind the tail stands the mean, whose distance from itself is 0.
            let src = Src::padded(simd, x, *mean);
            let square = sum(
                simd,
                registers,
                #[inline(always)]
                |i| {
                    let d = src.group::<Four>(i) - m;
                    d * d
                },
            );
            *rstd = T::from_f64(1.0 / (square.to_f64() * one_nth + self.eps).sqrt());
            let (rstd, mut dst) = (F::same(F::splat(simd, *rstd)), Dst::new(simd, out));
            for i in (0..registers).step_by(Four::COUNT) {
                dst.set_group::<Four>(i, ((src.group(i) - m) * rstd).fma(w.group(i), b.group(i)));
            }
        }
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
    for (what, len) in [("x", x.len()), ("out", out.len())] {
        check("layer_norm", what, len, door::product("layer_norm", &[rows, n]));
    }
    for (what, len) in [("w", w.map(<[T]>::len)), ("b", b.map(<[T]>::len))] {
        check("layer_norm", what, len.unwrap_or(n), n);
    }
    check("layer_norm", "mean", mean.len(), rows);
    check("layer_norm", "rstd", rstd.len(), rows);
    if x.is_empty() {
        return;
    }
    let (isa, each) = (isa::current(), (BLOCK / n).max(1));
    let (w, b) =
        (w.map_or(Operand::Number(T::ONE), Operand::Slice), b.map_or(Operand::Number(T::ZERO), Operand::Slice));
    let stats = mean.chunks_mut(each).zip(rstd.chunks_mut(each));
    let mut blocks: Vec<_> = x.chunks(each * n).zip(out.chunks_mut(each * n)).zip(stats).collect();
    par::chunks_mut(&mut blocks, 1, |_, block| {
        let ((x, out), (mean, rstd)) = &mut block[0];
        isa.run(Forward { x, w, b, eps, n, out, mean, rstd });
    });
}

/// x̂.
#[inline(always)]
fn hat<S: Simd, T: Real, W: Width>(x: F<S, T, W>, mean: F<S, T, W>, rstd: F<S, T, W>) -> F<S, T, W> {
    (x - mean) * rstd
}

/// One block of rows: dx, and the block's share of dw and db (empty if nobody asks).
struct Backward<'a, T> {
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

impl<T: Real> WithSimd for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let registers = count::<S, T>(self.n);
        let one_nth = 1.0 / self.n as f64;
        let w = self.w.src(simd);
        let asked = !self.share.is_empty();
        let (dw, db) = self.share.split_at_mut(if asked { self.n } else { 0 });
        let (mut dw, mut db) = (Both::new(simd, dw), Both::new(simd, db));
        let stats = self.mean.iter().zip(self.rstd);
        let slices = self.x.chunks(self.n).zip(self.g.chunks(self.n)).zip(self.dx.chunks_mut(self.n));
        for (((x, g), dx), (&mean, &rstd)) in slices.zip(stats) {
            // Zeros behind the tail of g make every product with it vanish there.
            let (x, g) = (Src::new(simd, x), Src::new(simd, g));
            let (m, rstd): (F<S, T, Two>, _) = (F::same(F::splat(simd, mean)), F::same(F::splat(simd, rstd)));
            // With w a number, its product with g is 0 behind the tail too.
            let totals = sums(
                simd,
                registers,
                #[inline(always)]
                |i| {
                    let gw = g.group(i) * w.group(i);
                    [gw, gw * hat(x.group(i), m, rstd)]
                },
            );
            let [mean_g, mean_gx] = totals.map(|total| m.lit(total.to_f64() * one_nth));
            let mut dst = Dst::new(simd, dx);
            for i in (0..registers).step_by(Two::COUNT) {
                let (g, hat) = (g.group::<Two>(i), hat(x.group(i), m, rstd));
                dst.set_group(i, rstd * (g * w.group(i) - mean_g - hat * mean_gx));
                if asked {
                    dw.set_group(i, g.fma(hat, dw.group(i)));
                    db.set_group(i, db.group(i) + g);
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
    for (what, len) in [("x", x.len()), ("g", g.len()), ("dx", dx.len())] {
        check("layer_norm_grad", what, len, door::product("layer_norm_grad", &[rows, n]));
    }
    let (dw_len, db_len) = (dw.as_deref().map(<[T]>::len), db.as_deref().map(<[T]>::len));
    for (what, len) in [("w", w.map(<[T]>::len)), ("dw", dw_len), ("db", db_len)] {
        check("layer_norm_grad", what, len.unwrap_or(n), n);
    }
    check("layer_norm_grad", "mean", mean.len(), rows);
    check("layer_norm_grad", "rstd", rstd.len(), rows);
    if x.is_empty() {
        [dw, db].into_iter().flatten().for_each(|d| d.fill(T::ZERO));
        return;
    }
    let asked = dw.is_some() || db.is_some();
    // At most so many shares, however long the rows: each is written and read once more.
    const SHARES: usize = 64;
    let (isa, each) = (isa::current(), (BLOCK / n).max(1).max(if asked { rows.div_ceil(SHARES) } else { 1 }));
    let w = w.map_or(Operand::Number(T::ONE), Operand::Slice);
    let blocks = rows.div_ceil(each);
    let mut shares = vec![T::ZERO; if asked { blocks * 2 * n } else { 0 }];
    let mut parts = shares.chunks_mut(2 * n);
    let mut jobs: Vec<_> = dx.chunks_mut(each * n).map(|dx| (dx, parts.next().unwrap_or_default())).collect();
    par::chunks_mut(&mut jobs, 1, |i, job| {
        let (dx, share) = &mut job[0];
        let (rows, at) = (i * each..i * each + dx.len() / n, i * each * n..i * each * n + dx.len());
        let (mean, rstd) = (&mean[rows.clone()], &rstd[rows]);
        isa.run(Backward { x: &x[at.clone()], w, mean, rstd, g: &g[at], n, dx, share });
    });
    if asked {
        let mut both = vec![T::ZERO; 2 * n];
        reduce(Reduce::Sum, &shares, 1, blocks, 2 * n, &mut both);
        for (d, total) in [dw, db].into_iter().zip(both.chunks(n)) {
            if let Some(d) = d {
                d.copy_from_slice(total);
            }
        }
    }
}
