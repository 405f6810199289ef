//! Every module against PyTorch: its state dictionary in both directions, outputs, first derivatives by inputs and
//! parameters, a projection of the second, buffers after training.
//!
//! `tests/golden/layers.py` wrote the file from f64 computations; the tolerance is 10⁻⁵ of the largest element.
//! `cargo test -p etude-nn --test it golden -- --nocapture` prints how many comparisons there were, and the largest error.

mod complete;
mod derivatives;
mod file;
mod invariance;
mod modules;

use std::collections::BTreeMap;
use std::path::Path;

use etude_autograd::{CreateGraph, Tensor, grad_with};
use etude_kernels::isa::{self, Isa};
use etude_nn::{Ctx, Module, Slot, Value, file as ours};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

pub use file::{Golden, Tally, Values};
use modules::Subject;

/// PyTorch's computations.
fn golden() -> Golden {
    Golden::new(include_bytes!("../../golden/layers.safetensors"))
}

/// cos(offset + frequency·i) for the elements of a tensor of any shape, as `projection` in `shared/modules.py`.
fn projection(like: &Tensor, offset: f64, frequency: f64) -> Tensor {
    let values = (0..like.len()).map(|i| (offset + frequency * i as f64).cos() as f32).collect();
    Tensor::from_vec(values, like.shape())
}

/// Everything that a case compares, by the keys of the file, from the module as it is.
fn measure(file: &Golden, subject: &Subject) -> BTreeMap<String, Value> {
    let Subject { name, inputs, train, .. } = subject;
    let cx = &mut if *train { Ctx::train(0) } else { Ctx::eval_with_seed(0) };
    let mut found = BTreeMap::new();
    let xs: Vec<Tensor> = inputs.iter().map(|x| file.float(&format!("{name}/in/{x}")).requires_grad()).collect();
    let outputs = (subject.run)(&xs, cx);
    let mut total = Tensor::scalar(0.0);
    for (key, y) in &outputs {
        total = total + (y * file.float(&format!("{name}/v/{key}"))).sum();
        found.insert(format!("out/{key}"), Value::Float(y.detach()));
    }
    let mut leaves: Vec<(String, Tensor)> = inputs.iter().map(|x| format!("din/{x}")).zip(xs).collect();
    leaves.extend(subject.module.named_params().into_iter().map(|(key, p)| (format!("dparam/{key}"), p.get())));

    let refs: Vec<&Tensor> = leaves.iter().map(|(_, x)| x).collect();
    let one = Tensor::scalar(1.0);
    let recorded = grad_with(&total, &refs, &one, CreateGraph::Yes).into_iter().flatten();
    let t = recorded.map(|g| (projection(&g, 1.0, 1.0) * g).sum()).reduce(|a, b| a + b).expect("there are leaves");
    let (mut second, mut scale) = (0.0, 0.0);
    if t.is_tracked() {
        let hessian = grad_with(&t, &refs, &one, CreateGraph::No);
        let terms = hessian.iter().flatten().flat_map(|h| (projection(h, 2.0, 3.0) * h).to_vec());
        terms.for_each(|x| {
            second += f64::from(x);
            scale += f64::from(x.abs());
        });
    }
    found.insert("second".into(), Value::Float(Tensor::from_slice(&[second as f32, scale as f32], [2])));

    drop((outputs, t));
    let grads = total.backward();
    for (key, x) in &leaves {
        let g = grads.get(x).unwrap_or_else(|| panic!("{name}: no gradient {key}"));
        found.insert(key.clone(), Value::Float(g.clone()));
    }
    subject.module.each(&mut |key, slot| {
        let after = match slot {
            Slot::Param(_) => return,
            Slot::Buffer(b) => Value::Float(b.get()),
            Slot::Counter(b) => Value::Int(b.get()),
        };
        found.insert(format!("after/{key}"), after);
    });
    found
}

#[test]
fn modules_load_pytorchs_weights_and_compute_what_it_does() {
    let (file, folder) = (golden(), tempfile::tempdir().expect("a temporary folder"));
    for isa in Isa::available() {
        let mut tally = Tally::new(format!("modules on {isa}"), 1e-5);
        isa::with(isa, || {
            for subject in modules::all(&file) {
                load(&file, &subject, folder.path());
                compare(&file, &subject, &mut tally);
            }
        });
        tally.finish(&file.cases());
    }
}

/// Loads the state dictionary that PyTorch saved: every name, shape and type must fit, in both directions.
fn load(file: &Golden, subject: &Subject, folder: &Path) {
    let path = folder.join(format!("{}.safetensors", subject.name));
    let state = file.write(&format!("{}/state/", subject.name), &path);
    if state > 0 {
        let report = subject.module.load(&path).expect("PyTorch's state dictionary fits");
        assert_eq!((report.tensors, report.converted.len()), (state, 0), "{}", subject.name);
    }
}

