//! Proximal policy optimisation with a clipped objective.
//!
//! Source: Schulman et al. 2017, arXiv 1707.06347, algorithm 1 and eqs. (7) and (9). Details that the paper leaves open
//! follow Huang et al. 2022, "The 37 implementation details of PPO": orthogonal initialisation, Adam's ε of 1e-5, a
//! falling learning rate, advantages normalised in each minibatch, a clipped gradient. Deviations: the value loss is
//! clipped only on demand (detail 9 of that list: no gain), and a truncated episode bootstraps from its last
//! observation.

use std::path::Path;

use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Act, Adam, Checkpoint, Ctx, JournalPosition, Layer, Mlp, Optimizer, Resumed, init, module};

use crate::error::require;
use crate::evaluate::{evaluate, mean, rows};
use crate::ledger::Ledger;
use crate::mdp::draw;
use crate::replay::pick;
use crate::training::{Progress, Record, Trained, descend, stream, validation_seeds};
use crate::{Env, EpisodeEnd, RlError, Rollout, VecEnv};

/// How an agent is trained. The defaults solve CartPole-v1; they are those of the RL Zoo for this environment (Raffin
/// 2020).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PpoConfig {
    /// Steps in the environment over all copies; rounded down to whole rollouts.
    pub steps: usize,
    /// Copies of the environment.
    pub copies: usize,
    /// Steps of each copy in a rollout.
    pub horizon: usize,
    /// Passes over a rollout.
    pub epochs: usize,
    /// Steps in a minibatch.
    pub minibatch: usize,
    /// Units of each hidden layer, of the actor and of the critic.
    pub hidden: Vec<usize>,
    /// Discount of the future, 0 ≤ γ ≤ 1.
    pub gamma: f64,
    /// λ of the advantage estimates: 0 trusts the critic, 1 the rewards.
    pub lambda: f64,
    /// Learning rate at the start; it falls linearly to 0.
    pub lr: f64,
    /// How far the probability ratio may move from 1 at the start; it falls linearly to 0, if `anneal_clip`.
    pub clip: f64,
    /// Whether `clip` falls.
    pub anneal_clip: bool,
    /// How far a value may move from that of the rollout before its loss stops falling, if there is a limit.
    pub value_clip: Option<f64>,
    /// Weight of the value loss.
    pub value_weight: f32,
    /// Weight of the entropy bonus.
    pub entropy_weight: f32,
    /// The largest norm of the gradient.
    pub clip_norm: f64,
    /// Rollouts between two validations; the last rollout always has one.
    pub validate_every: usize,
    /// Episodes of a validation; 0 for no validations.
    pub validation_episodes: usize,
    /// The run ends early once the last 100 finished training episodes have this mean return, if it is given.
    pub enough: Option<f64>,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for PpoConfig {
    fn default() -> PpoConfig {
        PpoConfig {
            steps: 102_400,
            copies: 8,
            horizon: 32,
            epochs: 20,
            minibatch: 256,
            hidden: vec![64, 64],
            gamma: 0.98,
            lambda: 0.8,
            lr: 1e-3,
            clip: 0.2,
            anneal_clip: true,
            value_clip: None,
            value_weight: 0.5,
            entropy_weight: 0.0,
            clip_norm: 0.5,
            validate_every: 20,
            validation_episodes: 20,
            enough: None,
            seed: 0,
        }
    }
}

