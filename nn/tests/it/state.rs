//! State dictionaries: names, tied parameters, strict loading with every mismatch at once, nothing half loaded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use etude_autograd::Tensor;
use etude_nn::file::{self, Dtype};
use etude_nn::{Buffer, Error, Mismatch, Module, Param, Value, module};
use safetensors::tensor::{TensorView, serialize};

struct Norm {
    weight: Param,
    mean: Buffer,
    batches: Buffer<i64>,
}
module!(Norm { weight, mean as "running_mean", batches as "num_batches_tracked" });

struct Net {
    embed: Param,
    norm: Norm,
    head: Param,
}
module!(Net { embed as "embed.weight", norm, head as "head.weight" });

/// A net whose embedding and head are one parameter.
fn tied(start: f32) -> Net {
    let values = |n: usize| Tensor::from_vec((0..n).map(|i| start + i as f32).collect(), [n]);
    let embed = Param::new(values(6).reshape([2, 3]));
    let head = embed.share();
    let norm =
        Norm { weight: Param::new(values(2)), mean: Buffer::new(values(2)), batches: Buffer::new(Tensor::scalar(7)) };
    Net { embed, norm, head }
}

fn dict(net: &Net) -> BTreeMap<String, Value> {
    net.state_dict().into_iter().collect()
}

fn same(a: &Net, b: &Net) -> bool {
    let (a, b) = (dict(a), dict(b));
    a.keys().eq(b.keys()) && a.iter().all(|(name, value)| value.same_bits(&b[name]))
}

