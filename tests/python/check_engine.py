"""The PyTorch engine through the program: the files of a run, exact continuation after kills, forks,
change of engine, an analysis beside the native one, and everything that can go wrong.

    python -m pip install -r requirements.txt
    python check_engine.py STRATAGRAM [KILLS [PART]]   # kills of one training [3]; checks with that in their name
"""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import stratagram

PROGRAM = str(Path(sys.argv[1]).resolve())
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
ENVIRONMENT = {**os.environ, "STRATAGRAM_PYTHON": sys.executable}
DEVICE = os.environ.get("STRATAGRAM_DEVICE", "cpu")
TORCH = ["--engine", "torch", "--device", DEVICE, "engine.threads=1", "--threads", "1"]
EXPERIMENT = """
seed = 3
data = { kind = "digits", n_train = 150, n_test = 80, augment = ["crop", "flip"] }
noise = { rate = 0.2 }
net = { kind = "cnn5", width = 4 }
optimizer = { lr = 0.02, schedule = { kind = "cosine" } }
train = { epochs = 4, batch_size = 16, checkpoints = [0, 1.5, 4] }
analysis = { n_examples = 30, drs = { triplets = 3, resolution = 8 } }
"""
VIT = ["net={kind='vit', dim=12, depth=2, heads=2, mlp_dim=16, dropout=0.2, head_dim=6}",
       "train.label_smoothing=0.1", "optimizer.clip_norm=1.0", "optimizer.kind=adamw",
       "optimizer.lr=0.003", "optimizer.schedule={kind='constant'}",
       "optimizer.lr_scale={'blocks.0*'=0.5}"]


