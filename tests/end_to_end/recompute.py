"""Recomputes a run's results from its checkpoints by another path and compares.

    python recompute.py RUN                        # compare; exit code 1 where they differ
    python recompute.py RUN --fault train-mode     # must differ: a planted fault
    python recompute.py RUN --write expected.json  # what tests/it/analysis/end_to_end.rs compares with

Needs numpy, scikit-learn and safetensors (../reference/requirements.txt), nothing of
stratagram. From a run directory it reads experiment.toml, labels.npz and checkpoints; the
images come from the stored data set. For an early, a middle and the last layer at an early,
a middle and the last checkpoint it computes: BatchNorm statistics over the training images,
CKA cells of every group, linear probes, their class at 100 plane points, agreement (DRS)
cells of probes and of the net's own output, and errors and losses of the history.
"""

import argparse
import csv
import gzip
import json
import random
import sys
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import forward
import measures

TOLERANCE = 1e-4
N_POINTS = 100
MARGIN = 1e-3  # of the log-odds of the two likeliest classes at the points compared
FAULTS = ["train-mode", "permuted-rows", "neighbour-layer", "epoch-off"]
DIGITS = Path(__file__).parent.parent.parent / "data" / "digits.csv.gz"


def area_matrix(size, stored):
    """[size, stored]: each output pixel is the mean over the stretch it covers."""
    edges = np.arange(size + 1) * stored / size
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(stored)[None, :]
    overlap = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.maximum(overlap, 0) * size / stored


def read_digits(size):
    """The stored digits as [n, 1, size, size] in 0..1, and their labels."""
    with gzip.open(DIGITS, "rt") as file:
        rows = np.loadtxt(file, delimiter=",")
    images = rows[:, :-1].reshape(-1, 1, 8, 8) / 16
    resize = area_matrix(size or 8, 8)
    return np.einsum("ip,ncpq,jq->ncij", resize, images, resize), rows[:, -1].astype(int)


