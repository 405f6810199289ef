//! Safetensors files: every broken one is an error with a name in it, never a panic; whole ones agree with the
//! `safetensors` crate in both directions.

use std::collections::BTreeMap;

use etude_autograd::Tensor;
use etude_nn::file::{self, Contents, FileProblem};
use etude_nn::{Error, Value};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

pub fn read(bytes: &[u8]) -> Result<Contents, FileProblem> {
    file::read_bytes("test.safetensors", bytes).map_err(|error| {
        let text = error.to_string();
        assert!(text.starts_with("test.safetensors: "), "the error does not name the file: {text}");
        match error {
            Error::File { problem, .. } => problem,
            other => panic!("not a fault of the file: {other}"),
        }
    })
}

/// A file from its header and body.
pub fn build(header: impl AsRef<[u8]>, body: &[u8]) -> Vec<u8> {
    let header = header.as_ref();
    [&(header.len() as u64).to_le_bytes()[..], header, body].concat()
}

/// A header with one tensor `w`.
fn one(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

/// A file of ours.
fn sample() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sample.safetensors");
    let tensors = [
        ("layer.weight".to_string(), Value::Float(Tensor::from_slice(&[1.5, -2.5, 0.0, 1e-30, 3e38, -0.0], [2, 3]))),
        ("steps".to_string(), Value::Int(Tensor::scalar(i64::MIN))),
        ("none".to_string(), Value::Float(Tensor::zeros([0, 4]))),
    ];
    let metadata = BTreeMap::from([("note".to_string(), "a \"quoted\" näme".to_string())]);
    file::write(&path, &tensors, &metadata).expect("writable");
    std::fs::read(&path).expect("just written")
}

#[test]
fn the_reference_reads_what_we_write() {
    let bytes = sample();
    let theirs = SafeTensors::deserialize(&bytes).expect("the reference accepts it");
    let w = theirs.tensor("layer.weight").expect("there");
    assert_eq!((w.dtype(), w.shape()), (Dtype::F32, &[2, 3][..]));
    let values = w.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).to_bits()).collect::<Vec<_>>();
    assert_eq!(values, [1.5f32, -2.5, 0.0, 1e-30, 3e38, -0.0].map(f32::to_bits));
    assert_eq!(theirs.tensor("steps").expect("there").data(), i64::MIN.to_le_bytes());
    assert_eq!(theirs.tensor("none").expect("there").shape(), [0, 4]);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("the reference accepts it");
    let strings = metadata.metadata().as_ref().expect("there");
    assert_eq!((strings["format"].as_str(), strings["note"].as_str()), ("pt", "a \"quoted\" näme"));
    let ours = read(&bytes).expect("whole");
    assert_eq!(ours.metadata["note"], "a \"quoted\" näme");
    assert_eq!(ours.int("steps").expect("there").item(), i64::MIN);
}

#[test]
fn truncated_at_every_byte() {
    let bytes = sample();
    for end in 0..bytes.len() {
        let problem = read(&bytes[..end]).expect_err("truncated");
        let expected = match end {
            0..8 => matches!(problem, FileProblem::TooShort { bytes } if bytes == end as u64),
            _ => matches!(problem, FileProblem::HeaderBeyondEnd { .. } | FileProblem::BeyondEnd { .. }),
        };
        assert!(expected, "cut at {end}: {problem}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(read(&longer), Err(FileProblem::Rest { .. })));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = sample();
    let whole = read(&bytes).expect("whole");
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Only the name of the checksum can lose a bit unnoticed; then the tensors are still right.
        if let Ok(contents) = read(&flipped) {
            assert!(!contents.metadata.contains_key("etude.crc32c"), "bit {bit} of byte {} went unnoticed", bit / 8);
            for ((name, x), (expected, y)) in contents.tensors.iter().zip(&whole.tensors) {
                assert!(name == expected && x.same_bits(y), "{name} changed");
            }
        }
    }
}

#[test]
fn lengths_that_lie() {
    for length in [9u64, 1 << 32, 1 << 63, u64::MAX, u64::MAX - 7] {
        let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(read(&bytes), Err(FileProblem::HeaderBeyondEnd { header, file: 10 }) if header == length));
    }
    let long = vec![b' '; 100_000_001];
    assert!(matches!(read(&build(long, &[])), Err(FileProblem::HeaderTooLong { limit: 100_000_000, .. })));
}

