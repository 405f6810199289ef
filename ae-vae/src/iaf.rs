//! The variational autoencoder with an inverse autoregressive flow for its posterior.
//!
//! Kingma et al. 2016, *Improving Variational Inference with Inverse Autoregressive Flow*, arXiv:1606.04934. A draw of a
//! diagonal normal distribution goes through T steps z ← σ⊙z + (1 − σ)⊙m with [m, s] = AutoregressiveNN(z, h) and σ = σ(s)
//! (section 4, algorithm 1), where h is what the encoder knows of the image. Element i of m and s depends on elements
//! before i alone, so that the logarithm of a step's determinant is Σ ln σᵢ. Every step reads the elements in the opposite
//! order of the one before.

use etude_autograd::Tensor;
use etude_nn::{Act, ConfigError, Ctx, Layer, Linear, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational, repeat};
use crate::error::Error;
use crate::gaussian::std_normal_log_prob;
use crate::likelihood::Likelihood;
use crate::loss::Loss;
use crate::net::{Decoder, GaussianEncoder};
use crate::vae::VaeConfig;

/// What is added to s, so that a step changes little before it is trained; section 4 asks for 1 or 2.
const OPEN: f64 = 1.5;

/// The net and the flow of an [`Iaf`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IafConfig {
    /// The sizes of the nets.
    pub net: VaeConfig,
    /// T, the number of steps.
    pub steps: usize,
    /// Width of the hidden layer of each autoregressive net.
    pub width: usize,
}

impl Default for IafConfig {
    /// 784-400-20 with two steps of width 320.
    fn default() -> Self {
        IafConfig { net: VaeConfig::default(), steps: 2, width: 320 }
    }
}

impl IafConfig {
    /// Sizes must be at least 1; without a step it is a plain variational autoencoder.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        ConfigError::check(self.width > 0, "IafConfig", "width", self.width, "at least 1")
    }
}

/// An autoregressive net with one hidden layer: the masks of Germain et al. 2015, arXiv:1502.03509, section 4.
#[derive(Clone, Debug)]
struct Step {
    hidden: Linear,
    context: Linear,
    m: Linear,
    s: Linear,
    /// `[width, latent]`: which elements a hidden unit sees.
    sees: Tensor,
    /// `[latent, width]`: which hidden units an output sees.
    seen: Tensor,
}
module!(Step { hidden, context, m, s; sees, seen });

impl Step {
    fn new(latent: usize, width: usize, context: usize, cx: &mut Ctx) -> Self {
        // A hidden unit of degree d sees the first d elements, an output i the units whose degree is at most i: those of
        // degree 0 see the image alone, and are all that the first output sees.
        let degree = |unit: usize| unit % latent;
        let sees =
            (0..width).flat_map(|unit| (0..latent).map(move |i| f32::from(u8::from(i < degree(unit))))).collect();
        let seen =
            (0..latent).flat_map(|i| (0..width).map(move |unit| f32::from(u8::from(degree(unit) <= i)))).collect();
        Step {
            hidden: Linear::new(latent, width, cx),
            context: Linear::no_bias(context, width, cx),
            m: Linear::new(width, latent, cx),
            s: Linear::new(width, latent, cx),
            sees: Tensor::from_vec(sees, [width, latent]),
            seen: Tensor::from_vec(seen, [latent, width]),
        }
    }

    /// The new z and ln σ of each element.
    fn forward(&self, z: &Tensor, h: &Tensor, act: Act, cx: &mut Ctx) -> (Tensor, Tensor) {
        let masked = |layer: &Linear, mask: &Tensor, x: &Tensor, cx: &Ctx| {
            let bias = layer.bias.as_ref().map(|b| cx.get(b));
            x.linear(&(cx.get(&layer.weight) * mask), bias.as_ref())
        };
        let hidden = act.apply(&(masked(&self.hidden, &self.sees, z, cx) + self.context.forward(h, cx)));
        let m = masked(&self.m, &self.seen, &hidden, cx);
        let s = masked(&self.s, &self.seen, &hidden, cx).affine(1.0, OPEN);
        let gate = s.sigmoid();
        (&gate * z + gate.affine(-1.0, 1.0) * m, s.log_sigmoid())
    }
}

/// A variational autoencoder whose posterior is no longer normal: it has no mean and variance to give, only
/// [`Variational::draws`].
#[derive(Clone, Debug)]
pub struct Iaf {
    config: IafConfig,
    encoder: GaussianEncoder,
    steps: Vec<Step>,
    decoder: Decoder,
}
module!(Iaf { encoder as "", steps, decoder as ""; config });

impl Iaf {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(config: IafConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let VaeConfig { input, ref hidden, latent, act, likelihood } = config.net;
        let context = *hidden.last().expect("validated: there is a hidden layer");
        let encoder = GaussianEncoder::new(input, hidden, latent, act, cx);
        let steps = (0..config.steps).map(|_| Step::new(latent, config.width, context, cx)).collect();
        let decoder = Decoder::new(latent, hidden, input * likelihood.numbers(), act, cx);
        Ok(Iaf { config, encoder, steps, decoder })
    }

