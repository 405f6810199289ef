//! Learning tests: environments whose answer is known, solved over several seeds; the same seed gives the same bits.

use etude_autograd::Tensor;
use etude_kernels::par;
use etude_nn::{Ctx, Layer};
use etude_rl::envs::{Bandit, CartPole, Identity};
use etude_rl::{DqnConfig, PpoConfig, dqn, evaluate, mean, ppo, test_seeds};

fn quick_dqn(seed: u64) -> DqnConfig {
    DqnConfig {
        steps: 1500,
        hidden: vec![16],
        gamma: 0.5,
        lr: 1e-2,
        capacity: 1500,
        learning_starts: 100,
        train_every: 8,
        updates: 4,
        target_every: 32,
        exploration: 0.5,
        validate_every: 500,
        seed,
        ..Default::default()
    }
}

fn quick_ppo(seed: u64) -> PpoConfig {
    PpoConfig {
        steps: 6 * 1024,
        horizon: 64,
        minibatch: 128,
        epochs: 5,
        lr: 1e-2,
        hidden: vec![16],
        seed,
        ..Default::default()
    }
}

#[test]
fn both_name_the_symbol_that_they_see() {
    for seed in 0..3 {
        let make = || Identity::new(4, 25);
        let mut cx = Ctx::eval_with_seed(0);
        let trained = dqn::train(&quick_dqn(seed), make, |_| {}).expect("it runs").model;
        let by_dqn = evaluate(make, &test_seeds(seed, 10), |obs| dqn::greedy(&trained, obs, &mut cx)).expect("it runs");
        assert_eq!(mean(&by_dqn), 25.0, "DQN, seed {seed}: every symbol named");
        // The value of a right answer is 1 + γ/(1 − γ) = 2 under γ = 0.5: the fixed point of the Bellman equation.
        let value = trained.forward(&Tensor::eye(4), &mut cx).max(1).mean().item();
        assert!((value - 2.0).abs() < 0.2, "DQN, seed {seed}: value {value}");

        let trained = ppo::train(&quick_ppo(seed), make, |_| {}).expect("it runs").model;
        let by_ppo = evaluate(make, &test_seeds(seed, 10), |obs| trained.greedy(obs, &mut cx)).expect("it runs");
        assert_eq!(mean(&by_ppo), 25.0, "PPO, seed {seed}: every symbol named");
    }
}

#[test]
fn both_find_the_best_arm() {
    let arms = [0.2, 0.5, 0.9];
    for seed in 0..3 {
        let make = || Bandit::new(&arms);
        let mut cx = Ctx::eval_with_seed(0);
        let one = Tensor::ones([1, 1]);
        let q = dqn::train(&DqnConfig { epsilon_end: 0.3, ..quick_dqn(seed) }, make, |_| {}).expect("it runs").model;
        assert_eq!(dqn::greedy(&q, &one, &mut cx).item(), 2, "DQN, seed {seed}");
        // Every episode terminates, so nothing is bootstrapped: the values are the arms' probabilities.
        for (value, arm) in q.forward(&one, &mut cx).to_vec().iter().zip(arms) {
            assert!((f64::from(*value) - arm).abs() < 0.15, "DQN, seed {seed}: {value} for {arm}");
        }
        let agent = ppo::train(&quick_ppo(seed), make, |_| {}).expect("it runs").model;
        assert_eq!(agent.greedy(&one, &mut cx).item(), 2, "PPO, seed {seed}");
    }
}

#[test]
fn the_same_seed_learns_the_same_bits_on_any_number_of_threads() {
    let bits = |model: &dyn etude_nn::Module| -> Vec<Vec<f32>> {
        model.named_params().iter().map(|(_, p)| p.get().to_vec()).collect()
    };
    let dqn_config = DqnConfig { steps: 600, validate_every: 300, ..quick_dqn(7) };
    let run_dqn = |threads| {
        let trained = par::with_threads(threads, || dqn::train(&dqn_config, CartPole::new, |_| {})).expect("it runs");
        (bits(&trained.model), trained.episodes, trained.validations)
    };
    let once = run_dqn(1);
    assert!(once == run_dqn(1) && once == run_dqn(3));
    let ppo_config = PpoConfig { steps: 2048, ..quick_ppo(7) };
    let run_ppo = |threads| {
        let trained = par::with_threads(threads, || ppo::train(&ppo_config, CartPole::new, |_| {})).expect("it runs");
        (bits(&trained.model), trained.episodes, trained.validations)
    };
    let once = run_ppo(1);
    assert!(once == run_ppo(1) && once == run_ppo(3));
    assert_ne!(once.0, {
        let other = ppo::train(&PpoConfig { seed: 8, ..ppo_config.clone() }, CartPole::new, |_| {}).expect("it runs");
        bits(&other.model)
    });
}

#[test]
fn both_improve_on_cart_pole() {
    // A random policy balances for about 22 steps (mean of gymnasium's random episodes); an untrained one for 9.
    let mut cx = Ctx::eval_with_seed(0);
    let config = PpoConfig { steps: 15_000, ..Default::default() };
    let agent = ppo::train(&config, CartPole::new, |_| {}).expect("it runs").model;
    let by_ppo = evaluate(CartPole::new, &test_seeds(0, 20), |obs| agent.greedy(obs, &mut cx)).expect("it runs");
    assert!(mean(&by_ppo) >= 100.0, "PPO {}", mean(&by_ppo));
    let config = DqnConfig { steps: 8_000, ..Default::default() };
    let q = dqn::train(&config, CartPole::new, |_| {}).expect("it runs").model;
    let by_dqn = evaluate(CartPole::new, &test_seeds(0, 20), |obs| dqn::greedy(&q, obs, &mut cx)).expect("it runs");
    assert!(mean(&by_dqn) >= 100.0, "DQN {}", mean(&by_dqn));
}

#[test]
fn runs_without_validations_keep_the_last_model_and_may_end_early() {
    let make = || Identity::new(4, 25);
    let config = DqnConfig { steps: 600, validation_episodes: 0, ..quick_dqn(0) };
    let trained = dqn::train(&config, make, |_| {}).expect("it runs");
    assert!(trained.validations.is_empty() && trained.best.step == 600);
    let last = &trained.episodes[trained.episodes.len() - 20..];
    assert_eq!(trained.best.mean, last.iter().map(|end| end.total).sum::<f64>() / 20.0);

    // Every return is at least 0: the first rollout that has finished 100 episodes is enough.
    let config = PpoConfig { validation_episodes: 0, enough: Some(0.0), ..quick_ppo(0) };
    let mut last = 0;
    let trained = ppo::train(&config, make, |p| last = p.step).expect("it runs");
    let rollout = config.copies * config.horizon;
    assert!(trained.episodes.len() >= 100 && last < config.steps, "{last}");
    assert!(trained.episodes.iter().filter(|end| end.step < last - rollout).count() < 100);
    assert_eq!(trained.best.step, last);
}
