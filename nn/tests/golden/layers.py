"""Writes layers.safetensors: every layer and loss of etude-nn, computed by PyTorch.

Inputs and parameters are f32 values; everything is then computed in f64 and stored as f32, so that the file is exact to
the last bit of f32. Keys are CASE/in/NAME, CASE/param/NAME, CASE/buffer/NAME (before), CASE/out/NAME, CASE/v/NAME
(the cotangent of that output), CASE/din/NAME, CASE/dparam/NAME (gradients of sum(v * out)), CASE/after/NAME (buffers).

    python3 nn/tests/golden/layers.py        # needs torch (2.4 or later) and safetensors
"""

import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

torch.manual_seed(20240607)
file = {}


def put(key, tensor):
    a = tensor.detach().numpy()
    # not ascontiguousarray, which gives a scalar an axis
    file[key] = a.astype(np.float32 if a.dtype == np.float64 else np.int64, order="C").copy()


def randn(*shape):
    return torch.randn(shape).double()  # f32 values


def case(name, inputs, outputs, module=None):
    """`outputs(inputs) -> dict` is differentiated with respect to the floating inputs and the module's parameters."""
    if module is not None:
        with torch.no_grad():
            for p in module.parameters():
                p.copy_(torch.randn(p.shape) * 0.3)
        module.double()
        for key, p in module.named_parameters():
            put(f"{name}/param/{key}", p)
        for key, b in module.named_buffers():
            put(f"{name}/buffer/{key}", b)
    for key, x in inputs.items():
        put(f"{name}/in/{key}", x)
        if x.dtype == torch.float64:
            inputs[key] = x.float().double().requires_grad_()
    outs = outputs(inputs)
    total = 0
    for key, y in outs.items():
        v = randn(*y.shape)
        put(f"{name}/out/{key}", y)
        put(f"{name}/v/{key}", v)
        total = total + (v * y).sum()
    total.backward()
    for key, x in inputs.items():
        if x.grad is not None:
            put(f"{name}/din/{key}", x.grad)
    if module is not None:
        for key, p in module.named_parameters():
            put(f"{name}/dparam/{key}", p.grad)
        for key, b in module.named_buffers():
            put(f"{name}/after/{key}", b)


def layer(name, module, *shape):
    case(name, {"x": randn(*shape)}, lambda i: {"y": module(i["x"])}, module)


layer("linear", nn.Linear(7, 5), 3, 2, 7)
layer("linear_no_bias", nn.Linear(7, 5, bias=False), 4, 7)
layer("conv2d", nn.Conv2d(3, 4, 3), 2, 3, 7, 6)
layer("conv2d_grouped", nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), 2, 4, 9, 8)
layer("conv_transpose2d", nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1), 2, 3, 5, 4)
layer(
    "conv_transpose2d_grouped",
    nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    2, 4, 5, 4,
)
layer("batch_norm1d", nn.BatchNorm1d(5), 6, 5)
layer("batch_norm2d", nn.BatchNorm2d(3), 4, 3, 5, 2)
evaluated = nn.BatchNorm2d(3)
evaluated.running_mean.copy_(torch.randn(3))
evaluated.running_var.copy_(torch.rand(3) + 0.5)
layer("batch_norm2d_eval", evaluated.eval(), 4, 3, 2, 2)
layer("layer_norm", nn.LayerNorm(6), 3, 4, 6)
layer("max_pool2d", nn.MaxPool2d(2), 2, 3, 6, 7)
layer("avg_pool2d", nn.AvgPool2d(3, stride=2, padding=1), 2, 3, 6, 7)
layer("upsample", nn.Upsample(scale_factor=2), 2, 3, 4, 3)
layer("mlp", nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3)), 5, 4)
layer(
    "seq",
    nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)),
    3, 1, 8, 8,
)
for name, act in {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "elu": nn.ELU(1.3),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
}.items():
    layer(f"act_{name}", act, 5, 9)

