//! The ladder variational autoencoder: latent variables in a hierarchy.
//!
//! Sønderby, Raiko, Maaløe, Sønderby & Winther 2016, *Ladder Variational Autoencoders*, arXiv:1602.02282, section 2. The
//! generative model is p(z_L) Π p(z_i|z_{i+1}) p(x|z_1). Inference goes up deterministically, d_i = MLP(d_{i−1}), with a mean
//! and a variance from every d_i, and down together with the generative model: layer i's posterior is the product of the two
//! normal distributions that both ways give, σ⁻² = σ̂⁻² + σ_p⁻² and μ = (μ̂σ̂⁻² + μ_pσ_p⁻²)·σ². The top's is the upward one
//! alone. Without the paper's batch normalisation.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::{Act, ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Draws, Generative, Output, Variational, repeat};
use crate::error::Error;
use crate::gaussian::{Gaussian, std_normal_log_prob};
use crate::likelihood::Likelihood;
use crate::loss::Loss;
use crate::net::{Decoder, GaussianEncoder, check_sizes};

/// The sizes of a [`Ladder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LadderConfig {
    /// Pixels of an image.
    pub input: usize,
    /// Hidden units of each rung, from the image upwards.
    pub hidden: Vec<usize>,
    /// Latent variables of each rung; as many as there are hidden sizes.
    pub latent: Vec<usize>,
    /// The activation of hidden layers.
    pub act: Act,
    /// p(x|z₁).
    pub likelihood: Likelihood,
}

impl Default for LadderConfig {
    /// Three rungs of 400, 200 and 100 hidden units with 32, 16 and 8 latent variables.
    fn default() -> Self {
        let (act, likelihood) = (Act::LeakyRelu(0.1), Likelihood::Bernoulli);
        LadderConfig { input: 784, hidden: vec![400, 200, 100], latent: vec![32, 16, 8], act, likelihood }
    }
}

impl LadderConfig {
    /// Sizes must be at least 1, and there must be as many latent as hidden ones.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_sizes("LadderConfig", &[("input", self.input)], &self.hidden, true)?;
        let good = self.latent.len() == self.hidden.len() && !self.latent.contains(&0);
        let expected = format!("{} sizes of at least 1, as many as there are hidden ones", self.hidden.len());
        ConfigError::check(good, "LadderConfig", "latent", format!("{:?}", self.latent), &expected)?;
        self.likelihood.validate()
    }
}

/// The ladder variational autoencoder. Its code is the latent variables of all rungs, the lowest first. A
/// rung's posterior depends on the draw above it: there are [`Variational::draws`], and no one mean and variance.
#[derive(Clone, Debug)]
pub struct Ladder {
    config: LadderConfig,
    /// Upwards: features of each rung and the distribution that they ask for.
    up: Vec<GaussianEncoder>,
    /// Downwards, from rung i + 1 to rung i.
    down: Vec<GaussianEncoder>,
    decoder: Decoder,
}
module!(Ladder { up, down, decoder as ""; config });

/// Every rung on the way down, from the lowest: the draw, its posterior and its prior (none at the top).
struct Rung {
    z: Tensor,
    q: Gaussian,
    p: Option<Gaussian>,
}

impl Ladder {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or the numbers of sizes differ.
    pub fn new(config: LadderConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let LadderConfig { input, ref hidden, ref latent, act, likelihood } = config;
        let below = |i: usize| if i == 0 { input } else { hidden[i - 1] };
        let up = (0..hidden.len()).map(|i| GaussianEncoder::new(below(i), &[hidden[i]], latent[i], act, cx)).collect();
        let down = (1..hidden.len())
            .map(|i| GaussianEncoder::new(latent[i], &[hidden[i - 1]], latent[i - 1], act, cx))
            .collect();
        let decoder = Decoder::new(latent[0], &hidden[..1], input * likelihood.numbers(), act, cx);
        Ok(Ladder { config, up, down, decoder })
    }

    /// The sizes.
    pub fn config(&self) -> &LadderConfig {
        &self.config
    }

    /// The posteriors and draws of all rungs, each image `k` times, with the noise that `eps` makes for a shape.
    fn climb(&self, x: &Tensor, k: usize, mut eps: impl FnMut([usize; 2]) -> Tensor, cx: &mut Ctx) -> Vec<Rung> {
        let (mut d, mut asked) = (x.clone(), Vec::new());
        for up in &self.up {
            d = up.features(&d, cx);
            let Gaussian { mu, logvar } = up.of_features(&d, cx);
            asked.push(Gaussian { mu: repeat(&mu, k), logvar: repeat(&logvar, k) });
        }
        let mut rungs: Vec<Rung> = Vec::new();
        for (i, from_below) in asked.into_iter().enumerate().rev() {
            let p = rungs.last().map(|above| self.down[i].forward(&above.z, cx));
            let q = match &p {
                None => from_below,
                Some(p) => product(&from_below, p),
            };
            let z = q.at(&eps([q.mu.dim(0), q.mu.dim(1)]));
            rungs.push(Rung { z, q, p });
        }
        rungs.reverse();
        rungs
    }

