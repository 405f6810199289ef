//! Recomputation gives what keeping gives: values, gradients of any order, gradients of what was captured, masks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use etude_autograd::{
    CreateGraph, Tensor, checkpoint, checkpoint_with, grad, grad_with, gradgradcheck, is_recomputing, no_grad,
};
use etude_kernels::rng::Rng;

use super::engine::message;

fn random(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

/// Layers of tanh(h·W), each a checkpoint or not.
fn layers(x: &Tensor<f64>, weights: &[Tensor<f64>], keep: bool) -> Tensor<f64> {
    weights.iter().fold(x.clone(), |h, w| {
        let w = w.clone();
        let layer = move |x: &[Tensor<f64>]| x[0].matmul(&w).tanh();
        if keep { layer(&[h]) } else { checkpoint(layer, &[&h]) }
    })
}

#[test]
fn gradients_of_every_order_are_those_without_checkpoints() {
    let x = random(&[3, 4], 1).requires_grad();
    let weights: Vec<Tensor<f64>> = (2..5).map(|seed| random(&[4, 4], seed).requires_grad()).collect();
    let all: Vec<&Tensor<f64>> = std::iter::once(&x).chain(&weights).collect();
    let orders = |keep: bool| {
        let y = layers(&x, &weights, keep).square().sum();
        let first = grad_with(&y, &all, &Tensor::ones([]), CreateGraph::Yes);
        let first: Vec<Tensor<f64>> = first.into_iter().map(|g| g.expect("used")).collect();
        let penalty = first.iter().map(|g| g.square().sum()).reduce(|a, b| a + b).expect("four");
        let second = grad_with(&penalty, &all, &Tensor::ones([]), CreateGraph::No);
        let values = |g: &Tensor<f64>| g.to_vec();
        let backward = y.backward();
        let third: Vec<Vec<f64>> = all.iter().map(|x| values(backward.get(x).expect("used"))).collect();
        [first.iter().map(values).collect(), second.iter().flatten().map(values).collect(), third].concat()
    };
    // Sums of gradients may be added in another order.
    let (kept, recomputed): (Vec<Vec<f64>>, _) = (orders(false), orders(true));
    for (want, got) in kept.iter().zip(&recomputed) {
        let scale = want.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        want.iter().zip(got).for_each(|(w, g)| assert!((w - g).abs() <= 1e-14 * scale, "{g} and {w}"));
    }
    assert_eq!((kept.len(), recomputed.len()), (12, 12));
    let checked = |x: &[Tensor<f64>]| layers(&x[0], &x[1..], false);
    let inputs: Vec<Tensor<f64>> = all.iter().map(|x| x.detach()).collect();
    gradgradcheck(&checked, &inputs, 9).expect("second derivatives");
}

#[test]
fn checkpoints_nest_and_share_inputs() {
    let (x, w) = (random(&[5], 1).requires_grad(), random(&[5], 2).requires_grad());
    // A captured value with a history of its own, which is also on another path.
    let h = &x * &w;
    let nested = {
        let (h, w) = (h.clone(), w.clone());
        move |x: &[Tensor<f64>]| {
            let w = w.clone();
            checkpoint(move |x| x[0].exp() * &w, &[&(&x[0] * &h)]) + &h
        }
    };
    let y = (checkpoint(nested.clone(), &[&x]) * &h).sum();
    let plain = {
        let u = (&x * &h).exp() * &w + &h;
        (u * &h).sum()
    };
    let [a, b, c] = grad(&plain, [&x, &w, &h], CreateGraph::No);
    let [d, e, f] = grad(&y, [&x, &w, &h], CreateGraph::No);
    for (got, want) in [(d, a), (e, b), (f, c)] {
        got.to_vec().iter().zip(want.to_vec()).for_each(|(g, w)| assert!((g - w).abs() < 1e-12 * (1.0 + w.abs())));
    }
}

#[test]
fn only_the_borders_are_kept_and_each_pass_computes_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let alive = Arc::new(());
    let x = random(&[4], 3).requires_grad();
    let y = {
        let (calls, alive) = (calls.clone(), alive.clone());
        checkpoint(
            move |x| {
                calls.fetch_add(1, Ordering::Relaxed);
                assert_eq!(is_recomputing(), calls.load(Ordering::Relaxed) > 1);
                let held = alive.clone();
                // A gradient hook lives as long as the graph of the values between.
                x[0].sin().on_grad(move |_| {
                    let _held = &held;
                    None
                })
            },
            &[&x],
        )
    };
    assert_eq!((calls.load(Ordering::Relaxed), Arc::strong_count(&alive)), (1, 2), "the values between are gone");
    for pass in 2..4 {
        let [g] = grad(&y.sum(), [&x], CreateGraph::No);
        assert_eq!((g.to_vec(), calls.load(Ordering::Relaxed)), (x.cos().to_vec(), pass));
    }
    assert!(!no_grad(|| checkpoint(|x| x[0].exp(), &[&x])).is_tracked());
    assert!(!checkpoint(|x| x[0].exp(), &[&x.detach()]).is_tracked());
    y.sum().backward();
    assert_eq!(Arc::strong_count(&alive), 1, "the pass freed the function, though the value is still here");
    drop(y);
}

