//! Files that lie: no panic, no memory beyond what the file justifies, nothing half loaded. The properties are those of the
//! fuzz targets, here on stable and on damaged copies of their corpus.

use std::path::Path;

use etude_autograd::Tensor;
use etude_nn::file::{self, FileProblem};
use etude_nn::optim::GroupState;
use etude_nn::{Act, Checkpoint, Ctx, Error, Mismatch, Mlp, Module, Optimizer, Param, Sgd, Value};

use crate::safetensors_files::build;

#[path = "../../../fuzz/src/damage.rs"]
mod damage;
#[path = "../../../fuzz/src/nn.rs"]
mod target;
#[path = "../../../fuzz/src/twin.rs"]
mod twin;

fn corpus(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name)
}

#[test]
fn damaged_safetensors() {
    twin::run(&corpus("safetensors"), target::safetensors, 5_000);
}

#[test]
fn damaged_checkpoints() {
    twin::run(&corpus("checkpoint"), target::checkpoint, 2_000);
}

/// The corpus would go stale unseen where a format changes: each seed does what it is there for.
#[test]
fn whole_checkpoints_of_the_corpus_load() {
    let mut loaded: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(corpus("checkpoint")).expect("the corpus of the target") {
        let path = entry.expect("readable").path();
        let bytes = std::fs::read(&path).expect("readable");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if target::carried(&bytes) || target::run(&bytes) {
            loaded.push(name);
        }
    }
    loaded.sort();
    assert_eq!(loaded, ["carried", "good", "groups", "nan"]);
}

#[test]
#[ignore = "minutes: cargo test -p etude-nn --test it hostile::a_million -- --ignored"]
fn a_million_damaged_files() {
    twin::run(&corpus("safetensors"), target::safetensors, 700_000);
    twin::run(&corpus("checkpoint"), target::checkpoint, 300_000);
}

fn entry(name: &str, dtype: &str, shape: &str, offsets: [u64; 2]) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets:?}}}"#)
}

#[test]
fn shapes_and_lengths_are_not_believed() {
    let big = u64::MAX;
    for header in [
        entry("w", "F32", "[4611686018427387904]", [0, big]),
        entry("w", "F32", "[1152921504606846976,4]", [0, 1 << 62]),
        entry("w", "F32", "[268435456]", [0, 1 << 30]),
        entry("w", "I64", "[0,1152921504606846975]", [0, 0]),
        entry("w", "U8", "[4294967296,4294967296]", [0, 16]),
        format!("{},{}", entry("a", "F32", "[1000000000]", [0, 4_000_000_000]), entry("b", "F32", "[1]", [0, 4])),
    ] {
        twin::measured(target::safetensors, &build(format!("{{{header}}}"), &[0; 16]));
    }
    // The longest shapes, the deepest nesting, the longest strings that a header of this size can hold.
    let n = 200_000;
    for header in [
        entry("w", "F32", &format!("[{}1]", "1,".repeat(n)), [0, 4]),
        entry("w", "F32", &format!("[{}1]", "0,".repeat(n)), [0, 0]),
        entry("w", "F32", &"[".repeat(n), [0, 4]),
        format!("\"w\":{}", "{\"a\":".repeat(n)),
        entry(&"n".repeat(n), "F32", "[1]", [0, 4]),
        entry("w", &"F".repeat(n), "[1]", [0, 4]),
        format!("\"__metadata__\":{{{}}}", vec!["\"\":\"\""; n].join(",")),
    ] {
        twin::measured(target::safetensors, &build(format!("{{{header}}}"), &[0; 4]));
    }
}

/// A file of `n` tensors of one byte each.
fn tiny(n: u64) -> Vec<u8> {
    let entries: Vec<String> = (0..n).map(|i| entry(&i.to_string(), "U8", "[1]", [i, i + 1])).collect();
    build(format!("{{{}}}", entries.join(",")), &vec![7; n as usize])
}

#[test]
fn many_tiny_tensors() {
    let bytes = tiny(20_000);
    twin::measured(|bytes| assert_eq!(file::read_bytes("t", bytes).expect("whole").tensors.len(), 20_000), &bytes);
}

