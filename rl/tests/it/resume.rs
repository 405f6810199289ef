//! DQN stopped and resumed: replay buffer, the running episode, both networks, the best one and all random numbers come
//! back, so that the run ends with the bits of one that was never stopped; and its memory does not grow.

use std::path::Path;
use std::time::Duration;

use etude_nn::testing::process::{self, RESULT};
use etude_nn::{Mlp, Module, Value};
use etude_rl::dqn::Run;
use etude_rl::envs::{CartPole, Identity};
use etude_rl::{DqnConfig, Env, RlError, Trained, VecEnv};

fn config() -> DqnConfig {
    DqnConfig {
        steps: 700,
        hidden: vec![16],
        capacity: 256,
        batch: 16,
        learning_starts: 100,
        train_every: 20,
        updates: 3,
        target_every: 64,
        validate_every: 200,
        validation_episodes: 3,
        seed: 5,
        ..DqnConfig::default()
    }
}

/// All that a run comes to, as text.
fn text(trained: &Trained<Mlp>) -> String {
    let bits = |value: &Value| match value {
        Value::Float(x) => x.to_vec().into_iter().map(f32::to_bits).collect::<Vec<_>>(),
        Value::Int(_) => unreachable!("a perceptron has no counters"),
    };
    let model: Vec<_> = trained.model.state_dict().iter().map(|(name, value)| (name.clone(), bits(value))).collect();
    format!("{:?}\n{:?}\n{:?}\n{model:?}\n", trained.best, trained.validations, trained.episodes)
}

fn walk<E: Env<Obs: AsRef<[f32]>>, F: FnMut() -> E>(run: &mut Run<E, F>, steps: usize) {
    for _ in 0..steps {
        run.step().expect("it runs");
    }
}

fn to_the_end<E: Env<Obs: AsRef<[f32]>>, F: FnMut() -> E>(mut run: Run<E, F>) -> String {
    while !run.is_done() {
        run.step().expect("it runs");
    }
    text(&run.finish())
}

fn stopped_anywhere<E: Env<Obs: AsRef<[f32]>>>(make: impl Fn() -> E + Copy) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let config = config();
    let whole = to_the_end(Run::new(&config, make).expect("valid"));
    for stop in [0, 1, 99, 341, 699, 700] {
        let mut run = Run::new(&config, make).expect("valid");
        walk(&mut run, stop);
        run.save(&path).expect("writable");
        let resumed = Run::resume(&config, make, &path).expect("it fits");
        assert_eq!(resumed.steps(), stop);
        assert_eq!(to_the_end(resumed), whole, "resumed after {stop} steps");
        assert_eq!(to_the_end(run), whole, "saving after {stop} steps changed the run");
    }
}

#[test]
fn a_run_resumes_anywhere_to_the_bit() {
    stopped_anywhere(CartPole::new);
    // Its symbols are random numbers inside the environment.
    stopped_anywhere(|| Identity::new(3, 40));
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(&config(), CartPole::new).expect("valid");
    walk(&mut run, 150);
    run.save(&path).expect("writable");
    let other = DqnConfig { seed: 6, ..config() };
    let error = Run::resume(&other, CartPole::new, &path).err().expect("another seed").to_string();
    assert!(error.contains("run.safetensors") && error.contains("config") && error.contains("\"seed\":6"), "{error}");
    let changed = |name, reward, obs| move || Changed { env: CartPole::new(), name, reward, obs };
    let refused = |make: &dyn Fn() -> Changed| Run::resume(&config(), make, &path).err().expect("another world");
    let error = refused(&changed("Slippery", 1.0, 1.0)).to_string();
    assert!(error.contains("environment is \"\\\"CartPole"), "{error}");
    // An environment of the same name and shape that runs otherwise is found when the episode is played again.
    let name = CartPole::new().name();
    for (reward, obs) in [(2.0, 1.0), (1.0, 0.5)] {
        let error = refused(&changed(name, reward, obs));
        assert!(matches!(error, RlError::Breach { .. }), "rewards × {reward}, observations × {obs}: {error}");
    }
    assert!(Run::resume(&config(), changed(name, 1.0, 1.0), &path).is_ok());
}

/// CartPole with another name, other rewards or other observations.
struct Changed {
    env: CartPole,
    name: &'static str,
    reward: f64,
    obs: f32,
}

