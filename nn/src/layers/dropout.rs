//! Dropout.

use etude_autograd::Tensor;

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// Sets each element to 0 with probability p while training, and multiplies the others by 1/(1 − p), so that the
/// expectation stays; the identity in evaluation. Srivastava et al. 2014, section 10, in the inverted form.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    p: f64,
}
module!(Dropout { ; p });

impl Dropout {
    /// Drops with probability `p`.
    ///
    /// # Panics
    /// If `p` is not in [0, 1].
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "Dropout: the probability is {p}, expected 0 to 1");
        Dropout { p }
    }

    /// The probability.
    pub fn p(&self) -> f64 {
        self.p
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        if !cx.is_train() || self.p == 0.0 {
            return x.clone();
        }
        let (p, kept) = (self.p as f32, (1.0 / (1.0 - self.p)) as f32);
        let mut mask = vec![0.0; x.len()];
        cx.rng.fill_uniform(&mut mask);
        // Uniforms lie in [0, 1): nothing is dropped at p = 0 and everything at p = 1.
        mask.iter_mut().for_each(|u| *u = if *u < p { 0.0 } else { kept });
        x * Tensor::from_vec(mask, x.shape())
    }
}
