#!/usr/bin/env python3
"""The PyTorch engine against a plain PyTorch loop at its best, on one device, taking turns.

    benches/gpu.py STRATAGRAM                          # CUDA, all nets
    benches/gpu.py STRATAGRAM --device cpu --threads 1 --nets cnn5-4 resnet18-4

Needs the program, and PyTorch in this Python. The program starts this file in the worker's place,
which keeps what it is sent (nodes, weights, images), so that what is timed is what a run computes;
then worker and plain loop take turns in one process, with the same threads, precision and
settings of malloc. The plain loop wants logits alone and finds its images normalized on the device;
of its modes (eager, channels-last, compiled; on CUDA also with CUDA graphs) the fastest counts, for
each figure. Both make the same number of steps before they are waited for. Planes are compared with
the bare forward pass in blocks as large. Nothing else may run meanwhile.
"""

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests" / "reference")]
#: As the program sets them for its worker (src/engine/torch/process.rs).
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
NETS = ["cnn5-4", "cnn5-16", "cnn5-64", "resnet18-4", "resnet18-16", "resnet18-64", "vit-192"]
BATCH, IMAGES, BLOCK, POINTS = 128, 1024, 512, 2500
RATE, MOMENTUM = 0.01, 0.9


def vit(dim):
    """The ViT of benches/pytorch.py."""
    return {"patch": 4, "dim": dim, "depth": 6, "heads": dim // 64, "head_dim": 64,
            "mlp_dim": 4 * dim, "pool": "cls", "norm_eps": 1e-5, "dropout": 0.0}


# What the program sends ---------------------------------------------------------------------

def record(path):
    """In the worker's place: keeps the images and the net that the program sends, and ends."""
    from stratagram.worker import frame

    kept = {"sets": {}}
    while "net" not in kept:
        header, arrays = frame.read(sys.stdin.buffer)
        if header["do"] == "data":
            kept["sets"][header["set"]] = arrays
        elif header["do"] == "net":
            kept["net"] = (header, arrays)
        frame.write(sys.stdout.buffer, {"torch": "", "device": ""})
    Path(path).write_bytes(pickle.dumps(kept))


def sent(program, net, folder):
    """The images and the net that the program sends for a training of `net`."""
    import numpy as np

    kind, width = net.rsplit("-", 1)
    if not (data := folder / "data.npz").exists():
        draw = np.random.default_rng(0)
        images = {f"{of}_images": draw.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
                  for of in ("train", "test")}
        labels = {f"{of}_labels": np.arange(IMAGES, dtype=np.int64) % 10 for of in ("train", "test")}
        np.savez(data, **images, **labels)
    python, kept = folder / "python", folder / f"{net}.pickle"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{__file__}' --record '{kept}'\n")
    python.chmod(0o755)
    settings = vit(int(width)) if kind == "vit" else {"width": int(width)}
    fields = ", ".join(f"{key} = {json.dumps(value)}" for key, value in
                       {"kind": kind, **settings}.items())
    done = subprocess.run([program, "train", "--dry-run", "--engine", "torch", f"net={{{fields}}}",
                           "data.kind=arrays", f"data.path={data}",
                           f"data.n_train={IMAGES}", f"data.n_test={IMAGES}", "--out", folder / "run"],
                          env={**os.environ, "STRATAGRAM_PYTHON": str(python)},
                          capture_output=True, text=True)
    if not kept.exists():
        raise SystemExit(f"the program sends no net: {done.stderr}")
    return pickle.loads(kept.read_bytes())


# The two sides ------------------------------------------------------------------------------

class Ours:
    """The worker, asked as the program asks it."""

    name = "ours"

    def __init__(self, kept, asked):
        from stratagram.worker import frame
        from stratagram.worker.session import Session

        self.session = Session()
        settings = {"device": asked.device, "precision": asked.precision,
                    "compile": asked.compile, "deterministic": False, "threads": asked.threads}
        self.ask({"do": "hello", "protocol": frame.PROTOCOL, "settings": settings, "block": BLOCK})
        for name, arrays in kept["sets"].items():
            self.ask({"do": "data", "set": name}, arrays)
        self.ask(*kept["net"])
        moments = {name.replace("running_", ""): values for name, values in kept["net"][1].items()
                   if name.endswith(("running_mean", "running_var"))}
        self.ask({"do": "statistics"}, moments)
        self.output = len(kept["net"][0]["nodes"]) - 1

    def ask(self, header, arrays=None):
        answer, found = self.session.answer(header, arrays or {})
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return found

    def steps(self, index):
        update = {"kind": "sgd", "momentum": MOMENTUM, "weight_decay": 0.0, "nesterov": False}
        n = len(index)
        found = self.ask({"do": "train", "set": "train", "sizes": [BATCH] * n, "rates": [RATE] * n,
                          "keys": [0] * n, "update": update, "label_smoothing": 0.0},
                         {"index": index.reshape(-1)})
        return found["losses"]

    def points(self, triplets, coefficients):
        wanted = [{"node": self.output}]
        return self.ask({"do": "decide", "set": "test", "wanted": wanted, "counts": [0]},
                        {"triplets": triplets, "coefficients": coefficients})["classes"]


