//! Batch normalisation: channels of [batch, channels, inner].
//!
//! A sample is a run of `channels` segments, each with one mean and one scale; with `inner` = 1 it is one segment whose
//! mean and scale differ from lane to lane. Both are the same loop over [`Operand`]s.
//!
//! Statistics combine the samples in f64: a segment's (count, mean, squares around it) by Chan, Golub & LeVeque 1979,
//! eq. 2.1.

use pulp::{Simd, WithSimd};

use super::{BLOCK, check, moments};
use crate::elem::Real;
use crate::isa::{self, Isa};
use crate::lanes::{F, Four, Two, Width};
use crate::par;
use crate::registers::{Dst, Operand, Src, count, sums};

/// The layout of x, and what every kernel needs of it.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    channels: usize,
    inner: usize,
}

impl Shape {
    fn len(self) -> usize {
        self.batch * self.channels * self.inner
    }
    /// Where channel `c` of sample `s` lies.
    fn segment(self, s: usize, c: usize) -> std::ops::Range<usize> {
        let at = (s * self.channels + c) * self.inner;
        at..at + self.inner
    }
    /// Samples that one thread takes at once.
    fn samples(self) -> usize {
        (BLOCK / (self.channels * self.inner)).max(1)
    }
    /// Calls `f(range, per-channel operands)` for the segments of one sample: one a channel, or all of them at once.
    #[inline(always)]
    fn segments<T: Real, const N: usize>(
        self,
        per_channel: [&[T]; N],
        mut f: impl FnMut(std::ops::Range<usize>, [Operand<'_, T>; N]),
    ) {
        let pieces = if self.inner == 1 { 1 } else { self.channels };
        let length = if self.inner == 1 { self.channels } else { self.inner };
        for c in 0..pieces {
            let operands = per_channel.map(|p| if self.inner == 1 { Operand::Slice(p) } else { Operand::Number(p[c]) });
            f(c * length..(c + 1) * length, operands);
        }
    }
}

/// The count, mean and sum of squares around the mean of a group.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn merge(self, b: Moments) -> Moments {
        let count = self.count + b.count;
        if count == 0.0 {
            return self;
        }
        let delta = b.mean - self.mean;
        let mean = self.mean + delta * b.count / count;
        Moments { count, mean, squares: self.squares + b.squares + delta * delta * self.count * b.count / count }
    }
}

/// The moments of channel `c`, for inner > 1.
struct Channel<'a, T> {
    x: &'a [T],
    shape: Shape,
    c: usize,
}

impl<T: Real> WithSimd for Channel<'_, T> {
    type Output = Moments;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Moments {
        let count = self.shape.inner as f64;
        let mut all = Moments::default();
        for s in 0..self.shape.batch {
            let (mean, squares) = moments(simd, &self.x[self.shape.segment(s, self.c)]);
            all = all.merge(Moments { count, mean, squares });
        }
        all
    }
}

/// The moments of every channel, for inner = 1: Welford's recurrence down the rows, in f64.
fn columns<T: Real>(x: &[T], shape: Shape) -> Vec<Moments> {
    let mut all = vec![Moments::default(); shape.channels];
    par::chunks_mut(&mut all, 64, |i, all| {
        for row in x.chunks_exact(shape.channels) {
            for (m, x) in all.iter_mut().zip(&row[i * 64..]) {
                m.count += 1.0;
                let delta = x.to_f64() - m.mean;
                m.mean += delta / m.count;
                m.squares += delta * (x.to_f64() - m.mean);
            }
        }
    });
    all
}

