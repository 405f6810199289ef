"""Loads models that Étude saved into the equivalent torch modules, strictly, and compares their outputs.

    cargo run -p etude-nn --example export -- target/export
    python3 nn/tests/golden/load_in_torch.py target/export      # needs torch (1.13 is enough) and safetensors
"""

import pathlib
import sys

import torch
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/export")


def load(path):
    return {key: torch.from_numpy(value.copy()) for key, value in load_file(folder / path).items()}


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


def batch_norm():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 5),
    )


def run_lstm(module, x):
    y, (h, c) = module(x)
    return {"y": y, "h": h, "c": c}


def run_attention(module, x):
    n = x.shape[1]
    return {"y": module(x, x, x, attn_mask=torch.triu(torch.ones(n, n, dtype=torch.bool), 1))[0]}


models = {
    "lenet": (LeNet(), lambda m, x: {"y": m(x)}),
    "batch_norm": (batch_norm(), lambda m, x: {"y": m(x)}),
    "lstm": (nn.LSTM(5, 7, 2), run_lstm),
    "attention": (nn.MultiheadAttention(12, 3, batch_first=True), run_attention),
}
for name, (module, run) in models.items():
    module.load_state_dict(load(f"{name}.safetensors"), strict=True)
    expected = load(f"{name}.io.safetensors")
    found = run(module.eval(), expected.pop("x"))
    assert found.keys() == expected.keys(), (name, found.keys(), expected.keys())
    worst = max(((found[k] - expected[k]).abs().max() / expected[k].abs().max()).item() for k in expected)
    assert worst < 1e-5, f"{name}: outputs differ by {worst}"
    print(f"{name}: {len(module.state_dict())} tensors loaded strictly, outputs within {worst:.1e}")