class Run:
    """The inputs of the recomputation: settings, images, labels, checkpoints."""

    def __init__(self, root):
        self.root = Path(root)
        self.settings = tomllib.loads((self.root / "experiment.toml").read_text())
        data, self.analysis = self.settings["data"], self.settings["analysis"]
        self.labels = dict(np.load(self.root / "labels.npz"))
        images, labels = read_digits(data.get("size"))
        self.train = images[self.labels["train_index"]]
        self.test = images[self.labels["test_index"]]
        assert (labels[self.labels["train_index"]] == self.labels["true"]).all()
        assert (labels[self.labels["test_index"]] == self.labels["test"]).all()
        if data.get("normalize", "channel") == "channel":
            mean = self.train.mean((0, 2, 3), keepdims=True)
            std = self.train.std((0, 2, 3), keepdims=True)
            self.train, self.test = ((x - mean) / std for x in (self.train, self.test))
        self.kind = self.settings["net"]["kind"]
        self.checkpoints = sorted((self.root / "checkpoints").glob("step-*.safetensors"))
        n = len(self.checkpoints)
        self.rows = [0, n // 2, n - 1]
        names = forward.representations(self.kind, self.train.shape[-1])
        self.names = names
        self.layers = [names[0], names[len(names) // 2], names[-1]]
        self.targets = self.labels[
            "noisy" if self.analysis["probe"]["labels"] == "noisy" else "true"]

    def group(self, name):
        """Images of an analysis group."""
        indices = self.labels["examples_" + name.replace("-", "_")]
        return (self.test if name == "test" else self.train)[indices]

    @cache
    def state(self, row):
        return load_file(self.checkpoints[row])

    @cache
    def statistics(self, row):
        if self.settings["evaluation"]["batchnorm"] == "running":
            return forward.running_statistics(self.state(row))
        return forward.recomputed_statistics(self.kind, self.state(row), self.train)

    @cache
    def plane_points(self):
        """All points of all planes, [planes * resolution², channels, height, width]."""
        drs = self.analysis["drs"]
        source = self.test if drs["source"] == "test" else self.train
        planes = [measures.Plane(*source[t]) for t in self.labels["triplets"]]
        grids = [plane.grid(drs["resolution"], drs["margin"]) for plane in planes]
        return np.concatenate(grids).reshape(-1, *source.shape[1:])


class Recomputation:
    """Representations of a run's checkpoints, sound or with one planted fault."""

    def __init__(self, run, fault=None):
        self.run = run
        self.fault = fault

    def outputs(self, row, images, layers, statistics=None, batch=500):
        """Evaluation-mode outputs {layer: [n, ...]} of the checkpoint at `row`."""
        run, middle = self.run, row == self.run.rows[1]
        if self.fault == "epoch-off" and middle:
            row += 1 if row + 1 < len(run.checkpoints) else -1
        read = dict(zip(layers, layers))
        if self.fault == "neighbour-layer":
            read = {layer: self.neighbour(layer) for layer in layers}
        statistics = statistics or run.statistics(row)
        if self.fault == "train-mode":
            statistics = None
        parts = []
        for start in range(0, len(images), batch):
            chunk = images[start : start + batch]
            nodes = forward.forward(run.kind, run.state(row), chunk, statistics).nodes
            parts.append({layer: nodes[name] for layer, name in read.items()})
        out = {layer: np.concatenate([part[layer] for part in parts]) for layer in layers}
        if self.fault == "permuted-rows" and middle:
            order = np.array(random.Random(0).sample(range(len(images)), len(images)))
            out = {layer: value[order] for layer, value in out.items()}
        return out

    def logits(self, row, images, statistics=None):
        """The net's own output, which has no neighbour."""
        name = self.run.names[-1]
        if self.fault == "neighbour-layer":
            return Recomputation(self.run).logits(row, images, statistics)
        return self.outputs(row, images, [name], statistics)[name]

    def neighbour(self, layer):
        names = self.run.names
        position = names.index(layer)
        return names[position + 1 if position + 1 < len(names) else position - 1]

    def cka(self):
        run = self.run
        estimator = run.analysis["cka"]["estimator"]
        for group in run.analysis["groups"]:
            images = run.group(group)
            values = {row: self.outputs(row, images, run.layers) for row in run.rows}
            for layer in run.layers:
                for i, j in pairs(run.rows):
                    value = measures.cka(values[i][layer], values[j][layer], estimator)
                    yield {"kind": "cka", "group": group, "layer": layer, "i": i, "j": j,
                           "value": float(value)}

    def scores(self):
        """Probes of every layer and row and the net itself, at all plane points: records of
        the probes, and {(layer, row): scores}; the net's layer is `output`."""
        run, found, records = self.run, {}, []
        l2, cap = run.analysis["probe"]["l2"], run.analysis["probe"]["cap"]
        for row in run.rows:
            sets = [run.train, run.test, run.plane_points()]
            train, test, points = (self.outputs(row, x, run.layers) for x in sets)
            for layer in run.layers:
                x, x_test, x_points = (
                    measures.features(outputs[layer], cap) for outputs in (train, test, points))
                probe = measures.Probe(x, run.targets, l2)
                records.append({
                    "kind": "probe", "layer": layer, "row": row,
                    "objective": float(probe.objective), "n_floored": probe.n_floored,
                    "train_accuracy": accuracy(probe.scores(x), run.targets),
                    "test_accuracy": accuracy(probe.scores(x_test), run.labels["test"])})
                found[layer, row] = probe.scores(x_points)
            found["output", row] = self.logits(row, run.plane_points())
        return records, found

    def drs(self, scores):
        for layer in [*self.run.layers, "output"]:
            classes = {row: scores[layer, row].argmax(1) for row in self.run.rows}
            for i, j in pairs(self.run.rows):
                yield {"kind": "drs", "layer": layer, "i": i, "j": j,
                       "value": float((classes[i] == classes[j]).mean())}

    def history(self):
        """Errors and losses of the net, with recomputed and with running statistics."""
        run = self.run
        for row in run.rows:
            train, test = self.logits(row, run.train), self.logits(row, run.test)
            running = forward.running_statistics(run.state(row))
            lagging = self.logits(row, run.test, running)
            yield {"kind": "history", "row": row,
                   "train_loss": loss(train, run.labels["noisy"]),
                   "train_error": 1 - accuracy(train, run.labels["noisy"]),
                   "train_error_true": 1 - accuracy(train, run.labels["true"]),
                   "test_loss": loss(test, run.labels["test"]),
                   "test_error": 1 - accuracy(test, run.labels["test"]),
                   "test_error_running_bn": 1 - accuracy(lagging, run.labels["test"])}

    def records(self, points=None):
        """Every recomputed value, and the plane points whose classes are among them."""
        probes, scores = self.scores()
        if points is None:
            points = clear_points(scores)
        for (layer, row), values in scores.items():
            classes = "".join(str(c) for c in values[points].argmax(1))
            probes.append({"kind": "classes", "layer": layer, "row": row, "classes": classes})
        return [*self.cka(), *probes, *self.drs(scores), *self.history()], points


def pairs(rows):
    return [(i, j) for i in rows for j in rows if i < j]


def accuracy(scores, labels):
    return float((scores.argmax(1) == labels).mean())


def loss(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    own = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(1)) - own).mean())


def clear_points(scores):
    """100 points spread evenly over those where no classifier is undecided."""
    margins = []
    for values in scores.values():
        top = np.sort(values, axis=1)
        margins.append(top[:, -1] - top[:, -2])
    margins = np.min(margins, axis=0)
    clear = np.flatnonzero(margins > MARGIN)
    print(f"{len(clear)} of {len(margins)} plane points are decided by {MARGIN}; "
          f"the closest of all by {margins.min():.1e}", file=sys.stderr)
    return clear[np.linspace(0, len(clear) - 1, N_POINTS).round().astype(int)].tolist()


class Results:
    """What the run computed, read from its own files."""

    def __init__(self, run):
        self.run = run
        self.steps = [int(path.stem.removeprefix("step-")) for path in run.checkpoints]
        axis = self.table("matrices/axis.csv")
        assert [int(line["step"]) for line in axis] == self.steps, "rows of the matrices"

    def table(self, name):
        with open(self.run.root / name, newline="") as file:
            return list(csv.DictReader(file))

    def at(self, name, **keys):
        """The line of a table with these values."""
        lines = [line for line in self.table(name)
                 if all(line[k] == str(v) for k, v in keys.items())]
        assert len(lines) == 1, (name, keys, len(lines))
        return lines[0]

    def array(self, kind, folder, layer):
        return np.load(self.run.root / kind / folder / f"{layer}.npy")

    def value(self, record, points):
        """What the run found where the recomputation found `record`."""
        source = self.run.analysis["drs"]["source"]
        match record["kind"]:
            case "cka" | "drs":
                folder = f"{record['kind']}/{record.get('group', source)}"
                matrix = self.array("matrices", folder, record["layer"])
                i, j = record["i"], record["j"]
                assert matrix[i, j] == matrix[j, i] and matrix.shape == (len(self.steps),) * 2
                return {"value": float(matrix[i, j])}
            case "classes":
                classes = self.array("signatures", f"drs/{source}", record["layer"])
                found = classes[record["row"]][points]
                return {"classes": "".join(str(c) for c in found)}
            case "probe":
                step = self.steps[record["row"]]
                return self.at("probes.csv", layer=record["layer"], step=step,
                               labels=self.run.analysis["probe"]["labels"])
            case "history":
                return self.at("history.csv", step=self.steps[record["row"]])

    def differences(self, records, points):
        """One line for each value that differs by more than the tolerance."""
        for record in records:
            found = self.value(record, points)
            place = " ".join(str(record[k]) for k in ("kind", "group", "layer", "row", "i", "j")
                             if k in record)
            for key in record.keys() - {"kind", "group", "layer", "row", "i", "j"}:
                ours, theirs = record[key], found[key]
                if isinstance(ours, str):
                    different = ours != theirs
                else:
                    different = not abs(float(theirs) - ours) <= TOLERANCE
                if different:
                    yield f"{place}: {key} is {theirs} in the run, {ours} recomputed"


def check_labels(run):
    """Label noise, groups and triplets are what the experiment says."""
    labels = run.labels
    corrupted = labels["noisy"] != labels["true"]
    assert (labels["corrupted"].astype(bool) == corrupted).all()
    assert not set(labels["train_index"]) & set(labels["test_index"])
    groups = {name: labels["examples_" + name.replace("-", "_")]
              for name in run.analysis["groups"]}
    assert len({len(g) for g in groups.values()}) == 1, "groups of one size"
    assert all(len(set(g)) == len(g) for g in groups.values())
    for name, expected in [("train-clean", False), ("train-corrupted", True)]:
        if name in groups:
            assert (corrupted[groups[name]] == expected).all(), name
    drs = run.analysis["drs"]
    classes = labels["test"] if drs["source"] == "test" else labels["noisy"]
    seed = run.settings["data"]["seed"]
    for number, triplet in enumerate(labels["triplets"]):
        assert list(triplet) == dbviz_triplet(classes, seed + number), number
    assert len(labels["triplets"]) == drs["triplets"]


def dbviz_triplet(classes, seed):
    """Three images of distinct classes, drawn as dbViz does with Python's generator."""
    generator, chosen = random.Random(seed), []
    while len(chosen) < 3:
        index = generator.randint(0, len(classes) - 1)
        if classes[index] not in [classes[i] for i in chosen]:
            chosen.append(index)
    return chosen


def write(run, path):
    """The sound records and those of every fault."""
    records, points = Recomputation(run).records()
    faults = {fault: Recomputation(run, fault).records(points)[0] for fault in FAULTS}
    steps = [int(p.stem.removeprefix("step-")) for p in run.checkpoints]
    lines = lambda rows: "[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]"
    text = ",\n".join(f'"{fault}": {lines(rows)}' for fault, rows in faults.items())
    Path(path).write_text(
        f'{{"tolerance": {TOLERANCE}, "steps": {json.dumps(steps)},\n'
        f'"points": {json.dumps(points)},\n'
        f'"records": {lines(records)},\n"faults": {{\n{text}\n}}}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    run = Run(arguments.run)
    check_labels(run)
    if arguments.write:
        write(run, arguments.write)
        return 0
    points = Recomputation(run).records()[1] if arguments.fault else None
    records, points = Recomputation(run, arguments.fault).records(points)
    differences = list(Results(run).differences(records, points))
    for line in differences:
        print(line)
    print(f"{len(records)} records, {len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
