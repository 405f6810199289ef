//! Deep Q-networks: Q-learning with a network, a replay buffer and a target network.
//!
//! Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", algorithm 1; the optional
//! double estimate is van Hasselt et al. 2016, arXiv 1509.06461, eq. (4). Deviations: the loss is the mean square with
//! the gradient clipped by its norm instead of the error clipped to ±1; the learning rate falls linearly; updates come
//! in blocks, as in Stable-Baselines3.

use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Act, Adam, Ctx, Layer, Mlp, Module, Optimizer, loss::mse};

use crate::error::require;
use crate::evaluate::{evaluate, mean, rows};
use crate::replay::Batch;
use crate::training::{Progress, Record, Trained, descend, stream, validation_seeds};
use crate::{Env, Replay, RlError, VecEnv};

/// How a network is trained. The defaults solve CartPole-v1; they are those of the RL Zoo for this environment (Raffin
/// 2020) with a smaller network, a falling learning rate and a longer horizon.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct DqnConfig {
    /// Steps in the environment.
    pub steps: usize,
    /// Units of each hidden layer.
    pub hidden: Vec<usize>,
    /// Discount of the future, 0 ≤ γ ≤ 1.
    pub gamma: f32,
    /// Learning rate at the first step.
    pub lr: f64,
    /// Learning rate at the last step as a share of the first; linear between.
    pub lr_end: f64,
    /// Transitions an update.
    pub batch: usize,
    /// Transitions that the replay buffer holds.
    pub capacity: usize,
    /// Steps before the first update.
    pub learning_starts: usize,
    /// Steps between two blocks of updates.
    pub train_every: usize,
    /// Updates in a block.
    pub updates: usize,
    /// Steps between two copies of the network to the target network.
    pub target_every: usize,
    /// Probability of a random action at the first step.
    pub epsilon_start: f64,
    /// Probability of a random action when exploration has faded.
    pub epsilon_end: f64,
    /// The share of the steps over which it fades linearly.
    pub exploration: f64,
    /// Whether the online network chooses the action that the target network values (double DQN).
    pub double: bool,
    /// The largest norm of the gradient; infinite for any.
    pub clip_norm: f64,
    /// Steps between two validations; the last step always has one.
    pub validate_every: usize,
    /// Episodes of a validation; 0 for no validations.
    pub validation_episodes: usize,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for DqnConfig {
    fn default() -> DqnConfig {
        DqnConfig {
            steps: 60_000,
            hidden: vec![64, 64],
            gamma: 0.995,
            lr: 2.3e-3,
            lr_end: 0.05,
            batch: 64,
            capacity: 50_000,
            learning_starts: 1_000,
            train_every: 256,
            updates: 128,
            target_every: 256,
            epsilon_start: 1.0,
            epsilon_end: 0.04,
            exploration: 0.16,
            double: true,
            clip_norm: 10.0,
            validate_every: 2_500,
            validation_episodes: 20,
            seed: 0,
        }
    }
}

impl DqnConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), RlError> {
        for (field, count) in [
            ("DqnConfig.steps", self.steps),
            ("DqnConfig.batch", self.batch),
            ("DqnConfig.capacity", self.capacity),
            ("DqnConfig.train_every", self.train_every),
            ("DqnConfig.updates", self.updates),
            ("DqnConfig.target_every", self.target_every),
            ("DqnConfig.validate_every", self.validate_every),
        ] {
            require(count > 0, field, count, "at least 1")?;
        }
        let widths = !self.hidden.contains(&0);
        require(widths, "DqnConfig.hidden", format!("{:?}", self.hidden), "at least 1 unit in each layer")?;
        for (field, share) in [
            ("DqnConfig.gamma", f64::from(self.gamma)),
            ("DqnConfig.lr_end", self.lr_end),
            ("DqnConfig.epsilon_start", self.epsilon_start),
            ("DqnConfig.epsilon_end", self.epsilon_end),
            ("DqnConfig.exploration", self.exploration),
        ] {
            require((0.0..=1.0).contains(&share), field, share, "a number from 0 to 1")?;
        }
        require(self.lr > 0.0 && self.lr.is_finite(), "DqnConfig.lr", self.lr, "a positive number")?;
        require(self.clip_norm > 0.0, "DqnConfig.clip_norm", self.clip_norm, "a positive number")
    }

    /// The probability of a random action at a step.
    pub fn epsilon(&self, step: usize) -> f64 {
        let faded = step as f64 / (self.exploration * self.steps as f64).max(1.0);
        self.epsilon_start + (self.epsilon_end - self.epsilon_start) * faded.min(1.0)
    }

    fn lr(&self, step: usize) -> f64 {
        self.lr * (1.0 + (self.lr_end - 1.0) * step as f64 / self.steps as f64)
    }
}

