//! The modules of `shared/modules.py`, built here.

use std::rc::Rc;

use etude_autograd::{Conv1dArgs, Conv2dArgs, Conv3dArgs, PadMode, Pool1dArgs, Pool2dArgs, Pool3dArgs, Tensor};
use etude_nn::layers::recurrent::Nonlinearity;
use etude_nn::{
    Act, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
    AdaptiveMaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Conv3d,
    ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Ctx, Dropout, Embedding, Flatten, GlobalAvgPool2d, GroupNorm,
    Gru, GruCell, InstanceNorm1d, InstanceNorm2d, Interpolation, Layer, LayerNorm, LeNet, LeNetConfig, Linear, Lstm,
    LstmCell, LstmState, Mask, MaxPool1d, MaxPool2d, MaxPool3d, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d, Mlp, Module,
    MultiheadAttention, PRelu, Pad1d, Pad2d, Pad3d, PixelShuffle, Resize, RmsNorm, Rnn, RnnCell, Seq, SpectralNorm,
    Upsample, Visitor, WeightNorm, module,
};

use super::file::Golden;

type Outputs = Vec<(&'static str, Tensor)>;
type Run = Box<dyn Fn(&[Tensor], &mut Ctx) -> Outputs>;

/// A module of the file: what it holds, and how it runs on its inputs.
pub struct Subject {
    pub name: &'static str,
    /// The names of the types that it is made of.
    pub types: &'static str,
    pub module: Shared,
    /// The floating inputs.
    pub inputs: &'static [&'static str],
    pub train: bool,
    pub run: Run,
}

/// A module that its runner holds too.
pub struct Shared(Rc<dyn Module>);

impl Module for Shared {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.0.visit(visitor);
    }
}

fn subject<M: Module + 'static>(
    name: &'static str,
    module: M,
    inputs: &'static [&'static str],
    run: impl Fn(&M, &[Tensor], &mut Ctx) -> Outputs + 'static,
) -> Subject {
    let module = Rc::new(module);
    let runner = module.clone();
    let run = Box::new(move |x: &[Tensor], cx: &mut Ctx| run(&runner, x, cx));
    Subject { name, types: std::any::type_name::<M>(), module: Shared(module), inputs, train: true, run }
}

fn layer(name: &'static str, layer: impl Layer + 'static) -> Subject {
    subject(name, layer, &["x"], |layer, x, cx| vec![("y", layer.forward(&x[0], cx))])
}

fn evaluated(name: &'static str, module: impl Layer + 'static) -> Subject {
    Subject { train: false, ..layer(name, module) }
}

/// An embedding whose weight is the head's as well.
struct Tied {
    embed: Embedding,
    head: Linear,
}
module!(Tied { embed, head });

/// Every case of the file.
pub fn all(file: &Golden) -> Vec<Subject> {
    let cx = &mut Ctx::train(0);
    let mut all = vec![layer("linear", Linear::new(7, 5, cx)), layer("linear_no_bias", Linear::no_bias(7, 5, cx))];
    let ids = file.ids("embedding/in/ids");
    let looked_up = ids.clone();
    all.push(subject("embedding", Embedding::new(10, 4, cx), &[], move |table, _, cx| {
        vec![("y", table.forward(&looked_up, cx))]
    }));
    let padded = file.ids("embedding_padding/in/ids");
    all.push(subject("embedding_padding", Embedding::new(10, 4, cx).padding_idx(3), &[], move |table, _, cx| {
        vec![("y", table.forward(&padded, cx))]
    }));
    let embed = Embedding::new(10, 4, cx);
    let head = Linear { weight: embed.weight.share(), ..Linear::new(4, 10, cx) };
    all.push(subject("tied", Tied { embed, head }, &[], move |net, _, cx| {
        let x = net.embed.forward(&ids, cx);
        vec![("y", net.head.forward(&x, cx))]
    }));
    all.extend(convolutions(cx));
    all.extend(norms(cx));
    all.extend(pools());
    all.extend(shapes());
    all.extend(ACTS.iter().map(|&(name, act)| layer(name, act)));
    all.extend(networks(cx));
    all.extend(attention(cx));
    all.extend(recurrent(cx));
    all.extend(cells(cx));
    all
}

