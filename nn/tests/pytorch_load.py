"""Loads weights that etude-nn saved into the equivalent torch modules, strictly, and compares the outputs.

    pip install torch safetensors numpy
    WEIGHTS_DIR=target/weights cargo test -p etude-nn --test it -- --ignored weights_for_pytorch
    python nn/tests/pytorch_load.py target/weights

Fails unless every name, shape and type fits and the outputs agree within 1e-5.
"""

import pathlib
import sys

import torch
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


seq = nn.Sequential(
    nn.Conv2d(2, 3, 3, padding=1),
    nn.Conv2d(3, 4, 3, padding=1, bias=False),
    nn.BatchNorm2d(4),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64, 8),
    nn.LayerNorm(8),
    nn.GELU(),
    nn.Linear(8, 3, bias=False),
)


def attention():
    return nn.MultiheadAttention(8, 2, batch_first=True)


def run_lstm(module, x):
    y, (h, c) = module(x)
    return [y, h, c]


def run_causal(module, x):
    ahead = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
    return [module(x, x, x, attn_mask=ahead, need_weights=False)[0]]


# The torch module, and its outputs in the order in which the test saved ours.
CASES = {
    "lenet": (LeNet(), lambda m, x: [m(x)]),
    "seq": (seq, lambda m, x: [m(x)]),
    "lstm": (nn.LSTM(4, 6, 2), run_lstm),
    "gru": (nn.GRU(4, 6, 2), lambda m, x: list(m(x))),
    "attention": (attention(), lambda m, q, k: [m(q, k, k, need_weights=False)[0]]),
    "causal_attention": (attention(), run_causal),
}

folder = pathlib.Path(sys.argv[1])


def load(name):
    return {key: torch.from_numpy(value.copy()) for key, value in load_file(folder / name).items()}


def numbered(values, letter):
    return [values[key] for key in sorted(values) if key.startswith(letter)]


print("torch", torch.__version__)
for name, (module, forward) in CASES.items():
    module.load_state_dict(load(f"{name}.weights.safetensors"), strict=True)
    values = load(f"{name}.values.safetensors")
    with torch.no_grad():
        found = forward(module.eval(), *numbered(values, "x"))
    expected = numbered(values, "y")
    assert len(found) == len(expected), f"{name}: torch gives {len(found)} outputs, the file holds {len(expected)}"
    for i, (ours, theirs) in enumerate(zip(expected, found)):
        shapes = f"{list(ours.shape)} and {list(theirs.shape)}"
        assert ours.shape == theirs.shape, f"{name}: output {i} has the shapes {shapes}"
        difference = (ours - theirs).abs().max().item()
        assert difference < 1e-5, f"{name}: output {i} differs by {difference:.1e}, allowed are 1e-5"
        print(f"{name}: {len(module.state_dict())} tensors, output {i} of shape {list(ours.shape)} within {difference:.1e}")
print("ok")