embedding = nn.Embedding(10, 4)
case("embedding", {"ids": torch.tensor([[1, 9, 3], [3, 0, 3]])}, lambda i: {"y": embedding(i["ids"])}, embedding)


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


layer("lenet", LeNet(), 2, 1, 12, 12)


def attention(name, queries, keys, **options):
    module = nn.MultiheadAttention(6, 2, batch_first=True)

    def run(i):
        y, w = module(i["q"], i["k"], i["v"], average_attn_weights=False, **options)
        return {"y": y, "weights": w}

    case(name, {"q": randn(2, queries, 6), "k": randn(2, keys, 6), "v": randn(2, keys, 6)}, run, module)


attention("attention", 3, 5)
attention("attention_causal", 4, 4, attn_mask=torch.triu(torch.ones(4, 4, dtype=torch.bool), 1))
padding = torch.tensor([[False, False, False, True], [False, True, False, True]])
attention("attention_padding", 3, 4, key_padding_mask=padding)


def recurrent(name, module):
    def run(i):
        y, h = module(i["x"], i["h"])
        return {"y": y, "h": h}

    case(name, {"x": randn(5, 3, 4), "h": randn(2, 3, 6)}, run, module)


recurrent("rnn_tanh", nn.RNN(4, 6, 2))
recurrent("rnn_relu", nn.RNN(4, 6, 2, nonlinearity="relu"))
recurrent("gru", nn.GRU(4, 6, 2))
lstm = nn.LSTM(4, 6, 2)


def run_lstm(i):
    y, (h, c) = lstm(i["x"], (i["h"], i["c"]))
    return {"y": y, "h": h, "c": c}


case("lstm", {"x": randn(5, 3, 4), "h": randn(2, 3, 6), "c": randn(2, 3, 6)}, run_lstm, lstm)


def loss(name, function, **inputs):
    case(f"loss_{name}", inputs, lambda i: {"y": function(**i)})


ids = torch.tensor([2, 0, 3, 3, 1])
loss("cross_entropy", lambda x, ids: F.cross_entropy(x, ids), x=randn(5, 4) * 3, ids=ids)
loss("cross_entropy_smooth", lambda x, ids: F.cross_entropy(x, ids, label_smoothing=0.1), x=randn(5, 4) * 3, ids=ids)
loss(
    "bce_with_logits",
    lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    x=randn(4, 3) * 5,
    y=torch.rand(4, 3).double(),
)
loss("mse", lambda a, b: F.mse_loss(a, b), a=randn(4, 3), b=randn(4, 3))
loss("l1", lambda a, b: F.l1_loss(a, b), a=randn(4, 3), b=randn(4, 3))
loss("huber", lambda a, b: F.huber_loss(a, b, delta=0.7), a=randn(4, 3), b=randn(4, 3))
loss(
    "gaussian_nll",
    lambda mean, var, y: F.gaussian_nll_loss(mean, y, var),
    mean=randn(4, 3),
    var=torch.rand(4, 3).double() + 0.1,
    y=randn(4, 3),
)
loss(
    "kl_std_normal",
    lambda mu, logvar: torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, (logvar / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    ).sum(1),
    mu=randn(4, 3),
    logvar=randn(4, 3),
)
loss(
    "hinge",
    lambda s, y: (1 - y * s).clamp(min=0).mean(),
    s=randn(6),
    y=torch.tensor([1.0, -1, 1, 1, -1, -1]).double(),
)

# Behind all others, whose random numbers would change.
layer("rms_norm", nn.RMSNorm(6), 3, 4, 6)
layer("group_norm", nn.GroupNorm(2, 6), 3, 6, 4, 2)
layer("instance_norm1d", nn.InstanceNorm1d(4), 3, 4, 5)
layer("instance_norm2d", nn.InstanceNorm2d(4, affine=True), 3, 4, 3, 2)

path = pathlib.Path(__file__).with_name("layers.safetensors")
save_file(file, path)
print(f"{path}: {len(file)} tensors, {path.stat().st_size} bytes")