fn convolutions(cx: &mut Ctx) -> Vec<Subject> {
    let every = Conv2dArgs { stride: [2; 2], padding: [2; 2], dilation: [2; 2], groups: 2 };
    let every1 = Conv1dArgs { stride: 2, padding: 2, dilation: 2, groups: 2 };
    let (plain, plain1) = (Conv2dArgs::default(), Conv1dArgs::default());
    let padded = Conv2dArgs { padding: [1; 2], ..plain };
    let oblong = Conv2dArgs { stride: [1, 2], padding: [0, 1], dilation: [2, 1], groups: 1 };
    let (tall, wide) = (Conv2dArgs { dilation: [3, 1], ..plain }, Conv2dArgs { padding: [2, 1], ..plain });
    let planes = Conv3dArgs { padding: [1, 0, 1], ..Conv3dArgs::default() };
    let every3 = Conv3dArgs { stride: [2, 1, 2], padding: [1, 2, 1], dilation: [2, 1, 1], groups: 2 };
    let enlarge = Conv2dArgs { stride: [2; 2], ..padded };
    let behind1 = Conv1dArgs { dilation: 3, ..Conv1dArgs::new(1, 1) };
    let behind = Conv2dArgs { stride: [1, 2], dilation: [2, 4], ..plain };
    let grouped = ConvTranspose2d::new(4, 6, 3, every, cx).output_padding([1, 1]);
    vec![
        layer("conv1d", Conv1d::new(3, 4, 3, plain1, cx)),
        layer("conv1d_no_bias", Conv1d::no_bias(3, 4, 2, Conv1dArgs::new(1, 1), cx)),
        layer("conv1d_grouped", Conv1d::new(4, 6, 3, every1, cx)),
        layer("conv_transpose1d", ConvTranspose1d::new(3, 4, 4, Conv1dArgs::new(2, 1), cx)),
        layer("conv_transpose1d_no_bias", ConvTranspose1d::no_bias(3, 2, 3, plain1, cx)),
        layer("conv_transpose1d_grouped", ConvTranspose1d::new(4, 6, 3, every1, cx).output_padding(1)),
        layer("conv2d", Conv2d::new(3, 4, 3, plain, cx)),
        layer("conv2d_no_bias", Conv2d::no_bias(3, 2, 3, padded, cx)),
        layer("conv2d_grouped", Conv2d::new(4, 6, 3, every, cx)),
        layer("conv2d_oblong", Conv2d::with_kernel(2, 3, [2, 3], oblong, cx)),
        layer("conv2d_depthwise", Conv2d::new(4, 8, 3, Conv2dArgs { groups: 4, ..padded }, cx)),
        layer("conv_transpose2d", ConvTranspose2d::new(3, 4, 4, enlarge, cx)),
        layer("conv_transpose2d_no_bias", ConvTranspose2d::no_bias(3, 2, 3, plain, cx)),
        layer("conv_transpose2d_grouped", grouped),
        layer("conv3d", Conv3d::new(2, 3, [2, 3, 1], planes, cx)),
        layer("conv3d_grouped", Conv3d::new(4, 6, [2; 3], every3, cx).no_bias()),
        layer("conv_transpose3d", ConvTranspose3d::new(2, 3, [2, 1, 3], planes, cx)),
        layer(
            "conv_transpose3d_grouped",
            ConvTranspose3d::new(4, 2, [2; 3], every3, cx).no_bias().output_padding([1, 0, 1]),
        ),
        layer("conv1d_same", Conv1d::new(2, 3, 4, plain1, cx).same()),
        layer("conv1d_circular", Conv1d::new(2, 3, 3, Conv1dArgs::new(2, 2), cx).padding_mode(PadMode::Circular)),
        layer("conv1d_same_replicate", Conv1d::new(2, 3, 4, plain1, cx).same().padding_mode(PadMode::Replicate)),
        layer("conv2d_same", Conv2d::with_kernel(2, 3, [2, 3], tall, cx).same()),
        layer("conv2d_reflect", Conv2d::new(2, 2, 3, wide, cx).padding_mode(PadMode::Reflect)),
        layer("conv2d_replicate", Conv2d::new(2, 2, 3, Conv2dArgs::new(2, 1), cx).padding_mode(PadMode::Replicate)),
        layer(
            "conv2d_same_circular",
            Conv2d::with_kernel(2, 2, [2, 3], tall, cx).padding_mode(PadMode::Circular).same(),
        ),
        layer("conv_transpose1d_behind", ConvTranspose1d::new(2, 3, 2, behind1, cx).output_padding(2)),
        layer("conv_transpose2d_behind", ConvTranspose2d::no_bias(2, 3, 2, behind, cx).output_padding([1, 3])),
    ]
}

