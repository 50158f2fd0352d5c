"""What the worker computes, against plain PyTorch and the descriptions of the program's own."""

import unittest

import numpy as np

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None

from worker_client import give_bytes, in_process, normalized, steps, stored_nodes

from stratagram.worker import analysis, dropout, ops

import nets  # of tests/reference: worker_client puts it on the path

NODES = stored_nodes()
VIT = {"patch": 4, "dim": 12, "depth": 2, "heads": 3, "head_dim": 4, "mlp_dim": 24, "pool": "cls",
       "dropout": 0.0, "norm_eps": 1e-5}
#: Cases of the fixtures with images of 3×16×16: one of each family.
CASES = {"cnn5-k3-3x16x16": ("cnn5", 3), "resnet18-k3-3x16x16": ("resnet18", 3),
         "resnet-cifar-14-k3-3x16x16": ("resnet-cifar", (14, 3)),
         "resnet18-post-k2-3x16x16": ("resnet18-post", 2), "vit-12-cls-3x16x16": ("vit", VIT)}


def state_of(net):
    return {name: values.numpy().copy() for name, values in net.state_dict().items()}


def started(case, precision="f32", seed=0, **header):
    """A plain net and a worker with the same weights and images."""
    dtype = torch.float64 if precision == "f64" else torch.float32
    net = nets.build(*CASES[case], [3, 16, 16], seed, dtype)
    worker = in_process(precision=precision)
    pixels, table, labels = give_bytes(worker, seed)
    worker("net", state_of(net), nodes=NODES[case], **header)
    images = torch.from_numpy(normalized(pixels, table)).to(dtype)
    return net, worker, images, torch.from_numpy(labels).long()