struct Scratch {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn scratch() -> Scratch {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("net.safetensors");
    Scratch { _folder: folder, path }
}

fn float(x: &[f32], shape: &[usize]) -> Value {
    Value::Float(Tensor::from_slice(x, shape))
}

/// The tensors of `tied(0.0)` with changes.
fn written(change: impl FnOnce(&mut BTreeMap<String, Value>)) -> Scratch {
    let scratch = scratch();
    let mut tensors = dict(&tied(0.0));
    change(&mut tensors);
    let tensors: Vec<(String, Value)> = tensors.into_iter().collect();
    file::write(&scratch.path, &tensors, &BTreeMap::new()).expect("writable");
    scratch
}

#[test]
fn saved_and_loaded_is_the_same() {
    let (net, other) = (tied(0.0), tied(100.0));
    let scratch = scratch();
    net.save(&scratch.path).expect("writable");
    assert!(!same(&net, &other));
    let report = other.load(&scratch.path).expect("it fits");
    assert!(same(&net, &other));
    assert_eq!((report.tensors, report.converted.len(), report.to_string()), (4, 0, "4 tensors".to_string()));
    // The other net is still tied, and its own.
    other.head.set(&Tensor::zeros([2, 3]));
    assert_eq!(other.embed.get().to_vec(), [0.0; 6]);
    assert_eq!(net.embed.get().to_vec(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn names_are_in_the_order_of_declaration_and_tied_ones_occur_once() {
    let names: Vec<String> = tied(0.0).state_dict().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["embed.weight", "norm.weight", "norm.running_mean", "norm.num_batches_tracked"]);
}

#[test]
fn a_tied_parameter_loads_under_any_of_its_names() {
    let second_only = written(|tensors| {
        let value = tensors.remove("embed.weight").expect("there");
        tensors.insert("head.weight".into(), value);
    });
    let both = written(|tensors| {
        tensors.insert("head.weight".into(), tensors["embed.weight"].clone());
    });
    for scratch in [second_only, both] {
        let net = tied(100.0);
        net.load(&scratch.path).expect("it fits");
        assert!(same(&net, &tied(0.0)));
    }
    let differing = written(|tensors| {
        tensors.insert("head.weight".into(), float(&[9.0; 6], &[2, 3]));
    });
    let net = tied(100.0);
    let error = net.load(&differing.path).expect_err("two values for one parameter");
    let Error::Mismatch { mismatches, .. } = &error else { panic!("{error}") };
    assert_eq!(mismatches, &[Mismatch::Tied { first: "embed.weight".into(), second: "head.weight".into() }]);
    assert!(same(&net, &tied(100.0)));
}

#[test]
fn every_mismatch_stands_in_one_error_and_nothing_is_loaded() {
    let scratch = written(|tensors| {
        tensors.remove("norm.weight");
        tensors.insert("norm.bias".into(), float(&[0.0; 2], &[2]));
        tensors.insert("embed.weight".into(), float(&[0.0; 6], &[3, 2]));
        tensors.insert("norm.num_batches_tracked".into(), float(&[1.0], &[]));
        tensors.insert("norm.running_mean".into(), Value::Int(Tensor::arange(3)));
    });
    let net = tied(100.0);
    let error = net.load(&scratch.path).expect_err("it does not fit");
    let text = error.to_string();
    assert!(text.starts_with(&*scratch.path.to_string_lossy()), "{text}");
    let expected = [
        "embed.weight has shape [3, 2], expected [2, 3]",
        "norm.weight is missing",
        "norm.running_mean has shape [3], expected [2]",
        "norm.running_mean is of type I64, expected a float",
        "norm.num_batches_tracked is of type F32, expected an integer",
        "norm.bias is unexpected",
    ];
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    assert_eq!(lines, expected);
    assert!(same(&net, &tied(100.0)));
}

#[test]
fn a_damaged_body_loads_nothing() {
    let scratch = scratch();
    tied(0.0).save(&scratch.path).expect("writable");
    let whole = std::fs::read(&scratch.path).expect("just written");
    let net = tied(100.0);
    for at in 0..whole.len() {
        std::fs::write(&scratch.path, &whole[..at]).expect("writable");
        net.load(&scratch.path).expect_err("truncated");
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("not empty") ^= 0x40;
    std::fs::write(&scratch.path, damaged).expect("writable");
    let text = net.load(&scratch.path).expect_err("damaged").to_string();
    assert!(text.contains("checksum"), "{text}");
    assert!(same(&net, &tied(100.0)));
}

#[test]
fn other_widths_are_converted_and_reported() {
    use safetensors::Dtype as D;
    let half: Vec<u8> = [0x3c00u16, 0xc000].iter().flat_map(|x| x.to_le_bytes()).collect();
    let wide: Vec<u8> = [1.0f64, 2.0, 3.0, 4.0, 5.0, 0.1].iter().flat_map(|x| x.to_le_bytes()).collect();
    let brain: Vec<u8> = [0x3f80u16, 0xc000].iter().flat_map(|x| x.to_le_bytes()).collect();
    let count = 5i32.to_le_bytes();
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).expect("consistent");
    let tensors = [
        ("embed.weight", view(D::F64, &[2, 3], &wide[..])),
        ("norm.weight", view(D::F16, &[2], &half[..])),
        ("norm.running_mean", view(D::BF16, &[2], &brain[..])),
        ("norm.num_batches_tracked", view(D::I32, &[], &count[..])),
    ];
    let scratch = scratch();
    std::fs::write(&scratch.path, serialize(tensors, None).expect("consistent")).expect("writable");
    let net = tied(100.0);
    let mut report = net.load(&scratch.path).expect("it fits");
    report.converted.sort_by(|a, b| a.0.cmp(&b.0));
    let converted: Vec<(&str, Dtype)> = report.converted.iter().map(|(name, dtype)| (name.as_str(), *dtype)).collect();
    assert_eq!(
        converted,
        [
            ("embed.weight", Dtype::F64),
            ("norm.num_batches_tracked", Dtype::I32),
            ("norm.running_mean", Dtype::Bf16),
            ("norm.weight", Dtype::F16)
        ]
    );
    assert_eq!(net.embed.get().to_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 0.1]);
    assert_eq!(net.norm.weight.get().to_vec(), [1.0, -2.0]);
    assert_eq!(net.norm.mean.get().to_vec(), [1.0, -2.0]);
    assert_eq!(net.norm.batches.get().item(), 5);
}

#[test]
fn a_boxed_module_saves_and_loads() {
    let scratch = scratch();
    let net: Box<dyn Module> = Box::new(tied(0.0));
    net.save(&scratch.path).expect("writable");
    let other = tied(100.0);
    other.load(&scratch.path).expect("it fits");
    assert!(same(&other, &tied(0.0)));
}
