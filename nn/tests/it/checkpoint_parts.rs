//! Parts of a checkpoint beside models and optimisers, and the checkpoint before the newest.

use std::path::Path;

use etude_autograd::Tensor;
use etude_nn::{Checkpoint, Error, Mismatch, Param, Value, file};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// A value as a user's own: names, options, numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ledger {
    curve: Vec<(f64, f32)>,
    best: Option<f64>,
    note: String,
    counts: [u64; 2],
}

#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    floats: Vec<f32>,
    ints: Vec<i64>,
    ledger: Ledger,
}

impl State {
    fn parts(&mut self) -> Checkpoint<'_> {
        let State { floats, ints, ledger } = self;
        Checkpoint::new().config("size", &[3, 4]).floats("floats", floats).ints("ints", ints).data("ledger", ledger)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_bit_comes_back(
        floats in proptest::collection::vec(any::<u32>(), 0..20),
        ints in proptest::collection::vec(any::<i64>(), 0..20),
        curve in proptest::collection::vec((any::<u64>(), any::<u32>()), 0..20),
        best in proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO),
        note: String,
        counts: [u64; 2],
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run.safetensors");
        let finite = |(x, y): (u64, u32)| Some((f64::from_bits(x), f32::from_bits(y))).filter(|(x, y)| x.is_finite() && y.is_finite());
        let curve = curve.into_iter().filter_map(finite).collect();
        let mut state = State {
            floats: floats.into_iter().map(f32::from_bits).collect(),
            ints,
            ledger: Ledger { curve, best, note, counts },
        };
        state.parts().save(&path, 8).expect("writable");
        let mut other = State { floats: vec![1.0; 50], ..State::default() };
        prop_assert_eq!(other.parts().load(&path).expect("it fits"), 8);
        // Debug tells −0 from 0; the floats may be NaN, so their bits are compared.
        prop_assert_eq!(format!("{:?}{:?}", other.ledger, other.ints), format!("{:?}{:?}", state.ledger, state.ints));
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&other.floats), bits(&state.floats));
    }
}

#[test]
fn what_json_cannot_hold_is_refused_when_it_is_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut state = State::default();
    state.parts().save(&path, 1).expect("writable");
    for bad in [f64::NAN, f64::INFINITY] {
        state.ledger.curve = vec![(bad, 0.0)];
        let error = state.parts().save(&path, 2).expect_err("JSON has no such number").to_string();
        assert!(error.starts_with("checkpoint: ledger: ") && error.contains("null"), "{error}");
    }
    assert_eq!(State::default().parts().load(&path).expect("the old one"), 1);
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut state = State { floats: vec![1.0], ints: vec![2], ..State::default() };
    state.parts().save(&path, 1).expect("writable");
    let whole = file::read(&path).expect("just written");
    let with = |change: &dyn Fn(&mut file::Contents)| {
        let mut contents = whole.clone();
        change(&mut contents);
        file::write(&path, &contents.tensors, &contents.metadata).expect("writable");
        let mut other = State::default();
        let error = other.parts().load(&path).expect_err("it does not fit");
        assert_eq!(other, State::default(), "half restored after: {error}");
        let Error::Mismatch { mismatches, .. } = error else { panic!("{error}") };
        mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ")
    };
    let text = with(&|c| c.metadata.get_mut("size").expect("there").replace_range(.., "[3,5]"));
    assert_eq!(text, r#"size is "[3,5]", expected [3,4]"#);
    let text = with(&|c| c.metadata.get_mut("ledger").expect("there").replace_range(.., "{\"curve\":[1]}"));
    assert!(text.starts_with("ledger is {\"curve\":[1]}, expected a value that fits (invalid type"), "{text}");
    let text = with(&|c| {
        c.metadata.remove("ledger");
    });
    assert!(text.starts_with("ledger is missing"), "{text}");
    let text = with(&|c| c.tensors.retain(|(name, _)| name != "floats/values"));
    assert_eq!(text, "floats/values is missing, expected floats along one axis");
    let text = with(&|c| c.tensors.iter_mut().for_each(|(_, value)| *value = Value::Float(Tensor::zeros([2, 2]))));
    assert!(text.contains("ints/values is floats of shape [2, 2], expected integers along one axis"), "{text}");
    assert!(text.contains("floats/values is floats of shape [2, 2]"), "{text}");
    let text = with(&|c| c.tensors.push(("floats/more".into(), Value::Int(Tensor::scalar(1)))));
    assert_eq!(text, "floats/values is 2 tensors, expected floats along one axis");
    let deep = "[".repeat(100_000);
    let text = with(&|c| c.metadata.get_mut("ledger").expect("there").replace_range(.., &deep));
    assert!(text.len() < 1000 && text.starts_with("ledger is [[["), "{text}");
}

