"""The worker against the stored fixtures of the engine: the same files and tolerances as those of
the program's own engine (tests/it/training/engine_reference.rs)."""

import json
import unittest

import numpy as np

try:
    from safetensors.numpy import load_file

    import torch  # noqa: F401
except ImportError as error:
    raise unittest.SkipTest(f"PyTorch or safetensors is not installed ({error})") from None

from worker_client import REFERENCE, give_images, in_process, steps, stored_nodes

CASES = json.loads((REFERENCE / "engine" / "cases.json").read_text())
NODES = stored_nodes()


class Fixture:
    """One case: its nodes, and what PyTorch computed in float64."""

    def __init__(self, case):
        self.case, self.name, self.nodes = case, case["name"], NODES[case["name"]]
        self.tensors = load_file(REFERENCE / "engine" / f"{self.name}.safetensors")

    def names(self, prefix):
        return [k[len(prefix) + 1:] for k in self.tensors if k.startswith(prefix + "/")]

    def weights(self):
        arrays = {}
        for name in self.names("weights"):
            values = self.tensors[f"weights/{name}"]
            scale = self.tensors.get(f"scale/{name}")
            arrays[name] = values if scale is None else values.astype(np.float32) * scale
        return arrays

    def start(self, frozen=(), **settings):
        worker = in_process(**settings)
        at = [i for i, node in enumerate(self.nodes) if node["name"] in frozen]
        worker("net", self.weights(), nodes=self.nodes, frozen=at)
        return worker

    def position(self, name):
        return next(i for i, node in enumerate(self.nodes) if node["name"] == name)

    def hidden_biases(self):
        """Biases before a BatchNorm: their gradient is rounding alone."""
        before = [self.nodes[node["inputs"][0]] for node in self.nodes
                  if node["op"] == "batch_norm"]
        return {f"{node['name']}.bias" for node in before
                if node.get("bias") or node["op"] == "linear"}

    def follows_hidden_bias(self, name):
        if not name.endswith(".running_mean"):
            return False
        node = self.nodes[self.position(name.rpartition(".")[0])]
        return f"{self.nodes[node['inputs'][0]]['name']}.bias" in self.hidden_biases()

    def assert_close(self, name, found, relative, floor):
        """max|a − b| ≤ max(relative·max|b|, floor), of the stored every stride-th value."""
        expected = self.tensors[name].astype(np.float64).ravel()
        stride = int(self.tensors.get(f"stride/{name}", [1])[0])
        largest = float(self.tensors.get(f"max/{name}", [np.abs(expected).max(initial=0)])[0])
        found = np.asarray(found, np.float64).ravel()[::stride]
        assert found.shape == expected.shape, (self.name, name, found.shape, expected.shape)
        far = np.abs(found - expected).max(initial=0)
        assert far <= max(relative * largest, floor), f"{self.name} {name}: differs by {far}"


def cases(kind=None, trajectories=False):
    for case in CASES["cases"]:
        if kind in (None, case["kind"]) and (case["trajectories"] or not trajectories):
            yield Fixture(case)


def in_batches(worker, fixture):
    """The statistics' batches as one set; gives their ranges."""
    batches = [fixture.tensors[f"batches/{i}"] for i in range(3)]
    ends = np.cumsum([len(batch) for batch in batches])
    give_images(worker, np.concatenate(batches), np.zeros(ends[-1]))
    return [[int(end) - len(batch), int(end)] for end, batch in zip(ends, batches)]