class Plain:
    """A loop of torch.nn and torch.optim."""

    def __init__(self, net, kept, mode, device, precision):
        import nets
        import torch
        from pytorch import Logits

        self.torch, self.name, self.precision = torch, mode, precision
        nets.Attention.fused = True
        kind, width = net.rsplit("-", 1)
        model = nets.build(kind, vit(int(width)) if kind == "vit" else int(width), [3, 32, 32], 0,
                           torch.float32)
        header, weights = kept["net"]
        model.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in weights.items()})
        self.layout = torch.contiguous_format if mode == "eager" or kind == "vit" \
            else torch.channels_last
        self.model = model.to(device, memory_format=self.layout)
        images = kept["sets"]["train"]
        values = images["table"][range(3), :][[[[0]], [[1]], [[2]]], images["images"]]
        self.images = torch.from_numpy(values).to(device)
        self.labels = torch.from_numpy(images["labels"]).long().to(device)
        fused = {"fused": True} if device.startswith("cuda") else {}
        self.optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, **fused)
        self.logits = Logits(self.model, "compile" if "compiled" in mode else mode)
        if "compiled" in mode:
            self.logits = torch.compile(
                self.logits, mode="reduce-overhead" if "graphs" in mode else None)

    def autocast(self):
        device = self.images.device.type
        return self.torch.autocast(device, self.torch.bfloat16, enabled=self.precision == "bf16")

    def steps(self, index):
        functional, losses = self.torch.nn.functional, []
        self.model.train()
        for at in self.torch.from_numpy(index).to(self.images.device):
            self.optimizer.zero_grad(set_to_none=True)
            x = self.images[at].contiguous(memory_format=self.layout)
            with self.autocast():
                loss = functional.cross_entropy(self.logits(x), self.labels[at])
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach().clone())
        return self.torch.stack(losses).cpu()

    def points(self, triplets, coefficients):
        """As many images, which lie there already."""
        self.model.eval()
        n = coefficients.shape[0] * coefficients.shape[1]
        x = self.images[:BLOCK].contiguous(memory_format=self.layout)
        with self.torch.no_grad(), self.autocast():
            found = [self.logits(x[:min(BLOCK, n - at)]).argmax(1) for at in range(0, n, BLOCK)]
        return self.torch.cat(found).cpu()


# Timing -------------------------------------------------------------------------------------

def compare(asked, net, folder):
    """A line for each figure: the best plain mode's median milliseconds, ours, their ratio."""
    import numpy as np
    import torch

    kept = sent(asked.program, net, folder)
    cuda = asked.device.startswith("cuda")
    modes = ["eager"] + ["channels-last"] * (not net.startswith("vit"))
    modes += ["compiled"] * asked.compile + ["compiled, graphs"] * (asked.compile and cuda)
    sides = [Ours(kept, asked),
             *(Plain(net, kept, mode, asked.device, asked.precision) for mode in modes)]
    draw = np.random.default_rng(1)
    index = draw.integers(0, IMAGES, (asked.steps, BATCH))
    triplets = draw.integers(0, IMAGES, (asked.planes, 3))
    coefficients = draw.uniform(-0.1, 1.1, (asked.planes, asked.points, 2))
    figures = {"step": (asked.steps, lambda side: side.steps(index)),
               "plane": (asked.planes, lambda side: side.points(triplets, coefficients))}
    first = [float(side.steps(index)[0]) for side in sides]
    tolerance = 1e-4 if asked.precision == "f32" else 1e-2
    assert max(first) - min(first) < tolerance * first[0], f"losses differ: {first}"
    for name, (count, call) in figures.items():
        times = {side.name: [] for side in sides}
        for side in sides:
            call(side)
        for _ in range(asked.rounds):
            for side in sides:
                start = time.perf_counter()
                call(side)  # its answer is on the host: nothing is under way any more
                times[side.name].append(1e3 * (time.perf_counter() - start) / count)
        ours = times.pop("ours")
        best = min(times, key=lambda mode: statistics.median(times[mode]))
        ratio = statistics.median(plain / own for plain, own in zip(times[best], ours))
        print(f"{net:<12} {name:<6} {statistics.median(ours):9.3f} "
              f"{statistics.median(times[best]):9.3f} {ratio:7.2f}  {best}", flush=True)
    torch._dynamo.reset()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?", type=lambda path: Path(path).resolve())
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="f32", choices=["f32", "tf32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="compile ours, and let plain compile")
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="before they are waited for")
    parser.add_argument("--planes", type=int, default=4)
    parser.add_argument("--points", type=int, default=POINTS, help="of a plane")
    parser.add_argument("--threads", type=int, help="of the processor [PyTorch's choice]")
    parser.add_argument("--record", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.record:
        return record(asked.record)
    if asked.program is None:
        parser.error("names no program")
    if any(os.environ.get(name) != value for name, value in MALLOC.items()):
        # malloc reads them when the process begins.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **MALLOC})
    warnings.filterwarnings("ignore")
    import torch

    from stratagram.worker.device import name

    print(f"PyTorch {torch.__version__} on {name(asked.device)}, {asked.precision}, batch {BATCH}, "
          f"threads {asked.threads or torch.get_num_threads()}; milliseconds, plain / ours")
    print(f"{'net':<12} {'':<6} {'ours':>9} {'plain':>9} {'ratio':>7}  the best of plain")
    with tempfile.TemporaryDirectory() as folder:
        for net in asked.nets:
            compare(asked, net, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
