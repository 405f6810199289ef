//! Our weights in PyTorch: what `tests/pytorch_load.py` loads with `strict=True` and compares.

use std::collections::BTreeMap;
use std::path::Path;

use etude_autograd::{Conv2dArgs, Tensor, no_grad};
use etude_nn::{
    Act, BatchNorm2d, Conv2d, Ctx, Flatten, Gru, Layer, LayerNorm, LeNet, LeNetConfig, Linear, Lstm, Mask, MaxPool2d,
    Module, MultiheadAttention, Seq, Value, file,
};

/// Saves weights, inputs and output of one model.
fn case(folder: &Path, name: &str, model: &impl Module, inputs: &[&Tensor], output: &Tensor) {
    model.save(folder.join(format!("{name}.weights.safetensors"))).expect("writable");
    let mut tensors = vec![("y".to_string(), Value::Float(output.clone()))];
    tensors.extend(inputs.iter().enumerate().map(|(i, x)| (format!("x{i}"), Value::Float((*x).clone()))));
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
    case(folder, "lenet", &lenet, &[&x], &no_grad(|| lenet.forward(&x, &mut cx.eval())));

    let padded = Conv2dArgs { padding: [1, 1], ..Default::default() };
    let net = Seq::default()
        .then(Conv2d::new(2, 4, 3, padded, cx))
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
    case(folder, "seq", &net, &[&x], &no_grad(|| net.forward(&x, &mut cx.eval())));

    let lstm = Lstm::new(4, 6, 2, cx);
    let x = Tensor::randn([7, 3, 4], cx);
    case(folder, "lstm", &lstm, &[&x], &no_grad(|| lstm.forward(&x, &lstm.zero_state(3), &mut cx.eval()).0));

    let gru = Gru::new(4, 6, 2, cx);
    case(folder, "gru", &gru, &[&x], &no_grad(|| gru.forward(&x, &gru.zero_state(3), &mut cx.eval()).0));

    let attention = MultiheadAttention::new(8, 2, cx);
    let [q, k] = [5, 6].map(|n| Tensor::randn([2, n, 8], cx));
    let y = no_grad(|| attention.forward(&q, &k, &k, Mask::default(), &mut cx.eval()));
    case(folder, "attention", &attention, &[&q, &k], &y);
}
