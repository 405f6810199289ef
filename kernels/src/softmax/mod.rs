//! Softmax, its logarithm, and the cross-entropy of class targets, over rows.
//!
//! Every function subtracts the row's maximum m first, so that no exponential overflows and the sum is at least 1
//! (Blanchard, Higham & Higham 2021, *Accurately computing the log-sum-exp and softmax functions*). A row is read from
//! memory once; its other passes find it in the cache. As in PyTorch, a row of nothing but −∞, or with +∞ in it, gives
//! NaN from softmax, and ∓∞ from logsumexp.

use pulp::{Simd, WithSimd};

use crate::door;
use crate::elem::Real;
use crate::isa;
use crate::lanes::{F, Four, Two, Width};
use crate::par;
use crate::registers::{Dst, Src, count, sum};
use crate::stamp::stamp;

stamp! {
    Softmaxes: Real = [f32, f64];
    /// Each row: e^(x − m) / Σ e^(x − m).
    ///
    /// # Panics
    /// If a length is not `rows · n`.
    pub fn softmax(x: &[T], rows: usize, n: usize, out: &mut [T]) = softmax_of;
    /// dx = y (g − Σ g y), from the result y.
    ///
    /// # Panics
    /// If a length is not `rows · n`.
    pub fn softmax_grad(y: &[T], g: &[T], rows: usize, n: usize, out: &mut [T]) = softmax_grad_of;
    /// Each row: (x − m) − ln Σ e^(x − m).
    ///
    /// # Panics
    /// If a length is not `rows · n`.
    pub fn log_softmax(x: &[T], rows: usize, n: usize, out: &mut [T]) = log_softmax_of;
    /// dx = g − e^y Σ g, from the result y.
    ///
    /// # Panics
    /// If a length is not `rows · n`.
    pub fn log_softmax_grad(y: &[T], g: &[T], rows: usize, n: usize, out: &mut [T]) = log_softmax_grad_of;
    /// m + ln Σ e^(x − m) of each row.
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`.
    pub fn logsumexp(x: &[T], rows: usize, n: usize, out: &mut [T]) = logsumexp_of;
    /// Each row: logsumexp x − x\[target\].
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`, or a target is not below `n`.
    pub fn cross_entropy(logits: &[T], targets: &[i64], rows: usize, n: usize, losses: &mut [T]) = cross_entropy_of;
    /// Each row: g (softmax x − onehot target), with a g for each row.
    ///
    /// # Panics
    /// If a length does not fit `rows` and `n`, or a target is not below `n`.
    pub fn cross_entropy_grad(logits: &[T], targets: &[i64], g: &[T], rows: usize, n: usize, out: &mut [T])
        = cross_entropy_grad_of;
}

/// What happens to one row.
trait Row<T: Real>: Sync {
    /// Row `r` of the result, from whatever the kernel holds.
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]);
}

/// The rows from `first` on that `out` holds, `width` elements each.
struct Rows<'a, K, T> {
    kernel: &'a K,
    first: usize,
    width: usize,
    out: &'a mut [T],
}

impl<T: Real, K: Row<T>> WithSimd for Rows<'_, K, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (i, out) in self.out.chunks_mut(self.width).enumerate() {
            self.kernel.row(simd, self.first + i, out);
        }
    }
}

/// Runs the kernel over all rows: `read` elements of input and `width` of output each.
fn each_row<T: Real>(kernel: &impl Row<T>, read: usize, width: usize, out: &mut [T]) {
    // About 8 Ki elements of input a block, whatever the number of threads.
    let rows = ((8 << 10) / read.max(1)).max(1);
    if out.is_empty() {
        return;
    }
    let isa = isa::current();
    let run = |first: usize, out: &mut [T]| isa.run_on::<T, _>(Rows { kernel, first, width, out });
    if out.len() / width * read < 16 << 10 {
        run(0, out);
    } else {
        par::chunks_mut(out, rows * width, |i, out| run(i * rows, out));
    }
}

#[track_caller]
fn check(name: &str, what: &str, len: usize, rows: usize, n: usize) {
    let want = door::product(name, &[rows, n]);
    assert_eq!(len, want, "{name}: {what} has not {rows} rows of {n}");
}

