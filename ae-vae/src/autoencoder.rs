//! The verbs that all models share, and the check of their data.

use std::ops::Range;

use etude_autograd::{Tensor, no_grad};
use etude_nn::{Ctx, Module};

use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::loss::Loss;

/// What a forward pass gives, of every model.
#[derive(Clone, Debug)]
pub struct Output {
    /// What the decoder says of each image, as [`Autoencoder::decode`].
    pub decoded: Tensor,
    /// The code that it was given, `[batch, code]`.
    pub code: Tensor,
    /// The loss in its parts.
    pub loss: Loss,
}

/// A model that maps images `[batch, pixels]` with pixels in [0, 1] to codes and back.
pub trait Autoencoder: Module {
    /// Pixels of an image.
    fn pixels(&self) -> usize;

    /// What the decoder's numbers mean.
    fn likelihood(&self) -> Likelihood {
        Likelihood::Bernoulli
    }

    /// The code of each image: for a probabilistic encoder, its mean. `[batch, pixels]` → `[batch, code]`.
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor;

    /// Logits of the means of the pixels of each code, and what else the likelihood has: `[batch, code]` →
    /// `[batch, numbers·pixels]`.
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor;

    /// The pass that training takes: code, reconstruction and loss of a batch.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output;

    /// As [`Autoencoder::forward`], of the images `range` of `x`: what a loop over batches calls, so that a model that knows
    /// something of each of the images `x`, as [`crate::Given`] does, takes what belongs to these.
    #[track_caller]
    fn forward_range(&self, x: &Tensor, range: Range<usize>, cx: &mut Ctx) -> Output {
        self.forward(&x.narrow(0, range.start, range.len()), cx)
    }

    /// Each image through its code and back, as pixels in (0, 1).
    fn reconstruct(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let code = self.encode(x, cx);
        self.likelihood().mean(&self.decode(&code, cx))
    }
}

/// The verbs of an [`Autoencoder`] that is its `net` but for its loss.
macro_rules! verbs_of_net {
    () => {
        fn pixels(&self) -> usize {
            self.net.pixels()
        }
        fn likelihood(&self) -> crate::Likelihood {
            self.net.likelihood()
        }
        fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
            self.net.encode(x, cx)
        }
        fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
            self.net.decode(code, cx)
        }
    };
}
pub(crate) use verbs_of_net;

/// A model that knows how codes are distributed.
pub trait Generative: Autoencoder {
    /// `n` codes from the prior, `[n, code]`.
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor;

    /// New images: the means of the pixels of `n` draws from the prior, `[n, pixels]`. No graph is recorded.
    fn sample(&self, n: usize, cx: &mut Ctx) -> Tensor {
        no_grad(|| {
            let code = self.prior(n, cx);
            self.likelihood().mean(&self.decode(&code, cx))
        })
    }
}

/// A model of p(x, z) = p(x|z)·p(z) with an approximate posterior q(z|x).
pub trait Variational: Generative {
    /// `k` draws of z from q for each image.
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws;

    /// As [`Variational::draws`], for the images `range` of `x`: see [`Autoencoder::forward_range`].
    #[track_caller]
    fn draws_range(&self, x: &Tensor, range: Range<usize>, k: usize, cx: &mut Ctx) -> Draws {
        self.draws(&x.narrow(0, range.start, range.len()), k, cx)
    }
}

/// Draws from the posterior of every image of a batch, and how much each counts.
#[derive(Clone, Debug)]
pub struct Draws {
    /// z, `[k·batch, code]`, the first draws of all images first.
    pub code: Tensor,
    /// What the decoder says of each, `[k·batch, numbers·pixels]`.
    pub decoded: Tensor,
    /// ln p(x, z) − ln q(z|x), `[k, batch]`.
    ///
    /// Their mean is the evidence lower bound, and the logarithm of the mean of their exponentials a tighter one (Burda et
    /// al. 2016, arXiv:1509.00519, section 3): [`crate::Iwae`] trains on it, [`crate::measure::log_likelihood`] measures by it.
    pub log_weights: Tensor,
}

/// `x` `[batch, …]` repeated for `k` draws, `[k·batch, …]`: what belongs to codes `[k, batch, latent]` laid out as one batch.
pub(crate) fn repeat(x: &Tensor, k: usize) -> Tensor {
    let shape = [&[k], x.shape()].concat();
    x.unsqueeze(0).expand(shape).flatten(0..2)
}

/// Checks data where it enters: `[batch, pixels]` with at least one image and every pixel in [0, 1].
///
/// # Errors
/// Names what does not fit, and where.
pub fn check_pixels(what: &'static str, x: &Tensor, pixels: usize) -> Result<(), Error> {
    if x.rank() != 2 || x.dim(1) != pixels {
        return Err(Error::Width { what, found: x.shape().to_vec(), width: pixels });
    }
    if x.is_empty() {
        return Err(Error::Empty { what });
    }
    // Negated, so that NaN is caught as well.
    let values = x.to_vec();
    match values.iter().position(|v| !(0.0..=1.0).contains(v)) {
        Some(at) => Err(Error::Pixel { what, image: at / pixels, pixel: at % pixels, value: values[at] }),
        None => Ok(()),
    }
}

/// Checks codes where they enter, `[n, code]`: every element must be finite.
pub(crate) fn check_codes(codes: &Tensor) -> Result<(), Error> {
    let (values, dim) = (codes.to_vec(), codes.dim(1));
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::Code { code: at / dim, element: at % dim, value: values[at].into() }),
        None => Ok(()),
    }
}
