//! Layer normalisation: rows in lanes.

use pulp::{Simd, WithSimd};

use super::{BLOCK, check};
use crate::door;
use crate::elem::Real;
use crate::isa;
use crate::lanes::F;
use crate::par;
use crate::reduce::{Reduce, reduce};
use crate::registers::{Both, Dst, Operand, Src, count, sum};

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
                    |i| src.get(i),
                )
                .to_f64()
                    * one_nth,
            );
            let m = F::splat(simd, *mean);
            // Behind the tail stands the mean, whose distance from itself is 0.
            let src = Src::padded(simd, x, *mean);
            let square = sum(
                simd,
                registers,
                #[inline(always)]
                |i| {
                    let d = src.get(i) - m;
                    d * d
                },
            );
            *rstd = T::from_f64(1.0 / (square.to_f64() * one_nth + self.eps).sqrt());
            let (rstd, mut dst) = (F::splat(simd, *rstd), Dst::new(simd, out));
            for i in 0..registers {
                dst.set(i, ((src.get(i) - m) * rstd).fma(w.get(i), b.get(i)));
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
fn hat<S: Simd, T: Real>(x: F<S, T>, mean: F<S, T>, rstd: F<S, T>) -> F<S, T> {
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
            let (m, rstd) = (F::splat(simd, mean), F::splat(simd, rstd));
            // With w a number, its product with g is 0 behind the tail too.
            let mean_g = sum(
                simd,
                registers,
                #[inline(always)]
                |i| g.get(i) * w.get(i),
            )
            .to_f64()
                * one_nth;
            let mean_gx = sum(
                simd,
                registers,
                #[inline(always)]
                |i| g.get(i) * w.get(i) * hat(x.get(i), m, rstd),
            )
            .to_f64()
                * one_nth;
            let (mean_g, mean_gx) = (m.lit(mean_g), m.lit(mean_gx));
            let mut dst = Dst::new(simd, dx);
            for i in 0..registers {
                let hat = hat(x.get(i), m, rstd);
                dst.set(i, rstd * (g.get(i) * w.get(i) - mean_g - hat * mean_gx));
                if asked {
                    dw.set(i, g.get(i).fma(hat, dw.get(i)));
                    db.set(i, db.get(i) + g.get(i));
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
    let (isa, each) = (isa::current(), (BLOCK / n).max(1));
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
