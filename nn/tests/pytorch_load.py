"""Loads weights that etude-nn saved into PyTorch's modules, strictly, and compares what they compute.

    pip install torch safetensors numpy
    cargo xtask golden --python venv/bin/python pytorch_load

which has a test write the weights and starts this script; without a name, `cargo xtask golden` does it
after the scripts that make the golden files. In two steps:

    WEIGHTS_DIR=$PWD/target/weights cargo test -p etude-nn --test it -- --ignored weights_for_pytorch
    python nn/tests/pytorch_load.py target/weights

Every module of `tests/golden/shared/modules.py`: fails unless every name, shape and type fits, and outputs, gradients,
second derivatives and buffers agree within 1e-5 of their largest element.
"""

import pathlib
import sys

import torch
from safetensors.numpy import load_file
from safetensors.torch import load_model

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "golden"))
from shared.modules import CASES, measure  # noqa: E402

TOLERANCE = 1e-5
folder = pathlib.Path(sys.argv[1])


def load(name):
    return {key: torch.from_numpy(value.copy()) for key, value in load_file(folder / name).items()}


print("torch", torch.__version__)
tensors = comparisons = 0
largest = (0.0, "")
for name, case in CASES.items():
    module = case.build()
    weights = load(f"{name}.weights.safetensors")
    state = module.state_dict()
    if weights.keys() == state.keys():
        module.load_state_dict(weights, strict=True)
    else:
        # A tied weight is saved once, as by safetensors' own save_model.
        load_model(module, folder / f"{name}.weights.safetensors", strict=True)
    kinds = {key: value.dtype for key, value in weights.items()}
    assert kinds == {key: state[key].dtype for key in weights}, f"{name}: {kinds}"
    tensors += len(weights)
    ours, theirs = load(f"{name}.values.safetensors"), measure(name, module.double())
    missing = theirs.keys() - ours.keys()
    assert not missing, f"{name}: {missing} were not computed"
    for key, y in theirs.items():
        x, scale = ours[key].double(), max(y.abs().max().item(), 1e-3)
        if key == "second":
            scale, x, y = max(y[1].item(), 1e-3), x[0], y[0]
        assert x.shape == y.shape, f"{name}: {key} has the shapes {list(x.shape)} and {list(y.shape)}"
        error = (x - y).abs().max().item() / scale
        assert error <= TOLERANCE, f"{name}: {key} differs by {error:.1e}, allowed are {TOLERANCE:.0e}"
        comparisons += 1
        largest = max(largest, (error, f"{name}/{key}"))
print(f"{len(CASES)} modules, {tensors} tensors loaded, {comparisons} comparisons, largest error {largest[0]:.1e} ({largest[1]})")
