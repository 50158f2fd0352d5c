"""Makes schedules.json, the learning rates of tests/it/training/schedules.rs: those of PyTorch's own
schedulers, one rate a step.

    python -m pip install -r requirements.txt
    python make_schedule_fixture.py

Epoch-wise schedulers are stepped after every epoch of STEPS_PER_EPOCH steps, step-wise ones
after every step. Warm-up is LinearLR beside the schedule: both multiply the rate.
"""

import json
from pathlib import Path

import torch
from torch.optim import lr_scheduler

LR = 0.1
STEPS_PER_EPOCH = 6
EPOCHS = 15


def cosine(optimizer, t_max):
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=t_max)


def multistep(optimizer, milestones, gamma):
    return lr_scheduler.MultiStepLR(optimizer, milestones, gamma)


def inverse_sqrt(optimizer, period):
    return lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step // period) ** 0.5)


# The keys below [optimizer], then the scheduler of every epoch and that of every step.
SCHEDULES = {
    "schedule = { kind = 'constant' }": (None, None),
    "schedule = { kind = 'cosine', t_max = 15 }": (lambda o: cosine(o, 15), None),
    # Past t_max the rate rises again.
    "schedule = { kind = 'cosine', t_max = 6 }": (lambda o: cosine(o, 6), None),
    "schedule = { kind = 'inverse-sqrt', period = 7 }": (None, lambda o: inverse_sqrt(o, 7)),
    "schedule = { kind = 'step', milestones = [3, 8, 12], gamma = 0.2 }":
        (lambda o: multistep(o, [3, 8, 12], 0.2), None),
    # Milestones inside epochs are milestones of steps.
    "schedule = { kind = 'step', milestones = [1.5, 4.5], gamma = 0.5 }":
        (None, lambda o: multistep(o, [9, 27], 0.5)),
}
WARMUPS = [0, 1, 4, 20]


def rates(by_epoch, by_step, warmup):
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64)], lr=LR)
    schedulers = {"epoch": [], "step": []}
    if by_epoch:
        schedulers["epoch"].append(by_epoch(optimizer))
    if by_step:
        schedulers["step"].append(by_step(optimizer))
    if warmup > 1:
        linear = lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, total_iters=warmup - 1)
        schedulers["step"].append(linear)
    out = []
    for step in range(EPOCHS * STEPS_PER_EPOCH):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in schedulers["step"]:
            scheduler.step()
        if (step + 1) % STEPS_PER_EPOCH == 0:
            for scheduler in schedulers["epoch"]:
                scheduler.step()
    return out


def main():
    cases = []
    for keys, (by_epoch, by_step) in SCHEDULES.items():
        for warmup in WARMUPS:
            # LambdaLR sets the rate instead of multiplying it; it would undo the warm-up.
            if warmup > 1 and "inverse-sqrt" in keys:
                alone = rates(None, by_step, 0)
                found = [r * w / LR for r, w in zip(alone, rates(None, None, warmup))]
            else:
                found = rates(by_epoch, by_step, warmup)
            cases.append({"keys": f"{keys}\nwarmup_steps = {warmup}", "rates": found})
    out = {"torch": torch.__version__.split("+")[0], "lr": LR,
           "steps_per_epoch": STEPS_PER_EPOCH, "cases": cases}
    text = json.dumps(out).replace('{"keys"', '\n{"keys"')
    (Path(__file__).parent / "schedules.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
