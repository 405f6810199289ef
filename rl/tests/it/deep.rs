//! DQN's targets against plain numbers, and what both deep learners refuse.

use etude_autograd::Tensor;
use etude_nn::{Act, Ctx, Layer, Mlp};
use etude_rl::envs::CartPole;
use etude_rl::{Batch, DqnConfig, Env, PpoConfig, RlError, Space, Transition, dqn, ppo};

#[test]
fn targets_follow_their_definition() {
    let mut cx = Ctx::train(1);
    let (q, target) = (Mlp::new(&[2, 5, 3], Act::Relu, &mut cx), Mlp::new(&[2, 5, 3], Act::Relu, &mut cx));
    let n = 4;
    let next = Tensor::from_vec((0..2 * n).map(|i| (i as f32 * 1.3).cos()).collect(), [n, 2]);
    let (terminated, truncated) = ([false, true, false, true], [false, false, true, true]);
    let batch = Batch {
        obs: Tensor::zeros([n, 2]),
        action: Tensor::full([n, 1], 0),
        reward: Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], [n]),
        next: next.clone(),
        terminated: Tensor::from_vec(terminated.to_vec(), [n]),
        truncated: Tensor::from_vec(truncated.to_vec(), [n]),
    };
    let (online, frozen) = (q.forward(&next, &mut cx).to_vec(), target.forward(&next, &mut cx).to_vec());
    let best = |row: &[f32]| (0..3).max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("three actions");
    for double in [false, true] {
        let y = dqn::targets(&q, &target, &batch, 0.9, double, &mut cx).to_vec();
        for i in 0..n {
            let row = 3 * i..3 * i + 3;
            let action = best(if double { &online[row.clone()] } else { &frozen[row.clone()] });
            // Truncation alone keeps the future: rows 0 and 2.
            let future = if terminated[i] { 0.0 } else { frozen[row][action] };
            let exact = (i + 1) as f32 + 0.9 * future;
            assert!((y[i] - exact).abs() < 1e-6, "double {double}, row {i}: {} {exact}", y[i]);
        }
    }
}

fn small_dqn() -> DqnConfig {
    DqnConfig {
        steps: 400,
        learning_starts: 100,
        train_every: 50,
        updates: 10,
        validate_every: 200,
        ..Default::default()
    }
}

#[test]
fn a_diverging_loss_stops_the_run_and_names_the_step() {
    let error = dqn::train(&DqnConfig { lr: 1e30, ..small_dqn() }, CartPole::new, |_| {}).expect_err("it diverges");
    let RlError::NotFinite { what, step, .. } = error else { panic!("{error}") };
    assert!(what == "DQN loss" && (100..400).contains(&step), "{what} at {step}");
    let config = PpoConfig { steps: 1024, lr: 1e30, ..Default::default() };
    let error = ppo::train(&config, CartPole::new, |_| {}).expect_err("it diverges").to_string();
    assert!(error.starts_with("PPO loss is") && error.contains("at step"), "{error}");
}

/// CartPole whose rewards are NaN from the tenth step on.
struct Rotten(CartPole, usize);

impl Env for Rotten {
    type Obs = [f32; 4];
    fn name(&self) -> &'static str {
        "Rotten"
    }
    fn observation_space(&self) -> Space {
        self.0.observation_space()
    }
    fn actions(&self) -> usize {
        2
    }
    fn reset(&mut self, seed: u64) -> [f32; 4] {
        self.0.reset(seed)
    }
    fn step(&mut self, action: usize) -> Result<Transition<[f32; 4]>, RlError> {
        self.1 += 1;
        let t = self.0.step(action)?;
        Ok(Transition { reward: if self.1 >= 10 { f64::NAN } else { t.reward }, ..t })
    }
}

#[test]
fn a_nan_reward_stops_the_run_and_names_the_step() {
    let make = || Rotten(CartPole::new(), 0);
    let from_dqn = dqn::train(&small_dqn(), make, |_| {}).expect_err("NaN").to_string();
    let from_ppo = ppo::train(&PpoConfig::default(), make, |_| {}).expect_err("NaN").to_string();
    for message in [from_dqn, from_ppo] {
        assert_eq!(message, "reward of Rotten (copy 0) is NaN at step 9; a finite number was expected");
    }
}

#[test]
fn configurations_are_checked() {
    let field = |result: Result<(), RlError>| match result {
        Err(RlError::Config { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let dqn = DqnConfig::default;
    dqn().validate().expect("the defaults are valid");
    assert_eq!(field(DqnConfig { capacity: 0, ..dqn() }.validate()), "DqnConfig.capacity");
    assert_eq!(field(DqnConfig { gamma: 1.01, ..dqn() }.validate()), "DqnConfig.gamma");
    assert_eq!(field(DqnConfig { lr: f64::NAN, ..dqn() }.validate()), "DqnConfig.lr");
    assert_eq!(field(DqnConfig { hidden: vec![64, 0], ..dqn() }.validate()), "DqnConfig.hidden");
    let ppo = PpoConfig::default;
    ppo().validate().expect("the defaults are valid");
    assert_eq!(field(PpoConfig { steps: 10, ..ppo() }.validate()), "PpoConfig.steps");
    assert_eq!(field(PpoConfig { lambda: -0.1, ..ppo() }.validate()), "PpoConfig.lambda");
    assert_eq!(field(PpoConfig { clip: 0.0, ..ppo() }.validate()), "PpoConfig.clip");
    assert_eq!(field(PpoConfig { entropy_weight: f32::NAN, ..ppo() }.validate()), "PpoConfig.entropy_weight");
}
