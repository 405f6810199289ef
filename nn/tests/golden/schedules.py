"""Learning rates of every schedule, by PyTorch's schedulers. Needs torch (2.15 made the file). Writes schedules.json."""

import json
import pathlib

import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

# The first rate, how many steps are compared, and the scheduler of an optimiser.
CASES = {
    "constant": (0.2, 5, lambda o: ConstantLR(o, factor=1.0)),
    "linear": (0.3, 40, lambda o: LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=30)),
    # PyTorch's rises again behind its end.
    "cosine": (0.3, 31, lambda o: CosineAnnealingLR(o, T_max=30, eta_min=0.01)),
    "step": (0.3, 40, lambda o: StepLR(o, step_size=7, gamma=0.5)),
    "multi_step": (0.3, 40, lambda o: MultiStepLR(o, milestones=[3, 11, 12, 30], gamma=0.5)),
    "exponential": (0.3, 40, lambda o: ExponentialLR(o, gamma=0.9)),
    "polynomial": (0.3, 40, lambda o: PolynomialLR(o, total_iters=30, power=1.7)),
    "warm_restarts": (0.3, 60, lambda o: CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0.01)),
    "warm_restarts_equal": (0.3, 30, lambda o: CosineAnnealingWarmRestarts(o, T_0=7)),
    "one_cycle": (0.3, 40, lambda o: OneCycleLR(o, max_lr=0.3, total_steps=40)),
    "one_cycle_settings": (
        0.3,
        25,
        lambda o: OneCycleLR(o, max_lr=0.3, total_steps=25, pct_start=0.2, div_factor=10.0, final_div_factor=100.0),
    ),
    "warm_up": (
        0.3,
        39,
        lambda o: SequentialLR(
            o, [LinearLR(o, start_factor=1 / 8, total_iters=7), CosineAnnealingLR(o, T_max=30)], milestones=[8]
        ),
    ),
}

rates = {}
for name, (lr, steps, scheduler) in CASES.items():
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = scheduler(opt)
    rates[name] = []
    for step in range(steps):
        rates[name].append(opt.param_groups[0]["lr"])
        opt.step()
        if step + 1 < steps:
            schedule.step()
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(rates).replace("], ", "],\n") + "\n")
