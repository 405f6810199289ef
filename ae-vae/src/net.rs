//! The perceptrons that encoders and decoders of vectors are made of.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, Layer, Linear, module};

use crate::gaussian::Gaussian;

/// ln σ² of a posterior is kept in ±`LOGVAR_LIMIT`, so that an exploding encoder gives a large but finite loss.
/// Outside the clamp's derivative is 0: ln σ² itself is not brought back, what lies before it only by the gradient of μ.
pub(crate) const LOGVAR_LIMIT: f64 = 20.0;

/// Linear maps with an activation after each: the trunk of an encoder or a decoder.
pub(crate) fn trunk(layers: &[Linear], act: Act, x: &Tensor, cx: &mut Ctx) -> Tensor {
    layers.iter().fold(x.clone(), |x, layer| act.apply(&layer.forward(&x, cx)))
}

/// The linear maps of a trunk from size to size.
pub(crate) fn layers(sizes: &[usize], cx: &mut Ctx) -> Vec<Linear> {
    sizes.windows(2).map(|w| Linear::new(w[0], w[1], cx)).collect()
}

/// Sizes of a configuration: at least 1, and at least one hidden layer if `some` says so.
pub(crate) fn check_sizes(
    config: &'static str,
    sizes: &[(&'static str, usize)],
    hidden: &[usize],
    some: bool,
) -> Result<(), ConfigError> {
    for &(field, value) in sizes {
        ConfigError::check(value > 0, config, field, value, "at least 1")?;
    }
    let good = !hidden.contains(&0) && (!some || !hidden.is_empty());
    let expected = if some { "sizes of at least 1, and at least one of them" } else { "sizes of at least 1" };
    ConfigError::check(good, config, "hidden", format!("{hidden:?}"), expected)
}

/// A trunk with two linear maps behind it: μ and ln σ².
#[derive(Clone, Debug)]
pub(crate) struct GaussianEncoder {
    encoder: Vec<Linear>,
    mu: Linear,
    logvar: Linear,
    act: Act,
}
module!(GaussianEncoder { encoder, mu, logvar; act });

impl GaussianEncoder {
    /// `hidden` outermost first, not empty.
    pub(crate) fn new(input: usize, hidden: &[usize], latent: usize, act: Act, cx: &mut Ctx) -> Self {
        let sizes: Vec<usize> = [&[input], hidden].concat();
        let inner = sizes[sizes.len() - 1];
        let encoder = layers(&sizes, cx);
        GaussianEncoder { encoder, mu: Linear::new(inner, latent, cx), logvar: Linear::new(inner, latent, cx), act }
    }

    /// The activations of the last hidden layer.
    pub(crate) fn features(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        trunk(&self.encoder, self.act, x, cx)
    }

    pub(crate) fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Gaussian {
        let h = self.features(x, cx);
        self.of_features(&h, cx)
    }

    pub(crate) fn of_features(&self, h: &Tensor, cx: &mut Ctx) -> Gaussian {
        let logvar = self.logvar.forward(h, cx).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT);
        Gaussian { mu: self.mu.forward(h, cx), logvar }
    }
}

/// A mirrored trunk with a linear map to the numbers of the pixels.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    decoder: Vec<Linear>,
    pixels: Linear,
    act: Act,
}
module!(Decoder { decoder, pixels; act });

impl Decoder {
    /// `hidden` outermost first, as the encoder's, not empty; `output` numbers for an image.
    pub(crate) fn new(latent: usize, hidden: &[usize], output: usize, act: Act, cx: &mut Ctx) -> Self {
        let sizes: Vec<usize> = std::iter::once(latent).chain(hidden.iter().rev().copied()).collect();
        let decoder = layers(&sizes, cx);
        let pixels = Linear::new(sizes[sizes.len() - 1], output, cx);
        Decoder { decoder, pixels, act }
    }

    pub(crate) fn forward(&self, z: &Tensor, cx: &mut Ctx) -> Tensor {
        let h = trunk(&self.decoder, self.act, z, cx);
        self.pixels.forward(&h, cx)
    }
}
