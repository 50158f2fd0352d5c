"""Writes tests/reference/recording: a run directory recorded by the Python package, and the
activations that it was recorded from, for tests/it/outside/recordings.rs.

    PYTHONPATH=python python tests/reference/make_recording.py

Written with Python 3.11, numpy 2.4.
"""

import json
import shutil
from pathlib import Path

import numpy as np

import stratagram

FOLDER = Path(__file__).parent / "recording"


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    rng = np.random.default_rng(7)
    points = {"group": "test", "n_planes": 3, "points_per_plane": 4, "sha256": "0" * 64}
    layers = {"layer2.0": 1100, "layer10": 5, "fc": 3}
    stored = {}
    with stratagram.Recording(
        FOLDER / "run", list(layers), {"test": range(12)}, decisions=points,
        about={"model": "Example"}, settings={"batchnorm": "none"},
    ) as rec:
        base = {name: rng.normal(size=(12, p)) for name, p in layers.items()}
        for epoch in range(4):
            rows = {}
            for name, x in base.items():
                x = x + epoch * rng.normal(size=x.shape) + 30
                rows[name] = x.astype(np.float32)
            if epoch == 0:
                rows["fc"] = np.ones((12, 3), np.float32)
            stored.update((f"{epoch}/{name}", x) for name, x in rows.items())
            rec.log(epoch=epoch, step=8 * epoch, activations=rows,
                    decisions=rng.integers(0, 3, 12), train_error=0.5 / (epoch + 1),
                    test_error=0.75 / (epoch + 1))
            rec.log(epoch=epoch + 0.5, step=8 * epoch + 4, train_error=0.4 / (epoch + 1),
                    test_error=0.7 / (epoch + 1))
    manifest = json.loads((FOLDER / "run/run.json").read_text())
    manifest["created"] = "2026-01-01T00:00:00Z"
    (FOLDER / "run/run.json").write_text(json.dumps(manifest, indent=2) + "\n")
    shutil.rmtree(FOLDER / "run/signatures")
    (FOLDER / "run/lock").unlink()
    (FOLDER / "run/timing.csv").unlink()
    np.savez(FOLDER / "activations.npz", **stored)


if __name__ == "__main__":
    main()
