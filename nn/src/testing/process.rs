//! Tests that need a process of their own: one to be killed, one whose memory is watched.
//!
//! The program is the test binary itself, asked to run one ignored test, which learns from the environment where it
//! should work and does nothing when a person starts it by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use etude_kernels::rng::Rng;

/// The environment variable that names the folder of a program.
pub const FOLDER: &str = "ETUDE_TEST_FOLDER";
const STEPS: &str = "ETUDE_TEST_STEPS";

/// The file in a program's folder that holds what its training came to.
pub const RESULT: &str = "result";

/// Longer than any of these programs takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// The folder that the present process was started in, if it is such a program.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// The number of steps that it was started for.
pub fn steps() -> Option<usize> {
    std::env::var(STEPS).ok()?.parse().ok()
}

/// The ignored test of this name as a program.
///
/// # Panics
/// If the present process is no file.
pub fn program(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test is a program in a file"));
    // Without the harness's capture a program that panics says why.
    command.args(["--ignored", "--exact", "--nocapture", test]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// An example of the present package as a program: `cargo test` builds them, `cargo test --test it` does not.
///
/// # Panics
/// If it was not built.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test is a program in a file");
    let profile = test.parent().and_then(Path::parent).expect("cargo puts tests into target/PROFILE/deps");
    let path = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is not built: cargo build --examples", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What [`kill_and_resume`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed {
    /// Programs that were killed while they ran.
    pub kills: usize,
    /// Trainings that came to their end in spite of it, each with the right result.
    pub trainings: usize,
}

/// Kills the program that `start` makes for a folder, at random moments up to `longest` after its start, and starts it
/// again; after at most `each` kills it may finish. `check` looks at the folder then, and the next training begins, until
/// `kills` programs were killed in all.
///
/// # Panics
/// If a program that is left alone fails or does not end.
pub fn kill_and_resume(
    within: &Path,
    kills: usize,
    each: usize,
    longest: Duration,
    mut start: impl FnMut(&Path) -> Command,
    mut check: impl FnMut(&Path),
) -> Killed {
    let mut rng = Rng::new(kills as u64);
    let mut done = Killed { kills: 0, trainings: 0 };
    while done.kills < kills {
        let folder = within.join(format!("training-{}", done.trainings));
        fs::create_dir_all(&folder).expect("a writable folder");
        let mut left = each.min(kills - done.kills);
        loop {
            let mut child = start(&folder).env(FOLDER, &folder).spawn().expect("a program");
            if left == 0 {
                let deadline = Instant::now() + PATIENCE;
                let status = loop {
                    if let Some(status) = child.try_wait().expect("our child") {
                        break status;
                    }
                    if Instant::now() >= deadline {
                        let _ = child.kill();
                        panic!("the program does not end");
                    }
                    std::thread::sleep(Duration::from_millis(2));
                };
                assert!(status.success(), "the program failed when it was resumed: {status}");
                break;
            }
            std::thread::sleep(longest.mul_f64(rng.f64()));
            if let Some(status) = child.try_wait().expect("our child") {
                assert!(status.success(), "the program failed when it was resumed: {status}");
                break;
            }
            child.kill().expect("our child");
            child.wait().expect("it was killed");
            left -= 1;
            done.kills += 1;
        }
        check(&folder);
        fs::remove_dir_all(&folder).expect("ours");
        done.trainings += 1;
    }
    done
}

/// [`kill_and_resume`] for the ignored test `test`, whose [`RESULT`] must be `expected` to the byte.
///
/// # Panics
/// As there, and if a result differs.
pub fn survives_kills(test: &str, within: &Path, kills: usize, longest: Duration, expected: &[u8]) -> Killed {
    /// Kills of one training.
    const EACH: usize = 10;
    let check = |folder: &Path| {
        let found = fs::read(folder.join(RESULT)).expect("the program came to its end");
        assert!(found == expected, "{test}: a killed and resumed training came to another result");
    };
    kill_and_resume(within, kills, EACH, longest, |_| program(test), check)
}

/// [`kill_and_resume`] for the quick form of an example, called as `name`, which may have arguments behind a space: what it
/// leaves must be what it leaves when nobody kills it, to the byte.
///
/// # Panics
/// As there, and if something differs.
pub fn example_survives_kills(name: &str, kills: usize) -> Killed {
    let within = tempfile::tempdir().expect("a temporary folder");
    let within = within.path();
    let start = |folder: &Path| {
        let mut words = name.split(' ');
        let mut command = example(words.next().unwrap_or(name));
        command.args(words).args(["--quick", "--resume", "--out"]).arg(folder);
        command
    };
    let (folder, began) = (within.join("whole"), Instant::now());
    assert!(start(&folder).status().expect("a program").success(), "{name} failed");
    let (longest, expected) = (began.elapsed() / 3, outcome(&folder));
    let check = |folder: &Path| assert!(outcome(folder) == expected, "{name}: another outcome");
    kill_and_resume(within, kills, 10, longest, start, check)
}

/// A training that is stopped and resumed, as a test holds it.
pub struct Training {
    /// Trains in a folder from the checkpoint that is there up to a step, and leaves [`RESULT`]. Gives the step it began at.
    pub train: fn(&Path, u64) -> u64,
    /// Its steps in all.
    pub steps: u64,
    /// The ignored test that calls [`Training::run`].
    pub program: &'static str,
}

impl Training {
    /// The program that will be killed.
    pub fn run(&self) {
        if let Some(folder) = folder() {
            (self.train)(&folder, self.steps);
        }
    }

    /// What training without a stop leaves, and how long it takes.
    fn whole(&self, steps: u64) -> (Vec<u8>, Duration) {
        let (folder, began) = (tempfile::tempdir().expect("a temporary folder"), Instant::now());
        (self.train)(folder.path(), steps);
        (fs::read(folder.path().join(RESULT)).expect("just written"), began.elapsed())
    }

    /// 2n steps are n steps and n after a resume.
    ///
    /// # Panics
    /// If not.
    pub fn halves(&self) {
        for n in [1, 7, self.steps / 2] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            assert_eq!((self.train)(folder.path(), n), 0, "a new run");
            assert_eq!((self.train)(folder.path(), 2 * n), n, "the second half resumes the first");
            let twice = fs::read(folder.path().join(RESULT)).expect("just written");
            assert!(twice == self.whole(2 * n).0, "{n} steps and {n} steps");
        }
    }

    /// Killed `kills` times it comes to the same result.
    ///
    /// # Panics
    /// As [`survives_kills`].
    pub fn survives(&self, kills: usize) -> Killed {
        let within = tempfile::tempdir().expect("a temporary folder");
        let (expected, time) = self.whole(self.steps);
        survives_kills(self.program, within.path(), kills, time.max(Duration::from_millis(60)), &expected)
    }
}

