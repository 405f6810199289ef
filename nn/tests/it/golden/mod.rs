//! Every layer and loss against PyTorch: outputs, gradients of inputs and parameters, running statistics.
//!
//! `tests/golden/layers.py` wrote the file from f64 computations; the tolerance is 10⁻⁵ of the largest element.

use std::collections::BTreeMap;

use etude_autograd::{Conv2dArgs, Tensor};
use etude_nn::layers::recurrent::Nonlinearity;
use etude_nn::{
    Act, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, ConvTranspose2d, Ctx, Embedding, Flatten, GroupNorm, Gru,
    InstanceNorm1d, InstanceNorm2d, Layer, LayerNorm, LeNet, LeNetConfig, Linear, Lstm, LstmState, Mask, MaxPool2d,
    Mlp, Module, MultiheadAttention, RMSNorm, Rnn, Seq, Slot, Upsample, loss,
};
use safetensors::{Dtype, SafeTensors};

/// One case of the file.
struct Case {
    name: String,
    floats: BTreeMap<String, Tensor>,
    ids: BTreeMap<String, Tensor<i64>>,
}

impl Case {
    fn open(name: &str) -> Self {
        let bytes = include_bytes!("../golden/layers.safetensors");
        let file = SafeTensors::deserialize(bytes).expect("the golden file is whole");
        let mut case = Case { name: name.to_string(), floats: BTreeMap::new(), ids: BTreeMap::new() };
        for (key, view) in file.tensors() {
            let Some(key) = key.strip_prefix(name).and_then(|k| k.strip_prefix('/')) else { continue };
            let data = view.data();
            match view.dtype() {
                Dtype::F32 => {
                    let values = data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
                    case.floats.insert(key.to_string(), Tensor::from_vec(values, view.shape()));
                }
                Dtype::I64 => {
                    let values = data.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect();
                    case.ids.insert(key.to_string(), Tensor::from_vec(values, view.shape()));
                }
                other => panic!("{name}/{key} is {other:?}"),
            }
        }
        assert!(!case.floats.is_empty(), "the golden file has no case {name}");
        case
    }