fn norms(cx: &mut Ctx) -> Vec<Subject> {
    let linear = |cx: &mut Ctx| SpectralNorm::new(Linear::new(5, 4, cx), cx);
    let (plain, plain1) = (Conv2dArgs::default(), Conv1dArgs::default());
    vec![
        layer("batch_norm1d", BatchNorm1d::new(5)),
        layer("batch_norm1d_sequence", BatchNorm1d { momentum: Some(0.3), eps: 1e-3, ..BatchNorm1d::new(3) }),
        evaluated("batch_norm1d_eval", BatchNorm1d::new(5)),
        layer("batch_norm2d", BatchNorm2d::new(3)),
        evaluated("batch_norm2d_eval", BatchNorm2d::new(3)),
        layer("batch_norm2d_no_affine", BatchNorm2d::new(3).no_affine()),
        evaluated("batch_norm1d_no_affine_eval", BatchNorm1d::new(5).no_affine()),
        layer("batch_norm1d_no_statistics", BatchNorm1d::new(5).no_running_stats()),
        evaluated("batch_norm1d_no_statistics_eval", BatchNorm1d::new(5).no_running_stats()),
        layer("batch_norm1d_neither", BatchNorm1d::new(5).no_affine().no_running_stats()),
        layer("batch_norm2d_cumulative", BatchNorm2d { momentum: None, ..BatchNorm2d::new(3) }),
        layer("layer_norm", LayerNorm::new(6)),
        layer("layer_norm_two_axes", LayerNorm::over([4, 6])),
        layer("layer_norm_no_affine", LayerNorm::over([2, 2, 3]).no_affine()),
        layer("layer_norm_no_bias", LayerNorm { eps: 1e-3, ..LayerNorm::no_bias(6) }),
        layer("rms_norm", RmsNorm::new(6)),
        layer("rms_norm_two_axes", RmsNorm { eps: 1e-3, ..RmsNorm::over([4, 6]) }),
        layer("rms_norm_no_affine", RmsNorm { eps: 1e-3, ..RmsNorm::new(6) }.no_affine()),
        layer("group_norm", GroupNorm::new(2, 6)),
        layer("group_norm_no_affine", GroupNorm::new(3, 6).no_affine()),
        layer("instance_norm1d", InstanceNorm1d::new(4)),
        layer("instance_norm2d", InstanceNorm2d::affine(4)),
        layer("instance_norm1d_running", InstanceNorm1d::new(4).running_stats()),
        layer("instance_norm2d_running", InstanceNorm2d { momentum: 0.3, ..InstanceNorm2d::affine(4).running_stats() }),
        evaluated(
            "instance_norm1d_running_eval",
            InstanceNorm1d { eps: 1e-3, ..InstanceNorm1d::affine(4).running_stats() },
        ),
        evaluated("instance_norm2d_running_eval", InstanceNorm2d::new(4).running_stats()),
        layer("spectral_norm_linear", linear(cx)),
        evaluated("spectral_norm_linear_eval", linear(cx)),
        layer("spectral_norm_conv2d", SpectralNorm::new(Conv2d::no_bias(2, 3, 3, plain, cx), cx)),
        layer(
            "spectral_norm_conv1d",
            SpectralNorm { steps: 3, ..SpectralNorm::new(Conv1d::new(2, 3, 3, plain1, cx), cx) },
        ),
        layer("spectral_norm_conv_transpose2d", SpectralNorm::new(ConvTranspose2d::new(2, 3, 3, plain, cx), cx)),
        layer("weight_norm_linear", WeightNorm::new(Linear::new(5, 4, cx))),
        layer("weight_norm_conv1d", WeightNorm::new(Conv1d::no_bias(2, 3, 3, plain1, cx))),
        layer("weight_norm_conv_transpose1d", WeightNorm::new(ConvTranspose1d::new(2, 3, 3, plain1, cx))),
    ]
}