impl PpoConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), RlError> {
        for (field, count) in [
            ("PpoConfig.copies", self.copies),
            ("PpoConfig.horizon", self.horizon),
            ("PpoConfig.epochs", self.epochs),
            ("PpoConfig.minibatch", self.minibatch),
            ("PpoConfig.validate_every", self.validate_every),
        ] {
            require(count > 0, field, count, "at least 1")?;
        }
        require(self.iterations() > 0, "PpoConfig.steps", self.steps, "at least copies × horizon")?;
        let widths = !self.hidden.contains(&0);
        require(widths, "PpoConfig.hidden", format!("{:?}", self.hidden), "at least 1 unit in each layer")?;
        for (field, share) in [("PpoConfig.gamma", self.gamma), ("PpoConfig.lambda", self.lambda)] {
            require((0.0..=1.0).contains(&share), field, share, "a number from 0 to 1")?;
        }
        let positive =
            [("PpoConfig.lr", self.lr), ("PpoConfig.clip", self.clip), ("PpoConfig.clip_norm", self.clip_norm)];
        for (field, x) in positive {
            require(x > 0.0 && x.is_finite(), field, x, "a positive number")?;
        }
        let value_clip = self.value_clip.unwrap_or(1.0);
        require(value_clip > 0.0, "PpoConfig.value_clip", value_clip, "a positive number")?;
        let enough = self.enough.unwrap_or(0.0);
        require(!enough.is_nan(), "PpoConfig.enough", enough, "a number")?;
        let weights =
            [("PpoConfig.value_weight", self.value_weight), ("PpoConfig.entropy_weight", self.entropy_weight)];
        for (field, x) in weights {
            require(x >= 0.0 && x.is_finite(), field, x, "0 or a positive number")?;
        }
        Ok(())
    }

    fn iterations(&self) -> usize {
        self.steps / (self.copies * self.horizon).max(1)
    }
}

/// A policy and a value function, two networks that share nothing.
#[derive(Clone, Debug)]
pub struct ActorCritic {
    /// Observations to the logits of the actions.
    pub actor: Mlp,
    /// Observations to their value.
    pub critic: Mlp,
}

module!(ActorCritic { actor, critic });

impl ActorCritic {
    /// Orthogonal weights, zero biases. The gain of the last layer is 0.01 for the actor, so that it starts almost
    /// uniform, and 1 for the critic.
    pub fn new(features: usize, hidden: &[usize], actions: usize, cx: &mut Ctx) -> ActorCritic {
        let mut perceptron = |out: usize, head_gain: f64| {
            let sizes: Vec<usize> = [features].into_iter().chain(hidden.iter().copied()).chain([out]).collect();
            let mlp = Mlp::new(&sizes, Act::Tanh, cx);
            orthogonal(&mlp, head_gain, cx);
            mlp
        };
        ActorCritic { actor: perceptron(actions, 0.01), critic: perceptron(1, 1.0) }
    }

    /// The most probable action of each row of observations.
    pub fn greedy(&self, obs: &Tensor, cx: &mut Ctx) -> Tensor<i64> {
        self.actor.forward(obs, cx).argmax(1)
    }

    /// V of each row of observations, `[n]`.
    pub fn value(&self, obs: &Tensor, cx: &mut Ctx) -> Tensor {
        self.critic.forward(obs, cx).squeeze(1)
    }
}

/// Trains an agent on the environment that `make` makes. `watch` hears of every rollout.
///
/// # Errors
/// A configuration out of range, an error of the environment, a loss that is not finite (with its step).
pub fn train<E: Env<Obs: AsRef<[f32]>>>(
    config: &PpoConfig,
    make: impl FnMut() -> E,
    mut watch: impl FnMut(&Progress),
) -> Result<Trained<ActorCritic>, RlError> {
    let mut run = Run::new(config, make)?;
    while !run.is_done() {
        watch(&run.step()?);
    }
    Ok(run.finish())
}

