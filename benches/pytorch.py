"""PyTorch's side of the comparison: the same nets, steps and batches, timed on request.

    python benches/pytorch.py NET WIDTH MODE     # MODE: plain, channels-last or compile

Reads `step` or `infer` from standard input, runs for about a second, and answers with the
median in milliseconds and the peak memory of the process in MB; `benches/training.py` asks.
"""

import resource
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "reference"))
from nets import KINDS, Attention  # noqa: E402

BATCH, SECONDS, LEAST = 128, 1.0, 5


class Side:
    """A net with its optimizer, its batch, and the batch of an evaluation."""

    def __init__(self, kind, width, mode):
        torch.manual_seed(0)
        Attention.fused = True
        self.net = KINDS[kind](vit(width) if kind == "vit" else width, [3, 32, 32])
        layout = torch.channels_last if mode == "channels-last" else torch.contiguous_format
        if mode == "compile" and kind != "vit":
            layout = torch.channels_last
        self.net = self.net.to(memory_format=layout)
        shape = (3, 32, 32)
        self.images = torch.randn(BATCH, *shape).to(memory_format=layout)
        self.many = torch.randn(4 * BATCH, *shape).to(memory_format=layout)
        self.labels = torch.arange(BATCH) % 10
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9)
        self.logits = Logits(self.net, mode)
        if mode == "compile":
            self.logits = torch.compile(self.logits)

    def step(self):
        self.net.train()
        self.optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(self.logits(self.images), self.labels).backward()
        self.optimizer.step()

    def infer(self):
        self.net.eval()
        with torch.no_grad():
            self.logits(self.many)


def vit(dim):
    """The ViT that `benches/engine_step.rs` calls vit-dim."""
    return {"patch": 4, "dim": dim, "depth": 6, "heads": dim // 64, "head_dim": 64,
            "mlp_dim": 4 * dim, "pool": "cls", "norm_eps": 1e-5}


class Forgotten:
    """Takes the place of the dictionary of nodes, and lets go of each."""

    def __setitem__(self, name, value):
        pass


class Logits(torch.nn.Module):
    """The reference nets give every node; here the logits alone are wanted."""

    def __init__(self, net, mode):
        super().__init__()
        self.net = net
        # The compiler drops by itself what nothing reads.
        self.nodes = None if mode == "compile" else Forgotten()

    def forward(self, x):
        return self.net(x, self.nodes)[0]


def median_ms(run):
    times, start = [], time.perf_counter()
    while len(times) < LEAST or time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - before))
    return statistics.median(times)


def main():
    warnings.filterwarnings("ignore")
    kind, width, mode = sys.argv[1:]
    torch.set_num_threads(2)
    side = Side(kind, int(width), mode)
    warm = set()
    for line in sys.stdin:
        run = {"step": side.step, "infer": side.infer}[line.strip()]
        for _ in range(0 if line in warm else 3):
            run()
        warm.add(line)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(median_ms(run), peak, flush=True)


if __name__ == "__main__":
    main()