/// Max pooling and back.
macro_rules! unpooled {
    ($name:literal, $pool:ident, $unpool:ident, $args:expr, |$x:ident| $size:expr) => {
        subject($name, ($pool { args: $args }, $unpool { args: $args }), &["x"], |(pool, unpool), x, _| {
            let (y, index) = pool.forward_with_indices(&x[0]);
            let $x = &x[0];
            vec![("y", unpool.forward(&y, &index, Some($size)))]
        })
    };
}

fn pools() -> Vec<Subject> {
    let overlapping = Pool2dArgs { stride: [2; 2], padding: [1; 2], ..Pool2dArgs::new(3) };
    let line = Pool1dArgs { stride: 2, padding: 1, ceil_mode: true, ..Pool1dArgs::new(3) };
    let (kernel, stride, padding) = ([2, 3, 2], [1, 2, 2], [1, 1, 0]);
    let boxes = Pool3dArgs { kernel, stride, padding, ceil_mode: true, ..Pool3dArgs::new(1) };
    let dilated = Pool1dArgs { stride: 1, padding: 1, dilation: 2, ..Pool1dArgs::new(3) };
    let wide = Pool2dArgs { stride: [1; 2], padding: [1; 2], dilation: [1, 3], ceil_mode: true, ..Pool2dArgs::new(2) };
    vec![
        layer("max_pool2d", MaxPool2d::new(2)),
        layer(
            "max_pool2d_overlapping",
            MaxPool2d { args: Pool2dArgs { kernel: [3, 2], stride: [2, 1], padding: [1, 0], ..Pool2dArgs::new(1) } },
        ),
        layer("avg_pool2d", AvgPool2d::new(2)),
        layer("avg_pool2d_overlapping", AvgPool2d { args: overlapping }),
        layer("max_pool2d_ceil", MaxPool2d { args: Pool2dArgs { ceil_mode: true, ..Pool2dArgs::new(2) } }),
        layer(
            "max_pool2d_beyond",
            MaxPool2d { args: Pool2dArgs { stride: [2, 3], ceil_mode: true, ..Pool2dArgs::new(4) } },
        ),
        layer("avg_pool2d_ceil", AvgPool2d { args: Pool2dArgs { ceil_mode: true, ..overlapping } }),
        layer(
            "avg_pool2d_inside",
            AvgPool2d { args: Pool2dArgs { ceil_mode: true, count_include_pad: false, ..overlapping } },
        ),
        layer("max_pool1d", MaxPool1d { args: line }),
        layer("avg_pool1d", AvgPool1d { args: Pool1dArgs { count_include_pad: false, ..line } }),
        layer("max_pool3d", MaxPool3d { args: boxes }),
        layer("avg_pool3d", AvgPool3d { args: boxes }),
        layer(
            "avg_pool3d_inside",
            AvgPool3d {
                args: Pool3dArgs { stride: [2; 3], padding: [1; 3], count_include_pad: false, ..Pool3dArgs::new(3) },
            },
        ),
        layer("global_avg_pool2d", GlobalAvgPool2d),
        layer("adaptive_avg_pool2d", AdaptiveAvgPool2d { size: [3, 4] }),
        layer("adaptive_max_pool2d", AdaptiveMaxPool2d { size: [3, 4] }),
        layer("adaptive_avg_pool1d", AdaptiveAvgPool1d { size: 4 }),
        layer("adaptive_max_pool1d", AdaptiveMaxPool1d { size: 4 }),
        layer("adaptive_avg_pool3d", AdaptiveAvgPool3d { size: [2, 3, 4] }),
        layer("adaptive_max_pool3d", AdaptiveMaxPool3d { size: [2, 3, 4] }),
        layer("max_pool1d_dilated", MaxPool1d { args: dilated }),
        layer("max_pool2d_dilated", MaxPool2d { args: wide }),
        layer("max_pool3d_dilated", MaxPool3d { args: Pool3dArgs { dilation: [1, 2, 3], ..Pool3dArgs::new(2) } }),
        layer("avg_pool2d_divisor", AvgPool2d { args: Pool2dArgs { divisor_override: Some(5), ..overlapping } }),
        layer(
            "avg_pool3d_divisor",
            AvgPool3d { args: Pool3dArgs { ceil_mode: true, divisor_override: Some(3), ..Pool3dArgs::new(2) } },
        ),
        unpooled!("max_unpool1d", MaxPool1d, MaxUnpool1d, Pool1dArgs::new(2), |x| x.dim(2)),
        unpooled!(
            "max_unpool2d",
            MaxPool2d,
            MaxUnpool2d,
            Pool2dArgs { kernel: [2, 3], stride: [3, 3], padding: [1, 0], ..Pool2dArgs::new(1) },
            |x| [x.dim(2), x.dim(3)]
        ),
        unpooled!("max_unpool3d", MaxPool3d, MaxUnpool3d, Pool3dArgs::new(2), |x| [x.dim(2), x.dim(3), x.dim(4)]),
    ]
}