/// A training that can be stopped after any rollout and resumed to the bit: what [`train`] does, rollout by rollout.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("run.safetensors");
/// use etude_rl::envs::CartPole;
/// use etude_rl::ppo::{PpoConfig, Run};
///
/// let config = PpoConfig { steps: 768, epochs: 2, ..PpoConfig::default() };
/// let mut run = Run::resume(&config, CartPole::new, &path)?;
/// while !run.is_done() {
///     run.step()?;
///     run.save(&path)?;
/// }
/// let trained = run.finish();
/// # Ok::<(), etude_rl::RlError>(())
/// ```
pub struct Run<E: Env, F> {
    config: PpoConfig,
    make: F,
    cx: Ctx,
    rng: Rng,
    envs: VecEnv<E>,
    agent: ActorCritic,
    opt: Adam,
    validation: Vec<u64>,
    record: Record<ActorCritic>,
    loss: f32,
    /// Rollouts so far.
    iteration: usize,
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
    pub fn new(config: &PpoConfig, mut make: F) -> Result<Self, RlError> {
        config.validate()?;
        let mut cx = Ctx::train(config.seed);
        let envs = VecEnv::new(config.copies, config.seed, &mut make)?;
        let agent = ActorCritic::new(envs.observation_space().dim(), &config.hidden, envs.actions(), &mut cx);
        Ok(Run {
            opt: Adam::new(&agent, config.lr).eps(1e-5).clip_norm(config.clip_norm),
            validation: validation_seeds(config.seed, config.validation_episodes),
            rng: Rng::with_stream(config.seed, stream::AGENT),
            config: config.clone(),
            record: Record::new(),
            loss: 0.0,
            iteration: 0,
            journal: JournalPosition::default(),
            resumed: None,
            make,
            cx,
            envs,
            agent,
        })
    }

    /// The run whose checkpoint is at `path`, or a new one if there is none there.
    ///
    /// # Errors
    /// As [`Run::new`], and if the checkpoint is damaged or belongs to another configuration or environment.
    pub fn resume(config: &PpoConfig, make: F, path: impl AsRef<Path>) -> Result<Self, RlError> {
        let mut run = Run::new(config, make)?;
        let (best, mut ledger) = (run.agent.clone(), run.ledger());
        let path = path.as_ref();
        let found = run.parts(&mut ledger, &best).resume(path).map_err(RlError::checkpoint)?;
        if let Some(found) = found {
            // No run of this configuration comes further, and what is derived from more might overflow.
            let most = config.iterations();
            if found.step > most as u64 {
                let reason = format!("{}: {} rollouts, at most {most} expected", path.display(), found.step);
                return Err(RlError::Checkpoint { reason });
            }
            (run.record, run.loss, run.journal) = ledger.restore(&mut run.envs, best)?;
            run.iteration = found.step as usize;
            run.resumed = Some(found);
        }
        Ok(run)
    }

    /// Saves all that [`Run::resume`] needs, all or nothing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<(), RlError> {
        let (best, mut ledger, iteration) = (self.record.best_or(&self.agent), self.ledger(), self.iteration as u64);
        self.parts(&mut ledger, &best).save(path, iteration).map_err(RlError::checkpoint)
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(&self.envs, &self.record, self.loss, self.journal)
    }

    fn parts<'a>(&'a mut self, ledger: &'a mut Ledger, best: &'a ActorCritic) -> Checkpoint<'a> {
        Checkpoint::new()
            .config("config", &self.config)
            .config("environment", &self.envs.name())
            .model("agent", &self.agent)
            .model("best", best)
            .optimizer("opt", &mut self.opt)
            .rng("cx", &mut self.cx.rng)
            .rng("rng", &mut self.rng)
            .data("ledger", ledger)
            .keep_previous()
    }

    /// Rollouts so far.
    pub fn rollouts(&self) -> usize {
        self.iteration
    }

    /// Steps in the environments so far, over all copies.
    pub fn steps(&self) -> usize {
        self.iteration * self.config.copies * self.config.horizon
    }

    /// Whether all steps are taken, or the returns are [`PpoConfig::enough`].
    pub fn is_done(&self) -> bool {
        let enough = |enough| self.record.episodes.len() >= 100 && self.record.train_return(100) >= enough;
        self.iteration >= self.config.iterations() || self.config.enough.is_some_and(enough)
    }

    /// What there is to tell now.
    pub fn progress(&self) -> Progress {
        self.record.progress(self.steps(), self.config.steps, self.loss)
    }

    /// The result.
    pub fn finish(self) -> Trained<ActorCritic> {
        let steps = self.steps();
        self.record.finish(steps, self.agent)
    }

    /// One rollout with the updates and the validation that are due after it.
    ///
    /// # Errors
    /// An error of the environment, a loss that is not finite (with its step).
    pub fn step(&mut self) -> Result<Progress, RlError> {
        let step = self.steps();
        let Run { config, cx, rng, envs, agent, opt, record, loss, iteration, .. } = self;
        // A caller may go on beyond the last rollout.
        let left = (1.0 - *iteration as f64 / config.iterations() as f64).max(0.0);
        opt.set_lr(config.lr * left);
        let clip = if config.anneal_clip { config.clip * left } else { config.clip };

        let rollout = collect(agent, envs, config.horizon, record, rng, cx)?;
        let advantages = rollout.advantages(config.gamma, config.lambda);
        let mut order: Vec<usize> = (0..rollout.len()).collect();
        for _ in 0..config.epochs {
            rng.shuffle(&mut order);
            for rows in order.chunks(config.minibatch) {
                let batch = Minibatch::new(&rollout, &advantages, rows);
                let parts = self::loss(agent, &batch, clip, config.value_clip, cx);
                let total = &parts.policy + &parts.value * config.value_weight - &parts.entropy * config.entropy_weight;
                *loss = descend("PPO", total, opt, step)?;
            }
        }

        *iteration += 1;
        let due = self.iteration.is_multiple_of(self.config.validate_every) || self.is_done();
        if due && !self.validation.is_empty() {
            let (agent, cx) = (&self.agent, &mut self.cx);
            let returns = evaluate(&mut self.make, &self.validation, |obs| agent.greedy(obs, cx))?;
            self.record.validated(self.steps(), mean(&returns), || self.agent.clone());
        }
        Ok(self.progress())
    }
}