/// The maximum of a row; NaN only if all is NaN (a NaN reaches the result through the exponentials anyway).
#[inline(always)]
fn max<S: Simd, T: Real>(simd: S, x: &[T]) -> T {
    let src = Src::padded(simd, x, T::NEG_INFINITY);
    let mut acc: F<S, T, Four> = F::same(F::splat(simd, T::NEG_INFINITY));
    for i in (0..count::<S, T>(x.len())).step_by(Four::COUNT) {
        acc = larger(acc, src.group(i));
    }
    let all = acc.fold(larger);
    all.to_array()[..T::lanes::<S>()].iter().fold(T::NEG_INFINITY, |a, &x| if x > a { x } else { a })
}

#[inline(always)]
fn larger<S: Simd, T: Real, W: Width>(a: F<S, T, W>, x: F<S, T, W>) -> F<S, T, W> {
    a.lt(x).select(x, a)
}

/// Σ e^(x − m) for m ≥ x, calling `each` with the exponentials, two registers at once.
#[inline(always)]
fn exponentials<S: Simd, T: Real>(simd: S, x: &[T], m: T, mut each: impl FnMut(usize, F<S, T, Two>)) -> T {
    // Lanes behind the tail hold −∞ and add e^(−∞) = 0.
    let (src, m) = (Src::padded(simd, x, T::NEG_INFINITY), F::same(F::splat(simd, m)));
    sum(
        simd,
        count::<S, T>(x.len()),
        #[inline(always)]
        |i| {
            let e = (src.group(i) - m).exp_negative();
            each(i, e);
            e
        },
    )
}

#[inline(always)]
fn ln<T: Real>(x: T) -> T {
    T::from_f64(x.to_f64().ln())
}

struct Softmax<'a, T> {
    x: &'a [T],
    n: usize,
}

impl<T: Real> Row<T> for Softmax<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let x = &self.x[r * self.n..][..self.n];
        let total = write_exponentials(simd, x, out);
        scale(simd, out, T::ONE / total);
    }
}

/// out = e^(x − m); gives its sum.
#[inline(always)]
fn write_exponentials<S: Simd, T: Real>(simd: S, x: &[T], out: &mut [T]) -> T {
    let m = max(simd, x);
    let mut dst = Dst::new(simd, out);
    exponentials(
        simd,
        x,
        m,
        #[inline(always)]
        |i, e| dst.set_group(i, e),
    )
}

#[inline(always)]
fn scale<S: Simd, T: Real>(simd: S, out: &mut [T], factor: T) {
    let (full, tail) = T::split_mut::<S>(out);
    let factor_lanes = F::splat(simd, factor);
    for v in full {
        *v = (F::wrap(simd, *v) * factor_lanes).raw();
    }
    for v in tail {
        *v *= factor;
    }
}

fn softmax_of<T: Real>(x: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("softmax", "x", x.len(), rows, n);
    check("softmax", "out", out.len(), rows, n);
    each_row(&Softmax { x, n }, n, n, out);
}

struct SoftmaxGrad<'a, T> {
    y: &'a [T],
    g: &'a [T],
    n: usize,
}

impl<T: Real> Row<T> for SoftmaxGrad<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let at = r * self.n..(r + 1) * self.n;
        let (y, g) = (Src::new(simd, &self.y[at.clone()]), Src::new(simd, &self.g[at]));
        let n = count::<S, T>(self.n);
        let dot = F::splat(
            simd,
            sum(
                simd,
                n,
                #[inline(always)]
                |i| y.group::<Four>(i) * g.group(i),
            ),
        );
        let (mut dst, dot) = (Dst::new(simd, out), F::same(dot));
        for i in (0..n).step_by(Four::COUNT) {
            dst.set_group::<Four>(i, y.group(i) * (g.group(i) - dot));
        }
    }
}

fn softmax_grad_of<T: Real>(y: &[T], g: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("softmax_grad", "y", y.len(), rows, n);
    check("softmax_grad", "g", g.len(), rows, n);
    check("softmax_grad", "out", out.len(), rows, n);
    each_row(&SoftmaxGrad { y, g, n }, 2 * n, n, out);
}

struct LogSoftmax<'a, T> {
    x: &'a [T],
    n: usize,
}

impl<T: Real> Row<T> for LogSoftmax<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let x = &self.x[r * self.n..][..self.n];
        let m = max(simd, x);
        let lost = F::splat(simd, ln(exponentials(simd, x, m, |_, _| ())));
        let (src, mut dst) = (Src::new(simd, x), Dst::new(simd, out));
        let (m, lost) = (F::same(F::splat(simd, m)), F::same(lost));
        for i in (0..count::<S, T>(self.n)).step_by(Four::COUNT) {
            dst.set_group::<Four>(i, (src.group(i) - m) - lost);
        }
    }
}