/// Layers without parameters.
fn shapes() -> Vec<Subject> {
    let resize = |interpolation, align_corners| Resize { size: [7, 4], interpolation, align_corners };
    let pad = |mode| Pad2d { border: [1, 2, 3, 0], mode };
    let pad1 = |mode| Pad1d { border: [1, 3], mode };
    let pad3 = |mode| Pad3d { border: [1, 2, 3, 0, 1, 1], mode };
    vec![
        layer("upsample", Upsample { scale: 2 }),
        layer("resize_bilinear_centres", resize(Interpolation::Bilinear, false)),
        layer("resize_bilinear_corners", resize(Interpolation::Bilinear, true)),
        layer("resize_nearest", resize(Interpolation::Nearest, false)),
        layer("resize_bicubic_centres", resize(Interpolation::Bicubic, false)),
        layer("resize_bicubic_corners", resize(Interpolation::Bicubic, true)),
        layer("pixel_shuffle", PixelShuffle { factor: 2 }),
        layer("pad2d_reflect", pad(PadMode::Reflect)),
        layer("pad2d_replicate", pad(PadMode::Replicate)),
        layer("pad2d_circular", pad(PadMode::Circular)),
        layer("pad2d_constant", pad(PadMode::Constant(-1.5))),
        layer("pad2d_zero", pad(PadMode::ZERO)),
        layer("pad1d_reflection", pad1(PadMode::Reflect)),
        layer("pad1d_replication", pad1(PadMode::Replicate)),
        layer("pad1d_circular", pad1(PadMode::Circular)),
        layer("pad1d_constant", pad1(PadMode::Constant(0.75))),
        layer("pad1d_zero", pad1(PadMode::ZERO)),
        layer("pad3d_reflection", pad3(PadMode::Reflect)),
        layer("pad3d_replication", pad3(PadMode::Replicate)),
        layer("pad3d_circular", pad3(PadMode::Circular)),
        layer("pad3d_constant", pad3(PadMode::Constant(0.75))),
        layer("pad3d_zero", pad3(PadMode::ZERO)),
        layer("flatten", Flatten),
        evaluated("dropout_eval", Dropout::new(0.5)),
        layer("dropout_none", Dropout::new(0.0)),
        layer("prelu", PRelu::new(1)),
        layer("prelu_channels", PRelu::new(3)),
    ]
}

pub const ACTS: &[(&str, Act)] = &[
    ("act_identity", Act::Identity),
    ("act_relu", Act::Relu),
    ("act_leaky_relu", Act::LeakyRelu(0.2)),
    ("act_elu", Act::Elu(1.3)),
    ("act_gelu", Act::Gelu),
    ("act_gelu_tanh", Act::GeluTanh),
    ("act_silu", Act::Silu),
    ("act_sigmoid", Act::Sigmoid),
    ("act_tanh", Act::Tanh),
    ("act_softplus", Act::Softplus),
    ("act_relu6", Act::Relu6),
    ("act_hardsigmoid", Act::Hardsigmoid),
    ("act_hardswish", Act::Hardswish),
    ("act_hardtanh", Act::Hardtanh),
    ("act_mish", Act::Mish),
    ("act_selu", Act::Selu),
    ("act_celu", Act::Celu(0.7)),
    ("act_softsign", Act::Softsign),
    ("act_log_sigmoid", Act::LogSigmoid),
];

