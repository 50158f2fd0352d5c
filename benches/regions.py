#!/usr/bin/env python3
"""Decision regions: stratagram against PyTorch's forward pass and numpy, in interleaved rounds.

    benches/regions.py [--rounds 5]

Plane points: 512 points of a plane through images of 3x32x32, their pixels worked out, through
ResNet-18 k=16, to classes; PyTorch, at the best of plain, channels-last and torch.compile, has
its 512 images ready and gives logits. Then the same with the probes of all layers. Matrix:
agreement of all pairs of 100 epochs over 1.25 million points, against numpy's
`(a == b).mean()` of each pair. Two threads for each side; numpy's comparison has one.
"""

import argparse
import statistics
import time

import numpy as np

from training import MODES, Side, head, print_row, program, torchs

N_EPOCHS, N_POINTS = 100, 1_250_000


def ours():
    return Side([program("regions"), "--serve"])


def points(rounds):
    head("512 plane points, ResNet-18 k=16", "stratagram ms", "PyTorch ms", "its best", "ratio",
         "with probes ms", "more")
    best = None
    for mode in MODES:
        with ours() as mine, torchs("resnet18-16", mode) as peer:
            found = [[], [], []]
            for _ in range(rounds):
                for times, (side, what) in zip(found, [(mine, "points"), (mine, "probed"),
                                                       (peer, "infer")]):
                    times.append(side.ask(what)[0])
            times = [statistics.median(times) for times in found]
        if best is None or times[2] < best[2]:
            best = [*times, mode]
    plain, probed, peer, mode = best
    print_row(f"{512e3 / plain:.0f} points a second", f"{plain:.1f}", f"{peer:.1f}", mode,
              f"{peer / plain:.2f}x", f"{probed:.1f}", f"{100 * (probed / plain - 1):.0f} %")


def numpys(rows):
    start = time.perf_counter()
    for i in range(N_EPOCHS):
        for j in range(i + 1, N_EPOCHS):
            (rows[i] == rows[j]).mean()
    return 1e3 * (time.perf_counter() - start)


def matrix(rounds):
    head("matrix of 100 epochs, 1.25 million points", "stratagram ms", "numpy ms", "ratio")
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 10, (N_EPOCHS, N_POINTS), dtype=np.uint8)
    with ours() as mine:
        times = [[], []]
        for _ in range(min(rounds, 3)):
            times[0].append(mine.ask("matrix")[0])
            times[1].append(numpys(rows))
    mine, peer = map(statistics.median, times)
    print_row("all pairs", f"{mine:.0f}", f"{peer:.0f}", f"{peer / mine:.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="*", default=["points", "matrix"])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for table in arguments.tables:
        {"points": points, "matrix": matrix}[table](arguments.rounds)


if __name__ == "__main__":
    main()
