//! A program that is killed while it saves leaves the old checkpoint or the new one, never a broken one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::{Checkpoint, Param};

const FOLDER: &str = "ETUDE_TEST_SAVE_UNTIL_KILLED";

/// The program that will be killed: this test binary, asked to run only this test.
#[test]
#[ignore = "saves until it is killed; started by a_killed_save_leaves_a_whole_file"]
fn save_until_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let path = Path::new(&folder).join("run.safetensors");
    for step in 0.. {
        // Every element is the step, so a mixture of two saves would show.
        let model = Param::new(Tensor::full([100_000], step as f32));
        Checkpoint::new().model("model", &model).save(&path, step).expect("writable");
    }
}

#[test]
fn a_killed_save_leaves_a_whole_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let program = std::env::current_exe().expect("the test is a program");
    let mut rng = Rng::new(0);
    for _ in 0..8 {
        let mut child = Command::new(&program)
            .args(["--ignored", "--exact", "kill::save_until_killed"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the test is a program");
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !path.exists() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(rng.below(20_000) as u64));
        child.kill().expect("it is our child");
        child.wait().expect("it was killed");
        let model = Param::new(Tensor::zeros([100_000]));
        let step = Checkpoint::new().model("model", &model).load(&path).expect("old or new, but whole");
        assert!(model.get().to_vec().iter().all(|&x| x == step as f32), "two saves are mixed");
    }
}