def run(*words, environment=None, code=0):
    """What the program says on stderr."""
    done = subprocess.run([PROGRAM, *words], env={**ENVIRONMENT, **(environment or {})},
                          capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return done.stderr


def train(out, *changes, engine=TORCH, **options):
    return run("train", "experiment.toml", *changes, *engine, "--out", out, **options)


def rows(out):
    with open(f"{out}/history.csv", newline="") as file:
        return [{k: float(v) if v else np.nan for k, v in row.items()}
                for row in csv.DictReader(file)]


def files(out):
    """Names and bytes of all that the same-bytes promise covers."""
    left_out = {"timing.csv", "run.json", "lock"}
    paths = [path for path in sorted(Path(out).rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths
            if path.name not in left_out}


def assert_same(out, expected):
    found = files(out)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    for name, content in expected.items():
        assert found[name] == content, f"{out}: {name} differs"


def both_engines_train_alike():
    for changes in [[], VIT, ["net={kind='resnet18', width=2}", "optimizer.nesterov=true"]]:
        for path in ("native", "torch"):
            shutil.rmtree(path, ignore_errors=True)
        train("native", *changes, engine=["--threads", "1"])
        train("torch", *changes)
        assert files("native").keys() == files("torch").keys()
        native, other = rows("native"), rows("torch")
        assert [row["step"] for row in native] == [row["step"] for row in other]
        for name in ("train_loss", "test_loss"):
            losses = np.array([[row[name] for row in of] for of in (native, other)])
            far = np.abs(losses[0] / losses[1] - 1)
            assert far[0] < 1e-5 and far[1] < 1e-2, (changes, name, far)
        about = json.loads(Path("torch/run.json").read_text())
        assert about["device"].startswith("PyTorch ") and about["device"].endswith("(f32)")
        assert about["engines"] == [{"from_step": 0, "engine": about["device"]}], about
        assert "engines" not in json.loads(Path("native/run.json").read_text())


def killed_anywhere_it_continues_to_the_same_bytes(*changes):
    changes = ["train.epochs=12", "train.history=every", *changes]
    shutil.rmtree("whole", ignore_errors=True)
    train("whole", *changes)
    expected = files("whole")
    shutil.rmtree("killed", ignore_errors=True)
    for kill in range(KILLS):
        words = ["train", "experiment.toml", *changes, *TORCH, "--out", "killed"]
        process = subprocess.Popen([PROGRAM, *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        wanted = 2 + 10 * (kill + random.random()) / KILLS
        while not Path("killed/history.csv").exists() or len(rows("killed")) < wanted:
            assert process.poll() is None, process.returncode
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGINT]))
        assert process.wait() != 0, "it had ended before"
    train("killed", *changes)
    assert_same("killed", expected)
    return f"{KILLS} kills"


def a_run_changes_its_engine():
    shutil.rmtree("changed", ignore_errors=True)
    train("changed", engine=["--threads", "1"])
    said = train("changed", "train.epochs=6", "optimizer.schedule.t_max=4")
    assert "from step 40 on, training is on another engine: PyTorch" in said, said
    engines = json.loads(Path("changed/run.json").read_text())["engines"]
    assert [span["from_step"] for span in engines] == [0, 40], engines
    assert engines[0]["engine"] == "native"
    assert rows("changed")[-1]["step"] == 60


def forks_train_alike():
    """A fork on the other engine too, with everything that a fork may change."""
    changes = ["net.width=2", "train.checkpoints=[0,1,2,4]", "train.save_optimizer=true"]
    changed = ["train.freeze=['conv1','bn1']", "train.reinit=['fc']", "train.label_smoothing=0.1",
               "optimizer.clip_norm=0.5", "optimizer.lr_scale={'conv2'=0.5}"]
    for path in ("parent", "unchanged", "native", "torch"):
        shutil.rmtree(path, ignore_errors=True)
    train("parent", *changes)
    parent = files("parent")
    run("train", "--from", "parent@2", *TORCH, "--out", "unchanged")
    for name, content in files("unchanged").items():
        if name.startswith("checkpoints/") or name in ("history.csv", "state/last.safetensors"):
            assert content == parent[name], f"an unchanged fork: {name} differs"
    run("train", "--from", "parent@2", *changed, "--engine", "native", "--threads", "1",
        "--out", "native")
    run("train", "--from", "parent@2", *changed, *TORCH, "--out", "torch")
    assert files("native").keys() == files("torch").keys()
    for path, starts in (("unchanged", [0]), ("native", [0, 20]), ("torch", [0])):
        engines = json.loads(Path(path, "run.json").read_text())["engines"]
        assert [span["from_step"] for span in engines] == starts, (path, engines)
        assert engines[0]["engine"].startswith("PyTorch "), (path, engines)
    native, other = rows("native")[3:], rows("torch")[3:]
    assert [row["step"] for row in native] == [row["step"] for row in other]
    for name in ("train_loss", "test_loss"):
        far = [abs(a[name] / b[name] - 1) for a, b in zip(native, other)]
        assert max(far) < 1e-4, (name, far)
    last = {path: safetensors(sorted(Path(path, "checkpoints").iterdir())[-1])
            for path in ("native", "torch")}
    start = safetensors(Path("parent/checkpoints/step-000000020.safetensors"))
    for name, values in last["native"].items():
        frozen = name.startswith(("conv1", "bn1."))
        for path in ("native", "torch"):
            same = np.array_equal(last[path][name], start[name])
            # A bias before a BatchNorm has a gradient of rounding alone, and may stay too.
            assert same == frozen or same and name.endswith(".bias"), (path, name)
        assert np.abs(values - last["torch"][name]).max() <= 1e-2 * np.abs(values).max(), name
    return f"losses of the forks within {max(far):.0e}"


def safetensors(path):
    """The arrays of a checkpoint."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    types = {"F32": "<f4", "I64": "<i8"}
    header = json.loads(content[8:8 + length])
    return {name: np.frombuffer(content[8 + length:][slice(*of["data_offsets"])],
                                types[of["dtype"]]).reshape(of["shape"])
            for name, of in header.items() if name != "__metadata__"}


def a_worker_that_dies_gives_one_error_and_loses_nothing():
    shutil.rmtree("dead", ignore_errors=True)
    long = ["train.epochs=150", "optimizer.schedule={kind='constant'}"]
    words = ["train", "experiment.toml", *long, *TORCH, "--out", "dead"]
    process = subprocess.Popen([PROGRAM, *words], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not Path("dead/checkpoints/step-000000015.safetensors").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 1, (process.returncode, said)
    assert "the PyTorch engine ended during" in said and "signal: 9" in said, said
    assert "repeat the command" in said, said
    train("dead", *long)
    assert rows("dead")[-1]["epoch"] == 150


def what_goes_wrong_is_said():
    no_torch = Path("no-torch")
    no_torch.mkdir()
    (no_torch / "torch.py").write_text("raise ImportError('none here')")
    path = os.pathsep.join([str(no_torch.resolve()), os.environ.get("PYTHONPATH", "")])
    said = train("a", environment={"PYTHONPATH": path}, code=2)
    assert "pip install 'stratagram[torch]'" in said and "none here" in said, said
    said = train("b", environment={"STRATAGRAM_PYTHON": "/nowhere/python"}, code=2)
    assert "/nowhere/python" in said and "STRATAGRAM_PYTHON" in said, said
    said = train("c", engine=["--engine", "torch", "--device", "cuda:77"], code=2)
    assert "the PyTorch engine cannot do `hello`" in said, said
    said = run("train", "experiment.toml", "--device", "cpu", "--out", "d", code=2)
    assert "engine.device" in said and "engine.kind" in said, said
    said = train("e", "optimizer.lr=1e30", "optimizer.momentum=0", code=1)
    assert "the training loss is" in said and "lower optimizer.lr" in said, said
    assert Path("e/checkpoints/step-000000000.safetensors").exists()


def both_engines_analyze_alike():
    for path in ("one", "other"):
        shutil.rmtree(path, ignore_errors=True)
    train("one", engine=["--threads", "1"])
    shutil.copytree("one", "other")
    run("analyze", "one", "--threads", "1")
    run("analyze", "other", "--engine", "torch", "--device", DEVICE, "--threads", "1")
    about = json.loads(Path("other/run.json").read_text())
    assert about["analyzed_on"].endswith("(f32)"), about
    n, equal = 0, 0
    for path in Path("one/signatures").rglob("*.npy"):
        native, other = np.load(path), np.load("other" / path.relative_to("one"))
        if native.dtype == np.uint8:
            n, equal = n + native.size, equal + (native == other).sum()
    assert n > 1000 and equal >= 0.999 * n, (equal, n)
    cka = 0
    for path in Path("one/matrices/cka").rglob("*.npy"):
        native, other = np.load(path), np.load("other" / path.relative_to("one"))
        far = np.nanmax(np.abs(native - other), initial=0)
        assert far < 1e-4 and (np.isnan(native) == np.isnan(other)).all(), (path, far)
        cka += 1
    assert cka > 10
    return f"{equal} of {n} decisions equal, {cka} CKA matrices within 1e-4"


CHECKS = [both_engines_train_alike, killed_anywhere_it_continues_to_the_same_bytes,
          a_run_changes_its_engine, forks_train_alike,
          a_worker_that_dies_gives_one_error_and_loses_nothing, what_goes_wrong_is_said,
          both_engines_analyze_alike]


def main():
    print("stratagram", stratagram.__version__, stratagram.__file__)
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("experiment.toml").write_text(EXPERIMENT)
        for check in CHECKS:
            start = time.monotonic()
            if ONLY not in check.__name__:
                continue
            found = check()
            name = check.__name__.replace("_", " ")
            print(f"ok  {name}{f': {found}' if found else ''} ({time.monotonic() - start:.0f} s)",
                  flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
