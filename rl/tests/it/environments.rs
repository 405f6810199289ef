//! The rules that every environment keeps, and the errors of those who break them.

use etude_rl::envs::{Bandit, CartPole, Identity, cliff_walking, frozen_lake, frozen_lake_map};
use etude_rl::{Env, RlError, Space, Transition, check_env};

#[test]
fn every_environment_passes_the_checker() {
    for seed in 0..3 {
        check_env(&mut CartPole::new(), seed, 1000).expect("CartPole");
        check_env(&mut frozen_lake(false, true), seed, 1000).expect("FrozenLake");
        check_env(&mut frozen_lake(true, true), seed, 1000).expect("FrozenLake 8x8");
        check_env(&mut cliff_walking(true, Some(100)), seed, 1000).expect("CliffWalking");
        check_env(&mut Identity::new(4, 20), seed, 1000).expect("Identity");
        check_env(&mut Bandit::new(&[0.2, 0.8]), seed, 1000).expect("Bandit");
    }
}

#[test]
fn misuse_is_a_typed_error_and_changes_nothing() {
    let mut env = CartPole::new();
    assert_eq!(env.step(0), Err(RlError::NotReset { env: "CartPole-v1" }));
    env.reset(0);
    let before = env.state();
    assert_eq!(env.step(2), Err(RlError::InvalidAction { env: "CartPole-v1", action: 2, actions: 2 }));
    assert_eq!(env.state(), before);
    let mut steps = 0;
    loop {
        steps += 1;
        if env.step(1).expect("a running episode").done() {
            break;
        }
    }
    assert_eq!(env.step(1), Err(RlError::EpisodeOver { env: "CartPole-v1", steps }));
    env.reset(1);
    assert!(env.step(1).is_ok(), "reset starts again");
}

#[test]
fn a_state_that_is_not_finite_is_refused() {
    let mut env = CartPole::new();
    let error = env.reset_to([0.0, f64::NAN, 0.0, 0.0]).expect_err("NaN is no velocity");
    assert!(error.to_string().contains("CartPole-v1 velocity is NaN"), "{error}");
    assert_eq!(env.step(0), Err(RlError::NotReset { env: "CartPole-v1" }), "the bad state was not taken");
    // 1e200² overflows: the step that would leave the finite numbers is refused, and the state stays.
    env.reset_to([0.0, 0.0, 0.1, 1e200]).expect("finite");
    assert!(matches!(env.step(0), Err(RlError::NotFinite { step: 0, .. })));
    assert_eq!(env.state(), [0.0, 0.0, 0.1, 1e200]);
}

#[test]
fn maps_are_checked() {
    for (map, message) in [
        (&["SF", "F"][..], "row 1 of the map has 1 tiles, row 0 has 2"),
        (&["SX", "FG"][..], "row 0 of the map has the tile 'X'"),
        (&["FF", "FG"][..], "start probabilities sum to 0, not 1"),
        (&[][..], "start probabilities"),
    ] {
        let error = frozen_lake_map(map, true).expect_err("a bad map").to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// CartPole with one rule broken.
struct Broken(CartPole, Fault, u64);

#[derive(Clone, Copy, Debug)]
enum Fault {
    NanObservation,
    NanReward,
    Endless,
    AnyAction,
    Unseeded,
}

impl Env for Broken {
    type Obs = [f32; 4];
    fn name(&self) -> &'static str {
        "Broken"
    }
    fn observation_space(&self) -> Space {
        self.0.observation_space()
    }
    fn actions(&self) -> usize {
        2
    }
    fn reset(&mut self, seed: u64) -> [f32; 4] {
        self.2 += 1;
        self.0.reset(if let Fault::Unseeded = self.1 { self.2 } else { seed })
    }
    fn step(&mut self, action: usize) -> Result<Transition<[f32; 4]>, RlError> {
        let action = if let Fault::AnyAction = self.1 { action.min(1) } else { action };
        let result = self.0.step(action);
        if let (Err(RlError::EpisodeOver { .. }), Fault::Endless) = (&result, self.1) {
            return Ok(Transition { obs: [0.0; 4], reward: 1.0, terminated: false, truncated: false });
        }
        let mut t = result?;
        match self.1 {
            Fault::NanObservation => t.obs[2] = f32::NAN,
            Fault::NanReward => t.reward = f64::NAN,
            _ => {}
        }
        Ok(t)
    }
}

#[test]
fn the_checker_names_the_breach() {
    for (fault, message) in [
        (Fault::NanObservation, "NaN"),
        (Fault::NanReward, "reward of Broken is NaN"),
        (Fault::Endless, "a step after the end of an episode"),
        (Fault::AnyAction, "action 2 of 0..2 is not refused"),
        (Fault::Unseeded, "two runs of seed 0 differ"),
    ] {
        let error = check_env(&mut Broken(CartPole::new(), fault, 0), 0, 500).expect_err("a breach").to_string();
        assert!(error.contains(message), "{fault:?}: {error}");
    }
}
