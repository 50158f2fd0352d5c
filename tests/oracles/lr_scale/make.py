"""Writes expected.json: ten steps with a learning rate for each parameter group, by PyTorch.

Weights, images and labels are those of ../../reference/engine (float32 values read into
float64); rates are lr·scale of the first glob that matches a module's name, else lr. Up to 40
values of each parameter are kept, every `stride`-th.
Run:  python make.py   (torch 2, safetensors; the file is committed, the tests need no Python)
"""

import fnmatch
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional

HERE = Path(__file__).parent
REFERENCE = HERE.parents[1] / "reference"
sys.path.insert(0, str(REFERENCE))
from nets import build  # noqa: E402

STEPS = 10
SCALES = {
    "cnn5": {"bn*": 2.0, "conv1": 0.0, "conv3": 0.1},
    "vit": {"blocks.0.*": 0.1, "head": 0.5, "patch_embed.proj": 3.0},
}
OPTIMIZERS = {
    "sgd": {"kind": "sgd", "lr": 0.02, "momentum": 0.0, "weight_decay": 5e-3},
    "momentum": {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-3},
    "nesterov": {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-3, "nesterov": True},
    "adam": {"kind": "adam", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 5e-3},
    "adamw": {"kind": "adamw", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-1},
}
MAKE = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def net_of(case, tensors):
    config = case["vit"] if case["kind"] == "vit" else case["width"]
    net = build(case["kind"], config, case["shape"], case["seed"], torch.float32)
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    net.load_state_dict(weights)
    return net.double().train()


def groups(net, scales, lr):
    out = []
    for name, module in net.named_modules():
        own = list(module.parameters(recurse=False))
        scale = next((s for glob, s in scales.items() if fnmatch.fnmatchcase(name, glob)), 1.0)
        if own:
            out.append({"params": own, "lr": lr * scale})
    assert sum(len(g["params"]) for g in out) == len(list(net.parameters()))
    return out


def train(case, tensors, settings):
    net = net_of(case, tensors)
    settings = dict(settings)
    make, lr = MAKE[settings.pop("kind")], settings.pop("lr")
    update = make(groups(net, SCALES[case["kind"]], lr), lr=lr, **settings)
    batches = sum(name.startswith("trajectory/images/") for name in tensors)
    losses = []
    for step in range(STEPS):
        images = tensors[f"trajectory/images/{step % batches}"].double()
        labels = tensors[f"trajectory/labels/{step % batches}"]
        update.zero_grad()
        loss = functional.cross_entropy(net(images)[0], labels)
        loss.backward()
        update.step()
        losses.append(loss.item())
    final = {}
    for name, value in net.named_parameters():
        flat = value.detach().flatten()
        stride = max(1, len(flat) // 40)
        final[name] = {"stride": stride, "largest": flat.abs().max().item(), "values": [float(f"{x:.9g}") for x in flat[::stride].tolist()]}
    return {"update": settings | {"lr": lr}, "losses": losses, "final": final}


def main():
    cases = json.loads((REFERENCE / "engine/cases.json").read_text())["cases"]
    out = {}
    for name in ["cnn5-k4-1x8x8", "vit-12-cls-1x8x8"]:
        case = next(c for c in cases if c["name"] == name)
        tensors = load_file(REFERENCE / f"engine/{name}.safetensors")
        out[name] = {
            "scales": SCALES[case["kind"]],
            "optimizers": {k: train(case, tensors, v) for k, v in OPTIMIZERS.items()},
        }
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    print({name: {k: v["losses"][-1] for k, v in o["optimizers"].items()} for name, o in out.items()})


if __name__ == "__main__":
    main()
