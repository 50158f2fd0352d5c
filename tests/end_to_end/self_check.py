"""Checks the recomputation itself; needs PyTorch (../reference/requirements.txt).

    python self_check.py

forward.py against torch.nn (1e-10), its statistics against update_bn, the probe against
tests/oracles/probe, CKA against tests/oracles/activations-*, planes against constants. Last,
a small run is trained and analysed in PyTorch, in float32 and by other formulas:
recompute.py must agree with it, and every planted fault must show in every measure.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional
from torch.optim import swa_utils

HERE = Path(__file__).parent
ORACLES = HERE.parent / "oracles"
sys.path.insert(0, str(HERE.parent / "reference"))

import forward
import measures
import recompute
from nets import build


def far(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max()


def check_forward():
    for kind, width, shape in [("cnn5", 3, [1, 8, 8]), ("cnn5", 2, [3, 28, 28]),
                               ("resnet18", 2, [1, 8, 8]), ("resnet18", 3, [3, 10, 10])]:
        net = build(kind, width, shape, seed=1).train()
        x = torch.randn(50, *shape, dtype=torch.float64)
        for _ in range(3):
            net(x[:20] * 2 + 1)
        state = {k: v.clone().numpy() for k, v in net.state_dict().items()}
        expected = net(x)[1]
        found = forward.forward(kind, state, x.numpy(), None).nodes
        names = expected.keys() & found.keys()
        # Every node but nothing else: the input is no node of either.
        assert names == expected.keys() == found.keys()
        worst = max(far(found[n], expected[n].detach()) for n in names)
        swa_utils.update_bn([x[:25], x[25:]], net)
        statistics = forward.recomputed_statistics(kind, state, x.numpy(), batch=25)
        after = forward.running_statistics({k: v.numpy() for k, v in net.state_dict().items()})
        worst = max([worst] + [far(statistics[n], after[n]) for n in after])
        net.eval()
        expected = net(x)[1]
        found = forward.forward(kind, state, x.numpy(), statistics).nodes
        worst = max([worst] + [far(found[n], expected[n].detach()) for n in names])
        assert set(forward.representations(kind, shape[1])) <= names
        print(f"forward {kind} {width} {shape}: {worst:.1e}")
        assert worst < 1e-10


def check_pooling():
    x = torch.randn(4, 5, 7, 7, dtype=torch.float64)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)
    assert far(measures.features(x.numpy(), 5 * 24), expected) < 1e-12
    assert measures.features(x.numpy(), 5 * 49).shape == (4, 5 * 49)


def check_probe():
    data = np.load(ORACLES / "probe" / "data.npz")
    expected = json.loads((ORACLES / "probe" / "expected.json").read_text())
    print("probe", list(data.keys()))
    probe = measures.Probe(data["X"], data["y"], expected["l2"], standardize=False)
    assert abs(probe.objective / expected["objective"] - 1) < 1e-10
    predicted = probe.scores(data["X_test"]).argmax(1)
    stored = [k for k in data if k.startswith("pred")]
    for name in stored:
        assert (predicted == data[name]).all()
    accuracy = (predicted == data["y_test"]).mean()
    assert abs(accuracy - expected["test_accuracy"]) < 1e-12
    for name in [k for k in data if k.startswith("coef")]:
        coef = probe.model.coef_ - probe.model.coef_.mean(0)
        print("probe coefficients", far(coef, data[name]))
        assert far(coef, data[name]) < 1e-6
    print(f"probe gradient {probe.gradient_norm:.1e}, compared {stored}")


def check_cka():
    for folder in ["activations-small", "activations-offset"]:
        expected = json.loads((ORACLES / folder / "expected.json").read_text())
        files = sorted((ORACLES / folder).glob("*.npy"))
        epochs = [np.load(f).astype(np.float64) for f in files]
        for estimator in ["biased", "debiased"]:
            found = [[measures.cka(x, y, estimator) for y in epochs] for x in epochs]
            error = far(found, expected[f"cka_linear_{estimator}"])
            print(f"cka {folder} {estimator}: {error:.1e}")
            assert error < 1e-9


def check_planes():
    plane = measures.Plane((0, 1, 2, 3), (2, 0, 1, 5), (1, 4, 0, 2))
    assert far(plane.coordinates[2], (-0.316227766, 3.860051813)) < 1e-8
    assert far(plane.grid(5, 0.1)[7], (0.84, 2.33, 0.83, 2.84)) < 0.005
    assert far(measures.axis((0.0, 3.16227766, -0.316227766), 5, 0.1),
               (-0.664078309, 0.379473319, 1.423024947, 2.466576575, 3.510128203)) < 1e-8


EXPERIMENT = """
seed = 0
[data]
kind = "digits"
seed = 1
normalize = "channel"
[net]
kind = "KIND"
width = 2
[evaluation]
batchnorm = "recomputed"
[analysis]
groups = ["test", "train-clean", "train-corrupted"]
n_examples = 40
cka = { estimator = "debiased" }
probe = { l2 = 1e-2, labels = "noisy", features = "flatten", cap = 64 }
drs = { triplets = 8, resolution = 10, margin = 0.1, source = "test", sampling = "dbviz" }
"""
EPOCHS = [0, 1, 2, 4, 8]


def random_labels(root):
    """A split of the digits, label noise, groups and triplets; the images of the split."""
    images, classes = recompute.read_digits(None)
    random = np.random.default_rng(0)
    order = random.permutation(len(classes))
    train, test = order[:300], order[300:500]
    true = classes[train]
    corrupted = random.random(300) < 0.4
    noisy = np.where(corrupted, (true + random.integers(1, 10, 300)) % 10, true)
    triplets = [recompute.dbviz_triplet(classes[test], 1 + r) for r in range(8)]
    some = lambda indices: np.sort(random.permutation(indices)[:40])
    labels = {
        "true": true, "noisy": noisy, "corrupted": corrupted, "test": classes[test],
        "train_index": train, "test_index": test, "triplets": np.array(triplets),
        "examples_test": some(200), "examples_train_clean": some(np.flatnonzero(~corrupted)),
        "examples_train_corrupted": some(np.flatnonzero(corrupted))}
    np.savez(root / "labels.npz", **labels)
    x = images[train]
    scaled = [(images[i] - x.mean()) / x.std() for i in (train, test)]
    return labels, *(torch.tensor(s, dtype=torch.float32) for s in scaled)


def train_states(kind, x, y):
    """state_dicts after EPOCHS epochs of SGD."""
    net = build(kind, 2, [1, 8, 8], seed=0, dtype=torch.float32).train()
    update = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(EPOCHS[-1] + 1):
        if epoch in EPOCHS:
            yield {k: v.clone() for k, v in net.state_dict().items()}
        for batch in torch.randperm(len(x)).split(50):
            update.zero_grad()
            functional.cross_entropy(net(x[batch])[0], y[batch]).backward()
            update.step()


def feature_cka(x, y):
    """Debiased linear CKA in feature space."""
    x, y = (m.flatten(1).double() - m.flatten(1).double().mean(0) for m in (x, y))
    n = len(x)

    def inner(a, b):
        s, t = (a * a).sum(1), (b * b).sum(1)
        correction = s.sum() * t.sum() / ((n - 1) * (n - 2)) - n / (n - 2) * (s @ t)
        return ((a.T @ b) ** 2).sum() + correction

    return (inner(x, y) / (inner(x, x) * inner(y, y)).sqrt()).item()


def torch_probe(x, y, l2):
    """Weights on raw features, by L-BFGS in float64, and the objective."""
    std = x.std(0, unbiased=False)
    std = std.clamp(min=1e-3 * np.median(std.numpy()))
    z = (x - x.mean(0)) / std
    weight = torch.zeros(10, x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    update = torch.optim.LBFGS([weight, bias], max_iter=3000, tolerance_grad=1e-9,
                               tolerance_change=0, history_size=30, line_search_fn="strong_wolfe")

    def objective():
        update.zero_grad()
        value = functional.cross_entropy(z @ weight.T + bias, y) + l2 / 2 * (weight**2).sum()
        value.backward()
        return value

    update.step(objective)
    value = objective().item()
    return lambda new: ((new - x.mean(0)) / std) @ weight.T + bias, value


def write_table(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def write_run(root, kind):
    """A run directory computed in PyTorch."""
    (root / "experiment.toml").write_text(EXPERIMENT.replace("KIND", kind))
    labels, x, x_test = random_labels(root)
    y = torch.tensor(labels["noisy"])
    names = forward.representations(kind, 8)
    groups = {"test": x_test[labels["examples_test"]],
              "train-clean": x[labels["examples_train_clean"]],
              "train-corrupted": x[labels["examples_train_corrupted"]]}
    grids = [measures.Plane(*x_test[t].numpy()).grid(10, 0.1) for t in labels["triplets"]]
    points = torch.tensor(np.concatenate(grids), dtype=torch.float32).reshape(-1, 1, 8, 8)
    representations = {g: {n: [] for n in names} for g in groups}
    classes = {n: [] for n in [*names, "output"]}
    probes, history, axis = [], [], []
    (root / "checkpoints").mkdir()
    for epoch, state in zip(EPOCHS, train_states(kind, x, y)):
        step = 6 * epoch
        save_file(state, root / "checkpoints" / f"step-{step:09}.safetensors")
        net = build(kind, 2, [1, 8, 8], seed=0, dtype=torch.float32)
        net.load_state_dict(state)
        error = lambda scores, target: (scores.argmax(1) != torch.as_tensor(target)).double().mean().item()
        with torch.no_grad():
            lagging = error(net.eval()(x_test)[0], labels["test"])
            swa_utils.update_bn([x], net)
            net.eval()
            on = {key: net(images)[1] for key, images in
                  [*groups.items(), ("train", x), ("test-set", x_test), ("points", points)]}
        for group in groups:
            for name in names:
                representations[group][name].append(on[group][name])
        for name in names:
            def vectors(key):
                value = on[key][name]
                if value[0].numel() > 64:
                    side = int((64 / value.shape[1]) ** 0.5)
                    value = functional.adaptive_avg_pool2d(value, side)
                return value.flatten(1).double()
            scores, objective = torch_probe(vectors("train"), y, 1e-2)
            classes[name].append(scores(vectors("points")).argmax(1))
            probes.append({"layer": name, "step": step, "labels": "noisy", "objective": objective,
                           "n_floored": (vectors("train").std(0, unbiased=False) <
                                         1e-3 * np.median(vectors("train").numpy().std(0))).sum().item(),
                           "train_accuracy": 1 - error(scores(vectors("train")), y),
                           "test_accuracy": 1 - error(scores(vectors("test-set")), labels["test"])})
        logits = names[-1]
        classes["output"].append(on["points"][logits].argmax(1))
        history.append({
            "step": step, "train_loss": functional.cross_entropy(on["train"][logits], y).item(),
            "train_error": error(on["train"][logits], y),
            "train_error_true": error(on["train"][logits], labels["true"]),
            "test_loss": functional.cross_entropy(
                on["test-set"][logits], torch.tensor(labels["test"])).item(),
            "test_error": error(on["test-set"][logits], labels["test"]),
            "test_error_running_bn": lagging})
        axis.append({"step": step, "epoch": epoch})
    folders = {"drs/test": lambda a, b: (a == b).double().mean().item()}
    values = {"drs/test": classes} | {f"cka/{g}": r for g, r in representations.items()}
    for folder, layers in values.items():
        (root / "matrices" / folder).mkdir(parents=True)
        for layer, rows in layers.items():
            compare = folders.get(folder, feature_cka)
            matrix = np.array([[compare(a, b) for b in rows] for a in rows], np.float32)
            np.save(root / "matrices" / folder / f"{layer}.npy", matrix)
    (root / "signatures/drs/test").mkdir(parents=True)
    for layer, rows in classes.items():
        np.save(root / "signatures/drs/test" / f"{layer}.npy", np.array(rows, np.uint8))
    write_table(root / "matrices/axis.csv", axis)
    write_table(root / "probes.csv", probes)
    write_table(root / "history.csv", history)


def check_recomputation():
    for kind in ["cnn5", "resnet18"]:
        with tempfile.TemporaryDirectory() as folder:
            write_run(Path(folder), kind)
            for fault in [None, *recompute.FAULTS]:
                command = [sys.executable, HERE / "recompute.py", folder]
                command += ["--fault", fault] if fault else []
                result = subprocess.run(command, capture_output=True, text=True)
                lines = result.stdout.splitlines()
                print(kind, fault or "sound", lines[-1:] or result.stderr)
                caught = {line.split()[0] for line in lines[:-1]}
                expected = {"cka", "classes", "drs", "probe", "history"} if fault else set()
                if fault == "neighbour-layer":
                    expected -= {"history"}  # of the net itself
                assert caught == expected, result.stdout
                assert result.returncode == bool(fault)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    check_forward()
    check_pooling()
    check_probe()
    check_cka()
    check_planes()
    check_recomputation()
