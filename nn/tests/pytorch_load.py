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
    nn.Conv2d(2, 4, 3, padding=1),
    nn.BatchNorm2d(4),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64, 8),
    nn.LayerNorm(8),
    nn.GELU(),
    nn.Linear(8, 3, bias=False),
)
attention = nn.MultiheadAttention(8, 2, batch_first=True)
CASES = {
    "lenet": (LeNet(), lambda m, x: m(x)),
    "seq": (seq, lambda m, x: m(x)),
    "lstm": (nn.LSTM(4, 6, 2), lambda m, x: m(x)[0]),
    "gru": (nn.GRU(4, 6, 2), lambda m, x: m(x)[0]),
    "attention": (attention, lambda m, q, k: m(q, k, k, need_weights=False)[0]),
}

folder = pathlib.Path(sys.argv[1])


def load(name):
    return {key: torch.from_numpy(value.copy()) for key, value in load_file(folder / name).items()}


print("torch", torch.__version__)
for name, (module, forward) in CASES.items():
    module.load_state_dict(load(f"{name}.weights.safetensors"), strict=True)
    values = load(f"{name}.values.safetensors")
    inputs = [values[f"x{i}"] for i in range(len(values) - 1)]
    with torch.no_grad():
        difference = (forward(module.eval(), *inputs) - values["y"]).abs().max().item()
    print(f"{name}: {len(module.state_dict())} tensors, largest difference {difference:.1e}")
    assert difference < 1e-5
print("ok")