#[test]
fn random_numbers_are_replayed_and_go_on() {
    let x = Tensor::<f32>::ones([1000]).requires_grad();
    let mut rng = Rng::new(5);
    let y = checkpoint_with(&mut rng, |x, rng| x[0].dropout(0.4, rng).dropout(0.2, rng), &[&x]);
    let mut plain = Rng::new(5);
    let want = x.dropout(0.4, &mut plain).dropout(0.2, &mut plain);
    assert_eq!(y.to_vec(), want.to_vec());
    assert_eq!(rng.state(), plain.state(), "as if there were no checkpoint");
    for _ in 0..2 {
        let [g] = grad(&y.sum(), [&x], CreateGraph::No);
        assert_eq!(g.to_vec(), want.to_vec());
    }
    assert_eq!(rng.state(), plain.state(), "the reverse pass draws from a copy");
}

#[test]
fn gradients_can_be_asked_for_a_captured_parameter_alone() {
    let (x, w) = (random(&[3], 1).requires_grad(), random(&[3], 2).requires_grad());
    let y = checkpoint(
        {
            let w = w.clone();
            move |x| &x[0] * &w
        },
        &[&x],
    );
    let leaf = w.leaf_id().expect("a leaf");
    let grads = y.sum().backward_for(&[leaf]);
    assert_eq!(grads.get(&w).expect("asked for").to_vec(), x.to_vec());
    assert!(grads.get(&x).is_none());
}

#[test]
fn a_deep_chain_of_checkpoints_runs_in_little_memory_of_nodes() {
    let x = random(&[8], 1).requires_grad();
    let mut y = x.clone();
    for _ in 0..2_000 {
        y = checkpoint(|x| (0..50).fold(x[0].clone(), |h, _| h.affine(1.0, 1e-6)), &[&y]);
    }
    let grads = y.sum().backward();
    assert_eq!(grads.get(&x).expect("used").to_vec(), [1.0; 8]);
}

#[test]
fn misuse_is_named() {
    let x = random(&[2], 1).requires_grad();
    let calls = Arc::new(AtomicUsize::new(0));
    let moody = |second: fn(&Tensor<f64>) -> Tensor<f64>| {
        let calls = calls.clone();
        calls.store(0, Ordering::Relaxed);
        let f = move |x: &[Tensor<f64>]| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 { x[0].exp() } else { second(&x[0]) }
        };
        checkpoint(f, &[&x]).sum()
    };
    let text = message(|| drop(moody(|x| x.reshape([2, 1])).backward()));
    assert_eq!(text, "checkpoint: its function gave [2] before and [2, 1] now");
    let text = message(|| drop(moody(Tensor::detach).backward()));
    assert_eq!(text, "checkpoint: its function gave a tracked [2] before and an untracked one now");
    let y = checkpoint(|x| x[0].exp(), &[&x]);
    let (first, second) = (y.sum(), y.sum());
    first.backward();
    let text = message(|| drop(second.backward()));
    assert!(text.starts_with("checkpoint: graph already freed"), "{text}");
    // A panic inside leaves recording and everything else as it was.
    let broken = catch_unwind(AssertUnwindSafe(|| checkpoint(|_: &[Tensor<f64>]| panic!("inside"), &[&x])));
    assert!(broken.is_err() && !is_recomputing() && x.exp().is_tracked());
}