/// A walk through ten samples.
#[derive(Clone, Debug, PartialEq)]
struct Walk(u64);

impl Walk {
    fn place(&self) -> u64 {
        self.0
    }

    fn go(&mut self, &place: &u64) -> Result<(), String> {
        if place > 10 {
            return Err(format!("{place} is behind the tenth"));
        }
        self.0 = place;
        Ok(())
    }
}

#[test]
fn a_place_and_a_carried_state_come_back_or_nothing_does() {
    fn parts<'a>(walk: &'a mut Walk, state: &'a mut [Tensor], count: &'a mut u64) -> Checkpoint<'a> {
        Checkpoint::new().counter("count", count).cursor("walk", walk, Walk::place, Walk::go).tensors("state", state)
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    // A state with a history, one with a NaN, one that is a view.
    let tracked = Tensor::from_slice(&[1.0f32, -0.0], [2]).requires_grad().square();
    let wide = Tensor::from_slice(&[0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0], [2, 3]).t();
    let mut state = [tracked, wide];
    parts(&mut Walk(7), &mut state, &mut 3).save(&path, 1).expect("writable");
    let fresh = || [Tensor::zeros([2]), Tensor::zeros([3, 2])];
    let (mut walk, mut other, mut count) = (Walk(0), fresh(), 0);
    assert_eq!(parts(&mut walk, &mut other, &mut count).load(&path).expect("it fits"), 1);
    assert_eq!((walk.0, count), (7, 3));
    let bits = |x: &Tensor| x.to_vec().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert!(other.iter().zip(&state).all(|(x, y)| bits(x) == bits(y) && !x.is_tracked()));

    let refused = |state: &mut [Tensor]| {
        let (before, mut walk, mut count) = (state.to_vec(), Walk(0), 0);
        let error = parts(&mut walk, state, &mut count).load(&path).expect_err("it does not fit").to_string();
        assert_eq!((walk.0, count), (0, 0), "half restored after: {error}");
        assert!(state.iter().zip(&before).all(|(x, y)| bits(x) == bits(y)), "half restored after: {error}");
        error
    };
    let error = refused(&mut [Tensor::zeros([2]), Tensor::zeros([2, 3])]);
    assert!(error.contains("state/1 has shape [3, 2], expected [2, 3]"), "{error}");
    assert!(refused(&mut [Tensor::zeros([2])]).contains("state/1 is unexpected"));
    parts(&mut Walk(11), &mut state, &mut 3).save(&path, 1).expect("writable");
    let error = refused(&mut fresh());
    assert!(error.contains("walk is 11, expected a value that fits (11 is behind the tenth)"), "{error}");
}

#[test]
fn a_run_that_resumes_removes_what_a_killed_save_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    save(&path, 1.0, 1);
    // As one that was killed between the two renames of its last save leaves them.
    std::fs::hard_link(&path, folder.path().join(".run.safetensors.123-4.tmp")).expect("links");
    std::fs::write(folder.path().join(".other.safetensors.123-4.tmp"), b"not ours").expect("writable");
    let model = Param::new(Tensor::zeros([5]));
    assert!(Checkpoint::new().model("model", &model).resume(&path).expect("whole").is_some());
    let names = std::fs::read_dir(folder.path()).expect("readable").map(|e| e.expect("readable").file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, [".other.safetensors.123-4.tmp", "run.safetensors"]);
}

fn save(path: &Path, x: f32, step: u64) {
    let model = Param::new(Tensor::full([5], x));
    Checkpoint::new().model("model", &model).keep_previous().save(path, step).expect("writable");
}

