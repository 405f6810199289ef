//! What every autoencoder can do, and the check of its data.

use etude_autograd::Tensor;
use etude_nn::{Act, Ctx, Linear, Module};

use crate::error::Error;

/// A model that maps images to codes and back.
pub trait Autoencoder: Module {
    /// The code of each image: for a probabilistic encoder, its mean. `[batch, pixels]` → `[batch, code]`.
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor;

    /// The logits of the pixels of each code. `[batch, code]` → `[batch, pixels]`.
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor;

    /// Each image through its code and back, as pixels in (0, 1).
    fn reconstruct(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let code = self.encode(x, cx);
        self.decode(&code, cx).sigmoid()
    }
}

/// Checks data where it enters: `[batch, pixels]` with at least one image and every pixel in [0, 1].
///
/// # Errors
/// Names what does not fit, and where.
pub fn check_pixels(what: &'static str, x: &Tensor, pixels: usize) -> Result<(), Error> {
    if x.rank() != 2 || x.dim(1) != pixels {
        return Err(Error::Width { what, found: x.shape().to_vec(), pixels });
    }
    if x.is_empty() {
        return Err(Error::Empty { what });
    }
    // Negated, so that NaN is caught as well.
    match x.to_vec().iter().position(|v| !(0.0..=1.0).contains(v)) {
        Some(at) => Err(Error::Pixel { what, image: at / pixels, pixel: at % pixels, value: x.to_vec()[at] }),
        None => Ok(()),
    }
}

/// Linear maps with an activation after each: the trunk of an encoder or a decoder.
pub(crate) fn trunk(layers: &[Linear], act: Act, x: &Tensor, cx: &mut Ctx) -> Tensor {
    layers.iter().fold(x.clone(), |x, layer| act.apply(&etude_nn::Layer::forward(layer, &x, cx)))
}

/// The linear maps of a trunk from size to size.
pub(crate) fn layers(sizes: &[usize], cx: &mut Ctx) -> Vec<Linear> {
    sizes.windows(2).map(|w| Linear::new(w[0], w[1], cx)).collect()
}