/// out = (x − mean) · scale + shift for whole samples.
struct Apply<'a, T> {
    x: &'a [T],
    shape: Shape,
    mean: &'a [T],
    scale: &'a [T],
    shift: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Apply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let sample = self.shape.channels * self.shape.inner;
        for (x, out) in self.x.chunks(sample).zip(self.out.chunks_mut(sample)) {
            self.shape.segments(
                [self.mean, self.scale, self.shift],
                #[inline(always)]
                |at, [mean, scale, shift]| {
                    let (mean, scale, shift) = (mean.src(simd), scale.src(simd), shift.src(simd));
                    let (src, n) = (Src::new(simd, &x[at.clone()]), count::<S, T>(at.len()));
                    let mut dst = Dst::new(simd, &mut out[at]);
                    for i in (0..n).step_by(Four::COUNT) {
                        dst.set_group::<Four>(i, (src.group(i) - mean.group(i)).fma(scale.group(i), shift.group(i)));
                    }
                },
            );
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn batch_norm_of<T: Real>(
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
) {
    let shape = Shape { batch, channels, inner };
    for (what, len) in [("x", x.len()), ("out", out.len())] {
        check("batch_norm", what, len, shape.len());
    }
    let (w_len, b_len) = (w.map_or(channels, <[T]>::len), b.map_or(channels, <[T]>::len));
    for (what, len) in [("w", w_len), ("b", b_len), ("mean", mean.len()), ("var", var.len())] {
        check("batch_norm", what, len, channels);
    }
    let isa = isa::current();
    let moments = if inner == 1 {
        columns(x, shape)
    } else {
        par::map(channels, |c| isa.run_on::<T, _>(Channel { x, shape, c }))
    };
    let mut scale = vec![T::ZERO; channels];
    for c in 0..channels {
        // No samples have no variance: 0/0 is NaN, as in PyTorch.
        let variance = moments[c].squares / (batch * inner) as f64;
        mean[c] = T::from_f64(moments[c].mean);
        var[c] = T::from_f64(variance);
        scale[c] = T::from_f64(w.map_or(1.0, |w| w[c].to_f64()) / (variance + eps).sqrt());
    }
    if x.is_empty() {
        return;
    }
    let zeros = vec![T::ZERO; if b.is_none() { channels } else { 0 }];
    let (shift, scale, mean) = (b.unwrap_or(&zeros), &scale, &*mean);
    par::chunks_mut(out, shape.samples() * channels * inner, |i, out| {
        let x = &x[i * shape.samples() * channels * inner..][..out.len()];
        isa.run_on::<T, _>(Apply { x, shape, mean, scale, shift, out });
    });
}

/// (Σ g, Σ g (x − mean)) of channel `c`, for inner > 1.
struct ChannelGrad<'a, T> {
    x: &'a [T],
    g: &'a [T],
    shape: Shape,
    mean: T,
    c: usize,
}

impl<T: Real> WithSimd for ChannelGrad<'_, T> {
    type Output = (f64, f64);
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let (registers, m) = (count::<S, T>(self.shape.inner), F::same(F::splat(simd, self.mean)));
        let mut all = (0.0, 0.0);
        for s in 0..self.shape.batch {
            let at = self.shape.segment(s, self.c);
            let (x, g) = (Src::new(simd, &self.x[at.clone()]), Src::new(simd, &self.g[at]));
            let [sum_g, sum_gx] = sums(
                simd,
                registers,
                #[inline(always)]
                |i| [g.group::<Four>(i), g.group(i) * (x.group(i) - m)],
            );
            all.0 += sum_g.to_f64();
            all.1 += sum_gx.to_f64();
        }
        all
    }
}

/// The same of every channel, for inner = 1.
fn columns_grad<T: Real>(x: &[T], g: &[T], shape: Shape, mean: &[T]) -> Vec<(f64, f64)> {
    let mut all = vec![(0.0, 0.0); shape.channels];
    par::chunks_mut(&mut all, 64, |i, all| {
        for (x, g) in x.chunks_exact(shape.channels).zip(g.chunks_exact(shape.channels)) {
            let pairs = x[i * 64..].iter().zip(&g[i * 64..]).zip(&mean[i * 64..]);
            for (sums, ((x, g), mean)) in all.iter_mut().zip(pairs) {
                sums.0 += g.to_f64();
                sums.1 += g.to_f64() * (x.to_f64() - mean.to_f64());
            }
        }
    });
    all
}