#[test]
#[ignore = "seconds and 300 MB: cargo test -p etude-nn --test it hostile::a_million_tiny -- --ignored"]
fn a_million_tiny_tensors() {
    let bytes = tiny(1_000_000);
    let used = twin::measured(
        |bytes| assert_eq!(file::read_bytes("t", bytes).expect("whole").tensors.len(), 1_000_000),
        &bytes,
    );
    println!("{used} bytes for a file of {}", bytes.len());
}

/// A checkpoint of an optimiser of 100 parameters that names 20,000 settings of each, in one group or in one per parameter:
/// the parameters times the names would be 2,000,000 texts.
#[test]
fn invented_settings_take_no_more_than_the_file() {
    fn mismatches(bytes: &[u8]) -> Vec<Mismatch> {
        let params: Vec<Param> = (0..PARAMS).map(|_| Param::new(Tensor::zeros([1]))).collect();
        let mut opt = Sgd::new(&params, 0.1);
        match Checkpoint::new().optimizer("opt", &mut opt).load_bytes("t", bytes) {
            Err(Error::Mismatch { mismatches, .. }) => mismatches,
            other => panic!("invented, yet {other:?}"),
        }
    }
    const PARAMS: usize = 100;
    const NAMES: usize = 20_000;
    let params: Vec<Param> = (0..PARAMS).map(|_| Param::new(Tensor::zeros([1]))).collect();
    let state = Sgd::new(&params, 0.1).state();
    let [mut one] = state.groups.try_into().expect("one group");
    let invented = |from: usize, count: usize| (from..from + count).map(|i| (i.to_string(), String::new()));
    let each: Vec<GroupState> = (one.params.iter().enumerate())
        .map(|(i, name)| {
            let mut settings = one.settings.clone();
            settings.extend(invented(i * NAMES / PARAMS, NAMES / PARAMS));
            GroupState { params: vec![name.clone()], settings, ..one.clone() }
        })
        .collect();
    one.settings.extend(invented(0, NAMES));
    let tensors: Vec<(String, Value)> =
        state.tensors.into_iter().map(|(name, value)| (format!("opt/{name}"), value)).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    for groups in [vec![one], each] {
        let lines = groups.len();
        let head = serde_json::json!({"kind": "SGD", "lr": 0.1, "steps": 0, "groups": groups}).to_string();
        let metadata = [("etude.step", "0"), ("opt", &head)].map(|(k, v)| (k.to_string(), v.to_string()));
        file::write(&path, &tensors, &metadata.into()).expect("writable");
        let bytes = std::fs::read(&path).expect("just written");
        twin::measured(|bytes| drop(mismatches(bytes)), &bytes);
        let found = mismatches(&bytes);
        assert!(found.iter().all(|line| line.to_string().starts_with("opt/an unknown setting of ")));
        assert_eq!(found.len(), lines, "one for each group of the file");
    }
}

/// A file with holes, which takes no room on the disk, and the length of its header.
fn sparse(folder: &Path, header: u64, length: u64) -> std::path::PathBuf {
    let path = folder.join("sparse.safetensors");
    std::fs::write(&path, header.to_le_bytes()).expect("writable");
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|f| f.set_len(length))
        .expect("holes are allowed here");
    path
}

#[test]
fn a_header_beyond_the_limit_is_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = sparse(folder.path(), 3_000_000_000, 4_000_000_000);
    let used = allocation_counter::measure(|| {
        let error = file::read(&path).expect_err("30 times the limit");
        assert!(matches!(error, Error::File { problem: FileProblem::HeaderTooLong { .. }, .. }), "{error}");
    });
    assert!(used.bytes_max < 100_000, "{} bytes", used.bytes_max);
}

#[test]
fn a_model_takes_a_whole_file_or_nothing() {
    let mut cx = Ctx::train(0);
    let (model, other) = (Mlp::new(&[3, 4, 2], Act::Relu, &mut cx), Mlp::new(&[3, 4, 2], Act::Relu, &mut cx));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    other.save(&path).expect("writable");
    let whole = std::fs::read(&path).expect("just written");
    let before = model.state_dict();
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).expect("writable");
        let error = model.load(&path).expect_err("truncated").to_string();
        assert!(error.contains("model.safetensors"), "{error}");
        let same = model.state_dict().iter().zip(&before).all(|((_, x), (_, y))| x.same_bits(y));
        assert!(same, "half loaded from {end} bytes");
    }
}