fn networks(cx: &mut Ctx) -> Vec<Subject> {
    let seq = Seq::default()
        .then(Conv2d::no_bias(1, 2, 3, Conv2dArgs::default(), cx))
        .then(BatchNorm2d::new(2))
        .then(Act::Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(18, 4, cx));
    let config = LeNetConfig { image: 12, channels: [3, 4], hidden: [7, 6], classes: 5, ..LeNetConfig::default() };
    let lenet = LeNet::new(config, cx).expect("the configuration is valid");
    vec![layer("mlp", Mlp::new(&[4, 8, 6, 3], Act::Tanh, cx)), layer("seq", seq), layer("lenet", lenet)]
}

fn attention(cx: &mut Ctx) -> Vec<Subject> {
    let case = |name, module: MultiheadAttention, causal, hidden: Option<[bool; 8]>| {
        let padding = hidden.map(|hidden| Tensor::from_slice(&hidden, [2, 4]));
        subject(name, module, &["q", "k", "v"], move |module, x, cx| {
            let mask = Mask { causal, padding: padding.as_ref(), ..Mask::default() };
            let (y, weights) = module.forward_with_weights(&x[0], &x[1], &x[2], mask, cx);
            vec![("y", y), ("weights", weights)]
        })
    };
    let padding = [false, false, false, true, false, true, false, true];
    let pairs = [[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0; 5]];
    let pairs = Tensor::from_vec(pairs.as_flattened().iter().map(|&hidden| hidden == 1).collect(), [3, 5]);
    let mut widths = |kdim, vdim| MultiheadAttention::with_inputs(6, 2, kdim, vdim, cx);
    vec![
        case("attention", widths(6, 6), false, None),
        case("attention_no_bias", widths(6, 6).no_bias(), false, None),
        case("attention_widths", widths(4, 3), false, None),
        case("attention_widths_no_bias", widths(6, 3).no_bias(), false, None),
        case("attention_causal", widths(6, 6), true, None),
        case("attention_padding", widths(6, 6), false, Some(padding)),
        subject("attention_pairs", widths(6, 6), &["q", "k", "v"], move |module, x, cx| {
            let (y, weights) = module.forward_with_weights(&x[0], &x[1], &x[2], Mask::pairs(&pairs), cx);
            vec![("y", y), ("weights", weights)]
        }),
        // PyTorch has heads and sequences on one axis.
        subject("attention_bias", widths(6, 6), &["q", "k", "v", "bias"], |module, x, cx| {
            let bias = x[3].reshape([2, 2, 3, 5]);
            let mask = Mask::bias(&bias);
            let (y, weights) = module.forward_with_weights(&x[0], &x[1], &x[2], mask, cx);
            let apart = (module.forward(&x[0], &x[1], &x[2], mask, cx) - &y).to_vec();
            assert!(apart.iter().all(|x| x.abs() < 1e-6), "with weights and without differ by {apart:?}");
            vec![("y", y), ("weights", weights)]
        }),
    ]
}

/// The cases of one recurrent layer: plain, in both directions, with lengths, without biases.
macro_rules! recurrent {
    ($all:ident, $cx:ident, $prefix:literal, $layer:ident, $run:ident) => {
        $all.push($run($prefix, $layer::new(4, 6, 2, $cx), None));
        $all.push($run(concat!($prefix, "_both"), $layer::new(4, 3, 2, $cx).bidirectional($cx), None));
        $all.push($run(concat!($prefix, "_both_lengths"), $layer::new(4, 3, 2, $cx).bidirectional($cx), Some(LENGTHS)));
        $all.push($run(concat!($prefix, "_lengths"), $layer::new(4, 3, 2, $cx), Some(LENGTHS)));
        $all.push($run(concat!($prefix, "_no_bias"), $layer::new(4, 3, 1, $cx).no_bias(), None));
        $all.push($run(
            concat!($prefix, "_both_no_bias"),
            $layer::new(4, 2, 2, $cx).no_bias().bidirectional($cx),
            None,
        ));
    };
}

const LENGTHS: &[usize] = &[4, 1, 5];