#[test]
fn headers_that_are_none() {
    assert!(matches!(read(&build(b"{\"\xff\":1}", &[])), Err(FileProblem::NotUtf8 { at: 10 })));
    for start in ["", "[]", " {}", "\u{feff}{}", "null"] {
        assert!(matches!(read(&build(start, &[])), Err(FileProblem::NotAnObject { .. })), "{start:?}");
    }
    let deep = format!("{{\"w\":{}", "[".repeat(100_000));
    let nested = one("F32", &"[".repeat(100_000), "[0,4]");
    for json in [
        "{",
        "{} {}",
        "{\"w\":3}",
        &deep,
        &nested,
        "{\"w\":{\"dtype\":\"F32\"}}",
        &one("F32", "[-1]", "[0,4]"),
        &one("F32", "[1.0]", "[0,4]"),
        &one("F32", "[1]", "[-4,0]"),
        &one("F32", "[1]", "[0]"),
        "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
    ] {
        let problem = read(&build(json, &[0; 4])).expect_err("not a header");
        let FileProblem::NotJson { message } = &problem else { panic!("{problem}") };
        assert!(!json.contains("\"w\":{\"dtype\"") || message.contains("\"w\""), "{message} does not name the tensor");
    }
    assert!(read(&build("{}   ", &[])).expect("spaces behind are legal").tensors.is_empty());
}

