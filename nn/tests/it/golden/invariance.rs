//! Every module as a whole gives the same bits, of outputs, gradients and buffers, on any number of threads and from inputs
//! that lie in memory in any way.
//!
//! Each runs on every instruction set at the size of the golden file, and on the machine's own once more, where its inputs
//! have an axis that may be of any length, at a size at which the kernels share their work.

use etude_autograd::Tensor;
use etude_kernels::isa::{self, Isa};
use etude_kernels::par;
use etude_nn::{Ctx, Module, Value};

use super::derivatives::{buffers, restore};
use super::modules::{self, Subject};
use super::{Golden, golden, numbers, projection, stir};

/// Above the sizes from which on every kernel divides its work.
const LARGE: usize = 70_000;

/// The axis of the batch, which may be of any length; `None` where the case has a mask or lengths of its own, or no batch.
fn batch_axis(subject: &Subject) -> Option<usize> {
    match subject.inputs {
        _ if subject.name == "layer_norm_no_affine" => None,
        ["x"] => Some(0),
        ["x", "h", ..] if subject.name.contains("_cell") => Some(0),
        ["x", "h", ..] if !subject.name.ends_with("_lengths") => Some(1),
        ["q", "k", "v"] if subject.name != "attention_padding" => Some(0),
        _ => None,
    }
}

/// Random inputs, by the size they have.
fn points(file: &Golden, subject: &Subject, large: bool) -> Vec<(&'static str, Vec<Tensor>)> {
    let cx = &mut Ctx::train(5);
    let shapes: Vec<Vec<usize>> =
        subject.inputs.iter().map(|x| file.values(&format!("{}/in/{x}", subject.name)).shape).collect();
    let mut points = vec![("small", shapes.iter().map(|shape| Tensor::randn(shape, cx)).collect())];
    if let Some(axis) = batch_axis(subject).filter(|_| large) {
        let smallest: usize = shapes[0].iter().product();
        let batch = LARGE.div_ceil(smallest / shapes[0][axis]);
        let large = shapes.iter().map(|shape| {
            let mut shape = shape.clone();
            shape[axis] = batch;
            Tensor::randn(shape, cx)
        });
        points.push(("large", large.collect()));
    }
    points
}

/// What a run gives, by name.
type Results = Vec<(String, Vec<f64>)>;

/// Outputs, gradients by inputs and parameters, and buffers afterwards, from buffers that are as `before`.
fn results(subject: &Subject, inputs: &[Tensor], before: &[(String, Value)]) -> Results {
    restore(subject, before);
    let cx = &mut if subject.train { Ctx::train(0) } else { Ctx::eval_with_seed(0) };
    let xs: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let outputs = (subject.run)(&xs, cx);
    let mut found: Vec<(String, Value)> =
        outputs.iter().map(|(key, y)| (format!("output {key}"), Value::Float(y.detach()))).collect();
    let weighed = outputs.iter().map(|(_, y)| (projection(y, 0.5, 1.0) * y).sum());
    let grads = weighed.reduce(|a, b| a + b).expect("there are outputs").backward();
    let mut leaves: Vec<(String, Tensor)> = subject.inputs.iter().map(|x| (*x).into()).zip(xs).collect();
    leaves.extend(subject.module.named_params().into_iter().map(|(key, p)| (key, p.get())));
    for (key, x) in &leaves {
        let g = grads.get(x).unwrap_or_else(|| panic!("{}: no gradient by {key}", subject.name));
        found.push((format!("gradient by {key}"), Value::Float(g.clone())));
    }
    found.extend(buffers(subject).into_iter().map(|(key, x)| (format!("buffer {key}"), x)));
    found.into_iter().map(|(key, x)| (key, numbers(&x))).collect()
}

/// What differs, and by how much of the largest element.
fn differences(found: &[(String, Vec<f64>)], want: &[(String, Vec<f64>)]) -> Vec<(String, f64)> {
    assert_eq!(found.len(), want.len());
    let mut out = Vec::new();
    for ((key, x), (_, y)) in found.iter().zip(want) {
        assert_eq!(x.len(), y.len(), "{key}");
        if x.iter().zip(y).any(|(x, y)| x.to_bits() != y.to_bits()) {
            let largest = y.iter().fold(1e-3, |m: f64, y| m.max(y.abs()));
            out.push((key.clone(), x.iter().zip(y).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs())) / largest));
        }
    }
    out
}

/// Runs every module on every instruction set and at every size; each of the variants, by name, must give the same.
fn check(variants: impl Fn(&Subject, &[Tensor], &dyn Fn(&[Tensor]) -> Results) -> Vec<(String, Results)>) {
    let (file, own, mut wrong, mut large) = (golden(), isa::current(), Vec::new(), 0);
    for isa in Isa::available() {
        isa::with(isa, || {
            for (seed, subject) in modules::all(&file).iter().enumerate() {
                stir(&subject.module, seed as u64);
                let before = buffers(subject);
                for (size, inputs) in points(&file, subject, isa == own) {
                    large += usize::from(size == "large");
                    let run = |inputs: &[Tensor]| results(subject, inputs, &before);
                    let want = par::with_threads(1, || run(&inputs));
                    for (how, found) in variants(subject, &inputs, &run) {
                        for (key, by) in differences(&found, &want) {
                            wrong.push(format!("{}, {size}, {isa}, {how}: {key} by {by:.1e}", subject.name));
                        }
                    }
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(large > 100, "only {large} cases of a size that is shared");
}

#[test]
fn modules_give_the_same_bits_on_any_number_of_threads() {
    check(|_, inputs, run| {
        let on = |threads| (format!("{threads} threads"), par::with_threads(threads, || run(inputs)));
        [2, 3, 8].map(on).into()
    });
}

/// The same values with the axes stored in reverse order.
fn transposed(x: &Tensor) -> Tensor {
    let reverse: Vec<usize> = (0..x.rank()).rev().collect();
    x.permute(&reverse).contiguous().permute(&reverse)
}

/// The same values as a window of a larger tensor full of NaN.
fn cut(x: &Tensor) -> Tensor {
    let mut out = x.clone();
    for axis in 0..x.rank() {
        let mut shape = out.shape().to_vec();
        shape[axis] = 1;
        let border = Tensor::full(&shape, f32::NAN);
        out = Tensor::concat(&[&border, &out, &border], axis);
    }
    (0..x.rank()).fold(out, |out, axis| out.narrow(axis, 1, x.dim(axis)))
}

type View = fn(&Tensor) -> Tensor;

#[test]
fn modules_give_the_same_bits_from_views() {
    let views: [(&str, View); 2] = [("transposed", transposed), ("cut from a larger tensor", cut)];
    check(|subject, inputs, run| {
        let mut found = Vec::new();
        for (how, view) in views {
            for i in 0..inputs.len() {
                let mut inputs = inputs.to_vec();
                inputs[i] = view(&inputs[i]);
                let several = inputs[i].shape().iter().filter(|&&length| length > 1).count() > 1;
                assert!(!several || !inputs[i].is_contiguous(), "{how} is a view");
                found.push((format!("{} {how}", subject.inputs[i]), run(&inputs)));
            }
        }
        found
    });
}
