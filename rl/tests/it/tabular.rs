//! Tabular learners against dynamic programming.

use etude_rl::envs::{cliff_walking, frozen_lake};
use etude_rl::{Env, RlError, TabularConfig, TabularEnv, q_learning, sarsa};

const GAMMA: f64 = 0.99;

/// The exact value of a policy at the start, as a share of the best.
fn share(env: &TabularEnv, policy: &[usize]) -> f64 {
    let mdp = env.mdp();
    let best = mdp.value_iteration(GAMMA, 1e-12).expect("γ < 1 converges");
    let own = mdp.policy_values(policy, GAMMA, 1e-12).expect("γ < 1 converges");
    mdp.start_value(&own) / mdp.start_value(&best.values)
}

#[test]
fn q_learning_reaches_the_optimum_of_the_lake() {
    for seed in 0..3 {
        let mut env = frozen_lake(false, true);
        let q = q_learning(&mut env, &TabularConfig { seed, ..Default::default() }).expect("it runs");
        let share = share(&env, &q.policy());
        assert!(share >= 0.98, "seed {seed}: {share} of the optimal value");
        // The learnt value itself, not only the policy, approaches the Bellman solution.
        let best = env.mdp().value_iteration(GAMMA, 1e-12).expect("γ < 1 converges");
        let learnt = q.value(0, q.best(0));
        assert!((learnt - best.values[0]).abs() < 0.1, "seed {seed}: {learnt} of {}", best.values[0]);
    }
}

#[test]
fn sarsa_reaches_the_optimum_when_exploration_fades() {
    for seed in 0..3 {
        let mut env = frozen_lake(false, true);
        let config = TabularConfig { seed, steps: 400_000, epsilon_end: 0.0, ..Default::default() };
        let q = sarsa(&mut env, &config).expect("it runs");
        let share = share(&env, &q.policy());
        assert!(share >= 0.9, "seed {seed}: {share} of the optimal value");
    }
}

#[test]
fn on_and_off_policy_differ_along_the_cliff() {
    // Sutton & Barto 2018, example 6.6: with ε = 0.1 Q-learning walks at the edge and falls now and then; SARSA
    // earns more while exploring, though its greedy path is longer.
    let config = TabularConfig {
        steps: 100_000,
        gamma: 1.0,
        alpha: 0.5,
        alpha_power: 0.0,
        epsilon_start: 0.1,
        epsilon_end: 0.1,
        ..Default::default()
    };
    let late = |returns: &[f64]| returns[returns.len() / 2..].iter().sum::<f64>() / (returns.len() / 2) as f64;
    for seed in 0..3 {
        let config = TabularConfig { seed, ..config.clone() };
        let off = q_learning(&mut cliff_walking(false, Some(1000)), &config).expect("it runs");
        let on = sarsa(&mut cliff_walking(false, Some(1000)), &config).expect("it runs");
        let mut env = cliff_walking(false, Some(1000));
        let mut state = env.reset(seed);
        let mut total = 0.0;
        loop {
            let t = env.step(off.best(state)).expect("a legal step");
            total += t.reward;
            state = t.obs;
            if t.done() {
                break;
            }
        }
        assert_eq!(total, -13.0, "seed {seed}: the greedy path of Q-learning is the shortest");
        assert!(late(&on.returns) > late(&off.returns) + 5.0, "{} {}", late(&on.returns), late(&off.returns));
    }
}

#[test]
fn the_same_seed_learns_the_same_bits() {
    let config = TabularConfig { steps: 5_000, seed: 3, ..Default::default() };
    let run = |config: &TabularConfig| q_learning(&mut frozen_lake(false, true), config).expect("it runs");
    assert_eq!(run(&config), run(&config));
    assert_ne!(run(&config), run(&TabularConfig { seed: 4, ..config.clone() }));
}

#[test]
fn configurations_are_checked() {
    let field = |config: TabularConfig| match q_learning(&mut frozen_lake(false, true), &config) {
        Err(RlError::Config { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(TabularConfig { steps: 0, ..Default::default() }), "TabularConfig.steps");
    assert_eq!(field(TabularConfig { gamma: 1.1, ..Default::default() }), "TabularConfig.gamma");
    assert_eq!(field(TabularConfig { alpha: f64::NAN, ..Default::default() }), "TabularConfig.alpha");
    assert_eq!(field(TabularConfig { epsilon_end: -0.1, ..Default::default() }), "TabularConfig.epsilon_end");
}
