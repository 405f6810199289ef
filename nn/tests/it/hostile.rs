//! Files that lie: no panic, no memory beyond what the file justifies, nothing half loaded. The properties are those of the
//! fuzz targets, here on stable and on damaged copies of their corpus.

use std::path::Path;

use etude_nn::file::{self, FileProblem};
use etude_nn::{Act, Ctx, Error, Mlp, Module};

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