/// The tests of one [`Training`], in the module of an integration test whose path among its tests is `$module`:
/// `resume_tests!("resume", train, 60)` gives the quick ones and `TRAINING` for longer ones.
#[macro_export]
macro_rules! resume_tests {
    ($module:literal, $train:path, $steps:literal) => {
        const TRAINING: $crate::testing::process::Training = $crate::testing::process::Training {
            train: $train,
            steps: $steps,
            program: concat!($module, "::train_until_killed"),
        };

        #[test]
        fn twice_n_steps_are_n_and_n_after_a_resume() {
            TRAINING.halves();
        }

        #[test]
        #[ignore = "trains until it is killed; started by the tests below"]
        fn train_until_killed() {
            TRAINING.run();
        }

        #[test]
        fn four_kills() {
            TRAINING.survives(4);
        }
    };
}

/// The kills of a long test: `ETUDE_TEST_KILLS`, for a part of it, or this many.
///
/// # Panics
/// If the variable holds no number, or 0.
pub fn kills(all: usize) -> usize {
    let kills =
        std::env::var("ETUDE_TEST_KILLS").map_or(all, |text| text.parse().expect("ETUDE_TEST_KILLS is a number"));
    assert!(kills > 0, "ETUDE_TEST_KILLS=0 would test nothing");
    kills
}

/// Runs the ignored test `test` for `steps` steps in a process of its own.
///
/// # Panics
/// If it fails.
pub fn alone(test: &str, steps: usize) {
    let mut command = program(test);
    let status = command.env(STEPS, steps.to_string()).status().expect("a program");
    assert!(status.success(), "{test} with {steps} steps: {status}");
}

/// The memory of this process that is in RAM, in bytes; `None` where the operating system does not say.
pub fn resident() -> Option<u64> {
    /// Of x86-64 and most other Linux systems; a ratio does not depend on it.
    const PAGE: u64 = 4096;
    // proc(5): statm gives size and resident set in pages.
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE)
}

/// Takes `steps` steps and demands that after the first tenth resident memory stays within 2 % of what it was then, or, in
/// fewer than ten thousand steps, within 2 MiB: the kernel's figure may lag behind by some pages on each processor, and the
/// allocator of a small program takes them by the megabyte. Says the largest ratio seen.
///
/// # Panics
/// If memory grows.
pub fn stays_flat(what: &str, steps: usize, mut step: impl FnMut(usize)) -> f64 {
    /// Steps from which on a leak shows beside what the figure is uncertain by.
    const LONG: usize = 10_000;
    const UNCERTAIN: u64 = 2 << 20;
    let warm = steps / 10;
    (0..warm).for_each(&mut step);
    let Some(before) = resident() else { return 1.0 };
    let share = before / 50;
    let most = before + if steps < LONG { share.max(UNCERTAIN) } else { share };
    let mut largest = 1.0f64;
    for i in warm..steps {
        step(i);
        if (i + 1) % (steps / 20).max(1) == 0 {
            let now = resident().unwrap_or(before);
            largest = largest.max(now as f64 / before as f64);
            assert!(now <= most, "{what}: {before} bytes after {warm} steps, {now} after {}", i + 1);
        }
    }
    largest
}

/// The files that a program left in `folder` as (name, bytes), but for those that hold times (the report's seconds, the
/// journal) and the checkpoints, whose journal's position does.
///
/// # Panics
/// If the folder cannot be read, or holds no figure.
pub fn outcome(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("the program's folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            let text = fs::read_to_string(entry.path()).expect("a report");
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("\"seconds\""));
            out.push((name, lines.collect::<Vec<_>>().join("\n").into_bytes()));
        } else if name.ends_with(".png") || name.ends_with(".svg") {
            out.push((name, fs::read(entry.path()).expect("a figure")));
        }
        // The checkpoint holds the journal's seconds; the weights show in the figures and results.
    }
    assert!(out.len() > 1, "{} holds no report with figures", folder.display());
    out.sort();
    out
}
