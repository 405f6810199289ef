"""The modules that etude-nn and PyTorch both have, each with inputs and a way to run it.

`layers.py` writes what they compute; `pytorch_load.py` loads our weights into them. The cases have the names of those in
`tests/it/golden/modules.rs`.
"""

import sys
import warnings
from dataclasses import dataclass
from typing import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

from shared.values import randn, seed

# torch.nn.utils.weight_norm has the names of published models.
warnings.filterwarnings("ignore", category=FutureWarning)


def weight_norm(v, g, dim=0):
    """PyTorch's own (2.15, CPU) fails gradgradcheck; functions.py compares its value and first derivative."""
    return v * (g / torch.norm_except_dim(v, 2, dim))


sys.modules["torch.nn.utils.weight_norm"]._weight_norm = weight_norm


@dataclass
class Case:
    build: Callable  # the module, or a dict of inputs
    inputs: dict  # shapes of floats, or integer tensors
    run: Callable  # (module, inputs) -> outputs by name
    train: bool = True


CASES = {}


def case(name, build, run, train=True, **inputs):
    assert name not in CASES, name
    CASES[name] = Case(build, inputs, run, train)


def layer(name, build, *shape, train=True):
    case(name, build, lambda m, i: {"y": m(i["x"])}, train, x=shape)


layer("linear", lambda: nn.Linear(7, 5), 3, 2, 7)
layer("linear_no_bias", lambda: nn.Linear(7, 5, bias=False), 4, 7)
ids = torch.tensor([[1, 9, 3], [3, 0, 3]])
case("embedding", lambda: nn.Embedding(10, 4), lambda m, i: {"y": m(i["ids"])}, ids=ids)

padded = torch.tensor([[1, 9, 3], [3, 0, 9]])
case("embedding_padding", lambda: nn.Embedding(10, 4, padding_idx=3), lambda m, i: {"y": m(i["ids"])}, ids=padded)


