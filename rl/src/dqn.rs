//! Deep Q-networks: Q-learning with a network, a replay buffer and a target network.
//!
//! Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", algorithm 1; the optional
//! double estimate is van Hasselt et al. 2016, arXiv 1509.06461, eq. (4). Deviations: the loss is the mean square with
//! the gradient clipped by its norm instead of the error clipped to ±1; the learning rate falls linearly; updates come
//! in blocks, as in Stable-Baselines3.

use std::path::Path;

use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Act, Adam, Checkpoint, Ctx, JournalPosition, Layer, Mlp, Module, Optimizer, Resumed, loss::mse};

use crate::error::require;
use crate::evaluate::{evaluate, mean, rows};
use crate::ledger::Ledger;
use crate::replay::{Batch, ReplayContents};
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
    make: impl FnMut() -> E,
    mut watch: impl FnMut(&Progress),
) -> Result<Trained<Mlp>, RlError> {
    let mut run = Run::new(config, make)?;
    while !run.is_done() {
        if let Some(progress) = run.step()? {
            watch(&progress);
        }
    }
    watch(&run.progress());
    Ok(run.finish())
}

/// A training that can be stopped anywhere and resumed to the bit: what [`train`] does, step by step.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("run.safetensors");
/// use etude_rl::dqn::{DqnConfig, Run};
/// use etude_rl::envs::CartPole;
///
/// let config = DqnConfig { steps: 300, ..DqnConfig::default() };
/// let mut run = Run::resume(&config, CartPole::new, &path)?;
/// while !run.is_done() {
///     run.step()?;
///     if run.steps() % 100 == 0 {
///         run.save(&path)?;
///     }
/// }
/// let trained = run.finish();
/// # Ok::<(), etude_rl::RlError>(())
/// ```
pub struct Run<E: Env, F> {
    config: DqnConfig,
    make: F,
    cx: Ctx,
    rng: Rng,
    env: VecEnv<E>,
    q: Mlp,
    target: Mlp,
    opt: Adam,
    replay: Replay,
    validation: Vec<u64>,
    record: Record<Mlp>,
    loss: f32,
    step: usize,
    /// Where the caller's journal stands; saved with the run, and of no other use to it.
    pub journal: JournalPosition,
    /// Where [`Run::resume`] went on from, if there was a checkpoint.
    pub resumed: Option<Resumed>,
}

impl<E: Env<Obs: AsRef<[f32]>>, F: FnMut() -> E> Run<E, F> {
    /// A run before its first step.
    ///
    /// # Errors
    /// A configuration out of range, an error of the environment.
    pub fn new(config: &DqnConfig, mut make: F) -> Result<Self, RlError> {
        config.validate()?;
        let mut cx = Ctx::train(config.seed);
        let env = VecEnv::new(1, config.seed, &mut make)?;
        let q = network(config, env.observation_space().dim(), env.actions(), &mut cx);
        Ok(Run {
            target: q.clone(),
            opt: Adam::new(&q, config.lr).clip_norm(config.clip_norm),
            replay: Replay::new(config.capacity, env.observation_space().dim())?,
            validation: validation_seeds(config.seed, config.validation_episodes),
            rng: Rng::with_stream(config.seed, stream::AGENT),
            config: config.clone(),
            record: Record::new(),
            loss: 0.0,
            step: 0,
            journal: JournalPosition::default(),
            resumed: None,
            make,
            cx,
            env,
            q,
        })
    }

    /// The run whose checkpoint is at `path`, or a new one if there is none there.
    ///
    /// # Errors
    /// As [`Run::new`], and if the checkpoint is damaged or belongs to another configuration or environment.
    pub fn resume(config: &DqnConfig, make: F, path: impl AsRef<Path>) -> Result<Self, RlError> {
        let mut run = Run::new(config, make)?;
        let best = run.q.clone();
        let (mut ledger, mut held) = (run.ledger(), ReplayContents::default());
        let found = run.parts(&mut ledger, &mut held, &best).resume(path).map_err(RlError::checkpoint)?;
        if let Some(found) = found {
            let known = held.action.iter().all(|&action| (action as usize) < run.env.actions());
            require(known, "Replay action", "another one", "an action of the environment")?;
            run.replay.restore(&held)?;
            (run.record, run.loss, run.journal) = ledger.restore(&mut run.env, best)?;
            run.step = found.step as usize;
            run.resumed = Some(found);
        }
        Ok(run)
    }

    /// Saves all that [`Run::resume`] needs, all or nothing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<(), RlError> {
        let best = self.record.best_or(&self.q);
        let (mut ledger, mut held, step) = (self.ledger(), self.replay.contents(), self.step as u64);
        self.parts(&mut ledger, &mut held, &best).save(path, step).map_err(RlError::checkpoint)
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(&self.env, &self.record, self.loss, self.journal)
    }

    fn parts<'a>(&'a mut self, ledger: &'a mut Ledger, held: &'a mut ReplayContents, best: &'a Mlp) -> Checkpoint<'a> {
        Checkpoint::new()
            .config("config", &self.config)
            .config("environment", &self.env.name())
            .model("q", &self.q)
            .model("target", &self.target)
            .model("best", best)
            .optimizer("opt", &mut self.opt)
            .rng("cx", &mut self.cx.rng)
            .rng("rng", &mut self.rng)
            .floats("obs", &mut held.obs)
            .floats("next", &mut held.next)
            .floats("reward", &mut held.reward)
            .ints("action", &mut held.action)
            .ints("ended", &mut held.ended)
            .counter("pushed", &mut held.pushed)
            .data("ledger", ledger)
            .keep_previous()
    }

    /// Steps in the environment so far.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// Whether all steps are taken.
    pub fn is_done(&self) -> bool {
        self.step >= self.config.steps
    }

    /// What there is to tell now.
    pub fn progress(&self) -> Progress {
        self.record.progress(self.step, self.config.steps, self.loss)
    }

    /// The result.
    pub fn finish(self) -> Trained<Mlp> {
        self.record.finish(self.step, self.q)
    }

    /// One step in the environment with what is due after it. News if there was a block of updates.
    ///
    /// # Errors
    /// An error of the environment, a loss that is not finite (with its step).
    pub fn step(&mut self) -> Result<Option<Progress>, RlError> {
        let Run { config, make, cx, rng, env, q, target, opt, replay, validation, record, loss, step, .. } = self;
        let step = std::mem::replace(step, *step + 1);
        let obs = env.obs()[0].clone();
        let action = if rng.f64() < config.epsilon(step) {
            rng.below(env.actions())
        } else {
            no_grad(|| greedy(q, &rows(&[&obs]), cx)).item() as usize
        };
        let t = env.step(&[action])?;
        replay.push(&obs, action, &t.transition(0))?;
        record.episodes.extend(t.finished);
        let mut news = None;
        if step >= config.learning_starts && step % config.train_every == 0 {
            opt.set_lr(config.lr(step));
            for _ in 0..config.updates {
                let batch = replay.sample(config.batch, rng)?;
                let error = self::loss(q, target, &batch, config.gamma, config.double, cx);
                *loss = descend("DQN", error, opt, step)?;
            }
            news = Some(record.progress(step, config.steps, *loss));
        }
        if step % config.target_every == 0 {
            target.copy_from(q);
        }
        let due = (step + 1) % config.validate_every == 0 || step + 1 == config.steps;
        if due && !validation.is_empty() {
            let returns = evaluate(make, validation, |obs| greedy(q, obs, cx))?;
            record.validated(step + 1, mean(&returns), || q.clone());
        }
        Ok(news)
    }
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
