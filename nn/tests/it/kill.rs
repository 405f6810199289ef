//! SIGKILL at random moments: a save leaves the old checkpoint or the new one, never a broken one, and a training that is
//! resumed ends with the bits of one that was never stopped.

use std::path::Path;
use std::time::Duration;

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::testing::process::{self, RESULT};
use etude_nn::{Act, Adam, Checkpoint, Ctx, Journal, JournalPosition, Layer, Mlp, Optimizer, Param, Sgd, loss};

/// A training in `folder` that goes on where its checkpoint is: two networks, SGD with momentum and Adam, dropout's
/// random numbers, a cursor over data, a curve, a journal.
fn train(folder: &Path) {
    const STEPS: u64 = 60;
    let path = folder.join("run.safetensors");
    let mut cx = Ctx::train(3);
    let data = Tensor::randn([64, 8], &mut cx);
    let (a, b) = (Mlp::new(&[8, 16, 4], Act::Relu, &mut cx), Mlp::new(&[4, 16, 1], Act::Tanh, &mut cx));
    let (mut sgd, mut adam) = (Sgd::new(&a, 0.05).momentum(0.9), Adam::new(&b, 0.01).clip_norm(1.0));
    let (mut cursor, mut curve, mut at) = (0u64, Vec::<(u64, f32)>::new(), JournalPosition::default());
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("steps", &STEPS)
                .model("a", &a)
                .model("b", &b)
                .optimizer("sgd", &mut sgd)
                .optimizer("adam", &mut adam)
                .rng("rng", &mut cx.rng)
                .counter("cursor", &mut cursor)
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let found = parts!().resume(&path).expect("old or new, but whole");
    let first = found.as_ref().map_or(0, |found| found.step);
    assert!(found.is_none_or(|found| found.damaged.is_none()), "a killed save damages nothing");
    let journal = match first {
        0 => Journal::new(Some(folder), "journal", STEPS),
        _ => Journal::resume(Some(folder), "journal", STEPS, &at),
    };
    let mut journal = journal.expect("long enough").silent();
    for step in first..STEPS {
        let x = data.narrow(0, cursor as usize, 8);
        cursor = (cursor + 8) % 64;
        let h = a.forward(&x, &mut cx).dropout(0.2, &mut cx.rng);
        let loss = loss::mse(&b.forward(&h, &mut cx), &x.sum_dims([1]).unsqueeze(1));
        let value = loss.item();
        curve.push((step, value));
        journal.scalar("loss", step, value);
        let grads = loss.backward();
        sgd.step(&grads);
        adam.step(&grads);
        if (step + 1) % 4 == 0 {
            at = journal.position();
            parts!().save(&path, step + 1).expect("writable");
        }
    }
    journal.finish().expect("writable");
    // Every step stands in the journal once, with the value of the curve.
    let lines = std::fs::read_to_string(folder.join("journal/journal.jsonl")).expect("written");
    let noted = lines.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        (line["step"].as_u64().expect("a step"), line["value"].as_f64().expect("a number") as f32)
    });
    assert_eq!(noted.collect::<Vec<_>>(), curve);
    // Positions hold seconds; all else is a function of the seed.
    at = JournalPosition::default();
    parts!().save(folder.join(RESULT), STEPS).expect("writable");
    let left: Vec<_> = std::fs::read_dir(folder).expect("readable").map(|e| e.expect("readable").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

/// The program that will be killed.
#[test]
#[ignore = "trains until it is killed; started by the tests below"]
fn train_until_killed() {
    if let Some(folder) = process::folder() {
        train(&folder);
    }
}

fn killed_trainings_end_with_the_same_bits(kills: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    train(folder.path());
    let expected = std::fs::read(folder.path().join(RESULT)).expect("just written");
    let within = tempfile::tempdir().expect("a temporary folder");
    // About as long as the whole training takes.
    let longest = Duration::from_millis(120);
    let done = process::survives_kills("kill::train_until_killed", within.path(), kills, longest, &expected);
    println!("{} kills, {} trainings", done.kills, done.trainings);
}

#[test]
fn twenty_kills() {
    killed_trainings_end_with_the_same_bits(20);
}

#[test]
#[ignore = "minutes: cargo test -p etude-nn --test it kill::a_thousand_kills -- --ignored --nocapture"]
fn a_thousand_kills() {
    killed_trainings_end_with_the_same_bits(process::kills(1000));
}

/// The program that does nothing but save.
#[test]
#[ignore = "saves until it is killed; started by the tests below"]
fn save_until_killed() {
    let Some(folder) = process::folder() else { return };
    for step in 0.. {
        save(&folder, step);
    }
}

/// Every element is the step, so a mixture of two saves would show.
fn save(folder: &Path, step: u64) {
    let model = Param::new(Tensor::full([100_000], step as f32));
    let path = folder.join("run.safetensors");
    Checkpoint::new().model("model", &model).keep_previous().save(path, step).expect("writable");
}

fn start(folder: &Path) -> std::process::Child {
    process::program("kill::save_until_killed").env(process::FOLDER, folder).spawn().expect("a program")
}

/// The newest checkpoint and the one before it are whole; the next save removes what killed programs left beside them.
fn whole_and_alone(folder: &Path) {
    for name in ["run.safetensors", "run.safetensors.previous"] {
        let model = Param::new(Tensor::zeros([100_000]));
        let step = Checkpoint::new().model("model", &model).load(folder.join(name)).expect("old or new, but whole");
        assert!(model.get().to_vec().iter().all(|&x| x == step as f32), "two saves are mixed in {name}");
    }
    save(folder, 0);
    let names = std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").file_name());
    assert_eq!(names.count(), 2);
}

fn until_there(path: &Path) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !path.exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_killed_save_leaves_whole_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rng = Rng::new(0);
    for _ in 0..8 {
        let mut child = start(folder.path());
        until_there(&folder.path().join("run.safetensors.previous"));
        std::thread::sleep(Duration::from_micros(rng.below(20_000) as u64));
        child.kill().expect("it is our child");
        child.wait().expect("it was killed");
        whole_and_alone(folder.path());
    }
}

#[test]
fn two_programs_that_save_to_one_path_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut children = [start(folder.path()), start(folder.path())];
    until_there(&folder.path().join("run.safetensors.previous"));
    std::thread::sleep(Duration::from_millis(400));
    for child in &mut children {
        let status = child.try_wait().expect("our child");
        assert!(status.is_none(), "a save failed: {status:?}");
        child.kill().expect("our child");
        child.wait().expect("it was killed");
    }
    whole_and_alone(folder.path());
}