fn compare(file: &Golden, subject: &Subject, tally: &mut Tally) {
    tally.case();
    let found = measure(file, subject);
    let prefix = format!("{}/", subject.name);
    let compared = |key: &&str| !["in/", "v/", "state/"].iter().any(|part| key.starts_with(part));
    for key in file.keys(&prefix).filter(compared) {
        let (what, theirs) = (format!("{prefix}{key}"), file.values(&format!("{prefix}{key}")));
        match found.get(key) {
            None => tally.fail(format!("{what} is not computed here")),
            // A projection may cancel: its error is relative to its terms.
            Some(Value::Float(x)) if key == "second" => {
                let x = f64::from(x.to_vec()[0]);
                tally.compare_at_scale(&what, &[x], &theirs.data[..1], theirs.data[1]);
            }
            Some(value) => tally.compare(&what, value.shape(), &numbers(value), &theirs),
        }
    }
}

/// The state dictionary of a network, of batch normalisation too, as `module.half()` and others of PyTorch's would save it.
#[test]
fn files_of_other_widths_load_and_the_report_says_so() {
    let (file, folder) = (golden(), tempfile::tempdir().expect("a temporary folder"));
    let path = folder.path().join("seq.safetensors");
    for (dtype, stored, round) in WIDTHS {
        let all = modules::all(&file);
        let net = all.iter().find(|subject| subject.name == "seq").expect("a case of the file");
        let keys: Vec<&str> = file.keys("seq/state/").collect();
        let floats: Vec<&str> = keys.iter().copied().filter(|k| file.is_float(&format!("seq/state/{k}"))).collect();
        let data = keys.iter().map(|key| {
            let values = file.values(&format!("seq/state/{key}"));
            let bytes: Vec<u8> = match floats.contains(key) {
                true => values.data.iter().flat_map(|&x| round(x).1).collect(),
                false => values.data.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect(),
            };
            (*key, if floats.contains(key) { *dtype } else { Dtype::I64 }, values.shape, bytes)
        });
        let data: Vec<_> = data.collect();
        let views = data.iter().map(|(key, dtype, shape, bytes)| {
            (*key, TensorView::new(*dtype, shape.clone(), bytes).expect("consistent"))
        });
        std::fs::write(&path, serialize(views, None).expect("consistent")).expect("writable");
        let report = net.module.load(&path).expect("it fits");
        let mut converted: Vec<&str> = report.converted.iter().map(|(key, _)| key.as_str()).collect();
        converted.sort_unstable();
        assert_eq!((converted, report.tensors), (floats, keys.len()), "every float, and the counter is as it was");
        assert!(report.converted.iter().all(|(_, found)| found == stored), "{report}");
        assert!(report.to_string().contains(&format!("0.weight from {}", stored.name())), "{report}");
        net.module.each(&mut |key, slot| {
            let theirs = file.values(&format!("seq/state/{key}")).data;
            let ours = match slot {
                Slot::Param(p) => numbers(&Value::Float(p.get())),
                Slot::Buffer(b) => numbers(&Value::Float(b.get())),
                Slot::Counter(b) => return assert_eq!(numbers(&Value::Int(b.get())), theirs),
            };
            assert_eq!(ours, theirs.iter().map(|&x| round(x).0).collect::<Vec<_>>(), "{key} from {dtype:?}");
        });
    }
}

/// A type of number in a file, its name here, a number rounded to it, and its bytes.
type Width = (Dtype, ours::Dtype, fn(f64) -> (f64, Vec<u8>));

const WIDTHS: &[Width] = &[
    (Dtype::F16, ours::Dtype::F16, |x| (f16::from_f64(x).to_f64(), f16::from_f64(x).to_le_bytes().to_vec())),
    (Dtype::BF16, ours::Dtype::Bf16, |x| (bf16::from_f64(x).to_f64(), bf16::from_f64(x).to_le_bytes().to_vec())),
    (Dtype::F64, ours::Dtype::F64, |x| (f64::from(x as f32), x.to_le_bytes().to_vec())),
];

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Float(x) => x.to_vec().into_iter().map(f64::from).collect(),
        Value::Int(x) => x.to_vec().into_iter().map(|x| x as f64).collect(),
    }
}

/// Changes every value that a module holds, so that no default is mistaken for a value that was loaded.
fn stir(module: &dyn Module, seed: u64) {
    let cx = &mut Ctx::train(seed);
    module.each(&mut |name, slot| match slot {
        Slot::Param(p) => p.set(&(Tensor::<f32>::randn(p.shape(), cx) * 0.3)),
        Slot::Buffer(b) if name.ends_with("running_var") => b.set(&(Tensor::<f32>::rand(b.get().shape(), cx) + 0.5)),
        Slot::Buffer(b) => b.set(&Tensor::randn(b.get().shape(), cx)),
        Slot::Counter(b) => b.set(&Tensor::scalar(17)),
    });
}

/// Writes, for every case, the weights as a file of their own and all that [`measure`] finds.
pub fn export(folder: &Path) {
    let file = golden();
    for (i, subject) in modules::all(&file).into_iter().enumerate() {
        stir(&subject.module, i as u64);
        let path = |what: &str| folder.join(format!("{}.{what}.safetensors", subject.name));
        subject.module.save(path("weights")).expect("writable");
        let values: Vec<(String, Value)> = measure(&file, &subject).into_iter().collect();
        ours::write(path("values"), &values, &BTreeMap::new()).expect("writable");
    }
}
