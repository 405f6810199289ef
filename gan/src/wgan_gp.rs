//! The Wasserstein GAN with gradient penalty, on vectors.
//!
//! Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*, arXiv:1704.00028. The critic minimises (eq. 3)
//! E[D(x̃)] − E[D(x)] + λ·E[(‖∇D(x̂)‖₂ − 1)²] with x̂ = ε·x + (1 − ε)·x̃ (algorithm 1), which needs the gradient of a
//! gradient; the generator minimises −E[D(G(z))].

use etude_autograd::{CreateGraph, Tensor, grad, no_grad};
use etude_nn::{Act, ConfigError, Ctx, Layer, Mlp, Module, Optimizer, check_finite, module};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The networks and the penalty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WganGpConfig {
    /// Size of a data vector.
    pub data: usize,
    /// Size of the generator's noise.
    pub latent: usize,
    /// Width of the hidden layers of both networks.
    pub hidden: usize,
    /// Number of hidden layers of both networks.
    pub layers: usize,
    /// The activation of both networks.
    pub act: Act,
    /// λ, the weight of the penalty. 10 in the paper, 0.1 in its authors' two-dimensional experiments.
    pub penalty: f32,
    /// Critic steps for each generator step.
    pub critic_steps: usize,
}

impl Default for WganGpConfig {
    /// For two-dimensional data: three hidden layers of 128.
    fn default() -> Self {
        WganGpConfig { data: 2, latent: 2, hidden: 128, layers: 3, act: Act::Relu, penalty: 0.1, critic_steps: 5 }
    }
}

impl WganGpConfig {
    /// Sizes must be at least 1, the penalty must not be negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("data", self.data),
            ("latent", self.latent),
            ("hidden", self.hidden),
            ("layers", self.layers),
            ("critic_steps", self.critic_steps),
        ];
        for (field, value) in sizes {
            ConfigError::check(value > 0, "WganGpConfig", field, value, "at least 1")?;
        }
        let good = self.penalty >= 0.0 && self.penalty.is_finite();
        ConfigError::check(good, "WganGpConfig", "penalty", self.penalty, "a finite number from 0")
    }
}

/// Noise to data.
#[derive(Clone, Debug)]
pub struct Generator {
    latent: usize,
    net: Mlp,
}
module!(Generator { net as ""; latent });

impl Generator {
    /// A generator with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: &WganGpConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(Generator {
            latent: config.latent,
            net: Mlp::new(&sizes(config, config.latent, config.data), config.act, cx),
        })
    }

    /// Data vectors of `n` draws of noise, `[n, data]`.
    pub fn generate(&self, n: usize, cx: &mut Ctx) -> Tensor {
        let z = Tensor::randn([n, self.latent], cx);
        self.net.forward(&z, cx)
    }

    /// As [`Generator::generate`], without recording a graph.
    pub fn sample(&self, n: usize, cx: &mut Ctx) -> Tensor {
        no_grad(|| self.generate(n, cx))
    }
}

/// Data to a score: higher is more real. No normalisation over the batch, which would couple the samples that the penalty
/// treats one by one (§4, "No critic batch normalization").
#[derive(Clone, Debug)]
pub struct Critic {
    net: Mlp,
}
module!(Critic { net as "" });

impl Critic {
    /// A critic with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: &WganGpConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(Critic { net: Mlp::new(&sizes(config, config.data, 1), config.act, cx) })
    }

    /// The score of each vector, `[n, data]` → `[n, 1]`.
    pub fn score(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.net.forward(x, cx)
    }
}

fn sizes(config: &WganGpConfig, input: usize, output: usize) -> Vec<usize> {
    let mut sizes = vec![config.hidden; config.layers + 2];
    sizes[0] = input;
    sizes[config.layers + 1] = output;
    sizes
}

/// What a critic step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CriticStep {
    /// E[D(x)] − E[D(x̃)], the critic's estimate of the Wasserstein distance up to its Lipschitz constant.
    pub distance: f32,
    /// E[(‖∇D(x̂)‖₂ − 1)²].
    pub penalty: f32,
}

/// (‖∇D(x̂)‖₂ − 1)², mean over the batch, differentiable with respect to the critic's weights.
pub fn gradient_penalty(critic: &Critic, real: &Tensor, fake: &Tensor, cx: &mut Ctx) -> Tensor {
    let eps = Tensor::rand([real.dim(0), 1], cx);
    gradient_penalty_at(critic, &(&eps * real + (1.0 - &eps) * fake), cx)
}

/// As [`gradient_penalty`] at given points x̂, `[n, data]`.
pub fn gradient_penalty_at(critic: &Critic, mix: &Tensor, cx: &mut Ctx) -> Tensor {
    let mix = mix.requires_grad();
    let score = critic.score(&mix, cx).sum();
    let [gradient] = grad(&score, [&mix], CreateGraph::Yes);
    (gradient.norm_l2(1) - 1.0).square().mean()
}

/// One step of the critic on a batch of real data (`[n, data]`) against as many generated ones.
///
/// # Errors
/// If the loss or a gradient is not finite; nothing is updated then.
pub fn critic_step(
    critic: &Critic,
    generator: &Generator,
    config: &WganGpConfig,
    opt: &mut dyn Optimizer,
    real: &Tensor,
    cx: &mut Ctx,
) -> Result<CriticStep, Error> {
    let fake = generator.sample(real.dim(0), cx);
    let penalty = gradient_penalty(critic, real, &fake, cx);
    let distance = critic.score(real, cx).mean() - critic.score(&fake, cx).mean();
    let found = CriticStep { distance: distance.item(), penalty: penalty.item() };
    let loss = penalty * config.penalty - distance;
    check_finite(loss.item(), opt.steps())?;
    opt.try_step(&loss.backward())?;
    Ok(found)
}

/// One step of the generator with `n` draws of noise. Returns its loss, −E[D(G(z))].
///
/// # Errors
/// If the loss or a gradient is not finite; nothing is updated then.
pub fn generator_step(
    critic: &Critic,
    generator: &Generator,
    opt: &mut dyn Optimizer,
    n: usize,
    cx: &mut Ctx,
) -> Result<f32, Error> {
    let fake = generator.generate(n, cx);
    let loss = -critic.score(&fake, cx).mean();
    let value = check_finite(loss.item(), opt.steps())?;
    opt.try_step(&loss.backward_for(&generator.leaves()))?;
    Ok(value)
}