impl Env for Changed {
    type Obs = [f32; 4];
    fn name(&self) -> &'static str {
        self.name
    }
    fn observation_space(&self) -> etude_rl::Space {
        self.env.observation_space()
    }
    fn actions(&self) -> usize {
        2
    }
    fn reset(&mut self, seed: u64) -> [f32; 4] {
        self.env.reset(seed).map(|x| x * self.obs)
    }
    fn step(&mut self, action: usize) -> Result<etude_rl::Transition<[f32; 4]>, RlError> {
        let t = self.env.step(action)?;
        Ok(etude_rl::Transition { reward: t.reward * self.reward, obs: t.obs.map(|x| x * self.obs), ..t })
    }
}

#[test]
fn a_vector_of_environments_goes_on_where_another_stood() {
    let play = |envs: &mut VecEnv<Identity>, steps: std::ops::Range<usize>| -> Vec<_> {
        steps.map(|step| envs.step(&[step % 3, (step / 2) % 3]).expect("it runs")).collect()
    };
    let make = || VecEnv::new(2, 9, || Identity::new(3, 7)).expect("valid");
    let mut whole = make();
    play(&mut whole, 0..25);
    let state = whole.state();
    let mut other = make();
    play(&mut other, 3..5);
    other.restore(&state).expect("the same environments");
    assert_eq!((other.obs(), other.state()), (whole.obs(), state));
    assert_eq!(play(&mut other, 25..60), play(&mut whole, 25..60));

    // A count from a file from which counting on would overflow.
    for key in ["steps", "drawn"] {
        let json = serde_json::to_string(&make().state()).expect("numbers");
        let start = json.find(&format!("\"{key}\":")).expect("a field") + key.len() + 3;
        let end = start + json[start..].find(|c: char| !c.is_ascii_digit()).expect("more follows");
        let endless =
            serde_json::from_str(&format!("{}{}{}", &json[..start], u64::MAX, &json[end..])).expect("numbers");
        assert!(make().restore(&endless).expect_err("no count").to_string().contains("18446744073709551615"));
    }
}

/// A program that trains in `folder`.
fn train(folder: &Path) {
    let path = folder.join("run.safetensors");
    let mut run = Run::resume(&config(), CartPole::new, &path).expect("old or new, but whole");
    while !run.is_done() {
        run.step().expect("it runs");
        if run.steps() % 50 == 0 {
            run.save(&path).expect("writable");
        }
    }
    std::fs::write(folder.join(RESULT), text(&run.finish())).expect("writable");
}

#[test]
#[ignore = "trains until it is killed; started by the tests below"]
fn train_until_killed() {
    if let Some(folder) = process::folder() {
        train(&folder);
    }
}

fn killed_runs_end_with_the_same_bits(kills: usize) {
    let within = tempfile::tempdir().expect("a temporary folder");
    let expected = to_the_end(Run::new(&config(), CartPole::new).expect("valid"));
    let longest = Duration::from_millis(120);
    let done =
        process::survives_kills("resume::train_until_killed", within.path(), kills, longest, expected.as_bytes());
    println!("{} kills, {} trainings", done.kills, done.trainings);
}

#[test]
fn four_kills() {
    killed_runs_end_with_the_same_bits(4);
}

#[test]
#[ignore = "minutes: cargo test -p etude-rl --test it resume::many_kills -- --ignored --nocapture"]
fn many_kills() {
    killed_runs_end_with_the_same_bits(process::kills(250));
}

/// Of the programs that resume this is the shortest; the others are killed in long tests. `cargo test` builds it.
#[test]
fn dqn_killed_twenty_times() {
    assert_eq!(process::example_survives_kills("dqn", 20).kills, 20);
}

#[test]
#[ignore = "minutes: cargo test -p etude-rl resume::dqn_however -- --ignored --nocapture"]
fn dqn_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("dqn", process::kills(100)));
}

/// The program whose memory is watched.
#[test]
#[ignore = "a program of its own; started by the tests below"]
fn watched() {
    let Some(steps) = process::steps() else { return };
    // A buffer that is full from the start of the watch, episodes as long as the lists that they go to are short.
    let config = DqnConfig {
        steps,
        capacity: steps / 20,
        learning_starts: steps / 50,
        train_every: 1,
        updates: 1,
        validation_episodes: 0,
        ..DqnConfig::default()
    };
    let mut run = Run::new(&config, CartPole::new).expect("valid");
    let largest = process::stays_flat("DQN", steps, |_| walk(&mut run, 1));
    println!("DQN, {steps} steps: {largest:.4} of the memory after the first tenth");
}

#[test]
fn memory_stays_flat() {
    process::alone("resume::watched", 2000);
}

#[test]
#[ignore = "a minute: cargo test -p etude-rl --test it resume::memory_stays_flat_for_ten_thousand -- --ignored --nocapture"]
fn memory_stays_flat_for_ten_thousand_steps() {
    process::alone("resume::watched", 10_000);
}
