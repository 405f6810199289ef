//! Fused optimiser updates: one pass over a parameter, its gradient and its state.
//!
//! The formulas are those of PyTorch's documentation of `SGD`, `Adam`, `AdamW` and `RMSprop`. Moments that decay towards
//! 0 would end as subnormal numbers, which are slow on most processors: a state below the smallest normal number is
//! stored as 0, by compare-and-select.

#[cfg(test)]
mod tests;

use pulp::{Simd, WithSimd};

use crate::elem::Real;
use crate::isa;
use crate::lanes::F;
use crate::par;
use crate::registers::{Both, Src, count};
use crate::stamp::stamp;

/// Stochastic gradient descent with momentum (PyTorch's `SGD`).
///
/// PyTorch's first step takes the gradient undamped into the buffer: there, pass a buffer of zeros and `dampening: 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Momentum μ.
    pub momentum: f64,
    /// Dampening τ of the gradient in the buffer.
    pub dampening: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Nesterov's form.
    pub nesterov: bool,
}

/// Adam (Kingma & Ba 2014, alg. 1) and AdamW (Loshchilov & Hutter 2017, alg. 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay acts on the parameter (AdamW) or on the gradient.
    pub decoupled: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

/// RMSprop (Tieleman & Hinton 2012), with PyTorch's centred and momentum forms (Graves 2013, eq. 38–45).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean square.
    pub alpha: f64,
    /// Added to the root.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Momentum; 0 for none.
    pub momentum: f64,
    /// Whether the square is centred by the mean gradient.
    pub centered: bool,
}

stamp! {
    Updates: Real = [f32, f64];
    /// One step of [`Sgd`]; `buffer` is `&mut []` without momentum.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn sgd(param: &mut [T], grad: &[T], buffer: &mut [T], hyper: &Sgd) = sgd_of;
    /// One step of [`Adam`] with the moments `m` and `v`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adam(param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], hyper: &Adam) = adam_of;
    /// One step of [`Adam`] that divides by the largest `v` so far, which is kept in `most` (AMSGrad: Reddi, Kale & Kumar
    /// 2018, alg. 2).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn amsgrad(param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], most: &mut [T], hyper: &Adam) = amsgrad_of;
    /// One step of [`RmsProp`]: the mean square, the momentum buffer (`&mut []` without momentum) and the mean gradient
    /// (`&mut []` unless centred).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn rmsprop(param: &mut [T], grad: &[T], square: &mut [T], buffer: &mut [T], mean: &mut [T], hyper: &RmsProp)
        = rmsprop_of;
}

/// The update of one register: the parameter, the gradient and N states.
trait Rule<const N: usize>: Copy + Sync {
    fn step<S: Simd, T: Real>(self, p: F<S, T>, g: F<S, T>, state: [F<S, T>; N]) -> (F<S, T>, [F<S, T>; N]);
}

/// A piece of a parameter with its gradient and states (empty where the rule has none).
struct Piece<'a, T, const N: usize> {
    param: &'a mut [T],
    grad: &'a [T],
    state: [&'a mut [T]; N],
}

struct Step<'a, 'b, R, T, const N: usize> {
    rule: R,
    piece: &'a mut Piece<'b, T, N>,
}

impl<R: Rule<N>, T: Real, const N: usize> WithSimd for Step<'_, '_, R, T, N> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Piece { param, grad, state } = self.piece;
        let (n, grad, mut param) = (count::<S, T>(grad.len()), Src::new(simd, grad), Both::new(simd, param));
        // An absent state stays 0 and is not stored.
        let present = state.each_ref().map(|state| !state.is_empty());
        let mut state = state.each_mut().map(
            #[inline(always)]
            |state| Both::new(simd, state),
        );
        for i in 0..n {
            let mut old = [F::splat(simd, T::ZERO); N];
            for k in 0..N {
                if present[k] {
                    old[k] = state[k].get(i);
                }
            }
            let (p, new) = self.rule.step(param.get(i), grad.get(i), old);
            param.set(i, p);
            for k in 0..N {
                if present[k] {
                    state[k].set(i, flush(new[k]));
                }
            }
        }
    }
}

/// 0 instead of a subnormal number; NaN stays.
#[inline(always)]
fn flush<S: Simd, T: Real>(x: F<S, T>) -> F<S, T> {
    x.abs().lt(F::splat(x.simd(), T::MIN_POSITIVE)).select(x.lit(0.0), x)
}

fn update<R: Rule<N>, T: Real, const N: usize>(
    name: &str,
    rule: R,
    param: &mut [T],
    grad: &[T],
    state: [(&mut [T], bool); N],
) {
    const CHUNK: usize = 8 << 10;
    let n = param.len();
    assert_eq!(grad.len(), n, "{name}: the gradient differs from the parameter in length");
    for (state, used) in &state {
        let want = if *used { n } else { state.len() };
        assert_eq!(state.len(), want, "{name}: a state differs from the parameter in length");
    }
    let isa = isa::current();
    let state = state.map(|(state, used)| if used { state } else { &mut [] });
    if n < 4 * CHUNK {
        return isa.run_on::<T, _>(Step { rule, piece: &mut Piece { param, grad, state } });
    }
    let mut state = state.map(|state| state.chunks_mut(CHUNK));
    let pieces = param.chunks_mut(CHUNK).zip(grad.chunks(CHUNK)).map(|(param, grad)| {
        let state = state.each_mut().map(|chunks| chunks.next().unwrap_or_default());
        Piece { param, grad, state }
    });
    let mut pieces: Vec<_> = pieces.collect();
    par::chunks_mut(&mut pieces, 1, |_, piece| isa.run_on::<T, _>(Step { rule, piece: &mut piece[0] }));
}

