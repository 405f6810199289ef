//! The importance-weighted autoencoder: a tighter bound from several draws.
//!
//! Burda, Grosse & Salakhutdinov 2016, *Importance Weighted Autoencoders*, arXiv:1509.00519:
//! L_k(x) = E[ln 1/k Σ wᵢ] with wᵢ = p(x, zᵢ)/q(zᵢ|x) (section 3). L₁ is the evidence lower bound, L_k grows with k to ln p(x)
//! (theorem 1). The derivative of the logarithm of a sum of exponentials weighs each draw by wᵢ/Σw, as section 3 derives.

use std::ops::Range;

use etude_autograd::Tensor;
use etude_nn::{ConfigError, Ctx, Module, Visitor};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational, verbs_of_net};
use crate::error::Error;
use crate::loss::Loss;

/// Any variational model, trained on k draws for each image.
///
/// ```
/// use etude_ae_vae::{Autoencoder, Iwae, Vae, VaeConfig};
/// use etude_autograd::Tensor;
/// use etude_nn::Ctx;
///
/// let mut cx = Ctx::train(0);
/// let vae = Vae::new(VaeConfig { input: 4, hidden: vec![8], latent: 2, ..VaeConfig::default() }, &mut cx)?;
/// let model = Iwae::new(vae, 5)?;
/// let out = model.forward(&Tensor::ones([3, 4]), &mut cx);
/// assert_eq!(out.loss.parts()[0].name, "bound");
/// # Ok::<(), etude_ae_vae::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Iwae<M> {
    net: M,
    k: usize,
}

impl<M: Module> Module for Iwae<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let Iwae { net, k: _ } = self;
        visitor.child("", net);
    }
}

impl<M: Variational> Iwae<M> {
    /// The model `net`, trained on `k` draws.
    ///
    /// # Errors
    /// If `k` is 0.
    pub fn new(net: M, k: usize) -> Result<Self, Error> {
        ConfigError::check(k > 0, "Iwae", "k", k, "at least 1")?;
        Ok(Iwae { net, k })
    }

    /// The model.
    pub fn net(&self) -> &M {
        &self.net
    }

    /// The number of draws that it is trained on.
    pub fn k(&self) -> usize {
        self.k
    }
}

/// −ln 1/k Σ wᵢ of logarithms `[k, batch]`: `[batch]`.
pub(crate) fn negative_bound(log_weights: &Tensor) -> Tensor {
    log_weights.logsumexp(0).affine(-1.0, (log_weights.dim(0) as f64).ln())
}

impl<M: Variational> Autoencoder for Iwae<M> {
    verbs_of_net!();

    /// The loss has one part, `bound`, −ln 1/k Σ wᵢ; code and reconstruction are of the first draw of each image.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        self.forward_range(x, 0..x.dim(0), cx)
    }
    #[track_caller]
    fn forward_range(&self, x: &Tensor, range: Range<usize>, cx: &mut Ctx) -> Output {
        let n = range.len();
        let Draws { code, decoded, log_weights } = self.net.draws_range(x, range, self.k, cx);
        let first = |y: &Tensor| y.narrow(0, 0, n);
        Output { decoded: first(&decoded), code: first(&code), loss: Loss::new("bound", negative_bound(&log_weights)) }
    }
}

impl<M: Variational> Generative for Iwae<M> {
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        self.net.prior(n, cx)
    }
}

impl<M: Variational> Variational for Iwae<M> {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        self.net.draws(x, k, cx)
    }
}