fn recurrent(cx: &mut Ctx) -> Vec<Subject> {
    let mut all = vec![run_rnn("rnn_relu", Rnn::new(4, 6, 2, cx).nonlinearity(Nonlinearity::Relu), None)];
    recurrent!(all, cx, "rnn_tanh", Rnn, run_rnn);
    recurrent!(all, cx, "gru", Gru, run_gru);
    recurrent!(all, cx, "lstm", Lstm, run_lstm);
    all.push(run_lstm("lstm_projected", Lstm::new(4, 5, 2, cx).projected(3, cx), None));
    let both = Lstm::new(4, 4, 2, cx).bidirectional(cx).projected(2, cx);
    all.push(run_lstm("lstm_projected_both_lengths", both, Some(LENGTHS)));
    all.push(run_lstm("lstm_projected_no_bias", Lstm::new(4, 4, 1, cx).no_bias().projected(1, cx), None));
    all
}

fn run_rnn(name: &'static str, rnn: Rnn, lengths: Option<&'static [usize]>) -> Subject {
    subject(name, rnn, &["x", "h"], move |rnn, x, cx| {
        let (y, h) = match lengths {
            Some(lengths) => rnn.forward_lengths(&x[0], lengths, &x[1], cx),
            None => rnn.forward(&x[0], &x[1], cx),
        };
        vec![("y", y), ("h", h)]
    })
}

fn run_gru(name: &'static str, gru: Gru, lengths: Option<&'static [usize]>) -> Subject {
    subject(name, gru, &["x", "h"], move |gru, x, cx| {
        let (y, h) = match lengths {
            Some(lengths) => gru.forward_lengths(&x[0], lengths, &x[1], cx),
            None => gru.forward(&x[0], &x[1], cx),
        };
        vec![("y", y), ("h", h)]
    })
}

fn run_lstm(name: &'static str, lstm: Lstm, lengths: Option<&'static [usize]>) -> Subject {
    subject(name, lstm, &["x", "h", "c"], move |lstm, x, cx| {
        let state = LstmState { h: x[1].clone(), c: x[2].clone() };
        let (y, LstmState { h, c }) = match lengths {
            Some(lengths) => lstm.forward_lengths(&x[0], lengths, &state, cx),
            None => lstm.forward(&x[0], &state, cx),
        };
        vec![("y", y), ("h", h), ("c", c)]
    })
}

/// The cases of one cell: with a state, from zeros, without biases.
macro_rules! cell {
    ($all:ident, $cx:ident, $prefix:literal, $layer:ident, $run:ident, $states:expr) => {
        $all.push($run($prefix, $layer::new(4, 6, $cx), $states));
        $all.push($run(concat!($prefix, "_no_bias"), $layer::new(4, 6, $cx).no_bias(), $states));
        $all.push($run(concat!($prefix, "_from_zeros"), $layer::new(4, 6, $cx), &["x"]));
    };
}

fn cells(cx: &mut Ctx) -> Vec<Subject> {
    let relu = RnnCell::new(4, 6, cx).nonlinearity(Nonlinearity::Relu);
    let mut all = vec![run_rnn_cell("rnn_cell_relu", relu, &["x", "h"])];
    cell!(all, cx, "rnn_cell_tanh", RnnCell, run_rnn_cell, &["x", "h"]);
    cell!(all, cx, "gru_cell", GruCell, run_gru_cell, &["x", "h"]);
    cell!(all, cx, "lstm_cell", LstmCell, run_lstm_cell, &["x", "h", "c"]);
    all
}

fn run_rnn_cell(name: &'static str, cell: RnnCell, inputs: &'static [&'static str]) -> Subject {
    subject(name, cell, inputs, |cell, x, cx| vec![("h", cell.forward(&x[0], x.get(1), cx))])
}

fn run_gru_cell(name: &'static str, cell: GruCell, inputs: &'static [&'static str]) -> Subject {
    subject(name, cell, inputs, |cell, x, cx| vec![("h", cell.forward(&x[0], x.get(1), cx))])
}

fn run_lstm_cell(name: &'static str, cell: LstmCell, inputs: &'static [&'static str]) -> Subject {
    subject(name, cell, inputs, |cell, x, cx| {
        let state = x.get(1).map(|h| LstmState { h: h.clone(), c: x[2].clone() });
        let LstmState { h, c } = cell.forward(&x[0], state.as_ref(), cx);
        vec![("h", h), ("c", c)]
    })
}