    /// As [`Autoencoder::forward`] with the noise that `eps` makes for a shape, called from the top down.
    pub(crate) fn at(&self, x: &Tensor, eps: impl FnMut([usize; 2]) -> Tensor, cx: &mut Ctx) -> Output {
        let rungs = self.climb(x, 1, eps, cx);
        let kls: Vec<Tensor> =
            rungs.iter().map(|r| r.p.as_ref().map_or_else(|| r.q.kl_std_normal(), |p| r.q.kl(p))).collect();
        let code = beside(rungs.iter().map(|rung| &rung.z));
        let decoded = self.decode(&code, cx);
        let loss = Loss::new("reconstruction", self.config.likelihood.nll(&decoded, x));
        Output { decoded, code, loss: loss.with("kl", 1.0, beside(&kls)) }
    }
}

fn beside<'a>(parts: impl IntoIterator<Item = &'a Tensor>) -> Tensor {
    Tensor::concat(&parts.into_iter().collect::<Vec<_>>(), 1)
}

/// The normalised product of two normal distributions: precisions add, means are weighed by them.
fn product(a: &Gaussian, b: &Gaussian) -> Gaussian {
    let (pa, pb) = ((-&a.logvar).exp(), (-&b.logvar).exp());
    let precision = &pa + &pb;
    Gaussian { mu: (&a.mu * pa + &b.mu * pb) / &precision, logvar: -precision.ln() }
}

impl Autoencoder for Ladder {
    fn pixels(&self) -> usize {
        self.config.input
    }
    fn likelihood(&self) -> Likelihood {
        self.config.likelihood
    }
    /// The means of all rungs, each given the mean above it.
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        beside(self.climb(x, 1, |shape| Tensor::zeros(shape), cx).iter().map(|rung| &rung.z))
    }
    /// Only the lowest rung's part of the code matters: the others act through it.
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.decoder.forward(&code.narrow(1, 0, self.config.latent[0]), cx)
    }
    /// The loss has the parts `reconstruction` and `kl`, of each latent variable given the draw above it.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let mut rng: Rng = cx.rng.split();
        self.at(x, |shape| Tensor::randn(shape, &mut rng), cx)
    }
}

impl Generative for Ladder {
    /// From the top, N(0, 1), downwards.
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        let top = self.config.latent[self.config.latent.len() - 1];
        let mut z = vec![Tensor::randn([n, top], cx)];
        for down in self.down.iter().rev() {
            let p = down.forward(&z[z.len() - 1], cx);
            z.push(p.sample(cx));
        }
        beside(z.iter().rev())
    }
}

impl Variational for Ladder {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        let mut rng = cx.rng.split();
        let rungs = self.climb(x, k, |shape| Tensor::randn(shape, &mut rng), cx);
        let ratio = |Rung { z, q, p }: &Rung| {
            let log_p = p.as_ref().map_or_else(|| std_normal_log_prob(z), |p| p.log_prob(z));
            (log_p - q.log_prob(z)).sum_dims([1])
        };
        let ratio = rungs.iter().map(ratio).reduce(|a, b| a + b).expect("validated: there is a rung");
        let code = beside(rungs.iter().map(|rung| &rung.z));
        let decoded = self.decode(&code, cx);
        let weights = ratio - self.config.likelihood.nll(&decoded, &repeat(x, k));
        Draws { code, decoded, log_weights: weights.reshape([k, x.dim(0)]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_two_distributions_is_proportional_to_the_product_of_their_densities() {
        let gaussian =
            |mu: f32, logvar: f32| Gaussian { mu: Tensor::full([1, 1], mu), logvar: Tensor::full([1, 1], logvar) };
        let (a, b) = (gaussian(0.4, -0.5), gaussian(-1.0, 0.7));
        let both = product(&a, &b);
        let z = Tensor::from_slice(&[-2.0, -0.3, 0.0, 0.9, 3.0], [5, 1]);
        let off = (a.log_prob(&z) + b.log_prob(&z) - both.log_prob(&z)).to_vec();
        assert!(off.iter().all(|&d| (d - off[0]).abs() < 1e-5), "{off:?} is no constant");
    }
}
