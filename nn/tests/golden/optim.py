"""Ten steps of every optimiser, by PyTorch in f64. Needs torch (2.15 made the file). Writes optim.json beside this script.

The start and the gradients are f32 values; the parameters after each step are rounded to f32 once.
"""

import json
import pathlib

import numpy as np
import torch

from shared.values import randn, seed

seed("optimisers")
STEPS = 10
start = [randn(2, 3), randn(4)]
grads = [[randn(2, 3), randn(4)] for _ in range(STEPS)]
SGD, Adam, AdamW, RMSprop = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop
# A short memory, so that the second moment falls and its maximum does not.
short = dict(lr=0.01, betas=(0.9, 0.5), amsgrad=True)

CASES = {
    "sgd": (SGD, dict(lr=0.1)),
    "sgd_decay": (SGD, dict(lr=0.1, weight_decay=0.05)),
    "sgd_momentum": (SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_dampening": (SGD, dict(lr=0.1, momentum=0.9, dampening=0.3)),
    "sgd_nesterov": (SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
    "sgd_maximize": (SGD, dict(lr=0.1, maximize=True)),
    "sgd_all": (SGD, dict(lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.05, maximize=True)),
    "sgd_clipped": (SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_groups": (SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.05)),
    "adam": (Adam, dict(lr=0.01)),
    "adam_settings": (Adam, dict(lr=0.01, betas=(0.5, 0.9), eps=1e-5, weight_decay=0.05)),
    "adam_amsgrad": (Adam, short),
    "adam_maximize": (Adam, dict(lr=0.01, maximize=True)),
    "adam_all": (Adam, dict(short, eps=1e-5, weight_decay=0.05, maximize=True)),
    "adam_clipped": (Adam, dict(lr=0.01)),
    "adam_halved": (Adam, dict(lr=0.01)),
    "adamw": (AdamW, dict(lr=0.01)),
    "adamw_decay": (AdamW, dict(lr=0.01, weight_decay=0.3)),
    "adamw_settings": (AdamW, dict(lr=0.01, betas=(0.5, 0.9), eps=1e-5)),
    "adamw_amsgrad": (AdamW, short),
    "adamw_maximize": (AdamW, dict(lr=0.01, maximize=True)),
    "adamw_groups": (AdamW, dict(lr=0.01, weight_decay=0.3)),
    "rmsprop": (RMSprop, dict(lr=0.01)),
    "rmsprop_settings": (RMSprop, dict(lr=0.01, alpha=0.9, eps=1e-6, weight_decay=0.05)),
    "rmsprop_momentum": (RMSprop, dict(lr=0.01, momentum=0.9)),
    "rmsprop_centered": (RMSprop, dict(lr=0.01, centered=True)),
    "rmsprop_both": (RMSprop, dict(lr=0.01, centered=True, momentum=0.9)),
    "rmsprop_all": (
        RMSprop,
        dict(lr=0.01, alpha=0.9, eps=1e-6, weight_decay=0.05, centered=True, momentum=0.9, maximize=True),
    ),
}
CLIP = 2.5
CLIP_VALUE = 0.4
# The settings of the vector; the matrix has those of the whole.
OWN = {
    "sgd_own": (SGD, dict(lr=0.1), dict(lr=0.3, momentum=0.8, dampening=0.1, weight_decay=0.2)),
    "adam_own": (Adam, dict(lr=0.01), dict(lr=0.03, betas=(0.5, 0.8), eps=1e-4, weight_decay=0.1)),
    "adam_own_amsgrad": (Adam, dict(lr=0.01, betas=(0.9, 0.5)), dict(lr=0.002, amsgrad=True, maximize=True)),
    "adamw_own": (AdamW, dict(lr=0.01, weight_decay=0.3), dict(betas=(0.7, 0.9), weight_decay=0.0)),
    "rmsprop_own": (RMSprop, dict(lr=0.01, momentum=0.9), dict(lr=0.05, alpha=0.8, centered=True, eps=1e-5)),
    # Halved in the middle, both groups.
    "adam_own_halved": (Adam, dict(lr=0.01), dict(lr=0.03, betas=(0.5, 0.8))),
}
CASES |= {
    "sgd_value_clipped": (SGD, dict(lr=0.1, momentum=0.9)),
    "adam_value_clipped": (Adam, dict(lr=0.01)),
    # By value, then by norm.
    "sgd_value_clipped_norm": (SGD, dict(lr=0.1, momentum=0.9)),
}
CASES |= {name: (kind, settings) for name, (kind, settings, _) in OWN.items()}


def flat(tensors):
    return [float(str(np.float32(x))) for t in tensors for x in t.flatten().tolist()]


cases = {}
for name, (kind, settings) in CASES.items():
    params = [p.clone().requires_grad_() for p in start]
    groups = params
    if name.endswith("_groups"):
        # The matrix learns a tenth as fast; the vector does not decay.
        groups = [dict(params=params[:1], lr=settings["lr"] / 10), dict(params=params[1:], weight_decay=0.0)]
    if name in OWN:
        groups = [dict(params=params[:1]), dict(params=params[1:], **OWN[name][2])]
    opt = kind(groups, **settings)
    after, norms = [], []
    for step, gs in enumerate(grads):
        for p, g in zip(params, gs):
            p.grad = g.clone()
        if "value_clipped" in name:
            torch.nn.utils.clip_grad_value_(params, CLIP_VALUE)
            if name.endswith("_norm"):
                torch.nn.utils.clip_grad_norm_(params, 1.0)
        elif name.endswith("_clipped"):
            norms.append(torch.nn.utils.clip_grad_norm_(params, CLIP).item())
        if name.endswith("_halved") and step == STEPS // 2:
            for group in opt.param_groups:
                group["lr"] /= 2
        opt.step()
        after.append(flat(p.detach() for p in params))
    cases[name] = {"after": after, "norms": norms}

golden = {"start": flat(start), "grads": [flat(g) for g in grads], "cases": cases}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=None).replace("], [", "],\n[") + "\n")