#[test]
fn names_that_occur_twice() {
    let tensor = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    for (json, twice) in [
        (format!(r#"{{"w":{tensor},"w":{tensor}}}"#), "w"),
        (format!(r#"{{"w":{tensor},"\u0077":{tensor}}}"#), "w"),
        (r#"{"__metadata__":{},"__metadata__":{}}"#.to_string(), "__metadata__"),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#.to_string(), "__metadata__.a"),
    ] {
        let problem = read(&build(&json, &[0; 4])).expect_err("twice");
        assert_eq!(problem, FileProblem::Duplicate { name: twice.into() });
    }
}

#[test]
fn tensors_that_do_not_add_up() {
    let w = |dtype: &str, shape: &str, offsets: &str, body: usize| {
        let problem = read(&build(one(dtype, shape, offsets), &vec![0; body])).expect_err("does not add up");
        assert!(problem.to_string().contains("\"w\""), "{problem}");
        problem
    };
    assert!(matches!(w("F99", "[1]", "[0,4]", 4), FileProblem::UnknownDtype { dtype, .. } if dtype == "F99"));
    for dtype in ["C64", "F8_E5M2", "F8_E4M3"] {
        let bytes = if dtype == "C64" { 8 } else { 1 };
        let problem = w(dtype, "[1]", &format!("[0,{bytes}]"), bytes);
        assert!(matches!(problem, FileProblem::Unsupported { .. }), "{problem}");
    }
    for shape in ["[9223372036854775808,2]", "[4294967295,4294967295,4294967295,4294967295]", "[4611686018427387904]"] {
        assert!(matches!(w("F32", shape, "[0,4]", 4), FileProblem::Overflow { .. }));
    }
    for (shape, offsets) in [("[2]", "[0,4]"), ("[1]", "[4,0]"), ("[]", "[0,8]"), ("[0]", "[0,4]"), ("[1]", "[0,0]")] {
        let problem = w("F32", shape, offsets, 8);
        assert!(matches!(problem, FileProblem::Size { .. }), "{problem}");
    }
    assert!(matches!(w("F32", "[1]", "[4,8]", 8), FileProblem::Place { begin: 4, expected: 0, .. }));
    assert!(matches!(w("F32", "[2]", "[0,8]", 4), FileProblem::BeyondEnd { end: 8, body: 4, .. }));
    let huge = format!("[{},{}]", u64::MAX - 4, u64::MAX);
    assert!(matches!(w("F32", "[1]", &huge, 4), FileProblem::Place { expected: 0, .. }));
    let two = |second: &str| {
        let first = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        read(&build(format!(r#"{{{first},"w":{{"dtype":"F32","shape":[1],"data_offsets":{second}}}}}"#), &[0; 8]))
    };
    assert!(two("[4,8]").is_ok());
    assert!(matches!(two("[0,4]"), Err(FileProblem::Place { begin: 0, expected: 4, .. })), "an overlap");
    assert!(matches!(two("[2,6]"), Err(FileProblem::Place { begin: 2, expected: 4, .. })), "an overlap");
    assert!(matches!(two("[5,9]"), Err(FileProblem::Place { begin: 5, expected: 4, .. })), "a gap");
}

#[test]
fn odd_but_legal() {
    let contents = read(&build(one("F32", "[]", "[0,4]"), &1.0f32.to_le_bytes())).expect("rank 0");
    assert_eq!(contents.float("w").expect("there").item(), 1.0);
    let rank64 = format!("[{}1]", "1,".repeat(63));
    assert_eq!(read(&build(one("F32", &rank64, "[0,4]"), &[0; 4])).expect("rank 64").tensors[0].1.shape().len(), 64);
    assert!(
        read(&build(one("F32", "[0,1000000000000]", "[0,0]"), &[])).expect("no elements").tensors[0].1.shape()[1] > 0
    );
    // A zero beside lengths whose product overflows: refused, not wrapped around.
    let zero = read(&build(one("F32", "[0,18446744073709551615,18446744073709551615]", "[0,0]"), &[]));
    assert!(matches!(zero, Err(FileProblem::Overflow { .. })));
    let long = "x".repeat(1 << 20);
    for name in ["", "../../etc/passwd", "a\u{0}b", "🦀", &long] {
        let json =
            format!("{{{}:{{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}}}", serde_json::json!(name));
        let contents = read(&build(json, &(-5i64).to_le_bytes())).expect("a name is only a name");
        assert_eq!(contents.int(name).expect("there").to_vec(), [-5]);
    }
}

#[test]
fn other_widths_become_ours() {
    let bits = |dtype: &str, bytes: &[u8]| {
        let contents = read(&build(one(dtype, "[1]", &format!("[0,{}]", bytes.len())), bytes))?;
        Ok::<_, FileProblem>(contents.tensors[0].1.clone())
    };
    let float = |dtype: &str, bytes: &[u8]| match bits(dtype, bytes) {
        Ok(Value::Float(x)) => x.item(),
        other => panic!("{dtype}: {other:?}"),
    };
    let int = |dtype: &str, bytes: &[u8]| match bits(dtype, bytes) {
        Ok(Value::Int(x)) => x.item(),
        other => panic!("{dtype}: {other:?}"),
    };
    // IEEE 754 half: 0x3555 = 2⁻² · (1 + 341/1024); its smallest subnormal is 2⁻²⁴.
    assert_eq!(float("F16", &0x3555u16.to_le_bytes()), 0.25 * (1.0 + 341.0 / 1024.0));
    assert_eq!(float("F16", &1u16.to_le_bytes()), 2f32.powi(-24));
    assert_eq!(float("F16", &0xfc00u16.to_le_bytes()), f32::NEG_INFINITY);
    // bfloat16: the upper half of π as f32.
    assert_eq!(float("BF16", &0x4049u16.to_le_bytes()), f32::from_bits(0x4049_0000));
    assert_eq!(float("F64", &0.1f64.to_le_bytes()), 0.1);
    assert!(float("F64", &f64::NAN.to_le_bytes()).is_nan());
    assert_eq!(float("F64", &f64::INFINITY.to_le_bytes()), f32::INFINITY);
    assert!(matches!(bits("F64", &1e39f64.to_le_bytes()), Err(FileProblem::Range { value, .. }) if value == "1e39"));
    assert_eq!(int("BOOL", &[1]), 1);
    assert_eq!(int("I8", &[0xff]), -1);
    assert_eq!(int("U8", &[0xff]), 255);
    assert_eq!(int("I16", &(-2i16).to_le_bytes()), -2);
    assert_eq!(int("U16", &u16::MAX.to_le_bytes()), 65535);
    assert_eq!(int("I32", &i32::MIN.to_le_bytes()), i64::from(i32::MIN));
    assert_eq!(int("U32", &u32::MAX.to_le_bytes()), i64::from(u32::MAX));
    assert!(matches!(bits("U64", &u64::MAX.to_le_bytes()), Err(FileProblem::Range { .. })));
}

#[test]
fn what_is_no_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for path in [folder.path().to_path_buf(), folder.path().join("absent.safetensors")] {
        let error = file::read(&path).expect_err("not a file");
        assert!(matches!(error, Error::Io { .. }) && error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
}

#[test]
fn a_failed_save_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    file::write(&path, &[("a".into(), Value::Float(Tensor::ones([2])))], &BTreeMap::new()).expect("writable");
    let before = std::fs::read(&path).expect("just written");
    let twice = [("a".into(), Value::Float(Tensor::ones([2]))), ("a".into(), Value::Float(Tensor::ones([2])))];
    assert!(matches!(
        file::write(&path, &twice, &BTreeMap::new()),
        Err(Error::File { problem: FileProblem::Duplicate { .. }, .. })
    ));
    let reserved = [("__metadata__".into(), Value::Float(Tensor::ones([2])))];
    assert!(file::write(&path, &reserved, &BTreeMap::new()).is_err());
    assert_eq!(std::fs::read(&path).expect("still there"), before);
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1, "no temporary file is left");
    assert!(file::write(folder.path().join("no/such/folder"), &[], &BTreeMap::new()).is_err());
}

#[cfg(unix)]
#[test]
fn saving_through_a_link_keeps_the_link() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::write(&real, "old").expect("writable");
    std::os::unix::fs::symlink(&real, &link).expect("links exist here");
    file::write(&link, &[], &BTreeMap::new()).expect("writable");
    assert!(link.is_symlink());
    assert!(file::read(&real).expect("the target was replaced").tensors.is_empty());
}
