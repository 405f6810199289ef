"""Ten steps of every optimiser, by PyTorch. Needs torch (1.13 made the file). Writes optim.json beside this script."""

import json
import pathlib

import torch

torch.manual_seed(0)
STEPS = 10
start = [torch.randn(2, 3), torch.randn(4)]
grads = [[torch.randn(2, 3), torch.randn(4)] for _ in range(STEPS)]

CASES = {
    "sgd": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_decay": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.05)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_dampening": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.3)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
    "adam": (torch.optim.Adam, dict(lr=0.01)),
    "adam_settings": (torch.optim.Adam, dict(lr=0.01, betas=(0.5, 0.9), eps=1e-5, weight_decay=0.05)),
    "adamw": (torch.optim.AdamW, dict(lr=0.01)),
    "adamw_decay": (torch.optim.AdamW, dict(lr=0.01, weight_decay=0.3)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.01)),
    "rmsprop_settings": (torch.optim.RMSprop, dict(lr=0.01, alpha=0.9, eps=1e-6, weight_decay=0.05)),
    "rmsprop_momentum": (torch.optim.RMSprop, dict(lr=0.01, momentum=0.9)),
    "rmsprop_centered": (torch.optim.RMSprop, dict(lr=0.01, centered=True)),
    "rmsprop_both": (torch.optim.RMSprop, dict(lr=0.01, centered=True, momentum=0.9)),
    "sgd_clipped": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "adam_halved": (torch.optim.Adam, dict(lr=0.01)),
}
CLIP = 2.5


def flat(tensors):
    return [x for t in tensors for x in t.flatten().tolist()]


cases = {}
for name, (kind, settings) in CASES.items():
    params = [p.clone().requires_grad_() for p in start]
    opt = kind(params, **settings)
    after, norms = [], []
    for step, gs in enumerate(grads):
        for p, g in zip(params, gs):
            p.grad = g.clone()
        if name == "sgd_clipped":
            norms.append(torch.nn.utils.clip_grad_norm_(params, CLIP).item())
        if name == "adam_halved" and step == STEPS // 2:
            opt.param_groups[0]["lr"] /= 2
        opt.step()
        after.append(flat(p.detach() for p in params))
    cases[name] = {"after": after, "norms": norms}

golden = {"torch": torch.__version__, "start": flat(start), "grads": [flat(g) for g in grads], "cases": cases}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=None).replace("], [", "],\n[") + "\n")