#[test]
fn the_one_before_stands_in_for_a_damaged_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let model = Param::new(Tensor::zeros([5]));
    let resume = || Checkpoint::new().model("model", &model).resume(&path);
    assert!(resume().expect("no checkpoint is no error").is_none());
    save(&path, 1.0, 1);
    save(&path, 2.0, 2);
    let found = resume().expect("whole").expect("there");
    assert!((found.step, model.get().to_vec()[0]) == (2, 2.0) && found.damaged.is_none());
    let newest = std::fs::read(&path).expect("there");
    for cut in [0, 7, 9, newest.len() - 1] {
        std::fs::write(&path, &newest[..cut]).expect("writable");
        let found = resume().expect("the one before is whole").expect("there");
        assert_eq!((found.step, model.get().to_vec()[0]), (1, 1.0));
        assert!(found.damaged.expect("noticed").to_string().contains("run.safetensors: "));
    }
    for bit in 0..8 * newest.len() {
        let mut flipped = newest.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).expect("writable");
        let found = resume().expect("the one before is whole").expect("there");
        assert!(found.step == 1 && found.damaged.is_some(), "bit {bit} of {}", 8 * newest.len());
    }
    // Saving again over the damaged one never leaves both damaged: the whole one is replaced last.
    save(&path, 3.0, 3);
    assert_eq!(resume().expect("whole").expect("there").step, 3);
    save(&path, 4.0, 4);
    std::fs::remove_file(&path).expect("there");
    assert_eq!(resume().expect("the one before is whole").expect("there").step, 3);

    // What stands there cannot be read at all, as where the disk has a bad sector.
    std::fs::create_dir(&path).expect("nothing is in the way");
    let found = resume().expect("the one before is whole").expect("there");
    assert_eq!(found.step, 3);
    assert!(matches!(found.damaged, Some(Error::Io { .. })));
    std::fs::remove_dir(&path).expect("there");

    std::fs::write(&path, b"damaged").expect("writable");
    std::fs::write(folder.path().join("run.safetensors.previous"), b"damaged, too").expect("writable");
    let error = resume().expect_err("neither is whole").to_string();
    assert!(error.contains("run.safetensors: "), "{error}");
    // One that is whole but of another model is no reason to go back.
    save(&path, 5.0, 5);
    let other = Param::new(Tensor::zeros([6]));
    assert!(matches!(Checkpoint::new().model("model", &other).resume(&path), Err(Error::Mismatch { .. })));
}

#[cfg(unix)]
#[test]
fn the_one_before_is_found_through_a_link() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, link) = (folder.path().join("disk/run.safetensors"), folder.path().join("run.safetensors"));
    std::fs::create_dir(folder.path().join("disk")).expect("writable");
    std::os::unix::fs::symlink("disk/run.safetensors", &link).expect("links");
    let model = Param::new(Tensor::zeros([5]));
    let resume = || Checkpoint::new().model("model", &model).resume(&link).expect("whole").map(|found| found.step);
    assert_eq!(resume(), None);
    (1..=2).for_each(|step| save(&link, 0.0, step));
    assert_eq!(resume(), Some(2));
    std::fs::write(&file, b"damaged").expect("writable");
    assert_eq!(resume(), Some(1));
    std::fs::remove_file(&file).expect("there");
    assert_eq!(resume(), Some(1), "the link leads to nothing");
}

#[test]
fn another_configuration_shows_where_it_is_another_however_long_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let config = |last: u32| (vec![7u32; 300], "seed", last);
    Checkpoint::new().config("config", &config(1)).save(&path, 0).expect("writable");
    let error = Checkpoint::new().config("config", &config(2)).resume(&path).expect_err("another seed");
    let Error::Mismatch { mismatches, .. } = &error else { panic!("{error}") };
    let [Mismatch::Metadata { key, found, .. }] = &mismatches[..] else { panic!("{mismatches:?}") };
    assert_eq!(key, "config");
    assert!(found.contains("seed") && found.contains(",1]") && found.chars().count() < 300, "{found}");
}