/// dx = g · a + (x − mean) · b + c for whole samples.
struct ApplyGrad<'a, T> {
    x: &'a [T],
    g: &'a [T],
    shape: Shape,
    /// mean, a, b, c of each channel.
    per_channel: [&'a [T]; 4],
    dx: &'a mut [T],
}

impl<T: Real> WithSimd for ApplyGrad<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let sample = self.shape.channels * self.shape.inner;
        for ((x, g), dx) in self.x.chunks(sample).zip(self.g.chunks(sample)).zip(self.dx.chunks_mut(sample)) {
            self.shape.segments(
                self.per_channel,
                #[inline(always)]
                |at, operands| {
                    let [mean, a, b, c] = operands.map(
                        #[inline(always)]
                        |operand| operand.src(simd),
                    );
                    let (x, g) = (Src::new(simd, &x[at.clone()]), Src::new(simd, &g[at.clone()]));
                    let (n, mut dst) = (count::<S, T>(at.len()), Dst::new(simd, &mut dx[at]));
                    for i in (0..n).step_by(Two::COUNT) {
                        let centred = x.group(i) - mean.group(i);
                        dst.set_group::<Two>(i, g.group(i).fma(a.group(i), centred.fma(b.group(i), c.group(i))));
                    }
                },
            );
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn batch_norm_grad_of<T: Real>(
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
) {
    let shape = Shape { batch, channels, inner };
    for (what, len) in [("x", x.len()), ("g", g.len()), ("dx", dx.len())] {
        check("batch_norm_grad", what, len, shape.len());
    }
    let (dw_len, db_len) = (dw.as_deref().map(<[T]>::len), db.as_deref().map(<[T]>::len));
    for (what, len) in [("w", w.map(<[T]>::len)), ("dw", dw_len), ("db", db_len)] {
        check("batch_norm_grad", what, len.unwrap_or(channels), channels);
    }
    check("batch_norm_grad", "mean", mean.len(), channels);
    check("batch_norm_grad", "var", var.len(), channels);
    let isa = isa::current();
    let sums = if inner == 1 {
        columns_grad(x, g, shape, mean)
    } else {
        par::map(channels, |c| isa.run_on::<T, _>(ChannelGrad { x, g, shape, mean: mean[c], c }))
    };
    // dx = a (g − Σg/n − x̂ Σgx̂/n) with a = w · rstd and x̂ = (x − mean) · rstd
    let [mut a, mut b, mut c] = [(); 3].map(|()| vec![T::ZERO; channels]);
    let n = (batch * inner) as f64;
    let rstd = |c: usize| 1.0 / (var[c].to_f64() + eps).sqrt();
    for (k, &(sum_g, sum_gx)) in sums.iter().enumerate() {
        let scale = w.map_or(1.0, |w| w[k].to_f64()) * rstd(k);
        a[k] = T::from_f64(scale);
        b[k] = T::from_f64(-scale * rstd(k) * rstd(k) * sum_gx / n);
        c[k] = T::from_f64(-scale * sum_g / n);
    }
    if let Some(dw) = dw {
        sums.iter().zip(dw).enumerate().for_each(|(k, (sums, dw))| *dw = T::from_f64(sums.1 * rstd(k)));
    }
    if let Some(db) = db {
        sums.iter().zip(db).for_each(|(sums, db)| *db = T::from_f64(sums.0));
    }
    if !x.is_empty() {
        apply_grad(isa, shape, x, g, [mean, &a, &b, &c], dx);
    }
}

fn apply_grad<T: Real>(isa: Isa, shape: Shape, x: &[T], g: &[T], per_channel: [&[T]; 4], dx: &mut [T]) {
    let chunk = shape.samples() * shape.channels * shape.inner;
    par::chunks_mut(dx, chunk, |i, dx| {
        let at = i * chunk..i * chunk + dx.len();
        isa.run_on::<T, _>(ApplyGrad { x: &x[at.clone()], g: &g[at], shape, per_channel, dx });
    });
}