class Nets(unittest.TestCase):
    def test_gradients_of_random_nets_in_f64(self):
        for case in CASES:
            for seed in range(3):
                net, worker, images, labels = started(case, "f64", seed)
                index = np.arange(17) * 3
                loss = F.cross_entropy(net.train()(images[index])[0], labels[index])
                loss.backward()
                found = steps(worker, [17], index, rates=[0.0], gradients=True)
                self.assertAlmostEqual(found["losses"][0], loss.item(), delta=1e-12)
                for name, parameter in net.named_parameters():
                    expected = parameter.grad.numpy()
                    np.testing.assert_allclose(found[f"gradient/{name}"], expected, rtol=0,
                                               atol=1e-10 * max(1, np.abs(expected).max()),
                                               err_msg=f"{case} {seed} {name}")

    def test_outputs_of_random_nets(self):
        for case in CASES:
            net, worker, images, _ = started(case, seed=7)
            nodes = NODES[case]
            state = net.state_dict()
            norms = [node["name"] for node in nodes if node["op"] == "batch_norm"]
            worker("statistics", {f"{name}.{moment}": state[f"{name}.running_{moment}"].numpy()
                                  for name in norms for moment in ("mean", "var")})
            with torch.no_grad():
                values = net.eval()(images)[1]
            names = {node["name"]: at for at, node in enumerate(nodes)}
            wanted = [{"node": names[name]} for name in values]
            _, found = worker("evaluate", set="train", range=[0, 60], wanted=wanted)
            self.assertEqual(len(found), len(values))
            for i, (name, value) in enumerate(values.items()):
                expected = value.flatten(1).numpy()
                far = np.abs(found[str(i)] - expected).max() / np.abs(expected).max()
                self.assertLess(far, 1e-5, f"{case} {name}")

    def test_twenty_steps_are_those_of_torch_optim(self):
        net, worker, images, labels = started("vit-12-cls-3x16x16", "f64")
        scales = [0.1 if node["name"].startswith("blocks.0") else 1.0
                  for node in NODES["vit-12-cls-3x16x16"]]
        worker("net", state_of(net), nodes=NODES["vit-12-cls-3x16x16"], scales=scales)
        slow = [p for name, p in net.named_parameters() if name.startswith("blocks.0.")]
        fast = [p for name, p in net.named_parameters() if not name.startswith("blocks.0.")]
        optimizer = torch.optim.AdamW([{"params": slow, "lr": 1e-4}, {"params": fast}], lr=1e-3,
                                      weight_decay=0.05)
        index = np.random.default_rng(1).integers(0, 60, (20, 16))
        losses = []
        for batch in index:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[batch])[0], labels[batch], label_smoothing=0.1)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        adam = {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.05,
                "decoupled": True}
        found = steps(worker, [16] * 20, index.ravel(), rates=[1e-3] * 20, update=adam,
                      label_smoothing=0.1)
        np.testing.assert_allclose(found["losses"], losses, rtol=1e-9)
        weights = worker("weights")[1]
        for name, values in net.state_dict().items():
            np.testing.assert_allclose(weights[name], values.numpy(), rtol=1e-7, atol=1e-9)

    def test_every_op_of_the_nets_is_known(self):
        used = {node["op"] for nodes in NODES.values() for node in nodes}
        self.assertEqual(used - set(ops.OPS), {"input", "add"})
        # Those that the fixtures lack have tests of their own below.
        self.assertEqual(set(ops.OPS) - used, {"dropout"})

    def test_one_value_a_channel_gives_a_variance_that_is_not_finite(self):
        nodes = NODES["mlp-1x9-bn-1x1x40"]
        net = nets.build("mlp", {"width": 9, "depth": 1, "batchnorm": True}, [1, 1, 40], 0,
                         torch.float32)
        worker = in_process()
        give_bytes(worker, shape=(1, 1, 40))
        worker("net", state_of(net), nodes=nodes)
        steps(worker, [1], [3])
        variance = worker("weights")[1]["bn1.running_var"]
        self.assertFalse(np.isfinite(variance).any())

    def test_compiled_steps_are_the_eager_ones(self):
        net, worker, _, _ = started("cnn5-k3-3x16x16")
        compiled = in_process(compile=True)
        give_bytes(compiled)
        compiled("net", state_of(net), nodes=NODES["cnn5-k3-3x16x16"])
        sizes, index = [16, 16, 9], np.arange(41)
        expected, found = (steps(w, sizes, index, rates=[0.01, 0.02, 0.03])
                           for w in (worker, compiled))
        np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-4)
        again = in_process(compile=True)
        give_bytes(again)
        again("net", state_of(net), nodes=NODES["cnn5-k3-3x16x16"])
        steps(again, sizes, index, rates=[0.01, 0.02, 0.03])
        first, second = compiled("weights")[1], again("weights")[1]
        for name, values in first.items():
            self.assertEqual(values.tobytes(), second[name].tobytes(), name)


class Dropout(unittest.TestCase):
    def test_what_is_dropped_is_the_programs_hash(self):
        word = 2**32 - 1

        def mix32(x):
            x = ((x ^ (x >> 16)) * 0x7FEB352D) & word
            x = ((x ^ (x >> 15)) * 0x846CA68B) & word
            return x ^ (x >> 16)

        for p, key, node in [(0.1, 0, 0), (0.5, 2**64 - 1, 7), (0.9, 0x123456789ABCDEF, 31)]:
            keys = dropout.channel_keys(key, node, 5)
            x = torch.ones(4, 3, 5)
            found = dropout.dropout(x, p, torch.from_numpy(keys))
            first, second = keys.view(np.uint32).tolist()
            for image, token, channel in np.ndindex(4, 3, 5):
                place = image * 3 + token
                hashed = mix32((mix32(place ^ first[channel]) + second[channel]) & word)
                scale = float(np.float32(1 / (1 - p)))
                expected = 0.0 if hashed < round(p * 2**32) else scale
                self.assertEqual(found[image, token, channel].item(), expected)

    def test_keys_are_those_of_the_program(self):
        # Dropout::new(0.5, 7, 3).channel(2) of engine/native/dropout.rs.
        keys = dropout.channel_keys(7, 3, 3).view(np.uint32)
        self.assertEqual(keys[:, 2].tolist(), [3685739808, 1031348163])


