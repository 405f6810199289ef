//! Whole training steps give the same bits on 1, 2, 3 and 8 threads, on every instruction set: forward, dropout's random
//! numbers, running statistics, backward, clipping, optimiser.

use etude_autograd::Tensor;
use etude_kernels::isa::{self, Isa};
use etude_kernels::par;
use etude_nn::{
    Act, Adam, AdamW, BatchNorm2d, Conv2d, Ctx, Layer, LayerNorm, LeNet, LeNetConfig, Linear, Lstm, Mask, Mlp, Module,
    MultiheadAttention, Optimizer, Sampler, Sgd, loss, module,
};

/// Every bit that `steps` steps of training leave: losses, parameters, buffers, the optimiser's state.
fn bits(model: &dyn Module, opt: &mut dyn Optimizer, mut loss: impl FnMut() -> Tensor) -> Vec<u32> {
    let mut out = Vec::new();
    for _ in 0..3 {
        let loss = loss();
        out.push(loss.item().to_bits());
        opt.step(&loss.backward());
    }
    model.each(&mut |_, slot| {
        let values = match slot {
            etude_nn::Slot::Param(p) => p.get().to_vec(),
            etude_nn::Slot::Buffer(b) => b.get().to_vec(),
            etude_nn::Slot::Counter(b) => b.get().to_vec().into_iter().map(|x| x as f32).collect(),
        };
        out.extend(values.into_iter().map(f32::to_bits));
    });
    for (_, value) in opt.state().tensors {
        if let etude_nn::Value::Float(x) = value {
            out.extend(x.to_vec().into_iter().map(f32::to_bits));
        }
    }
    out
}

/// Runs a training, which makes its model itself, everywhere.
fn same_everywhere(what: &str, train: impl Fn() -> Vec<u32>) {
    for isa in Isa::available() {
        let run = |threads| isa::with(isa, || par::with_threads(threads, &train));
        let once = run(1);
        assert!(once.iter().all(|x| f32::from_bits(*x).is_finite()), "{what} on {}", isa.name());
        for threads in [2, 3, 8] {
            assert!(run(threads) == once, "{what} on {}: {threads} threads give other bits than one", isa.name());
        }
    }
}

#[test]
fn a_perceptron_with_dropout_and_adam() {
    same_everywhere("an MLP", || {
        let mut cx = Ctx::train(1);
        let mlp = Mlp::new(&[150, 260, 10], Act::Relu, &mut cx);
        let (x, y) = (Tensor::randn([130, 150], &mut cx), Tensor::from_vec((0..130).map(|i| i % 10).collect(), [130]));
        let mut opt = Adam::new(&mlp, 1e-3).clip_norm(0.5);
        bits(&mlp, &mut opt, || {
            let x = x.dropout(0.2, &mut cx.rng);
            loss::cross_entropy(&mlp.forward(&x, &mut cx), &y)
        })
    });
}

struct ConvNet {
    conv: Conv2d,
    norm: BatchNorm2d,
    lenet: LeNet,
}
module!(ConvNet { conv, norm, lenet });

#[test]
fn a_convolutional_network_with_batch_norm_and_momentum() {
    same_everywhere("a conv net", || {
        let mut cx = Ctx::train(2);
        let args = etude_autograd::Conv2dArgs::new(1, 1);
        let config = LeNetConfig { image: 20, channels: [6, 8], hidden: [32, 24], ..LeNetConfig::default() };
        let net = ConvNet {
            conv: Conv2d::new(2, 1, 3, args, &mut cx),
            norm: BatchNorm2d::new(1),
            lenet: LeNet::new(config, &mut cx).expect("valid"),
        };
        let (x, y) =
            (Tensor::randn([33, 2, 20, 20], &mut cx), Tensor::from_vec((0..33).map(|i| i % 10).collect(), [33]));
        let mut opt = Sgd::new(&net, 0.01).momentum(0.9);
        bits(&net, &mut opt, || {
            let h = net.norm.forward(&net.conv.forward(&x, &mut cx), &mut cx);
            loss::cross_entropy(&net.lenet.forward(&h, &mut cx), &y)
        })
    });
}

struct Reader {
    lstm: Lstm,
    head: Linear,
}
module!(Reader { lstm, head });

#[test]
fn an_lstm() {
    same_everywhere("an LSTM", || {
        let mut cx = Ctx::train(3);
        let net = Reader { lstm: Lstm::new(20, 70, 2, &mut cx).dropout(0.1), head: Linear::new(70, 11, &mut cx) };
        let x = Tensor::randn([12, 33, 20], &mut cx);
        let y = Tensor::from_vec((0..33 * 12).map(|i| i % 11).collect(), [33 * 12]);
        let mut opt = Adam::new(&net, 2e-3).clip_norm(1.0);
        bits(&net, &mut opt, || {
            let (h, _) = net.lstm.forward(&x, &net.lstm.zero_state(33), &mut cx);
            loss::cross_entropy(&net.head.forward(&h.reshape([33 * 12, 70]), &mut cx), &y)
        })
    });
}

struct Block {
    norm1: LayerNorm,
    attention: MultiheadAttention,
    norm2: LayerNorm,
    mlp: Mlp,
}
module!(Block { norm1, attention, norm2, mlp });

#[test]
fn a_transformer_block() {
    same_everywhere("a transformer block", || {
        let mut cx = Ctx::train(4);
        let net = Block {
            norm1: LayerNorm::new(48),
            attention: MultiheadAttention::new(48, 4, &mut cx).dropout(0.1),
            norm2: LayerNorm::new(48),
            mlp: Mlp::new(&[48, 192, 48], Act::Gelu, &mut cx),
        };
        let x = Tensor::randn([9, 37, 48], &mut cx);
        let mut opt = AdamW::new(&net, 1e-3).clip_norm(1.0);
        bits(&net, &mut opt, || {
            let h = net.norm1.forward(&x, &mut cx);
            let h = &x + net.attention.forward(&h, &h, &h, Mask::causal(), &mut cx);
            let y = &h + net.mlp.forward(&net.norm2.forward(&h, &mut cx), &mut cx);
            loss::mse(&y, &x)
        })
    });
}

#[test]
fn draws_from_logits() {
    same_everywhere("a sampler", || {
        let mut cx = Ctx::train(5);
        let net = Mlp::new(&[30, 200, 500], Act::Tanh, &mut cx);
        let logits = net.forward(&Tensor::randn([64, 30], &mut cx), &mut cx).to_vec();
        let sampler = Sampler::temperature(0.8).and_then(|s| s.top_k(40)).and_then(|s| s.top_p(0.9)).expect("valid");
        logits.chunks(500).map(|row| sampler.draw(row, &mut cx) as u32).collect()
    });
}
