"""Learning rates of every schedule, by PyTorch's schedulers. Needs torch (2.15 made the files).

Writes schedules.json and plateau.json, the settings in the words of etude-nn beside what PyTorch makes of them.
"""

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
    ReduceLROnPlateau,
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

# Metrics that fall, stay, rise and are no number at times.
noise = torch.rand(60, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
metrics = [round(2.0 / (1 + step // 4) + 0.3 * float(noise[step]), 6) for step in range(60)]
metrics[20] = metrics[21] = float("nan")
PLATEAUS = {
    "defaults": dict(),
    "impatient": dict(patience=0, factor=0.5),
    "cooling": dict(patience=1, factor=0.5, cooldown=4),
    "max": dict(mode="max", patience=2, factor=0.7),
    "absolute": dict(patience=2, factor=0.5, threshold=0.1, threshold_mode="abs"),
    "max_absolute": dict(mode="max", patience=3, factor=0.5, threshold=0.05, threshold_mode="abs"),
    "floor": dict(patience=0, factor=0.3, min_lr=0.01),
    "small": dict(patience=0, factor=0.3, eps=1e-3),
    "strict": dict(patience=2, factor=0.5, threshold=0.2),
}
plateaus = {}
for name, settings in PLATEAUS.items():
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    schedule = ReduceLROnPlateau(opt, **settings)
    lrs = []
    for metric in metrics:
        schedule.step(metric)
        lrs.append(opt.param_groups[0]["lr"])
    ours = {key: settings[key] for key in ["factor", "patience", "cooldown", "min_lr", "eps"] if key in settings}
    ours["goal"] = settings.get("mode", "min").capitalize()
    kind = {"rel": "Relative", "abs": "Absolute"}[settings.get("threshold_mode", "rel")]
    ours["threshold"] = {kind: settings.get("threshold", 1e-4)}
    plateaus[name] = {"config": ours, "lrs": lrs}
known = [None if metric != metric else metric for metric in metrics]
path = path.with_name("plateau.json")
path.write_text(json.dumps({"metrics": known, "cases": plateaus}).replace("], ", "],\n") + "\n")
