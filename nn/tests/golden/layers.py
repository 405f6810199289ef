"""Writes layers.safetensors: every module of etude-nn, computed by PyTorch.

Inputs and parameters are f32 values; everything is then computed in f64 and stored as f32, so that the file is exact to
the last bit of f32. Keys are CASE/in/NAME, CASE/state/NAME (the state dictionary before), CASE/v/NAME (the cotangent of an
output), CASE/out/NAME, CASE/din/NAME, CASE/dparam/NAME (gradients of sum(v * out)), CASE/after/NAME (buffers), and
CASE/second, a projection of the second derivative and its scale (see shared/modules.py).

    python3 nn/tests/golden/layers.py        # needs torch (2.15 made the file) and safetensors
"""

import torch

from shared.modules import CASES, cotangents, inputs, measure
from shared.values import File, seed

file = File(__file__, "layers.safetensors")
for name, case in CASES.items():
    seed(f"{name}/parameters")
    module = case.build()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape) * 0.3)
        for key, b in module.named_buffers():
            if key.endswith("running_mean"):
                b.copy_(torch.randn(b.shape))
            elif key.endswith("running_var"):
                b.copy_(torch.rand(b.shape) + 0.5)
            elif key.endswith("num_batches_tracked"):
                b.copy_(torch.tensor(41))
    module.double()
    for key, value in module.state_dict().items():
        file.put(f"{name}/state/{key}", value)
    for key, x in inputs(name).items():
        file.put(f"{name}/in/{key}", x)
    found = measure(name, module)
    outs = {key.removeprefix("out/"): y for key, y in found.items() if key.startswith("out/")}
    for key, v in cotangents(name, outs).items():
        file.put(f"{name}/v/{key}", v)
    for key, value in found.items():
        file.put(f"{name}/{key}", value)
file.save()
