//! Saves models, and an input and output of each, for `tests/golden/load_in_torch.py` to load in PyTorch.
//!
//!     cargo run -p etude-nn --example export -- DIR
//!     python3 nn/tests/golden/load_in_torch.py DIR

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use etude_autograd::{Conv2dArgs, Tensor, no_grad};
use etude_nn::{
    Act, BatchNorm2d, Conv2d, Ctx, Flatten, Layer, LeNet, LeNetConfig, Linear, Lstm, Mask, MaxPool2d, Module,
    MultiheadAttention, Seq, Value, file,
};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "target/export".to_string());
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir)?;
    let mut cx = Ctx::train(0);

    let lenet = LeNet::new(LeNetConfig::default(), &mut cx)?;
    let x = Tensor::rand([4, 1, 28, 28], &mut cx);
    let y = lenet.forward(&x, &mut cx.eval());
    save(dir, "lenet", &lenet, &[("x", &x), ("y", &y)])?;

    let net = Seq::default()
        .then(Conv2d::no_bias(3, 8, 3, Conv2dArgs::new(1, 1), &mut cx))
        .then(BatchNorm2d::new(8))
        .then(Act::Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(128, 5, &mut cx));
    let x = Tensor::randn([6, 3, 8, 8], &mut cx);
    // Two batches in training: the running statistics and their counter are part of what is saved.
    no_grad(|| (0..2).for_each(|_| drop(net.forward(&x, &mut cx))));
    let y = net.forward(&x, &mut cx.eval());
    save(dir, "batch_norm", &net, &[("x", &x), ("y", &y)])?;

    let lstm = Lstm::new(5, 7, 2, &mut cx);
    let x = Tensor::randn([9, 3, 5], &mut cx);
    let (y, state) = lstm.forward(&x, &lstm.zero_state(3), &mut cx.eval());
    save(dir, "lstm", &lstm, &[("x", &x), ("y", &y), ("h", &state.h), ("c", &state.c)])?;

    let attention = MultiheadAttention::new(12, 3, &mut cx);
    let x = Tensor::randn([2, 6, 12], &mut cx);
    let y = attention.forward(&x, &x, &x, Mask::causal(), &mut cx.eval());
    save(dir, "attention", &attention, &[("x", &x), ("y", &y)])?;

    println!("wrote 4 models to {}", dir.display());
    Ok(())
}

/// NAME.safetensors holds the model, NAME.io.safetensors the tensors.
fn save(dir: &Path, name: &str, model: &impl Module, tensors: &[(&str, &Tensor)]) -> Result<(), etude_nn::Error> {
    model.save(dir.join(format!("{name}.safetensors")))?;
    let tensors: Vec<_> = tensors.iter().map(|&(key, x)| (key.to_string(), Value::Float(x.detach()))).collect();
    file::write(dir.join(format!("{name}.io.safetensors")), &tensors, &BTreeMap::new())
}
