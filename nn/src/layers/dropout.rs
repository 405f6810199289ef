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
        if cx.is_train() && self.p > 0.0 { x.dropout(self.p, cx) } else { x.clone() }
    }
}
