//! Workloads that act: whole training loops on CartPole-v1.
//!
//! The settings are those of the PyTorch program, which are CleanRL's. What differs: a truncated episode bootstraps from
//! its last observation, advantages are scaled by their biased deviation, and networks of PPO start orthogonal.
//! Before a loop is timed, single updates are compared with PyTorch's.

use std::time::Instant;

use anyhow::Result;
use etude_autograd::Tensor;
use etude_nn::testing::{ids, initialise, standard, uniform};
use etude_nn::{Act, Adam, Ctx, Mlp};
use etude_rl::envs::CartPole;
use etude_rl::ppo::{self, Minibatch};
use etude_rl::{ActorCritic, Batch, DqnConfig, EpisodeEnd, PpoConfig, dqn};

use super::workload::{Job, Size, descend};

/// A loop that has run.
pub struct Run {
    /// Steps in the environment.
    pub steps: usize,
    /// Seconds.
    pub seconds: f64,
    /// The mean return of the last episodes, as many as the PyTorch program takes.
    pub last_return: f64,
    /// Seconds until the task counted as solved, if it was.
    pub solved: Option<f64>,
}

fn dqn_config(seed: u64) -> DqnConfig {
    DqnConfig {
        steps: 20_000,
        hidden: vec![120, 84],
        gamma: 0.99,
        lr: 2.5e-4,
        lr_end: 1.0,
        batch: 128,
        capacity: 10_000,
        learning_starts: 1_000,
        train_every: 10,
        updates: 1,
        target_every: 500,
        epsilon_start: 1.0,
        epsilon_end: 0.05,
        exploration: 0.5,
        double: false,
        clip_norm: f64::INFINITY,
        validate_every: 20_000,
        validation_episodes: 0,
        seed,
    }
}

fn ppo_config(seed: u64) -> PpoConfig {
    PpoConfig {
        steps: 500_000,
        copies: 8,
        horizon: 128,
        epochs: 4,
        minibatch: 256,
        hidden: vec![64, 64],
        gamma: 0.99,
        lambda: 0.95,
        lr: 2.5e-4,
        clip: 0.2,
        anneal_clip: false,
        value_clip: Some(0.2),
        // The PyTorch program has a half before the square as well.
        value_weight: 0.25,
        entropy_weight: 0.01,
        clip_norm: 0.5,
        validate_every: 1,
        validation_episodes: 0,
        enough: Some(475.0),
        seed,
    }
}

/// Single updates of the deep Q-network.
pub fn w10dqn(size: Size) -> Result<Job> {
    let (n, sizes) = size.pick((128, [4, 120, 84, 2]), (5, [4, 8, 6, 2]));
    let q = Mlp::new(&sizes, Act::Relu, &mut Ctx::train(0));
    initialise(&q);
    let (target, config) = (q.clone(), dqn_config(0));
    let terminated = ids("terminated", [n], 2).to_vec().iter().map(|&x| x == 1).collect();
    let batch = Batch {
        obs: standard("obs", [n, 4]),
        action: ids("action", [n, 1], 2),
        reward: uniform("reward", [n], 0.0, 1.0),
        next: standard("next", [n, 4]),
        terminated: Tensor::from_vec(terminated, [n]),
        truncated: Tensor::full([n], false),
    };
    let opt = Adam::new(&q, config.lr);
    Ok(descend(q, opt, ("updates", 1), move |q, cx| dqn::loss(q, &target, &batch, config.gamma, config.double, cx)))
}

/// Single updates of proximal policy optimisation.
pub fn w10ppo(size: Size) -> Result<Job> {
    let (n, hidden) = size.pick((256, 64), (6, 8));
    let agent = ActorCritic::new(4, &[hidden, hidden], 2, &mut Ctx::train(0));
    initialise(&agent);
    let batch = Minibatch {
        obs: standard("obs", [n, 4]),
        action: ids("action", [n, 1], 2),
        log_prob: uniform("log_prob", [n], -1.2, -0.2),
        advantage: standard("advantage", [n]),
        value: standard("value", [n]),
        target: standard("target", [n]),
    };
    let config = ppo_config(0);
    let opt = Adam::new(&agent, config.lr).eps(1e-5).clip_norm(config.clip_norm);
    Ok(descend(agent, opt, ("updates", 1), move |agent, cx| {
        let loss = ppo::loss(agent, &batch, config.clip, config.value_clip, cx);
        &loss.policy + &loss.value * config.value_weight - &loss.entropy * config.entropy_weight
    }))
}

/// The whole loop of DQN.
pub fn run_dqn(seed: u64) -> Result<Run> {
    let config = dqn_config(seed);
    let start = Instant::now();
    let trained = dqn::train(&config, CartPole::new, |_| {})?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Run { steps: config.steps, seconds, last_return: last_return(&trained.episodes, 20), solved: None })
}

/// The whole loop of PPO, up to the step at which CartPole-v1 counts as solved.
pub fn run_ppo(seed: u64) -> Result<Run> {
    let config = ppo_config(seed);
    let mut steps = 0;
    let start = Instant::now();
    let trained = ppo::train(&config, CartPole::new, |progress| steps = progress.step)?;
    let seconds = start.elapsed().as_secs_f64();
    let last_return = last_return(&trained.episodes, 100);
    let solved = config.enough.filter(|&enough| last_return >= enough).map(|_| seconds);
    Ok(Run { steps, seconds, last_return, solved })
}

fn last_return(episodes: &[EpisodeEnd], n: usize) -> f64 {
    let last = &episodes[episodes.len().saturating_sub(n)..];
    last.iter().map(|end| end.total).sum::<f64>() / last.len().max(1) as f64
}
