#!/usr/bin/env python3
"""stratagram's training against PyTorch's, on this machine, in interleaved rounds.

    benches/training.py                      # every table, about half an hour
    benches/training.py step infer           # steps and evaluations
    benches/training.py avx2 busy seeds memory --nets cnn5-4 resnet18-4 --rounds 3

Needs cargo and Python 3.9 or newer; PyTorch is installed into target/peers at the first call.
Both sides get two threads and the same nets, batches of 128 images of 3x32x32, SGD with
momentum, f32. Each figure is the median over rounds of a process's medians over a second;
the sides take turns, so that both see the same machine. PyTorch is given its best of plain,
channels-last and torch.compile, chosen for each figure. Nothing else may run meanwhile.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "target" / "peers"
NETS = ["cnn5-4", "cnn5-8", "cnn5-16", "cnn5-64", "resnet18-4", "resnet18-8", "resnet18-16",
        "resnet18-64", "vit-192"]
MODES = ["plain", "channels-last", "compile"]
THREADS = {"RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
SEEDS, SEED_STEPS = 16, 20


class Side:
    """A process that times its net each time it is asked."""

    def __init__(self, command, environment=()):
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env={**os.environ, **THREADS, **dict(environment)})

    def ask(self, what):
        """Median milliseconds, then peak MB (and, of ours, the GFLOP of a step)."""
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended without an answer to {what}")
        return [float(word) for word in line.split()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def ours(net, environment=()):
    return Side([program(), "--serve", net], environment)


def torchs(net, mode, environment=()):
    kind, width = net.split("-")
    script = str(ROOT / "benches" / "pytorch.py")
    return Side([python(), script, kind, width, mode], environment)


def python():
    """The peers' interpreter; installs them at the first call."""
    path = PEERS / "bin" / "python"
    if not path.exists():
        print("installing PyTorch into target/peers …", file=sys.stderr)
        venv.create(PEERS, with_pip=True)
        wanted = ROOT / "benches" / "requirements.txt"
        subprocess.run([path, "-m", "pip", "install", "-q", "-r", wanted], check=True)
    return str(path)


@functools.cache
def program(bench="engine_step"):
    """The built bench, ours."""
    command = ["cargo", "bench", "--bench", bench, "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, text=True, capture_output=True)
    messages = [json.loads(line) for line in lines.stdout.splitlines()]
    found = [m["executable"] for m in messages if m.get("target", {}).get("name") == bench]
    return found[-1]


def medians(sides, what, rounds):
    """Medians over rounds in which the sides take turns."""
    times = [[] for _ in sides]
    for _ in range(rounds):
        for side, found in zip(sides, times):
            found.append(side.ask(what)[0])
    return [statistics.median(found) for found in times]


def compare(net, what, rounds, environments=((), ())):
    """Our milliseconds, PyTorch's best, and the mode that gave it."""
    best = None
    for mode in MODES:
        with ours(net, environments[0]) as mine, torchs(net, mode, environments[1]) as peer:
            times = medians([mine, peer], what, rounds)
        # Ours are timed beside every mode; the ratio is that of the round with the best one.
        if best is None or times[1] < best[1]:
            best = [*times, mode]
    return best


def print_row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def head(*titles):
    print()
    print_row(*titles)
    print_row(*["---"] + ["--:"] * (len(titles) - 1))


def times_table(what, nets, rounds, name, environments=((), ())):
    peak = float(subprocess.run([program(), "--peak"], text=True, check=True, capture_output=True,
                                env={**os.environ, **THREADS}).stdout)
    head(name, "stratagram ms", "PyTorch ms", "its best", "ratio", f"of {peak:.0f} GFLOP/s")
    for net in nets:
        mine, peer, mode = compare(net, what, rounds, environments)
        with ours(net) as side:
            gflop = side.ask(what)[2] * (1 if what == "step" else 4 / 3)
        share = 100 * gflop / mine * 1e3 / peak
        print_row(net, f"{mine:.2f}", f"{peer:.1f}", mode, f"{peer / mine:.2f}x", f"{share:.0f} %")


def busy_table(nets, rounds):
    head("step with one core busy", "stratagram ms", "alone", "slower", "PyTorch ms", "alone",
         "slower")
    for net in nets:
        *_, mode = compare(net, "step", 1)
        with ours(net) as mine, torchs(net, mode) as peer:
            alone = medians([mine, peer], "step", rounds)
            burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                busy = medians([mine, peer], "step", rounds)
            finally:
                burner.kill()
                burner.wait()
        cells = [[f"{b:.1f}", f"{a:.1f}", f"{b / a:.1f}x"] for a, b in zip(alone, busy)]
        print_row(net, *cells[0], *cells[1])


def seeds_table(nets, rounds):
    head(f"{SEEDS} runs of {SEED_STEPS} steps", "stratagram s", "PyTorch s", "its best", "ratio")
    for net in nets:
        _, peer, mode = compare(net, "step", rounds)
        command = [program(), "--seeds", net, str(SEEDS), str(SEED_STEPS)]
        mine, found = [], []
        with torchs(net, mode) as side:
            for _ in range(rounds):
                output = subprocess.run(command, text=True, check=True, capture_output=True,
                                        env={**os.environ, **THREADS})
                mine.append(float(output.stdout))
                found.append(side.ask("step")[0])
        seconds = [statistics.median(mine), SEEDS * SEED_STEPS * statistics.median(found) / 1e3]
        ratio = f"{seconds[1] / seconds[0]:.2f}x"
        print_row(net, f"{seconds[0]:.2f}", f"{seconds[1]:.2f}", mode, ratio)


def memory_table(nets):
    head("peak memory of training", "stratagram MB", "PyTorch MB", "its least", "share")
    for net in nets:
        with ours(net) as side:
            mine = side.ask("step")[1]
        peers = []
        for mode in MODES:
            with torchs(net, mode) as side:
                peers.append((side.ask("step")[1], mode))
        peer, mode = min(peers)
        print_row(net, f"{mine:.0f}", f"{peer:.0f}", mode, f"{mine / peer:.2f}")


def main():
    tables = ["step", "infer", "avx2", "busy", "seeds", "memory"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="*", default=tables, help=" ".join(tables))
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    nets, rounds = arguments.nets, arguments.rounds
    restricted = ({"STRATAGRAM_ISA": "avx2"}.items(), {"ONEDNN_MAX_CPU_ISA": "AVX2"}.items())
    narrow = [net for net in nets if net.endswith(("-4", "-8"))]
    for table in arguments.tables:
        {
            "step": lambda: times_table("step", nets, rounds, "training step"),
            "infer": lambda: times_table("infer", nets, rounds, "evaluation of 512 images"),
            "avx2": lambda: times_table("step", nets, rounds, "step, both AVX2", restricted),
            "busy": lambda: busy_table(narrow, rounds),
            "seeds": lambda: seeds_table(narrow, rounds),
            "memory": lambda: memory_table(nets),
        }[table]()


if __name__ == "__main__":
    main()