    fn float(&self, key: &str) -> &Tensor {
        self.floats.get(key).unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    fn compare(&self, what: &str, ours: &Tensor, key: &str) {
        let theirs = self.float(key);
        assert_eq!(ours.shape(), theirs.shape(), "{}: shape of {what}", self.name);
        let (a, b) = (ours.to_vec(), theirs.to_vec());
        let scale = b.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
        for (i, (x, y)) in a.iter().zip(&b).enumerate() {
            assert!((x - y).abs() <= 1e-5 * scale, "{}: {what} at {i}: {x} here, {y} in PyTorch", self.name);
        }
    }

    /// Puts PyTorch's parameters and buffers into `module`. Every name and shape must agree, in both directions.
    fn load(&self, module: &dyn Module) {
        let mut seen = 0;
        module.each(&mut |name, slot| {
            seen += 1;
            match slot {
                Slot::Param(p) => p.set(self.float(&format!("param/{name}"))),
                Slot::Buffer(b) => b.set(self.float(&format!("buffer/{name}"))),
                Slot::Counter(b) => b.set(&self.ids[&format!("buffer/{name}")]),
            }
        });
        let ours = |key: &&String| key.starts_with("param/") || key.starts_with("buffer/");
        let theirs = self.floats.keys().filter(ours).count() + self.ids.keys().filter(ours).count();
        assert_eq!(seen, theirs, "{}: another number of parameters", self.name);
    }

    /// Runs `forward` on the inputs of these names and compares everything.
    fn check(
        &self,
        module: Option<&dyn Module>,
        names: &[&str],
        forward: impl FnOnce(&[Tensor]) -> Vec<(&'static str, Tensor)>,
    ) {
        if let Some(module) = module {
            self.load(module);
        }
        let inputs: Vec<Tensor> = names.iter().map(|name| self.float(&format!("in/{name}")).requires_grad()).collect();
        let outputs = forward(&inputs);
        let mut total = Tensor::scalar(0.0);
        for (name, y) in &outputs {
            self.compare(name, y, &format!("out/{name}"));
            total = total + (y * self.float(&format!("v/{name}"))).sum();
        }
        drop(outputs);
        let grads = total.backward();
        for (name, x) in names.iter().zip(&inputs) {
            if self.floats.contains_key(&format!("din/{name}")) {
                let g = grads.get(x).unwrap_or_else(|| panic!("{}: no gradient of {name}", self.name));
                self.compare(&format!("the gradient of {name}"), g, &format!("din/{name}"));
            }
        }
        let Some(module) = module else { return };
        module.each(&mut |name, slot| match slot {
            Slot::Param(p) => {
                let g = grads.by_id(p.id()).unwrap_or_else(|| panic!("{}: no gradient of {name}", self.name));
                self.compare(&format!("the gradient of {name}"), g, &format!("dparam/{name}"));
            }
            Slot::Buffer(b) => self.compare(name, &b.get(), &format!("after/{name}")),
            Slot::Counter(b) => assert_eq!(b.get().to_vec(), self.ids[&format!("after/{name}")].to_vec(), "{name}"),
        });
    }
}

fn layer(name: &str, layer: impl Layer) {
    layer_in(name, layer, Ctx::train(0));
}

fn layer_in(name: &str, layer: impl Layer, mut cx: Ctx) {
    Case::open(name).check(Some(&layer), &["x"], |x| vec![("y", layer.forward(&x[0], &mut cx))]);
}

#[test]
fn linear_and_embedding() {
    let cx = &mut Ctx::train(0);
    layer("linear", Linear::new(7, 5, cx));
    layer("linear_no_bias", Linear::no_bias(7, 5, cx));
    let (case, table) = (Case::open("embedding"), Embedding::new(10, 4, cx));
    case.check(Some(&table), &[], |_| vec![("y", table.forward(&case.ids["in/ids"], cx))]);
}

#[test]
fn convolutions() {
    let cx = &mut Ctx::train(0);
    let args = |stride: usize, padding: usize, dilation: usize, groups: usize| Conv2dArgs {
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [dilation; 2],
        groups,
    };
    layer("conv2d", Conv2d::new(3, 4, 3, args(1, 0, 1, 1), cx));
    layer("conv2d_grouped", Conv2d::new(4, 6, 3, args(2, 2, 2, 2), cx));
    layer("conv_transpose2d", ConvTranspose2d::new(3, 4, 4, args(2, 1, 1, 1), cx));
    let grouped = ConvTranspose2d::new(4, 6, 3, args(2, 1, 1, 2), cx).output_padding([1, 1]);
    layer("conv_transpose2d_grouped", grouped);
}

#[test]
fn normalisation() {
    layer("batch_norm1d", BatchNorm1d::new(5));
    layer("batch_norm2d", BatchNorm2d::new(3));
    layer_in("batch_norm2d_eval", BatchNorm2d::new(3), Ctx::eval_with_seed(0));
    layer("layer_norm", LayerNorm::new(6));
    // In f64, as the file, PyTorch's ε of `nn.RMSNorm` would be that of f64.
    layer("rms_norm", RMSNorm { eps: f64::EPSILON, ..RMSNorm::new(6) });
    layer("group_norm", GroupNorm::new(2, 6));
    layer("instance_norm1d", InstanceNorm1d::new(4));
    layer("instance_norm2d", InstanceNorm2d::affine(4));
}

#[test]
fn pooling_and_activations() {
    layer("max_pool2d", MaxPool2d::new(2));
    layer("avg_pool2d", AvgPool2d { kernel: [3, 3], stride: [2, 2], padding: [1, 1] });
    layer("upsample", Upsample { scale: 2 });
    for (name, act) in [
        ("relu", Act::Relu),
        ("leaky_relu", Act::LeakyRelu(0.2)),
        ("elu", Act::Elu(1.3)),
        ("gelu", Act::Gelu),
        ("gelu_tanh", Act::GeluTanh),
        ("silu", Act::Silu),
        ("sigmoid", Act::Sigmoid),
        ("tanh", Act::Tanh),
        ("softplus", Act::Softplus),
    ] {
        layer(&format!("act_{name}"), act);
    }
}

#[test]
fn whole_networks() {
    let cx = &mut Ctx::train(0);
    layer("mlp", Mlp::new(&[4, 8, 6, 3], Act::Tanh, cx));
    let seq = Seq::default()
        .then(Conv2d::no_bias(1, 2, 3, Conv2dArgs::default(), cx))
        .then(BatchNorm2d::new(2))
        .then(Act::Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(18, 4, cx));
    layer("seq", seq);
    let config = LeNetConfig { image: 12, channels: [3, 4], hidden: [7, 6], classes: 5, ..LeNetConfig::default() };
    layer("lenet", LeNet::new(config, cx).expect("the configuration is valid"));
}

#[test]
fn attention() {
    for (name, causal) in [("attention", false), ("attention_causal", true), ("attention_padding", false)] {
        let cx = &mut Ctx::train(0);
        let (case, module) = (Case::open(name), MultiheadAttention::new(6, 2, cx));
        let hidden = [false, false, false, true, false, true, false, true];
        let padding = (name == "attention_padding").then(|| Tensor::from_slice(&hidden, [2, 4]));
        let mask = Mask { causal, padding: padding.as_ref() };
        case.check(Some(&module), &["q", "k", "v"], |x| {
            let (y, weights) = module.forward_with_weights(&x[0], &x[1], &x[2], mask, cx);
            vec![("y", y), ("weights", weights)]
        });
    }
}

#[test]
fn recurrent_layers() {
    let cx = &mut Ctx::train(0);
    for (name, nonlinearity) in [("rnn_tanh", Nonlinearity::Tanh), ("rnn_relu", Nonlinearity::Relu)] {
        let rnn = Rnn::new(4, 6, 2, cx).nonlinearity(nonlinearity);
        Case::open(name).check(Some(&rnn), &["x", "h"], |x| {
            let (y, h) = rnn.forward(&x[0], &x[1], cx);
            vec![("y", y), ("h", h)]
        });
    }
    let gru = Gru::new(4, 6, 2, cx);
    Case::open("gru").check(Some(&gru), &["x", "h"], |x| {
        let (y, h) = gru.forward(&x[0], &x[1], cx);
        vec![("y", y), ("h", h)]
    });
    let lstm = Lstm::new(4, 6, 2, cx);
    Case::open("lstm").check(Some(&lstm), &["x", "h", "c"], |x| {
        let state = LstmState { h: x[1].clone(), c: x[2].clone() };
        let (y, LstmState { h, c }) = lstm.forward(&x[0], &state, cx);
        vec![("y", y), ("h", h), ("c", c)]
    });
}

#[test]
fn losses() {
    let binary = |name: &str, names: &[&str], f: &dyn Fn(&[Tensor]) -> Tensor| {
        Case::open(&format!("loss_{name}")).check(None, names, |x| vec![("y", f(x))]);
    };
    let classes = |name: &str, f: &dyn Fn(&Tensor, &Tensor<i64>) -> Tensor| {
        let case = Case::open(&format!("loss_{name}"));
        case.check(None, &["x"], |x| vec![("y", f(&x[0], &case.ids["in/ids"]))]);
    };
    classes("cross_entropy", &loss::cross_entropy);
    classes("cross_entropy_smooth", &|x, ids| loss::cross_entropy_smooth(x, ids, 0.1));
    binary("bce_with_logits", &["x", "y"], &|x| loss::bce_with_logits(&x[0], &x[1]));
    binary("mse", &["a", "b"], &|x| loss::mse(&x[0], &x[1]));
    binary("l1", &["a", "b"], &|x| loss::l1(&x[0], &x[1]));
    binary("huber", &["a", "b"], &|x| loss::huber(&x[0], &x[1], 0.7));
    binary("gaussian_nll", &["mean", "var", "y"], &|x| loss::gaussian_nll(&x[0], &x[1], &x[2]));
    binary("kl_std_normal", &["mu", "logvar"], &|x| loss::kl_std_normal(&x[0], &x[1]));
    binary("hinge", &["s", "y"], &|x| loss::hinge(&x[0], &x[1]));
}
