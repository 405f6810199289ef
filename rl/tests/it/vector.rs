//! The vector of environments against its copies stepped one by one.

use etude_kernels::rng::Rng;
use etude_rl::envs::{CartPole, frozen_lake};
use etude_rl::{Env, RlError, Space, Transition, VecEnv, episode_seeds};

#[test]
fn a_vector_is_its_copies_stepped_one_by_one() {
    let (n, seed, steps) = (3, 5, 400);
    let mut envs = VecEnv::new(n, seed, CartPole::new).expect("a vector");
    let mut rng = Rng::new(9);
    let actions: Vec<Vec<usize>> = (0..steps).map(|_| (0..n).map(|_| rng.below(2)).collect()).collect();
    let together: Vec<_> = actions.iter().map(|a| (envs.obs().to_vec(), envs.step(a).expect("a step"))).collect();
    for copy in 0..n {
        let mut env = CartPole::new();
        let mut seeds = episode_seeds(seed, copy);
        let mut obs = env.reset(seeds.next_u64());
        let (mut total, mut length) = (0.0, 0);
        for (step, (before, out)) in together.iter().enumerate() {
            assert_eq!(before[copy], obs);
            let t = env.step(actions[step][copy]).expect("a step");
            assert_eq!(out.next[copy], t.obs, "the last observation of an episode is kept");
            assert_eq!((out.terminated[copy], out.truncated[copy]), (t.terminated, t.truncated));
            total += t.reward;
            length += 1;
            obs = t.obs;
            let finished = out.finished.iter().find(|end| end.copy == copy);
            assert_eq!(finished.is_some(), t.done());
            if let Some(end) = finished {
                assert_eq!((end.total, end.length, end.step), (total, length, step));
                (total, length) = (0.0, 0);
                obs = env.reset(seeds.next_u64());
            }
        }
    }
}

#[test]
fn truncation_and_termination_stay_apart() {
    // On dry ice, walking left for ever never terminates: the limit of 100 steps truncates.
    let mut envs = VecEnv::new(2, 0, || frozen_lake(false, false)).expect("a vector");
    for step in 1..=100 {
        let out = envs.step(&[0, 0]).expect("a step");
        assert_eq!(out.truncated, [step == 100; 2]);
        assert_eq!(out.terminated, [false; 2]);
    }
}

#[test]
fn wrong_calls_and_bad_environments_are_named() {
    assert!(matches!(VecEnv::new(0, 0, CartPole::new), Err(RlError::Config { field: "VecEnv.n", .. })));
    let mut envs = VecEnv::new(2, 0, CartPole::new).expect("a vector");
    assert!(matches!(envs.step(&[0]), Err(RlError::Config { field: "VecEnv.step actions", .. })));
    assert!(matches!(envs.step(&[0, 7]), Err(RlError::InvalidAction { action: 7, .. })));

    struct Poisoned(CartPole, usize);
    impl Env for Poisoned {
        type Obs = [f32; 4];
        fn name(&self) -> &'static str {
            "Poisoned"
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
            let mut t = self.0.step(action)?;
            if self.1 == 3 {
                t.reward = f64::INFINITY;
            }
            Ok(t)
        }
    }
    let mut envs = VecEnv::new(1, 0, || Poisoned(CartPole::new(), 0)).expect("a vector");
    let error = (0..5).find_map(|_| envs.step(&[0]).err()).expect("the third reward is infinite");
    assert_eq!(error.to_string(), "reward of Poisoned (copy 0) is inf at step 2; a finite number was expected");
}