class Images(unittest.TestCase):
    def test_crops_and_flips_are_those_of_the_program(self):
        for shape in [(3, 16, 16), (1, 8, 12)]:
            worker = in_process()
            pixels, table, _ = give_bytes(worker, shape=shape)
            draw = np.random.default_rng(2)
            index = draw.integers(0, 60, 25)
            down, right = draw.integers(-3, 4, (2, 25)).astype(np.int16)
            flipped = draw.integers(0, 2, 25, dtype=np.uint8)
            images = worker.session.sets["train"]
            found = self.batch(images, index, down, right, flipped).numpy()
            for at, image in enumerate(index):
                expected = placed(pixels[image], table, down[at], right[at], flipped[at])
                np.testing.assert_array_equal(found[at], expected)

    @staticmethod
    def batch(images, index, *placement):
        from stratagram.worker.images import Placement

        down, right, flipped = (torch.from_numpy(p.astype(np.int64)) for p in placement)
        return images.batch(torch.from_numpy(index), Placement(down, right, flipped.bool()))

    def test_points_lie_on_planes_through_images(self):
        net, worker, images, _ = started("cnn5-k3-3x16x16")
        triplets = np.array([[0, 5, 9], [7, 7, 3]], np.uint32)
        coefficients = np.random.default_rng(0).normal(size=(2, 11, 2))
        inputs = {"triplets": triplets, "coefficients": coefficients}
        _, found = worker("evaluate", inputs, set="train", wanted=[{"node": 0}])
        x = images.double().flatten(1).numpy()[triplets]  # [planes, 3, pixels]
        sides = x[:, 1:] - x[:, :1]
        expected = x[:, :1] + np.einsum("kps,ksd->kpd", coefficients, sides)
        np.testing.assert_allclose(found["0"], expected.reshape(22, -1), atol=1e-6)


def placed(pixels, table, down, right, flipped):
    """Placement::write of data/augment.rs, loop by loop."""
    channels, height, width = pixels.shape
    out = np.empty((channels, height, width), np.float32)
    for row, column in np.ndindex(height, width):
        source = (row + down, (width - 1 - column if flipped else column) + right)
        inside = 0 <= source[0] < height and 0 <= source[1] < width
        for channel in range(channels):
            byte = pixels[(channel, *source)] if inside else 0
            out[channel, row, column] = table[channel, byte]
    return out