/// Trains a network on the environment that `make` makes. `watch` hears of every block of updates.
///
/// # Errors
/// A configuration out of range, an error of the environment, a loss that is not finite (with its step).
pub fn train<E: Env<Obs: AsRef<[f32]>>>(
    config: &DqnConfig,
    mut make: impl FnMut() -> E,
    mut watch: impl FnMut(&Progress),
) -> Result<Trained<Mlp>, RlError> {
    config.validate()?;
    let mut cx = Ctx::train(config.seed);
    let mut rng = Rng::with_stream(config.seed, stream::AGENT);
    let mut env = VecEnv::new(1, config.seed, &mut make)?;
    let q = network(config, env.observation_space().dim(), env.actions(), &mut cx);
    let target = q.clone();
    let mut opt = Adam::new(&q, config.lr).clip_norm(config.clip_norm);
    let mut replay = Replay::new(config.capacity, env.observation_space().dim())?;
    let validation = validation_seeds(config.seed, config.validation_episodes);
    let mut record = Record::new();
    let mut loss = 0.0;
    for step in 0..config.steps {
        let obs = env.obs()[0].clone();
        let action = if rng.f64() < config.epsilon(step) {
            rng.below(env.actions())
        } else {
            no_grad(|| greedy(&q, &rows(&[&obs]), &mut cx)).item() as usize
        };
        let t = env.step(&[action])?;
        replay.push(&obs, action, &t.transition(0))?;
        record.episodes.extend(t.finished);
        if step >= config.learning_starts && step % config.train_every == 0 {
            opt.set_lr(config.lr(step));
            for _ in 0..config.updates {
                let batch = replay.sample(config.batch, &mut rng)?;
                let error = self::loss(&q, &target, &batch, config.gamma, config.double, &mut cx);
                loss = descend("DQN", error, &mut opt, step)?;
            }
            watch(&record.progress(step, config.steps, loss));
        }
        if step % config.target_every == 0 {
            target.copy_from(&q);
        }
        let due = (step + 1) % config.validate_every == 0 || step + 1 == config.steps;
        if due && !validation.is_empty() {
            let returns = evaluate(&mut make, &validation, |obs| greedy(&q, obs, &mut cx))?;
            record.validated(step + 1, mean(&returns), || q.clone());
        }
    }
    watch(&record.progress(config.steps, config.steps, loss));
    Ok(record.finish(config.steps, q))
}

fn network(config: &DqnConfig, features: usize, actions: usize, cx: &mut Ctx) -> Mlp {
    let sizes: Vec<usize> = [features].into_iter().chain(config.hidden.iter().copied()).chain([actions]).collect();
    Mlp::new(&sizes, Act::Relu, cx)
}

/// The best action of each row of observations, by the network's values.
pub fn greedy(q: &Mlp, obs: &Tensor, cx: &mut Ctx) -> Tensor<i64> {
    q.forward(obs, cx).argmax(1)
}

/// The mean square of y − q(s, a) over a batch, y from [`targets`]: Mnih et al. 2015, algorithm 1.
pub fn loss(q: &Mlp, target: &Mlp, batch: &Batch, gamma: f32, double: bool, cx: &mut Ctx) -> Tensor {
    let y = targets(q, target, batch, gamma, double, cx);
    let values = q.forward(&batch.obs, cx).gather(1, &batch.action).squeeze(1);
    mse(&values, &y)
}

/// y = r + γ (1 − terminated) q'(s', a*), Mnih et al. 2015, algorithm 1. A truncated transition bootstraps.
///
/// a* is the best action by the target network itself, or with `double` by the online one (van Hasselt et al. 2016,
/// eq. (4)), which takes away the upward bias of the maximum of noisy values.
pub fn targets(q: &Mlp, target: &Mlp, batch: &Batch, gamma: f32, double: bool, cx: &mut Ctx) -> Tensor {
    no_grad(|| {
        let values = target.forward(&batch.next, cx);
        let best = if double { greedy(q, &batch.next, cx) } else { values.argmax(1) };
        let future = values.gather(1, &best.unsqueeze(1)).squeeze(1);
        &batch.reward + future * batch.not_terminated() * gamma
    })
}