class Fixtures(unittest.TestCase):
    def one_step(self, fixture, **header):
        worker = fixture.start()
        images, labels = fixture.tensors["images"], fixture.tensors["labels"]
        give_images(worker, images, labels)
        found = steps(worker, [len(images)], range(len(images)), rates=[0.0], gradients=True,
                      **header)
        return worker, found

    def test_loss_gradients_and_running_statistics(self):
        for fixture in cases():
            worker, found = self.one_step(fixture)
            fixture.assert_close("loss", found["losses"], 1e-5, 1e-6)
            names = fixture.names("gradient")
            self.assertEqual(set(names), {k[9:] for k in found if k.startswith("gradient/")})
            for name in names:
                gradient = found[f"gradient/{name}"]
                if name in fixture.hidden_biases():
                    weight = found[f"gradient/{name.replace('.bias', '.weight')}"]
                    self.assertLess(np.abs(gradient).max(), 1e-5 * np.abs(weight).max())
                else:
                    fixture.assert_close(f"gradient/{name}", gradient, 1e-5, 1e-6)
            weights = worker("weights")[1]
            for name in fixture.names("after"):
                fixture.assert_close(f"after/{name}", weights[name], 1e-5, 1e-6)

    def test_smoothed_labels(self):
        for fixture in cases("vit"):
            _, found = self.one_step(fixture, label_smoothing=CASES["label_smoothing"])
            fixture.assert_close("smoothed/loss", found["losses"], 1e-5, 1e-6)
            for name in fixture.names("smoothed/gradient"):
                fixture.assert_close(f"smoothed/gradient/{name}", found[f"gradient/{name}"],
                                     1e-5, 1e-6)

    def test_statistics_and_outputs_of_every_node(self):
        for fixture in cases():
            worker = fixture.start()
            before = worker("weights")[1]
            batches = in_batches(worker, fixture)
            found = worker("statistics", set="train", batches=batches)[1]
            for name in fixture.names("recomputed"):
                node, _, moment = name.rpartition(".running_")
                fixture.assert_close(f"recomputed/{name}", found[f"{node}.{moment}"], 1e-5, 1e-6)
            self.check_outputs(worker, fixture, "evaluated")
            stored = {f"{n}.{m}": fixture.tensors[f"after/{n}.running_{m}"] for n in
                      self.batchnorms(fixture) for m in ("mean", "var")}
            worker("statistics", stored)
            self.check_outputs(worker, fixture, "running")
            after = worker("weights")[1]
            for name, values in before.items():
                np.testing.assert_array_equal(values, after[name], name)

    @staticmethod
    def batchnorms(fixture):
        return [node["name"] for node in fixture.nodes if node["op"] == "batch_norm"]

    def check_outputs(self, worker, fixture, prefix):
        names = fixture.names(prefix)
        self.assertGreater(len(names), 2)
        wanted = [{"node": fixture.position(name)} for name in names]
        _, found = worker("evaluate", {"images": fixture.tensors["images"]}, wanted=wanted)
        for i, name in enumerate(names):
            fixture.assert_close(f"{prefix}/{name}", found[str(i)], 1e-5, 1e-6)

    def test_ten_steps_of_each_optimizer(self):
        for fixture in cases(trajectories=True):
            for name, settings in CASES["optimizers"].items():
                self.check_trajectory(fixture, name, settings)

    def check_trajectory(self, fixture, name, settings):
        worker = fixture.start(settings.get("freeze", ()))
        batches = range(len(fixture.names("trajectory/images")))
        images = [fixture.tensors[f"trajectory/images/{i}"] for i in batches]
        labels = [fixture.tensors[f"trajectory/labels/{i}"] for i in batches]
        give_images(worker, np.concatenate(images), np.concatenate(labels))
        n, count = len(images[0]), CASES["steps"]
        index = np.concatenate([np.arange(n) + n * (step % len(images)) for step in range(count)])
        found = steps(worker, [n] * count, index, rates=[settings["lr"]] * count,
                      update={**settings, "decoupled": settings["kind"] == "adamw"},
                      clip_norm=settings.get("clip_norm"))
        expected = fixture.tensors[f"{name}/losses"]
        np.testing.assert_allclose(found["losses"], expected, rtol=1e-4, err_msg=fixture.name)
        if settings.get("clip_norm"):
            np.testing.assert_allclose(found["norms"], fixture.tensors[f"{name}/norms"], rtol=1e-4)
        weights = worker("weights")[1]
        for parameter in fixture.names(f"{name}/final"):
            is_noise = parameter in fixture.hidden_biases() \
                or fixture.follows_hidden_bias(parameter)
            if not (is_noise and settings["kind"] != "sgd"):
                fixture.assert_close(f"{name}/final/{parameter}", weights[parameter], 1e-4, 0.0)


if __name__ == "__main__":
    unittest.main()