    /// The net and the flow.
    pub fn config(&self) -> &IafConfig {
        &self.config
    }

    /// z of noise `[k, batch, latent]` and ln q(z|x) of each of its elements, `[k·batch, latent]` both.
    fn flow(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let features = self.encoder.features(x, cx);
        let q = self.encoder.of_features(&features, cx);
        let start = q.at(eps);
        let mut log_q = q.log_prob(&start).flatten(0..2);
        let mut z = start.flatten(0..2);
        let h = repeat(&features, eps.dim(0));
        for step in &self.steps {
            let (next, log_sigma) = step.forward(&z, &h, self.config.net.act, cx);
            z = next.flip(1);
            log_q = (log_q - log_sigma).flip(1);
        }
        (z, log_q)
    }

    /// As [`Autoencoder::forward`] with given noise, `[batch, latent]`.
    pub(crate) fn at(&self, x: &Tensor, eps: &Tensor, cx: &mut Ctx) -> Output {
        let (code, log_q) = self.flow(x, &eps.unsqueeze(0), cx);
        let decoded = self.decode(&code, cx);
        let kl = log_q - std_normal_log_prob(&code);
        let loss = Loss::new("reconstruction", self.likelihood().nll(&decoded, x)).with("kl", 1.0, kl);
        Output { decoded, code, loss }
    }
}

impl Autoencoder for Iaf {
    fn pixels(&self) -> usize {
        self.config.net.input
    }
    fn likelihood(&self) -> Likelihood {
        self.config.net.likelihood
    }
    /// Where the flow takes the mean of the distribution it starts from.
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.flow(x, &Tensor::zeros([1, x.dim(0), self.config.net.latent]), cx).0
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.decoder.forward(code, cx)
    }
    /// The loss has the parts `reconstruction` and `kl`, ln q(z|x) − ln p(z) of each element of one draw.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let eps = Tensor::randn([x.dim(0), self.config.net.latent], cx);
        self.at(x, &eps, cx)
    }
}

impl Generative for Iaf {
    /// N(0, 1).
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        Tensor::randn([n, self.config.net.latent], cx)
    }
}

impl Variational for Iaf {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        let eps = Tensor::randn([k, x.dim(0), self.config.net.latent], cx);
        let (code, log_q) = self.flow(x, &eps, cx);
        let decoded = self.decode(&code, cx);
        let ratio = (std_normal_log_prob(&code) - log_q).sum_dims([1]);
        let weights = ratio - self.likelihood().nll(&decoded, &repeat(x, k));
        Draws { code, decoded, log_weights: weights.reshape([k, x.dim(0)]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_autograd::{CreateGraph, grad};
    use etude_kernels::rng::Rng;
    use etude_nn::testing;

    #[test]
    fn a_step_is_autoregressive_and_its_determinant_is_that_of_its_jacobian() {
        let (n, cx) = (4, &mut Ctx::train(0));
        let step = Step::new(n, 11, 3, cx);
        testing::initialise(&step);
        let z = Tensor::randn([1, n], &mut Rng::new(1)).requires_grad();
        let (y, log_sigma) = step.forward(&z, &Tensor::randn([1, 3], &mut Rng::new(2)), Act::Tanh, cx);
        let rows: Vec<Vec<f32>> =
            (0..n).map(|i| grad(&y.select(1, i).sum(), [&z], CreateGraph::No)[0].to_vec()).collect();
        for (i, row) in rows.iter().enumerate() {
            assert!(row[i + 1..].iter().all(|&d| d == 0.0), "element {i} depends on a later one: {row:?}");
            assert!((row[i].ln() - log_sigma.to_vec()[i]).abs() < 1e-5, "element {i}");
            assert!(i == 0 || row[..i].iter().any(|&d| d != 0.0), "element {i} depends on none before it");
        }
    }

    #[test]
    fn every_output_sees_the_image_the_first_one_too() {
        for latent in [1, 2, 4] {
            let cx = &mut Ctx::train(0);
            let step = Step::new(latent, 11, 3, cx);
            testing::initialise(&step);
            let h = Tensor::randn([1, 3], &mut Rng::new(2)).requires_grad();
            let (y, log_sigma) = step.forward(&Tensor::randn([1, latent], &mut Rng::new(1)), &h, Act::Tanh, cx);
            for i in 0..latent {
                for output in [&y, &log_sigma] {
                    let [by_h] = grad(&output.select(1, i).sum(), [&h], CreateGraph::No);
                    assert!(by_h.to_vec().iter().any(|&d| d != 0.0), "element {i} of {latent} does not see the image");
                }
            }
        }
    }

    #[test]
    fn one_latent_variable_works() {
        let cx = &mut Ctx::train(0);
        let net = VaeConfig { input: 4, hidden: vec![5], latent: 1, ..VaeConfig::default() };
        let model = Iaf::new(IafConfig { net, steps: 2, width: 3 }, cx).expect("valid");
        assert!(model.forward(&Tensor::ones([2, 4]), cx).loss.total().item().is_finite());
    }
}
