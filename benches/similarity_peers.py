"""Time of an epoch x epoch CKA matrix: stratagram beside its peers, in one run.

    cargo build --release && python benches/similarity_peers.py

Needs benches/requirements.txt. Prints one table; every number is the median of interleaved
rounds on the same machine, so that only ratios travel. stratagram's time is that of the whole
process: start, reading the files, the matrix, output. Peers give values alone, and are compared
with `--values-only`; the time with standard errors and noise floor stands beside it.

- torch_cka: its own HSIC on the Grams of a pair, as its `compare` does, for a few pairs, times
  all pairs. It would run both models again for every pair; that is not counted.
- netrep's linear CKA (netrep is not on PyPI): its formula in numpy, the arc cosine between
  centred Grams, worked out anew for every pair.
- numpy floor: every Gram once, one product for all pairs; what a careful script does.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = "2"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = THREADS

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch_cka import CKA  # noqa: E402

torch.set_num_threads(int(THREADS))
PROGRAM = Path(__file__).parent.parent / "target" / "release" / "stratagram"
E, N, P = 40, 1000, 512
PAIRS = E * (E - 1) // 2
ROUNDS = 5
SOME_PAIRS = 6
BIG_N, BIG_P = 4096, 65536


def write_activations(folder):
    """ReLU features that drift from epoch to epoch."""
    random = np.random.default_rng(0)
    base = random.standard_normal((N, P))
    for epoch in range(E):
        base += 0.2 * random.standard_normal((N, P))
        np.save(folder / f"epoch-{epoch}.npy", np.maximum(base, 0).astype(np.float32))


def load(folder):
    return [np.load(folder / f"epoch-{epoch}.npy") for epoch in range(E)]


def ours(folder, *options):
    out = folder.parent / "ours.npy"
    command = [PROGRAM, "similarity", "--measure", "cka", "--threads", THREADS, "--npy", out, folder]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return np.load(out)


def numpy_floor(folder):
    rows = []
    for x in load(folder):
        x = x - x.mean(0)
        k = x @ x.T
        np.fill_diagonal(k, 0)
        means = k.sum(1) / (N - 2)
        means -= means.sum() / (2 * (N - 1))
        k -= means[:, None] + means[None, :]
        np.fill_diagonal(k, 0)
        rows.append((k / np.linalg.norm(k)).ravel())
    rows = np.stack(rows)
    return rows @ rows.T


def some_pairs(arrays):
    return [(arrays[i], arrays[-1 - i]) for i in range(SOME_PAIRS)]


def torch_cka_pairs(arrays):
    hsic = CKA._HSIC
    cka = CKA.__new__(CKA)
    cka.device = "cpu"
    values = []
    with torch.no_grad():
        for x, y in some_pairs(arrays):
            k, l = (torch.from_numpy(a) @ torch.from_numpy(a).t() for a in (x, y))
            k.fill_diagonal_(0.0)
            l.fill_diagonal_(0.0)
            values.append(hsic(cka, k, l) / (hsic(cka, k, k) * hsic(cka, l, l)) ** 0.5)
    return values


def netrep_pairs(arrays):
    values = []
    for x, y in some_pairs(arrays):
        x, y = x - x.mean(0), y - y.mean(0)
        k, l = x @ x.T, y @ y.T
        cosine = (k * l).sum() / (np.linalg.norm(k) * np.linalg.norm(l))
        values.append(np.arccos(cosine))
    return values


def seconds(work, *arguments):
    # Threads of the side before may wait busily for a while.
    time.sleep(0.3)
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def matrices(folder):
    activations = folder / "activations"
    activations.mkdir()
    write_activations(activations)
    arrays = load(activations)
    times = {}
    for round_ in range(ROUNDS + 1):
        took = {}
        took["stratagram"], mine = seconds(ours, activations, "--values-only")
        took["with errors"], _ = seconds(ours, activations)
        took["numpy floor"], floor = seconds(numpy_floor, activations)
        took["torch_cka"], theirs = seconds(torch_cka_pairs, arrays)
        took["netrep's formula"], _ = seconds(netrep_pairs, arrays)
        for peer in ("torch_cka", "netrep's formula"):
            took[peer] *= PAIRS / SOME_PAIRS
        # The first round warms up.
        if round_ > 0:
            for name, time_ in took.items():
                times.setdefault(name, []).append(time_)
    difference = np.abs(mine - floor).max()
    of_torch = max(abs(theirs[i] - mine[i, E - 1 - i]) for i in range(SOME_PAIRS))
    print(f"E = {E} epochs, n = {N}, p = {P}, {PAIRS} pairs, {THREADS} threads, from .npy files\n")
    print("| program | median s | slowest s | times stratagram's |\n|---|---|---|---|")
    base = statistics.median(times["stratagram"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.3f} | {max(values):.3f} | {median / base:.1f} |")
    print(f"\nlargest difference to the numpy floor {difference:.1e}, to torch_cka {of_torch:.1e}")


def peak():
    """f32 multiply-adds counted as two, of the best product of matrices there is here."""
    a, b = torch.rand(4096, 4096), torch.rand(4096, 4096)
    best = min(seconds(torch.mm, a, b)[0] for _ in range(5))
    return 2 * 4096**3 / best


def run_watched(command):
    """Runs a command; its largest resident set in bytes, from /proc, where it starts anew:
    what `wait4` tells begins with that of this process."""
    largest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = [line for line in status.read_text().splitlines() if "VmHWM" in line]
            if lines and "stratagram" in Path(f"/proc/{process.pid}/comm").read_text():
                largest = int(lines[0].split()[1]) * 1024
            time.sleep(0.01)
    assert process.returncode == 0, command
    return largest


def stream(folder):
    path = folder / "big.npy"
    random = np.random.default_rng(1)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (BIG_N, BIG_P))
    for start in range(0, BIG_N, 256):
        out[start:start + 256] = random.random((256, BIG_P), np.float32)
    del out
    command = [PROGRAM, "similarity", "--measure", "cka", "--threads", THREADS, path]
    run = lambda: run_watched(command)  # noqa: E731
    run()
    took, flops, memory = [], [], []
    for _ in range(3):
        flops.append(peak())
        time_, largest = seconds(run)
        took.append(time_)
        memory.append(largest)
    rate = BIG_N**2 * BIG_P / statistics.median(took)
    print(f"\nn = {BIG_N}, p = {BIG_P}, streamed from a {path.stat().st_size / 2**30:.2f} GiB file: "
          f"median {statistics.median(took):.2f} s, n²p at {rate / 1e9:.0f} GFLOP/s, "
          f"{100 * rate / max(flops):.0f} % of this machine's f32 peak "
          f"({max(flops) / 1e9:.0f} GFLOP/s, torch.mm of 4096²); "
          f"largest resident set {max(memory) / 2**30:.2f} GiB")


if __name__ == "__main__":
    parts = sys.argv[1:] or ["matrices", "stream"]
    with tempfile.TemporaryDirectory() as name:
        for part in parts:
            {"matrices": matrices, "stream": stream}[part](Path(name))