class Tied(nn.Module):
    """Its state dictionary holds one weight under two names."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(self.embed(ids))


case("tied", Tied, lambda m, i: {"y": m(i["ids"])}, ids=ids)

every = dict(stride=2, padding=2, dilation=2, groups=2)
layer("conv1d", lambda: nn.Conv1d(3, 4, 3), 2, 3, 7)
layer("conv1d_no_bias", lambda: nn.Conv1d(3, 4, 2, padding=1, bias=False), 2, 3, 5)
layer("conv1d_grouped", lambda: nn.Conv1d(4, 6, 3, **every), 2, 4, 9)
layer("conv_transpose1d", lambda: nn.ConvTranspose1d(3, 4, 4, stride=2, padding=1), 2, 3, 5)
layer("conv_transpose1d_no_bias", lambda: nn.ConvTranspose1d(3, 2, 3, bias=False), 2, 3, 4)
layer("conv_transpose1d_grouped", lambda: nn.ConvTranspose1d(4, 6, 3, output_padding=1, **every), 2, 4, 5)
layer("conv2d", lambda: nn.Conv2d(3, 4, 3), 2, 3, 7, 6)
layer("conv2d_no_bias", lambda: nn.Conv2d(3, 2, 3, padding=1, bias=False), 2, 3, 4, 5)
layer("conv2d_grouped", lambda: nn.Conv2d(4, 6, 3, **every), 2, 4, 9, 8)
layer("conv2d_oblong", lambda: nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=(0, 1), dilation=(2, 1)), 2, 2, 6, 7)
layer("conv2d_depthwise", lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), 2, 4, 5, 4)
layer("conv_transpose2d", lambda: nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1), 2, 3, 5, 4)
layer("conv_transpose2d_no_bias", lambda: nn.ConvTranspose2d(3, 2, 3, bias=False), 2, 3, 3, 4)
layer("conv_transpose2d_grouped", lambda: nn.ConvTranspose2d(4, 6, 3, output_padding=1, **every), 2, 4, 5, 4)
same = dict(padding="same", dilation=(3, 1))
layer("conv1d_same", lambda: nn.Conv1d(2, 3, 4, padding="same"), 2, 2, 5)
layer("conv1d_circular", lambda: nn.Conv1d(2, 3, 3, stride=2, padding=2, padding_mode="circular"), 2, 2, 6)
layer("conv1d_same_replicate", lambda: nn.Conv1d(2, 3, 4, padding="same", padding_mode="replicate"), 2, 2, 4)
layer("conv2d_same", lambda: nn.Conv2d(2, 3, (2, 3), **same), 2, 2, 4, 5)
layer("conv2d_reflect", lambda: nn.Conv2d(2, 2, 3, padding=(2, 1), padding_mode="reflect"), 2, 2, 4, 3)
layer("conv2d_replicate", lambda: nn.Conv2d(2, 2, 3, stride=2, padding=1, padding_mode="replicate"), 2, 2, 4, 3)
layer("conv2d_same_circular", lambda: nn.Conv2d(2, 2, (2, 3), padding_mode="circular", **same), 2, 2, 4, 5)
# PyTorch allows what is below the stride or the dilation.
layer("conv_transpose1d_behind", lambda: nn.ConvTranspose1d(2, 3, 2, padding=1, dilation=3, output_padding=2), 2, 2, 4)
layer(
    "conv_transpose2d_behind",
    lambda: nn.ConvTranspose2d(2, 3, 2, stride=(1, 2), dilation=(2, 4), output_padding=(1, 3), bias=False),
    2, 2, 2, 3,
)
layer("conv3d", lambda: nn.Conv3d(2, 3, (2, 3, 1), padding=(1, 0, 1)), 2, 2, 3, 4, 2)
every3 = dict(stride=(2, 1, 2), padding=(1, 2, 1), dilation=(2, 1, 1), groups=2)
layer("conv3d_grouped", lambda: nn.Conv3d(4, 6, 2, bias=False, **every3), 1, 4, 4, 2, 3)
layer("conv_transpose3d", lambda: nn.ConvTranspose3d(2, 3, (2, 1, 3), padding=(1, 0, 1)), 2, 2, 3, 2, 3)
layer(
    "conv_transpose3d_grouped",
    lambda: nn.ConvTranspose3d(4, 2, 2, output_padding=(1, 0, 1), bias=False, **every3),
    1, 4, 2, 4, 2,
)

layer("batch_norm1d", lambda: nn.BatchNorm1d(5), 6, 5)
layer("batch_norm1d_sequence", lambda: nn.BatchNorm1d(3, momentum=0.3, eps=1e-3), 4, 3, 5)
layer("batch_norm1d_eval", lambda: nn.BatchNorm1d(5), 6, 5, train=False)
layer("batch_norm2d", lambda: nn.BatchNorm2d(3), 4, 3, 5, 2)
layer("batch_norm2d_eval", lambda: nn.BatchNorm2d(3), 4, 3, 2, 2, train=False)
layer("batch_norm2d_no_affine", lambda: nn.BatchNorm2d(3, affine=False), 4, 3, 5, 2)
layer("batch_norm1d_no_affine_eval", lambda: nn.BatchNorm1d(5, affine=False), 6, 5, train=False)
layer("batch_norm1d_no_statistics", lambda: nn.BatchNorm1d(5, track_running_stats=False), 6, 5)
layer("batch_norm1d_no_statistics_eval", lambda: nn.BatchNorm1d(5, track_running_stats=False), 6, 5, train=False)
layer("batch_norm1d_neither", lambda: nn.BatchNorm1d(5, affine=False, track_running_stats=False), 6, 5)
layer("batch_norm2d_cumulative", lambda: nn.BatchNorm2d(3, momentum=None), 4, 3, 2, 2)
layer("layer_norm", lambda: nn.LayerNorm(6), 3, 4, 6)
layer("layer_norm_two_axes", lambda: nn.LayerNorm((4, 6)), 3, 4, 6)
layer("layer_norm_no_affine", lambda: nn.LayerNorm((2, 2, 3), elementwise_affine=False), 2, 2, 3)
layer("layer_norm_no_bias", lambda: nn.LayerNorm(6, eps=1e-3, bias=False), 3, 4, 6)
# Else it would be that of f64.
layer("rms_norm", lambda: nn.RMSNorm(6, eps=2.0**-23), 3, 4, 6)
layer("rms_norm_two_axes", lambda: nn.RMSNorm((4, 6), eps=1e-3), 3, 4, 6)
layer("rms_norm_no_affine", lambda: nn.RMSNorm(6, eps=1e-3, elementwise_affine=False), 3, 4, 6)
layer("group_norm", lambda: nn.GroupNorm(2, 6), 3, 6, 4, 2)
layer("group_norm_no_affine", lambda: nn.GroupNorm(3, 6, affine=False), 3, 6, 4)
layer("instance_norm1d", lambda: nn.InstanceNorm1d(4), 3, 4, 5)
layer("instance_norm2d", lambda: nn.InstanceNorm2d(4, affine=True), 3, 4, 3, 2)

layer("instance_norm1d_running", lambda: nn.InstanceNorm1d(4, track_running_stats=True), 3, 4, 5)
layer("instance_norm2d_running", lambda: nn.InstanceNorm2d(4, momentum=0.3, affine=True, track_running_stats=True), 3, 4, 3, 2)
running = dict(eps=1e-3, affine=True, track_running_stats=True)
layer("instance_norm1d_running_eval", lambda: nn.InstanceNorm1d(4, **running), 3, 4, 5, train=False)
layer("instance_norm2d_running_eval", lambda: nn.InstanceNorm2d(4, track_running_stats=True), 3, 4, 1, 1, train=False)

layer("max_pool2d", lambda: nn.MaxPool2d(2), 2, 3, 6, 7)
layer("max_pool2d_overlapping", lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)), 2, 3, 6, 7)
layer("avg_pool2d", lambda: nn.AvgPool2d(2), 2, 3, 6, 7)
layer("avg_pool2d_overlapping", lambda: nn.AvgPool2d(3, stride=2, padding=1), 2, 3, 6, 7)
layer("max_pool2d_ceil", lambda: nn.MaxPool2d(2, ceil_mode=True), 2, 3, 5, 7)
layer("max_pool2d_beyond", lambda: nn.MaxPool2d(4, stride=(2, 3), ceil_mode=True), 2, 3, 3, 8)
layer("avg_pool2d_ceil", lambda: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), 2, 3, 6, 7)
layer("avg_pool2d_inside", lambda: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), 2, 3, 6, 7)
layer("max_pool1d", lambda: nn.MaxPool1d(3, stride=2, padding=1, ceil_mode=True), 2, 3, 8)
layer("avg_pool1d", lambda: nn.AvgPool1d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), 2, 3, 8)
layer("max_pool3d", lambda: nn.MaxPool3d((2, 3, 2), stride=(1, 2, 2), padding=(1, 1, 0), ceil_mode=True), 1, 2, 3, 6, 5)
layer("avg_pool3d", lambda: nn.AvgPool3d((2, 3, 2), stride=(1, 2, 2), padding=(1, 1, 0), ceil_mode=True), 1, 2, 3, 6, 5)
layer("avg_pool3d_inside", lambda: nn.AvgPool3d(3, stride=2, padding=1, count_include_pad=False), 1, 2, 3, 6, 5)
layer("max_pool1d_dilated", lambda: nn.MaxPool1d(3, stride=1, padding=1, dilation=2), 2, 3, 8)
layer("max_pool2d_dilated", lambda: nn.MaxPool2d(2, stride=1, padding=1, dilation=(1, 3), ceil_mode=True), 2, 3, 4, 6)
layer("max_pool3d_dilated", lambda: nn.MaxPool3d(2, stride=2, dilation=(1, 2, 3)), 1, 2, 3, 6, 5)
layer("avg_pool2d_divisor", lambda: nn.AvgPool2d(3, stride=2, padding=1, divisor_override=5), 2, 3, 6, 7)
layer("avg_pool3d_divisor", lambda: nn.AvgPool3d(2, ceil_mode=True, divisor_override=3), 1, 2, 3, 4, 5)


class Unpooled(nn.Module):
    """Max pooling and back."""

    def __init__(self, dims, **windows):
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{dims}d")(return_indices=True, **windows)
        self.unpool = getattr(nn, f"MaxUnpool{dims}d")(**windows)

    def forward(self, x):
        y, index = self.pool(x)
        return self.unpool(y, index, output_size=x.shape)


layer("max_unpool1d", lambda: Unpooled(1, kernel_size=2), 2, 3, 7)
layer("max_unpool2d", lambda: Unpooled(2, kernel_size=(2, 3), stride=(3, 3), padding=(1, 0)), 2, 3, 6, 7)
layer("max_unpool3d", lambda: Unpooled(3, kernel_size=2), 1, 2, 4, 3, 4)
layer("global_avg_pool2d", lambda: nn.AdaptiveAvgPool2d(1), 2, 3, 4, 5)
layer("adaptive_avg_pool1d", lambda: nn.AdaptiveAvgPool1d(4), 2, 3, 7)
layer("adaptive_max_pool1d", lambda: nn.AdaptiveMaxPool1d(4), 2, 3, 7)
layer("adaptive_avg_pool3d", lambda: nn.AdaptiveAvgPool3d((2, 3, 4)), 1, 2, 3, 5, 3)
layer("adaptive_max_pool3d", lambda: nn.AdaptiveMaxPool3d((2, 3, 4)), 1, 2, 3, 5, 3)
layer("adaptive_avg_pool2d", lambda: nn.AdaptiveAvgPool2d((3, 4)), 2, 2, 5, 6)
layer("adaptive_max_pool2d", lambda: nn.AdaptiveMaxPool2d((3, 4)), 2, 2, 5, 6)
layer("upsample", lambda: nn.Upsample(scale_factor=2), 2, 3, 4, 3)
for mode in ["bilinear", "bicubic"]:
    for align in [False, True]:
        name = f"resize_{mode}_{'corners' if align else 'centres'}"
        layer(name, lambda mode=mode, align=align: nn.Upsample((7, 4), mode=mode, align_corners=align), 2, 2, 5, 6)
layer("resize_nearest", lambda: nn.Upsample((7, 4), mode="nearest"), 2, 2, 5, 6)
layer("pixel_shuffle", lambda: nn.PixelShuffle(2), 2, 8, 3, 2)
for dims, shape, sides in [(1, (2, 2, 4), (1, 3)), (3, (1, 2, 2, 4, 3), (1, 2, 3, 0, 1, 1))]:
    for mode in ["Reflection", "Replication", "Circular", "Zero"]:
        pad = getattr(nn, f"{mode}Pad{dims}d")
        layer(f"pad{dims}d_{mode.lower()}", lambda pad=pad, sides=sides: pad(sides), *shape)
    pad = getattr(nn, f"ConstantPad{dims}d")
    layer(f"pad{dims}d_constant", lambda pad=pad, sides=sides: pad(sides, 0.75), *shape)
layer("pad2d_zero", lambda: nn.ZeroPad2d((1, 2, 3, 0)), 2, 2, 4, 3)
layer("pad2d_constant", lambda: nn.ConstantPad2d((1, 2, 3, 0), -1.5), 2, 2, 4, 3)
layer("pad2d_reflect", lambda: nn.ReflectionPad2d((1, 2, 3, 0)), 2, 2, 4, 3)
layer("pad2d_replicate", lambda: nn.ReplicationPad2d((1, 2, 3, 0)), 2, 2, 4, 3)
layer("pad2d_circular", lambda: nn.CircularPad2d((1, 2, 3, 0)), 2, 2, 4, 3)
layer("flatten", lambda: nn.Flatten(), 2, 3, 2, 2)
layer("dropout_eval", lambda: nn.Dropout(0.5), 4, 3, train=False)
layer("dropout_none", lambda: nn.Dropout(0.0), 4, 3)
layer("prelu", lambda: nn.PReLU(), 4, 3)
layer("prelu_channels", lambda: nn.PReLU(3), 2, 3, 4)
for name, act in {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "elu": lambda: nn.ELU(1.3),
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "relu6": nn.ReLU6,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "celu": lambda: nn.CELU(0.7),
    "softsign": nn.Softsign,
    "log_sigmoid": nn.LogSigmoid,
}.items():
    layer(f"act_{name}", act, 5, 9)

layer("mlp", lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3)), 5, 4)
layer(
    "seq",
    lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)
    ),
    3, 1, 8, 8,
)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 5, padding=2)
        self.conv2 = nn.Conv2d(3, 4, 5)
        self.fc1 = nn.Linear(4, 7)
        self.fc2 = nn.Linear(7, 6)
        self.fc3 = nn.Linear(6, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


layer("lenet", LeNet, 2, 1, 12, 12)

layer("spectral_norm_linear", lambda: nn.utils.spectral_norm(nn.Linear(5, 4)), 3, 5)
layer("spectral_norm_linear_eval", lambda: nn.utils.spectral_norm(nn.Linear(5, 4)), 3, 5, train=False)
layer("spectral_norm_conv2d", lambda: nn.utils.spectral_norm(nn.Conv2d(2, 3, 3, bias=False)), 2, 2, 4, 5)
layer("spectral_norm_conv1d", lambda: nn.utils.spectral_norm(nn.Conv1d(2, 3, 3), n_power_iterations=3), 2, 2, 5)
layer("spectral_norm_conv_transpose2d", lambda: nn.utils.spectral_norm(nn.ConvTranspose2d(2, 3, 3)), 2, 2, 3, 4)
layer("weight_norm_linear", lambda: nn.utils.weight_norm(nn.Linear(5, 4)), 3, 5)
layer("weight_norm_conv1d", lambda: nn.utils.weight_norm(nn.Conv1d(2, 3, 3, bias=False)), 2, 2, 5)
layer("weight_norm_conv_transpose1d", lambda: nn.utils.weight_norm(nn.ConvTranspose1d(2, 3, 3)), 2, 2, 4)


def attention(name, queries, keys, bias=True, kdim=6, vdim=6, **options):
    def run(m, i):
        y, w = m(i["q"], i["k"], i["v"], average_attn_weights=False, **options)
        return {"y": y, "weights": w}

    build = lambda: nn.MultiheadAttention(6, 2, batch_first=True, bias=bias, kdim=kdim, vdim=vdim)
    case(name, build, run, q=(2, queries, 6), k=(2, keys, kdim), v=(2, keys, vdim))


attention("attention", 3, 5)
attention("attention_no_bias", 3, 5, bias=False)
attention("attention_widths", 3, 5, kdim=4, vdim=3)
attention("attention_widths_no_bias", 3, 5, kdim=6, vdim=3, bias=False)
attention("attention_causal", 4, 4, attn_mask=torch.triu(torch.ones(4, 4, dtype=torch.bool), 1))
padding = torch.tensor([[False, False, False, True], [False, True, False, True]])
attention("attention_padding", 3, 4, key_padding_mask=padding)
pairs = torch.tensor([[False, True, False, False, True], [True, False, False, True, False], [False] * 5])
attention("attention_pairs", 3, 5, attn_mask=pairs)


def attend_biased(m, i):
    y, w = m(i["q"], i["k"], i["v"], average_attn_weights=False, attn_mask=i["bias"])
    return {"y": y, "weights": w}


build = lambda: nn.MultiheadAttention(6, 2, batch_first=True)
case("attention_bias", build, attend_biased, q=(2, 3, 6), k=(2, 5, 6), v=(2, 5, 6), bias=(4, 3, 5))

LENGTHS = torch.tensor([4, 1, 5])


def recurrent(name, kind, inputs=4, hidden=6, layers=2, packed=False, **options):
    scans = layers * (2 if options.get("bidirectional") else 1)
    state, cells = (scans, 3, options.get("proj_size") or hidden), (scans, 3, hidden)
    is_lstm = kind is nn.LSTM

    def run(m, i):
        x = rnn.pack_padded_sequence(i["x"], LENGTHS, enforce_sorted=False) if packed else i["x"]
        y, state = m(x, (i["h"], i["c"]) if is_lstm else i["h"])
        y = rnn.pad_packed_sequence(y)[0] if packed else y
        return {"y": y, "h": state[0], "c": state[1]} if is_lstm else {"y": y, "h": state}

    states = {"h": state, "c": cells} if is_lstm else {"h": state}
    case(name, lambda: kind(inputs, hidden, layers, **options), run, x=(5, 3, inputs), **states)


for name, kind, options in [
    ("rnn_tanh", nn.RNN, {}),
    ("rnn_relu", nn.RNN, {"nonlinearity": "relu"}),
    ("gru", nn.GRU, {}),
    ("lstm", nn.LSTM, {}),
]:
    recurrent(name, kind, **options)
    if name == "rnn_relu":
        continue
    recurrent(f"{name}_both", kind, hidden=3, bidirectional=True, **options)
    recurrent(f"{name}_both_lengths", kind, hidden=3, packed=True, bidirectional=True, **options)
    recurrent(f"{name}_lengths", kind, hidden=3, packed=True, **options)
    recurrent(f"{name}_no_bias", kind, hidden=3, layers=1, bias=False, **options)
    recurrent(f"{name}_both_no_bias", kind, hidden=2, bias=False, bidirectional=True, **options)

recurrent("lstm_projected", nn.LSTM, hidden=5, proj_size=3)
recurrent("lstm_projected_both_lengths", nn.LSTM, hidden=4, proj_size=2, packed=True, bidirectional=True)
recurrent("lstm_projected_no_bias", nn.LSTM, hidden=4, proj_size=1, layers=1, bias=False)


def cell(name, kind, from_zeros=False, **options):
    def run(m, i):
        state = (i["h"], i["c"]) if "c" in i else i.get("h")
        y = m(i["x"], state)
        return {"h": y[0], "c": y[1]} if kind is nn.LSTMCell else {"h": y}

    states = {} if from_zeros else {"h": (3, 6), "c": (3, 6)} if kind is nn.LSTMCell else {"h": (3, 6)}
    case(name, lambda: kind(4, 6, **options), run, x=(3, 4), **states)


for name, kind, options in [
    ("rnn_cell_tanh", nn.RNNCell, {}),
    ("rnn_cell_relu", nn.RNNCell, {"nonlinearity": "relu"}),
    ("gru_cell", nn.GRUCell, {}),
    ("lstm_cell", nn.LSTMCell, {}),
]:
    cell(name, kind, **options)
    if name == "rnn_cell_relu":
        continue
    cell(f"{name}_no_bias", kind, bias=False, **options)
    cell(f"{name}_from_zeros", kind, from_zeros=True, **options)


def inputs(name):
    """The inputs of a case, the same wherever they are asked for."""
    seed(f"{name}/inputs")
    return {key: x if torch.is_tensor(x) else randn(*x) for key, x in CASES[name].inputs.items()}


def cotangents(name, outs):
    seed(f"{name}/cotangents")
    return {key: randn(*y.shape) for key, y in outs.items()}


def projection(tensors, offset, frequency):
    """Fixed numbers to project gradients on, for tensors of any shape."""
    return [torch.cos(offset + frequency * torch.arange(x.numel(), dtype=torch.float64)).view(x.shape) for x in tensors]


def measure(name, module):
    """Everything that is compared, by key, from a module of f64."""
    case, ins = CASES[name], inputs(name)
    module.train(case.train)
    for key, x in ins.items():
        if x.is_floating_point():
            ins[key] = x.requires_grad_()
    outs = case.run(module, ins)
    v = cotangents(name, outs)
    total = sum((v[key] * y).sum() for key, y in outs.items())
    leaves = {f"din/{key}": x for key, x in ins.items() if x.requires_grad}
    leaves |= {f"dparam/{key}": p for key, p in module.named_parameters()}
    grads = torch.autograd.grad(total, list(leaves.values()), create_graph=True)
    found = {f"out/{key}": y for key, y in outs.items()} | dict(zip(leaves, grads))
    found |= {f"after/{key}": b for key, b in module.named_buffers()}
    if name not in ONCE_DIFFERENTIABLE:
        found["second"] = second(list(leaves.values()), grads)
    return found


# PyTorch has no second derivative of these.
ONCE_DIFFERENTIABLE = ["act_hardsigmoid"]


def second(leaves, grads):
    """One number of the Hessian, a product with fixed vectors on both sides, and the sum of its absolute terms."""
    t = sum((w * g).sum() for w, g in zip(projection(grads, 1.0, 1.0), grads))
    hessian = [None] * len(leaves)
    if t.requires_grad:
        hessian = torch.autograd.grad(t, leaves, allow_unused=True)
    terms = [w * h for w, h in zip(projection(leaves, 2.0, 3.0), hessian) if h is not None]
    total = sum((x.sum() for x in terms), torch.zeros((), dtype=torch.float64))
    return torch.stack([total, sum((x.abs().sum() for x in terms), torch.zeros((), dtype=torch.float64))])