impl Rule<1> for Sgd {
    #[inline(always)]
    fn step<S: Simd, T: Real>(self, p: F<S, T>, g: F<S, T>, [b]: [F<S, T>; 1]) -> (F<S, T>, [F<S, T>; 1]) {
        let mut g = p.fma(p.lit(self.weight_decay), g);
        let mut new = b;
        if self.momentum != 0.0 {
            new = b.fma(b.lit(self.momentum), g * (1.0 - self.dampening));
            g = if self.nesterov { new.fma(new.lit(self.momentum), g) } else { new };
        }
        (g.fma(g.lit(-self.lr), p), [new])
    }
}

fn sgd_of<T: Real>(param: &mut [T], grad: &[T], buffer: &mut [T], hyper: &Sgd) {
    update("sgd", *hyper, param, grad, [(buffer, hyper.momentum != 0.0)]);
}

/// Adam with the constants of one step.
#[derive(Clone, Copy)]
struct AdamStep {
    hyper: Adam,
    /// lr / (1 − β₁ᵗ)
    rate: f64,
    /// 1 / √(1 − β₂ᵗ)
    root: f64,
}

impl AdamStep {
    fn new(hyper: &Adam) -> Self {
        assert!(hyper.step > 0, "adam: steps are counted from 1");
        let t = hyper.step as f64;
        let rate = hyper.lr / (1.0 - hyper.beta1.powf(t));
        AdamStep { hyper: *hyper, rate, root: 1.0 / (1.0 - hyper.beta2.powf(t)).sqrt() }
    }

    /// The parameter after decoupled decay, and the new moments.
    #[inline(always)]
    fn moments<S: Simd, T: Real>(self, p: F<S, T>, g: F<S, T>, [m, v]: [F<S, T>; 2]) -> (F<S, T>, [F<S, T>; 2]) {
        let h = self.hyper;
        let (p, g) =
            if h.decoupled { (p * (1.0 - h.lr * h.weight_decay), g) } else { (p, p.fma(p.lit(h.weight_decay), g)) };
        let m = m.fma(m.lit(h.beta1), g * (1.0 - h.beta1));
        let v = v.fma(v.lit(h.beta2), g * g * (1.0 - h.beta2));
        (p, [m, v])
    }

    #[inline(always)]
    fn moved<S: Simd, T: Real>(self, p: F<S, T>, m: F<S, T>, v: F<S, T>) -> F<S, T> {
        let step = m / v.sqrt().fma(v.lit(self.root), v.lit(self.hyper.eps));
        step.fma(step.lit(-self.rate), p)
    }
}

impl Rule<2> for AdamStep {
    #[inline(always)]
    fn step<S: Simd, T: Real>(self, p: F<S, T>, g: F<S, T>, state: [F<S, T>; 2]) -> (F<S, T>, [F<S, T>; 2]) {
        let (p, [m, v]) = self.moments(p, g, state);
        (self.moved(p, m, v), [m, v])
    }
}

fn adam_of<T: Real>(param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], hyper: &Adam) {
    update("adam", AdamStep::new(hyper), param, grad, [(m, true), (v, true)]);
}

/// [`AdamStep`] with the largest second moment.
#[derive(Clone, Copy)]
struct AmsgradStep(AdamStep);

impl Rule<3> for AmsgradStep {
    #[inline(always)]
    fn step<S: Simd, T: Real>(self, p: F<S, T>, g: F<S, T>, [m, v, most]: [F<S, T>; 3]) -> (F<S, T>, [F<S, T>; 3]) {
        let (p, [m, v]) = self.0.moments(p, g, [m, v]);
        let most = most.max(v);
        (self.0.moved(p, m, most), [m, v, most])
    }
}

fn amsgrad_of<T: Real>(param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], most: &mut [T], hyper: &Adam) {
    update("amsgrad", AmsgradStep(AdamStep::new(hyper)), param, grad, [(m, true), (v, true), (most, true)]);
}

impl Rule<3> for RmsProp {
    #[inline(always)]
    fn step<S: Simd, T: Real>(self, p: F<S, T>, g: F<S, T>, [v, b, a]: [F<S, T>; 3]) -> (F<S, T>, [F<S, T>; 3]) {
        let g = p.fma(p.lit(self.weight_decay), g);
        let v = v.fma(v.lit(self.alpha), g * g * (1.0 - self.alpha));
        let (mut spread, mut mean) = (v, a);
        if self.centered {
            mean = a.fma(a.lit(self.alpha), g * (1.0 - self.alpha));
            // Rounding may leave a small negative variance where the gradient is constant.
            spread = (v - mean * mean).max(v.lit(0.0));
        }
        let mut step = g / (spread.sqrt() + self.eps);
        let mut buffer = b;
        if self.momentum > 0.0 {
            buffer = b.fma(b.lit(self.momentum), step);
            step = buffer;
        }
        (step.fma(step.lit(-self.lr), p), [v, buffer, mean])
    }
}

fn rmsprop_of<T: Real>(
    param: &mut [T],
    grad: &[T],
    square: &mut [T],
    buffer: &mut [T],
    mean: &mut [T],
    hyper: &RmsProp,
) {
    let state = [(square, true), (buffer, hyper.momentum > 0.0), (mean, hyper.centered)];
    update("rmsprop", *hyper, param, grad, state);
}