fn log_softmax_of<T: Real>(x: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("log_softmax", "x", x.len(), rows, n);
    check("log_softmax", "out", out.len(), rows, n);
    each_row(&LogSoftmax { x, n }, n, n, out);
}

struct LogSoftmaxGrad<'a, T> {
    y: &'a [T],
    g: &'a [T],
    n: usize,
}

impl<T: Real> Row<T> for LogSoftmaxGrad<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let at = r * self.n..(r + 1) * self.n;
        let (y, g) = (Src::new(simd, &self.y[at.clone()]), Src::new(simd, &self.g[at]));
        let n = count::<S, T>(self.n);
        let total = F::splat(
            simd,
            sum(
                simd,
                n,
                #[inline(always)]
                |i| g.group::<Four>(i),
            ),
        );
        let (mut dst, total) = (Dst::new(simd, out), F::same(total));
        for i in (0..n).step_by(Two::COUNT) {
            dst.set_group::<Two>(i, g.group(i) - y.group(i).exp() * total);
        }
    }
}

fn log_softmax_grad_of<T: Real>(y: &[T], g: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("log_softmax_grad", "y", y.len(), rows, n);
    check("log_softmax_grad", "g", g.len(), rows, n);
    check("log_softmax_grad", "out", out.len(), rows, n);
    each_row(&LogSoftmaxGrad { y, g, n }, 2 * n, n, out);
}

struct LogSumExp<'a, T> {
    x: &'a [T],
    n: usize,
}

impl<T: Real> Row<T> for LogSumExp<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let x = &self.x[r * self.n..][..self.n];
        let m = max(simd, x);
        if m == T::INFINITY {
            out[0] = if x.iter().any(|x| x.is_nan()) { T::NAN } else { m };
            return;
        }
        // Of nothing but −∞ the plain sum of exponentials is 0, and its logarithm is the limit.
        let m = if m.is_finite() { m } else { T::ZERO };
        out[0] = m + ln(exponentials(simd, x, m, |_, _| ()));
    }
}

fn logsumexp_of<T: Real>(x: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("logsumexp", "x", x.len(), rows, n);
    check("logsumexp", "out", out.len(), rows, 1);
    each_row(&LogSumExp { x, n }, n, 1, out);
}

struct CrossEntropy<'a, T> {
    x: &'a [T],
    targets: &'a [i64],
    n: usize,
}

impl<T: Real> Row<T> for CrossEntropy<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let x = &self.x[r * self.n..][..self.n];
        let m = max(simd, x);
        // As −log_softmax at the target: the difference x − m is exact where the loss is small.
        out[0] = ln(exponentials(simd, x, m, |_, _| ())) - (x[self.targets[r] as usize] - m);
    }
}

fn cross_entropy_of<T: Real>(x: &[T], targets: &[i64], rows: usize, n: usize, losses: &mut [T]) {
    check("cross_entropy", "logits", x.len(), rows, n);
    check("cross_entropy", "targets", targets.len(), rows, 1);
    check("cross_entropy", "losses", losses.len(), rows, 1);
    door::indices("cross_entropy", targets, n);
    each_row(&CrossEntropy { x, targets, n }, n, 1, losses);
}

struct CrossEntropyGrad<'a, T> {
    x: &'a [T],
    targets: &'a [i64],
    g: &'a [T],
    n: usize,
}

impl<T: Real> Row<T> for CrossEntropyGrad<'_, T> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, r: usize, out: &mut [T]) {
        let (g, target) = (self.g[r], self.targets[r] as usize);
        let total = write_exponentials(simd, &self.x[r * self.n..][..self.n], out);
        scale(simd, out, g / total);
        out[target] = out[target] - g;
    }
}

fn cross_entropy_grad_of<T: Real>(x: &[T], targets: &[i64], g: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("cross_entropy_grad", "logits", x.len(), rows, n);
    check("cross_entropy_grad", "targets", targets.len(), rows, 1);
    check("cross_entropy_grad", "g", g.len(), rows, 1);
    door::indices("cross_entropy_grad", targets, n);
    check("cross_entropy_grad", "out", out.len(), rows, n);
    each_row(&CrossEntropyGrad { x, targets, g, n }, n, n, out);
}

#[cfg(test)]
mod tests;
