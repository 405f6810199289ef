"""What the scripts of golden files share: numbers that depend on a case's name alone, and the file they end up in."""

import pathlib
import zlib

import numpy as np
import torch
from safetensors.numpy import save_file


def seed(name):
    """The random numbers that follow are a function of the name, whatever other cases there are."""
    torch.manual_seed(zlib.crc32(name.encode()))


def randn(*shape):
    return torch.randn(shape).double()  # f32 values


def rand(*shape):
    return torch.rand(shape).double()


class File:
    """Tensors by key. Floats are stored as f32, rounded once from f64, unless `exact`; integers as i64."""

    def __init__(self, script, name):
        self.path = pathlib.Path(script).with_name(name)
        self.tensors = {}

    def put(self, key, tensor, exact=False):
        assert key not in self.tensors, key
        a = tensor.detach().numpy()
        kind = (np.float64 if exact else np.float32) if a.dtype == np.float64 else np.int64
        # not ascontiguousarray, which gives a scalar an axis
        self.tensors[key] = a.astype(kind, order="C").copy()

    def save(self):
        save_file(self.tensors, self.path)
        print(f"{self.path.name}: {len(self.tensors)} tensors, {self.path.stat().st_size} bytes")