/// Lets the policy act for `horizon` steps in every copy.
fn collect<E: Env<Obs: AsRef<[f32]>>>(
    agent: &ActorCritic,
    envs: &mut VecEnv<E>,
    horizon: usize,
    record: &mut Record<ActorCritic>,
    rng: &mut Rng,
    cx: &mut Ctx,
) -> Result<Rollout, RlError> {
    let (copies, actions) = (envs.len(), envs.actions());
    let mut out = Rollout { copies, ..Rollout::default() };
    for _ in 0..horizon {
        let obs = rows(envs.obs());
        let (log_probs, value) =
            no_grad(|| (agent.actor.forward(&obs, cx).log_softmax(1).to_vec(), agent.value(&obs, cx).to_vec()));
        let mut chosen = Vec::with_capacity(copies);
        for log_probs in log_probs.chunks(actions) {
            let action = draw(log_probs.iter().map(|lp| f64::from(*lp).exp()), rng);
            out.log_prob.push(log_probs[action]);
            chosen.push(action);
        }
        let t = envs.step(&chosen)?;
        out.obs.extend(obs.to_vec());
        out.action.extend(chosen.iter().map(|a| *a as i64));
        out.reward.extend(t.reward.iter().map(|r| *r as f32));
        out.value.extend(value);
        // Of the observations after the step, not of `envs.obs()`: those are of the next episode where one ended.
        out.next_value.extend(match t.truncated.contains(&true) {
            true => no_grad(|| agent.value(&rows(&t.next), cx)).to_vec(),
            false => vec![0.0; copies],
        });
        out.terminated.extend(t.terminated);
        out.truncated.extend(t.truncated);
        record.episodes.extend(t.finished.iter().map(|end| EpisodeEnd { step: end.step * copies, ..*end }));
    }
    // Where an episode goes on, the observation after the step is the next row's, whose value is known by now.
    let behind = no_grad(|| agent.value(&rows(envs.obs()), cx)).to_vec();
    for i in 0..out.len() {
        if !out.terminated[i] && !out.truncated[i] {
            let next = i + copies;
            out.next_value[i] = out.value.get(next).copied().unwrap_or_else(|| behind[next - out.value.len()]);
        }
    }
    Ok(out)
}