class Analysis(unittest.TestCase):
    def evaluated(self):
        net, worker, images, labels = started("resnet18-k3-3x16x16")
        worker("statistics", set="train", batches=[[0, 30], [30, 60]])
        return worker

    def test_features_are_averaged_as_the_program_asks(self):
        worker = self.evaluated()
        map_ = next(i for i, node in enumerate(NODES["resnet18-k3-3x16x16"])
                    if node["name"] == "layer2.0")
        wanted = [{"node": map_}, {"node": map_, "side": 3}, {"node": map_, "features": 50}]
        _, found = worker("evaluate", {"index": np.array([5, 1], np.uint32)}, set="train",
                          wanted=wanted)
        whole = torch.from_numpy(found["0"]).double()
        maps = F.adaptive_avg_pool2d(whole.view(2, 6, 8, 8), 3).flatten(1)
        np.testing.assert_allclose(found["1"], maps, atol=1e-6)
        flat = F.adaptive_avg_pool1d(whole[:, None], 50)[:, 0]
        np.testing.assert_allclose(found["2"], flat, atol=1e-6)

    def test_tokens_are_reduced_as_the_program_asks(self):
        _, worker, _, _ = started("vit-12-cls-3x16x16")
        block = next(i for i, node in enumerate(NODES["vit-12-cls-3x16x16"])
                     if node["name"] == "blocks.0")
        wanted = [{"node": block}, {"node": block, "tokens": "cls"},
                  {"node": block, "tokens": "mean"}]
        _, found = worker("evaluate", set="train", range=[3, 8], wanted=wanted)
        tokens = found["0"].reshape(5, 17, 12)
        np.testing.assert_array_equal(found["1"], tokens[:, 0])
        np.testing.assert_allclose(found["2"], tokens[:, 1:].mean(1), atol=1e-6)

    def test_decisions_are_those_of_the_features(self):
        worker = self.evaluated()
        last = len(NODES["resnet18-k3-3x16x16"]) - 1
        wanted = [{"node": last - 1}, {"node": last}]
        features = worker("evaluate", set="train", range=[0, 60], wanted=wanted)[1]
        draw = np.random.default_rng(0)
        classifiers = {f"weight/0/{i}": draw.normal(size=(10, 24)).astype(np.float32)
                       for i in range(2)}
        classifiers.update({"bias/0/0": np.zeros(10, np.float32),
                            "bias/0/1": np.float32([0, -np.inf] * 5)})
        header, found = worker("decide", classifiers, set="train", range=[0, 60], wanted=wanted,
                               counts=[2, 0])
        expected = [(features["0"] @ classifiers[f"weight/0/{i}"].T
                     + classifiers[f"bias/0/{i}"]).argmax(1) for i in range(2)]
        np.testing.assert_array_equal(found["classes"], [*expected, features["1"].argmax(1)])
        self.assertEqual(header["finite"], [True, True])

    def test_features_that_are_not_finite_are_told(self):
        _, worker, _, _ = started("vit-12-cls-3x16x16")
        weights = worker("weights")[1]
        weights["head.bias"][3] = np.nan
        worker("net", weights, nodes=NODES["vit-12-cls-3x16x16"])
        last = len(NODES["vit-12-cls-3x16x16"]) - 1
        header, _ = worker("decide", set="train", range=[0, 9], counts=[0, 0],
                           wanted=[{"node": last - 1}, {"node": last}])
        self.assertEqual(header["finite"], [True, False])

    def test_gram_matrices_are_those_of_f64(self):
        draw = np.random.default_rng(3)
        for n, p, offset, scale in [(40, 5000, 0, 1), (7, 3, 1e4, 1), (30, 1500, 3, 1e25)]:
            x = torch.from_numpy((scale * (draw.normal(size=(n, p)) + offset)).astype(np.float32))
            found = analysis.gram(x, torch.float64).numpy()
            centered = x.double() - x.double().mean(0)
            expected = (centered @ centered.T)[tuple(torch.triu_indices(n, n))].numpy()
            far = np.abs(found - expected).max() / np.abs(expected).max()
            self.assertLess(far, 1e-6, (n, p))

    def test_grams_of_nodes_are_packed_by_node(self):
        worker = self.evaluated()
        wanted = [{"node": 3}, {"node": 5, "side": 1}]
        features = worker("evaluate", set="train", range=[0, 20], wanted=wanted)[1]
        _, grams = worker("gram", set="train", range=[0, 20], wanted=wanted)
        for i in "01":
            expected = analysis.gram(torch.from_numpy(features[i]), torch.float64)
            np.testing.assert_allclose(grams[i], expected, rtol=1e-12)
            self.assertEqual(grams[i].shape, (210,))

    def test_a_block_that_does_not_fit_is_halved_and_said(self):
        worker = self.evaluated()
        request = {"set": "train", "range": [0, 60], "wanted": [{"node": 20}]}
        _, expected = worker("evaluate", **request)
        whole = ops.forward

        def small(nodes, parameters, images, *rest):
            if len(images) > 20:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory (simulated)")
            return whole(nodes, parameters, images, *rest)

        analysis.forward = small
        try:
            header, found = worker("evaluate", **request)
        finally:
            analysis.forward = whole
        self.assertEqual(header["notes"], ["the device's memory holds no block of 60 inputs; going "
                                           "on with blocks of 30",
                                           "the device's memory holds no block of 30 inputs; going "
                                           "on with blocks of 15"])
        self.assertEqual(worker.session.block, 15)
        np.testing.assert_allclose(found["0"], expected["0"], atol=1e-6)


if __name__ == "__main__":
    unittest.main()
