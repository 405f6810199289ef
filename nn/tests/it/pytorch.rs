//! Our weights in PyTorch: what `tests/pytorch_load.py` loads with `strict=True` and compares.

use std::collections::BTreeMap;
use std::path::Path;

use etude_autograd::{Conv2dArgs, Tensor, no_grad};
use etude_nn::{
    Act, BatchNorm2d, Conv2d, Ctx, Flatten, Gru, Layer, LayerNorm, LeNet, LeNetConfig, Linear, Lstm, Mask, MaxPool2d,
    Module, MultiheadAttention, Seq, Value, file,
};

/// Saves weights, inputs (`x0`, `x1`, …) and outputs (`y0`, `y1`, …) of one model.
fn case(folder: &Path, name: &str, model: &impl Module, inputs: &[&Tensor], outputs: &[&Tensor]) {
    model.save(folder.join(format!("{name}.weights.safetensors"))).expect("writable");
    let named = |letter: char, list: &[&Tensor]| -> Vec<(String, Value)> {
        list.iter().enumerate().map(|(i, x)| (format!("{letter}{i}"), Value::Float((*x).clone()))).collect()
    };
    let tensors = [named('x', inputs), named('y', outputs)].concat();
    file::write(folder.join(format!("{name}.values.safetensors")), &tensors, &BTreeMap::new()).expect("writable");
}

#[test]
#[ignore = "writes weights for tests/pytorch_load.py"]
fn weights_for_pytorch() {
    let folder = std::env::var("WEIGHTS_DIR").expect("WEIGHTS_DIR names a folder");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("writable");
    let cx = &mut Ctx::train(11);

    let lenet = LeNet::new(LeNetConfig::default(), cx).expect("the default is valid");
    let x = Tensor::randn([3, 1, 28, 28], cx);
    case(folder, "lenet", &lenet, &[&x], &[&no_grad(|| lenet.forward(&x, &mut cx.eval()))]);

    let padded = Conv2dArgs { padding: [1, 1], ..Default::default() };
    let net = Seq::default()
        .then(Conv2d::new(2, 3, 3, padded, cx))
        .then(Conv2d::no_bias(3, 4, 3, padded, cx))
        .then(BatchNorm2d::new(4))
        .then(Act::Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(64, 8, cx))
        .then(LayerNorm::new(8))
        .then(Act::Gelu)
        .then(Linear::no_bias(8, 3, cx));
    let x = Tensor::randn([5, 2, 8, 8], cx);
    // Moves the running statistics away from 0 and 1, and their counter to 2.
    for _ in 0..2 {
        net.forward(&(&x * 2.0 + 1.0), cx);
    }
    case(folder, "seq", &net, &[&x], &[&no_grad(|| net.forward(&x, &mut cx.eval()))]);

    let lstm = Lstm::new(4, 6, 2, cx);
    let x = Tensor::randn([7, 3, 4], cx);
    let (y, state) = no_grad(|| lstm.forward(&x, &lstm.zero_state(3), &mut cx.eval()));
    case(folder, "lstm", &lstm, &[&x], &[&y, &state.h, &state.c]);

    let gru = Gru::new(4, 6, 2, cx);
    let (y, state) = no_grad(|| gru.forward(&x, &gru.zero_state(3), &mut cx.eval()));
    case(folder, "gru", &gru, &[&x], &[&y, &state]);

    let attention = MultiheadAttention::new(8, 2, cx);
    let [q, k] = [5, 6].map(|n| Tensor::randn([2, n, 8], cx));
    let y = no_grad(|| attention.forward(&q, &k, &k, Mask::default(), &mut cx.eval()));
    case(folder, "attention", &attention, &[&q, &k], &[&y]);
    let y = no_grad(|| attention.forward(&q, &q, &q, Mask::causal(), &mut cx.eval()));
    case(folder, "causal_attention", &attention, &[&q], &[&y]);
}