/// Rows of a rollout as tensors.
#[derive(Clone, Debug)]
pub struct Minibatch {
    /// `[n, features]`
    pub obs: Tensor,
    /// `[n, 1]`, as `gather` wants it.
    pub action: Tensor<i64>,
    /// `[n]`: ln π_old(action | obs).
    pub log_prob: Tensor,
    /// `[n]`: the advantages, shifted and scaled to mean 0 and deviation 1.
    pub advantage: Tensor,
    /// `[n]`: what the critic predicted in the rollout.
    pub value: Tensor,
    /// `[n]`: advantage + value, what the critic shall predict.
    pub target: Tensor,
}

impl Minibatch {
    /// The chosen rows of a rollout.
    pub fn new(rollout: &Rollout, advantages: &[f32], rows: &[usize]) -> Minibatch {
        let n = rows.len();
        let vector = |items: &[f32]| Tensor::from_vec(pick(items, 1, rows), [n]);
        let (advantage, value) = (vector(advantages), vector(&rollout.value));
        let target = &advantage + &value;
        // Equal advantages (a single row, too) become 0, not NaN.
        let deviation = advantage.var_dims([0]).sqrt() + 1e-8;
        let advantage = (&advantage - advantage.mean()) / deviation;
        let features = rollout.obs.len() / rollout.len();
        Minibatch {
            obs: Tensor::from_vec(pick(&rollout.obs, features, rows), [n, features]),
            action: Tensor::from_vec(pick(&rollout.action, 1, rows), [n, 1]),
            log_prob: vector(&rollout.log_prob),
            advantage,
            value,
            target,
        }
    }
}

/// The parts of the loss, each a scalar.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Minus the clipped objective.
    pub policy: Tensor,
    /// The mean square error of the critic.
    pub value: Tensor,
    /// The mean entropy of the policy, in nats.
    pub entropy: Tensor,
}

/// The three terms of Schulman et al. 2017, eq. (9).
///
/// With `value_clip`, the value's error is the larger one of V and of V kept near its rollout's (Huang et al. 2022, detail
/// 9), so that a step beyond gains nothing.
pub fn loss(agent: &ActorCritic, batch: &Minibatch, clip: f64, value_clip: Option<f64>, cx: &mut Ctx) -> Loss {
    let value = agent.value(&batch.obs, cx);
    let mut error = (&value - &batch.target).square();
    if let Some(limit) = value_clip {
        let near = &batch.value + (value - &batch.value).clamp(-limit, limit);
        error = error.maximum(&(near - &batch.target).square());
    }
    let log_probs = agent.actor.forward(&batch.obs, cx).log_softmax(1);
    let ratio = (log_probs.gather(1, &batch.action).squeeze(1) - &batch.log_prob).exp();
    Loss {
        policy: -clipped_objective(&ratio, &batch.advantage, clip).mean(),
        value: error.mean(),
        entropy: -(log_probs.exp() * &log_probs).sum_dims([1]).mean(),
    }
}

/// min(r A, clip(r, 1 − ε, 1 + ε) A) for each row: Schulman et al. 2017, eq. (7).
pub fn clipped_objective(ratio: &Tensor, advantage: &Tensor, clip: f64) -> Tensor {
    (ratio * advantage).minimum(&(ratio.clamp(1.0 - clip, 1.0 + clip) * advantage))
}

/// Makes every matrix orthogonal, times √2 for the hidden layers and `head_gain` for the last one, and every bias 0
/// (Huang et al. 2022, detail 2).
fn orthogonal(mlp: &Mlp, head_gain: f64, cx: &mut Ctx) {
    for (i, layer) in mlp.layers().iter().enumerate() {
        let gain = if i + 1 == mlp.layers().len() { head_gain } else { std::f64::consts::SQRT_2 };
        layer.weight.set(&init::orthogonal(layer.weight.shape(), gain, cx));
        if let Some(bias) = &layer.bias {
            bias.set(&Tensor::zeros(bias.shape()));
        }
    }
}
