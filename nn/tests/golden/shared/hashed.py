"""Numbers that are an integer hash of a name and an index: nn/src/testing.rs makes the same, so no file is needed between.

Floats are f32 values, held in f64.
"""

import math

import numpy as np
import torch

M = (1 << 64) - 1


def fnv(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & M
    return h


def hashes(name, n):
    """splitmix64(FNV-1a(name) ^ index) for index 0 .. n"""
    with np.errstate(over="ignore"):
        x = (np.arange(n, dtype=np.uint64) ^ np.uint64(fnv(name))) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def uniform(name, shape, low, high, shift=0.0):
    u = (hashes(name, math.prod(shape)) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return torch.from_numpy((low + (high - low) * u + shift).astype(np.float32).reshape(shape)).double()


def standard(name, shape):
    return uniform(name, shape, -math.sqrt(3.0), math.sqrt(3.0))


def ids(name, shape, n):
    return torch.from_numpy((hashes(name, math.prod(shape)) % np.uint64(n)).astype(np.int64).reshape(shape))
