//! PPO stopped and resumed: the running episodes of all copies, both networks, the best ones, the order of the minibatches and
//! the falling rates come back, so that the run ends with the bits of one that was never stopped.

use std::path::Path;

use etude_nn::testing::process::{self, RESULT};
use etude_nn::{Module, Value, resume_tests};
use etude_rl::envs::{CartPole, Identity};
use etude_rl::ppo::Run;
use etude_rl::{ActorCritic, Env, PpoConfig, RlError, Trained};

fn config() -> PpoConfig {
    PpoConfig {
        steps: 20 * 3 * 16,
        copies: 3,
        horizon: 16,
        epochs: 2,
        minibatch: 20,
        hidden: vec![8],
        validate_every: 4,
        validation_episodes: 3,
        seed: 5,
        ..PpoConfig::default()
    }
}

/// All that a run comes to, as text.
fn text(trained: &Trained<ActorCritic>) -> String {
    let bits = |value: &Value| match value {
        Value::Float(x) => x.to_vec().into_iter().map(f32::to_bits).collect::<Vec<_>>(),
        Value::Int(_) => unreachable!("two perceptrons have no counters"),
    };
    let model: Vec<_> = trained.model.state_dict().iter().map(|(name, value)| (name.clone(), bits(value))).collect();
    format!("{:?}\n{:?}\n{:?}\n{model:?}\n", trained.best, trained.validations, trained.episodes)
}

fn walk<E: Env<Obs: AsRef<[f32]>>, F: FnMut() -> E>(run: &mut Run<E, F>, rollouts: usize) {
    for _ in 0..rollouts {
        run.step().expect("it runs");
    }
}

fn to_the_end<E: Env<Obs: AsRef<[f32]>>, F: FnMut() -> E>(mut run: Run<E, F>) -> String {
    while !run.is_done() {
        run.step().expect("it runs");
    }
    text(&run.finish())
}

fn stopped_anywhere<E: Env<Obs: AsRef<[f32]>>>(config: &PpoConfig, make: impl Fn() -> E + Copy) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let whole = to_the_end(Run::new(config, make).expect("valid"));
    for stop in [0, 1, 7, 19, 20] {
        let mut run = Run::new(config, make).expect("valid");
        walk(&mut run, stop);
        run.save(&path).expect("writable");
        let resumed = Run::resume(config, make, &path).expect("it fits");
        assert_eq!((resumed.rollouts(), resumed.progress()), (stop, run.progress()));
        assert_eq!(to_the_end(resumed), whole, "resumed after {stop} rollouts");
        assert_eq!(to_the_end(run), whole, "saving after {stop} rollouts changed the run");
    }
}

#[test]
fn a_run_resumes_after_any_rollout_to_the_bit() {
    stopped_anywhere(&config(), CartPole::new);
    // Its symbols are random numbers inside the environment.
    stopped_anywhere(&config(), || Identity::new(3, 40));
}

#[test]
fn a_run_that_had_enough_is_over_when_it_resumes() {
    // Episodes of one step: a hundred are finished within three rollouts, and every return is at least 0.
    let (config, make) = (PpoConfig { enough: Some(0.0), ..config() }, || Identity::new(3, 1));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(&config, make).expect("valid");
    while !run.is_done() {
        run.step().expect("it runs");
    }
    assert!(run.rollouts() < 20);
    run.save(&path).expect("writable");
    let resumed = Run::resume(&config, make, &path).expect("it fits");
    assert!(resumed.is_done());
    assert_eq!(text(&resumed.finish()), text(&run.finish()));
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(&config(), || Identity::new(3, 40)).expect("valid");
    walk(&mut run, 2);
    run.save(&path).expect("writable");
    let refused = |config: &PpoConfig, length| Run::resume(config, || Identity::new(3, length), &path).err();
    let error = refused(&PpoConfig { clip: 0.1, ..config() }, 40).expect("another range").to_string();
    assert!(error.contains("run.safetensors") && error.contains("\"clip\":0.1"), "{error}");
    // Episodes that end earlier than they did.
    let error = refused(&config(), 20).expect("another world");
    assert!(matches!(error, RlError::Breach { .. }), "{error}");
    assert!(refused(&config(), 40).is_none());
}

#[test]
fn rollouts_beyond_the_last_are_refused_in_a_checkpoint_and_harmless_in_a_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(&config(), || Identity::new(3, 40)).expect("valid");
    while !run.is_done() {
        run.step().expect("it runs");
    }
    let last = run.rollouts();
    // The learning rate is 0 by now and stays there.
    for _ in 0..2 {
        run.step().expect("it runs");
    }
    run.save(&path).expect("writable");
    let error = Run::resume(&config(), || Identity::new(3, 40), &path).err().expect("too many").to_string();
    assert!(error.contains("run.safetensors") && error.contains(&format!("at most {last} expected")), "{error}");
}

/// Trains in `folder` from its checkpoint for `until` rollouts in all. Gives how many the checkpoint had.
fn train(folder: &Path, until: u64) -> u64 {
    let path = folder.join("run.safetensors");
    let mut run = Run::resume(&config(), CartPole::new, &path).expect("old or new, but whole");
    let first = run.rollouts() as u64;
    while run.rollouts() < until as usize {
        run.step().expect("it runs");
        if run.rollouts() % 3 == 0 || run.rollouts() == until as usize {
            run.save(&path).expect("writable");
        }
    }
    std::fs::write(folder.join(RESULT), text(&run.finish())).expect("writable");
    first
}

resume_tests!("resume_ppo", train, 20);

#[test]
#[ignore = "minutes: cargo test -p etude-rl --test it resume_ppo::many_kills -- --ignored --nocapture"]
fn many_kills() {
    println!("{:?}", TRAINING.survives(process::kills(250)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-rl resume_ppo::ppo -- --ignored --nocapture"]
fn ppo_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("ppo", process::kills(100)));
}
