"""Time of the linear probes of 20 layers: stratagram beside scikit-learn, in one run.

    cargo bench --bench probes --no-run && python benches/probe_peers.py [LAYERS]

Needs benches/requirements.txt and Fashion-MNIST (`stratagram data fetch fashion-mnist`).
Features: 20 layers of a ResNet-18 of width 16 that trains on 2,000 images with 20 % wrong
labels, up to 2,048 features a layer, at epochs 0, 1, 2, 4 and 8 (or those that the variable
EPOCHS names; FEATURES names a folder to keep them in). Both minimize mean log loss +
l2/2 |W|^2 over the same standardized features, l2 = 1e-3, until no entry of the gradient is
above 1e-7, on two threads. Every LAYERS-th layer (default 5; all of them take scikit-learn ten
minutes an epoch) is fitted by one and then the other, both started anew. Then stratagram fits
all 20 as an analysis does, together and each started at the epoch before (the optimum is
unique, so this changes no prediction); scikit-learn's time for 20 is that of its layers in
proportion, which the line says.
"""

import glob
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = "2"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = THREADS

import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

L2, TOLERANCE = 1e-3, 1e-7
EPOCHS = os.environ.get("EPOCHS", "0 1 2 4 8").split()
EVERY = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def program():
    folder = Path(__file__).parent.parent / "target" / "release" / "deps"
    found = [path for path in glob.glob(f"{folder}/probes-*") if not path.endswith(".d")]
    return max(found, key=os.path.getmtime)


def standardized(x):
    x = x.astype(np.float64)
    mean, scale = x.mean(0), x.std(0)
    scale = np.maximum(scale, 1e-3 * np.median(scale))
    scale[scale == 0] = 1
    return (x - mean) / scale


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(os.environ.get("FEATURES", folder))
        if not (folder / "labels.npy").exists():
            subprocess.run([program(), "write", folder], check=True)
        labels = np.load(folder / "labels.npy")
        ours = subprocess.Popen(
            [program(), "fit", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def fit(line):
            ours.stdin.write(line + "\n")
            ours.stdin.flush()
            return float(ours.stdout.readline())

        for epoch in EPOCHS:
            files = sorted(path for path in (folder / epoch).glob("*.npy") if ".pred" not in path.name)
            assert len(files) == 20
            chosen = files[EVERY // 2 :: EVERY]
            whole = 0.0
            for path in chosen:
                mine = fit(f"{epoch} {path.stem}")
                x = standardized(np.load(path))
                start = time.perf_counter()
                peer = LogisticRegression(C=1 / (L2 * len(labels)), tol=TOLERANCE, max_iter=100_000)
                peer.fit(x, labels)
                theirs = time.perf_counter() - start
                whole += theirs * 20 / len(chosen)
                differing = (peer.predict(x) != np.load(path.with_suffix(".pred.npy"))).sum()
                print(
                    f"epoch {epoch} {path.stem} ({x.shape[1]} features): stratagram {mine:.2f} s, "
                    f"scikit-learn {theirs:.1f} s: {theirs / mine:.0f} times; "
                    f"{differing} of {len(labels)} predictions differ",
                    flush=True,
                )
            mine = fit(epoch)
            print(
                f"epoch {epoch}: stratagram 20 layers {mine:.2f} s, scikit-learn about "
                f"{whole:.0f} s: {whole / mine:.0f} times",
                flush=True,
            )
        ours.stdin.close()
        ours.wait()


main()
