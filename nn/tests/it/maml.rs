//! Learning to learn: substitutes for parameters carry gradients back through the inner loop.
//!
//! Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, arXiv:1703.03400, algorithm 1.

use etude_autograd::{CreateGraph, Tensor, grad_with};
use etude_nn::{Act, Adam, Ctx, Layer, Mlp, Module, Optimizer, loss};

/// Sines of one amplitude and phase at five points for the inner step and five for the outer.
fn task(amplitude: f32, phase: f32) -> [(Tensor, Tensor); 2] {
    let points = |from: f32| {
        let x: Vec<f32> = (0..5).map(|i| from + 1.7 * i as f32).collect();
        let y = x.iter().map(|x| amplitude * (x + phase).sin()).collect();
        (Tensor::from_vec(x, [5, 1]), Tensor::from_vec(y, [5, 1]))
    };
    [points(-4.0), points(-3.3)]
}

/// The outer loss after one inner step of rate `rate`.
fn adapted_loss(model: &Mlp, task: &[(Tensor, Tensor); 2], rate: f32, cx: &mut Ctx) -> Tensor {
    let params: Vec<_> = model.named_params().into_iter().map(|(_, p)| (p.id(), p.get())).collect();
    let inner = loss::mse(&model.forward(&task[0].0, cx), &task[0].1);
    let refs: Vec<&Tensor> = params.iter().map(|(_, w)| w).collect();
    let grads = grad_with(&inner, &refs, &Tensor::ones([]), CreateGraph::Yes);
    let steps = params.iter().zip(grads).map(|((id, w), g)| (*id, w - g.expect("every parameter is used") * rate));
    let mut adapted = cx.with_params(steps.collect::<Vec<_>>());
    loss::mse(&model.forward(&task[1].0, &mut adapted), &task[1].1)
}

#[test]
fn the_outer_gradient_goes_through_the_inner_step() {
    let cx = &mut Ctx::train(1);
    let (model, task, rate) = (Mlp::new(&[1, 8, 1], Act::Tanh, cx), task(1.5, 0.3), 0.05);
    let grads = adapted_loss(&model, &task, rate, cx).backward();
    // Moves every parameter along its gradient, both ways: the slope is the squared norm of the gradient.
    let params = model.named_params();
    let gradient: Vec<Vec<f32>> = params.iter().map(|(_, p)| grads.by_id(p.id()).expect("used").to_vec()).collect();
    let norm: f32 = gradient.iter().flatten().map(|g| g * g).sum();
    let mut moved = |by: f32| {
        for ((_, p), g) in params.iter().zip(&gradient) {
            p.update(|w| w.iter_mut().zip(g).for_each(|(w, g)| *w += by * g));
        }
        adapted_loss(&model, &task, rate, cx).item()
    };
    let h = 1e-2 / norm.sqrt();
    let (up, down) = (moved(h), moved(-2.0 * h));
    let slope = (up - down) / (2.0 * h);
    assert!((slope / norm - 1.0).abs() < 2e-2, "the slope is {slope}, the gradient says {norm}");
}

#[test]
fn meta_training_makes_one_step_worth_more() {
    for seed in [2, 3, 4] {
        let cx = &mut Ctx::train(seed);
        let model = Mlp::new(&[1, 16, 16, 1], Act::Tanh, cx);
        let tasks = [task(1.0, 0.0), task(2.0, 0.8), task(0.5, 1.6), task(1.5, 2.4)];
        let mut opt = Adam::new(&model, 5e-3);
        let mean = |cx: &mut Ctx| {
            let losses = tasks.iter().map(|task| adapted_loss(&model, task, 0.05, cx));
            losses.reduce(|a, b| a + b).expect("there are tasks") * 0.25
        };
        let before = mean(cx).item();
        for _ in 0..150 {
            let grads = mean(cx).backward();
            opt.step(&grads);
        }
        let after = mean(cx).item();
        assert!(after < 0.5 * before, "seed {seed}: the loss after one step was {before}, is {after}");
    }
}
