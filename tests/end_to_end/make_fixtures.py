"""Makes the fixtures of tests/it/analysis/end_to_end.rs.

    cargo build --release
    python make_fixtures.py ../../target/release/stratagram

For each NET.toml: trains and analyses with the program, recomputes with numpy and
scikit-learn, stops where the two differ or a planted fault stays unseen, and keeps in NET/
what the program needs to analyse again (run/) and the recomputed values (expected.json).
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import recompute

HERE = Path(__file__).parent
KEPT = ["experiment.toml", "run.json", "labels.npz", "history.csv", "checkpoints"]


def make(program, experiment):
    kept = HERE / experiment.stem
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "run"
        subprocess.run([program, "train", experiment, "--out", root], check=True)
        subprocess.run([program, "analyze", root], check=True)
        run = recompute.Run(root)
        recompute.check_labels(run)
        results = recompute.Results(run)
        records, points = recompute.Recomputation(run).records()
        differences = list(results.differences(records, points))
        assert not differences, "\n".join(differences)
        for fault in recompute.FAULTS:
            faulty, _ = recompute.Recomputation(run, fault).records(points)
            kinds = {line.split()[0] for line in results.differences(faulty, points)}
            print(f"{experiment.stem} {fault}: seen in {sorted(kinds)}")
            assert kinds >= {"cka", "probe", "classes", "drs"}, fault
        shutil.rmtree(kept, ignore_errors=True)
        for name in KEPT:
            copy = shutil.copytree if (root / name).is_dir() else shutil.copy
            (kept / "run").mkdir(parents=True, exist_ok=True)
            copy(root / name, kept / "run" / name)
        recompute.write(run, kept / "expected.json")


if __name__ == "__main__":
    program = Path(sys.argv[1]).resolve()
    for experiment in sorted(HERE.glob("*.toml")):
        make(program, experiment)
