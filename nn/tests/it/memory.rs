//! Memory of long trainings stays flat, and subnormal numbers do not slow them down.

use std::time::{Duration, Instant};

use etude_autograd::Tensor;
use etude_nn::testing::process;
use etude_nn::{Act, Adam, Ctx, Layer, Linear, Lstm, Mlp, Module, Optimizer, Value, loss, module};

struct Reader {
    lstm: Lstm,
    head: Linear,
}
module!(Reader { lstm, head });

#[test]
#[ignore = "a program of its own; started by the tests below"]
fn watched_mlp() {
    let Some(steps) = process::steps() else { return };
    let mut cx = Ctx::train(0);
    let mlp = Mlp::new(&[32, 64, 10], Act::Relu, &mut cx);
    let mut opt = Adam::new(&mlp, 1e-3).clip_norm(1.0);
    let largest = process::stays_flat("MLP", steps, |_| {
        let x = Tensor::randn([32, 32], &mut cx);
        let y = mlp.forward(&x.dropout(0.1, &mut cx.rng), &mut cx);
        opt.step(&loss::mse(&y, &x.narrow(1, 0, 10)).backward());
    });
    println!("MLP, {steps} steps: {largest:.4} of the memory after the first tenth");
}

#[test]
#[ignore = "a program of its own; started by the tests below"]
fn watched_lstm() {
    let Some(steps) = process::steps() else { return };
    let mut cx = Ctx::train(0);
    let net = Reader { lstm: Lstm::new(8, 24, 2, &mut cx), head: Linear::new(24, 8, &mut cx) };
    let mut opt = Adam::new(&net, 1e-3);
    let mut state = net.lstm.zero_state(4);
    let largest = process::stays_flat("LSTM", steps, |i| {
        // Sequences of changing lengths: the pool of buffers must not grow with their number.
        let x = Tensor::randn([6 + i % 5, 4, 8], &mut cx);
        let (h, next) = net.lstm.forward(&x, &state, &mut cx);
        opt.step(&loss::mse(&net.head.forward(&h, &mut cx), &x).backward());
        // Truncated back-propagation through time: the state goes on, its graph does not.
        state = next.detach();
    });
    println!("LSTM, {steps} steps: {largest:.4} of the memory after the first tenth");
}

#[test]
fn memory_stays_flat() {
    process::alone("memory::watched_mlp", 1500);
    process::alone("memory::watched_lstm", 500);
}

#[test]
#[ignore = "a minute: cargo test -p etude-nn --test it memory::memory_stays_flat_for_ten -- --ignored --nocapture"]
fn memory_stays_flat_for_ten_thousand_steps() {
    process::alone("memory::watched_mlp", 10_000);
    process::alone("memory::watched_lstm", 10_000);
}

/// The seconds of a step of a perceptron whose weights and moments are all `scale`, the best of a few.
fn step_time(scale: f32) -> impl FnMut() -> Duration {
    let mut cx = Ctx::train(0);
    let mlp = Mlp::new(&[256, 256, 256], Act::Tanh, &mut cx);
    let x = Tensor::randn([64, 256], &mut cx) * scale;
    // The learning rate moves nothing, so that the weights stay what they are.
    let mut opt = Adam::new(&mlp, 0.0);
    move || {
        for (_, p) in mlp.named_params() {
            p.update(|w| w.iter_mut().enumerate().for_each(|(i, w)| *w = scale * (1.0 + (i % 7) as f32)));
        }
        let mut state = opt.state();
        for (_, value) in &mut state.tensors {
            if let Value::Float(x) = value {
                *x = Tensor::full(x.shape(), scale);
            }
        }
        opt.set_state(&state).expect("its own");
        let start = Instant::now();
        let loss = mlp.forward(&x, &mut cx).square().mean();
        opt.step(&loss.backward());
        start.elapsed()
    }
}

#[test]
#[ignore = "a timing, on a quiet machine: cargo test -p etude-nn --test it memory::subnormals -- --ignored --nocapture"]
fn subnormals_take_less_than_twice_the_time() {
    // Smaller than f32's smallest normal number, 1.2e-38; products with them are, too.
    let (mut small, mut plain) = (step_time(1e-40), step_time(1e-2));
    let mut best = [Duration::MAX; 2];
    for _ in 0..60 {
        best = [best[0].min(small()), best[1].min(plain())];
    }
    let ratio = best[0].as_secs_f64() / best[1].as_secs_f64();
    println!("a step with subnormal weights and moments takes {ratio:.2} times as long");
    assert!(ratio < 2.0, "{best:?}: {ratio:.2} times as long");
}
