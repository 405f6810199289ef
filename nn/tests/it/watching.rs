//! Layers that are recomputed or watched behave as the layers themselves; a NaN is found by its place in the model.

use std::sync::{Arc, Mutex};

use etude_autograd::{CreateGraph, Stage, Tensor, Watch, detect_anomaly, grad_with, gradcheck, gradgradcheck};
use etude_kernels::rng::Rng;
use etude_nn::{Act, BatchNorm1d, Ctx, Dropout, Layer, Linear, Module, Recompute, Seq, Watched};

fn block(cx: &mut Ctx) -> Seq {
    let norm = BatchNorm1d::new(6);
    Seq::default()
        .then(Linear::new(4, 6, cx))
        .then(norm)
        .then(Act::Tanh)
        .then(Dropout::new(0.3))
        .then(Linear::new(6, 4, cx))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Dropout, batch statistics, a shared random number generator: everything that could notice a second forward pass.
#[test]
fn a_recomputed_layer_trains_to_the_same_bits() {
    let x = Tensor::randn([8, 4], &mut Rng::new(1));
    let run = |recompute: bool| {
        let cx = &mut Ctx::train(7);
        let (a, b) = (block(cx), block(cx));
        let net = if recompute {
            Seq::default().then(Recompute::new(a)).then(Recompute::new(b))
        } else {
            Seq::default().then(a).then(b)
        };
        let mut losses = Vec::new();
        for _ in 0..3 {
            let loss = net.forward(&x, cx).square().mean();
            losses.push(loss.item());
            let grads = loss.backward();
            for (name, param) in net.named_params() {
                let g = grads.by_id(param.id()).unwrap_or_else(|| panic!("{name} got no gradient")).to_vec();
                param.update(|w| w.iter_mut().zip(g).for_each(|(w, g)| *w -= 0.1 * g));
            }
        }
        let mut state = Vec::new();
        for (name, value) in net.state_dict() {
            if let etude_nn::Value::Float(x) = value {
                state.push((name, bits(&x.to_vec())));
            }
        }
        (bits(&losses), state, cx.rng.state())
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_recomputed_layer_has_second_derivatives() {
    let cx = &mut Ctx::train(7);
    let plain = Seq::default().then(Linear::new(4, 6, cx)).then(Act::Tanh);
    let x = Tensor::<f32>::randn([3, 4], &mut Rng::new(2)).requires_grad();
    let weights = plain.named_params();
    let recomputed = Recompute::new(plain.clone());
    recomputed.copy_from(&plain);
    // The norm of the gradient of the input, differentiated by the weights: a gradient penalty.
    let penalty = |net: &dyn Layer, params: Vec<Tensor>| {
        let y = net.forward(&x, &mut Ctx::train(0)).sum();
        let g = grad_with(&y, &[&x], &Tensor::ones([]), CreateGraph::Yes)[0].clone().expect("depends on x");
        let refs: Vec<&Tensor> = params.iter().collect();
        let grads = grad_with(&g.square().sum(), &refs, &Tensor::ones([]), CreateGraph::No);
        grads.into_iter().map(|g| g.map(|g| g.to_vec())).collect::<Vec<_>>()
    };
    let values = |params: Vec<(String, etude_nn::Param)>| params.into_iter().map(|(_, p)| p.get()).collect();
    let (want, got) = (penalty(&plain, values(weights)), penalty(&recomputed, values(recomputed.named_params())));
    for (want, got) in want.iter().zip(&got) {
        let (want, got) = (want.as_ref().expect("depends on it"), got.as_ref().expect("depends on it"));
        // Sums of gradients may be added in another order.
        want.iter().zip(got).for_each(|(w, g)| assert!((w - g).abs() <= 1e-5 * (1.0 + w.abs()), "{g} and {w}"));
    }
    assert_eq!((want.len(), got.len()), (2, 2));
}

#[test]
fn a_recomputed_layer_has_the_parameters_of_its_forward_pass() {
    let cx = &mut Ctx::train(7);
    let plain = Seq::default().then(Linear::new(4, 6, cx)).then(Act::Tanh);
    let recomputed = Recompute::new(plain.clone());
    let x = Tensor::<f32>::randn([3, 4], &mut Rng::new(2)).requires_grad();
    let gradient = |net: &dyn Layer| {
        let y = net.forward(&x, &mut Ctx::train(0));
        net.named_params().iter().for_each(|(_, p)| p.update(|w| w.fill(0.5))); // another loss steps in between
        y.sum().backward().get(&x).expect("used").to_vec()
    };
    assert_eq!(gradient(&plain), gradient(&recomputed));
}

#[test]
fn copies_of_a_recomputed_layer_are_independent() {
    let cx = &mut Ctx::train(0);
    let first = Recompute::new(Linear::new(2, 2, cx));
    let second = first.clone();
    second.layer().weight.update(|w| w.fill(0.0));
    assert!(first.layer().weight.get().to_vec().iter().any(|&w| w != 0.0));
}

#[test]
fn a_nan_is_found_by_layer_and_parameter() {
    let cx = &mut Ctx::train(0);
    let net = Seq::default()
        .then(Linear::new(2, 3, cx))
        .then(Watched::new("middle", Seq::default().then(Act::Tanh).then(Linear::new(3, 1, cx))));
    net.named_params()[2].1.update(|w| w[0] = f32::NAN);
    let run = || net.forward(&Tensor::ones([4, 2]), &mut cx.clone()).sum().backward();
    let found = detect_anomaly(Watch::Nan, run).err().expect("a weight is NaN");
    assert_eq!((found.op, found.stage, found.input), ("linear", Stage::Input, Some(1)));
    assert_eq!(found.path, "1.middle.1");
    // Born in the backward pass: √ at 0 behind the second layer's weights of 0.
    net.named_params()[2].1.update(|w| w.fill(0.0));
    net.named_params()[3].1.update(|w| w.fill(0.0));
    let run = || net.forward(&Tensor::ones([4, 2]), &mut cx.clone()).square().sqrt().sum().backward();
    let found = detect_anomaly(Watch::Nan, run).err().expect("0·∞");
    assert_eq!((found.op, found.stage), ("square", Stage::Backward));
    let nearest = net.param_name(found.leaf.expect("computed from parameters")).expect("one of this model's");
    assert!(nearest.starts_with("1."), "{nearest}");
}

#[test]
fn a_watched_layer_shows_output_and_gradient() {
    let cx = &mut Ctx::train(0);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let seen = seen.clone();
        move |x: &Tensor| seen.lock().expect("no panic").push((what, x.to_vec()))
    };
    let layer = Watched::new("a", Act::Relu).output(note("value")).gradient(note("gradient"));
    let x = Tensor::from_slice(&[1.0f32, -2.0], [2]).requires_grad();
    let grads = (layer.forward(&x, cx) * 3.0).sum().backward();
    assert_eq!(*seen.lock().expect("no panic"), [("value", vec![1.0, 0.0]), ("gradient", vec![3.0, 3.0])]);
    assert_eq!(grads.get(&x).expect("used").to_vec(), [3.0, 0.0]);
}

/// A module of f32 parameters, by its parameters: substitutes in the context take the places of the leaves.
#[test]
fn a_module_passes_the_gradient_checks() {
    let cx = &mut Ctx::train(3);
    let net = Seq::default().then(Linear::new(3, 4, cx)).then(Act::Tanh).then(Linear::new(4, 2, cx));
    let mut inputs = vec![Tensor::randn([5, 3], &mut Rng::new(1))];
    inputs.extend(net.named_params().iter().map(|(_, p)| p.get().detach()));
    let leaves = net.leaves();
    let f = |x: &[Tensor]| {
        let params = leaves.iter().copied().zip(x[1..].iter().cloned());
        net.forward(&x[0], &mut cx.with_params(params))
    };
    gradcheck(&f, &inputs, 0).expect("first derivatives");
    gradgradcheck(&f, &inputs, 1).expect("second derivatives");
}
