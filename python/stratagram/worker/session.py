"""The requests, and what is kept between them."""

from __future__ import annotations

import platform
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from . import analysis, device
from .analysis import Evaluator, Statistics
from .device import Settings
from .frame import PROTOCOL, Arrays, Frame
from .images import ImageSet, Planes
from .net import Net, on_host
from .train import Trainer

#: Inputs of one block of an evaluation, unless ``hello`` says otherwise.
BLOCK = 512

Header = Dict[str, Any]


class Session:
    """One net on one device. Requests are in the module's table."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.block = BLOCK
        self.sets: Dict[str, ImageSet] = {}
        self._net: Optional[Net] = None
        self._trainer: Optional[Trainer] = None
        self._statistics: Statistics = {}
        requests = [self.devices, self.hello, self.data, self.net, self.weights, self.optimizer,
                    self.train, self.statistics, self.evaluate, self.decide, self.gram]
        self._requests: Dict[str, Callable[[Header, Arrays], Frame]] = {
            request.__name__: request for request in requests}

    def answer(self, header: Header, arrays: Arrays) -> Frame:
        """The answer to one request; an error is one, too."""
        try:
            if header.get("do") not in self._requests:
                raise ValueError(f"there is no request {header.get('do')!r}")
            return self._requests[header["do"]](header, arrays)
        except torch.cuda.OutOfMemoryError as error:
            return {"error": str(error), "kind": "memory"}, {}
        except Exception as error:  # said once, by the program
            return {"error": f"{type(error).__name__}: {error}", "kind": "request"}, {}

    def devices(self, header: Header, arrays: Arrays) -> Frame:
        """What PyTorch sees."""
        return {"torch": torch.__version__, "devices": device.seen()}, {}

    def hello(self, header: Header, arrays: Arrays) -> Frame:
        """Checks the ``protocol`` and chooses the settings."""
        if header["protocol"] != PROTOCOL:
            raise ValueError(f"the program speaks protocol {header['protocol']}, this worker "
                             f"{PROTOCOL}; install the stratagram package of the program's version")
        self.settings = Settings(**header["settings"])
        self.settings.begin()
        self.block = header.get("block", BLOCK)
        return {"protocol": PROTOCOL, "torch": torch.__version__,
                "python": platform.python_version(), "threads": torch.get_num_threads(),
                "device": device.name(self.settings.device)}, {}

    def data(self, header: Header, arrays: Arrays) -> Frame:
        """Keeps ``set``: ``images`` as bytes with the ``table`` of their normalized values, or as
        normalized f32; ``padding`` and ``labels``."""
        table = arrays.get("table")
        self.sets[header["set"]] = ImageSet(
            self._sent(arrays["images"]), None if table is None else self._sent(table),
            self._sent(arrays["padding"]), self._sent(arrays["labels"]).long())
        return {}, {}

    def net(self, header: Header, arrays: Arrays) -> Frame:
        """Takes ``nodes`` and weights; ``frozen`` positions and ``scales`` of rates."""
        self._net = Net(header["nodes"], arrays, header.get("frozen", []),
                        header.get("scales", []), self.settings)
        self._trainer, self._statistics = Trainer(self._net, self.settings), {}
        return {}, {}

    def weights(self, header: Header, arrays: Arrays) -> Frame:
        """Parameters and running statistics."""
        return {}, self._held().state_dict()

    def optimizer(self, header: Header, arrays: Arrays) -> Frame:
        """Takes the buffers if ``take`` says so; gives them else."""
        buffers = self._training().buffers
        if header.get("take"):
            steps = {name: values for name, values in arrays.items() if name.startswith("step/")}
            buffers.steps = {name[len("step/"):]: int(count) for name, count in steps.items()}
            buffers.tensors = {name: self._sent(values).to(self.settings.dtype)
                               for name, values in arrays.items() if name not in steps}
            return {}, {}
        counts = {f"step/{name}": np.array(n, np.int64) for name, n in buffers.steps.items()}
        return {}, {**{name: on_host(v) for name, v in buffers.tensors.items()}, **counts}

    def train(self, header: Header, arrays: Arrays) -> Frame:
        """See :meth:`Trainer.train`."""
        return self._training().train(header, arrays, self.sets[header["set"]])

    def statistics(self, header: Header, arrays: Arrays) -> Frame:
        """Recomputes them over ``batches`` of ``set``, or takes ``NODE.mean`` and ``NODE.var``;
        they are those of evaluation from here on."""
        if "batches" in header:
            self._statistics = analysis.recompute(
                self._held(), self.settings, self.sets[header["set"]], header["batches"])
        else:
            names = [name[: -len(".mean")] for name in arrays if name.endswith(".mean")]
            self._statistics = {name: (self._float(arrays[f"{name}.mean"]),
                                       self._float(arrays[f"{name}.var"])) for name in names}
        answer = {}
        for name, (mean, var) in self._statistics.items():
            answer.update({f"{name}.mean": on_host(mean), f"{name}.var": on_host(var)})
        return {}, answer

    def evaluate(self, header: Header, arrays: Arrays) -> Frame:
        """The outputs ``0``, ``1``, … of the ``wanted`` nodes."""
        evaluator, (n, inputs) = self._evaluator(), self._inputs(header, arrays)
        found = evaluator.blocks(n, inputs, header["wanted"], list)
        outputs = {str(i): on_host(torch.cat(parts)) for i, parts in enumerate(zip(*found))}
        return self._noted(evaluator), outputs

    def decide(self, header: Header, arrays: Arrays) -> Frame:
        """The ``classes`` ``[classifiers, n]`` of the ``wanted`` nodes' classifiers, as many of
        each as ``counts`` says; and which nodes' features are all ``finite``."""
        evaluator, (n, inputs) = self._evaluator(), self._inputs(header, arrays)
        floats = {name: self._float(values) for name, values in arrays.items()
                  if name.startswith(("weight/", "bias/"))}
        classifiers = [[(floats[f"weight/{k}/{i}"], floats[f"bias/{k}/{i}"]) for i in range(count)]
                       for k, count in enumerate(header["counts"])]

        def each(features: List[Tensor]) -> Tuple[Tensor, Tensor]:
            decided = [analysis.decide(x, own) for x, own in zip(features, classifiers)]
            return torch.cat([d[0] for d in decided]), torch.stack([d[1] for d in decided])

        found = evaluator.blocks(n, inputs, header["wanted"], each)
        finite = torch.stack([parts[1] for parts in found]).all(0)
        classes = on_host(torch.cat([parts[0] for parts in found], 1))
        return {**self._noted(evaluator), "finite": finite.tolist()}, {"classes": classes}

    def gram(self, header: Header, arrays: Arrays) -> Frame:
        """The packed ``gram`` matrices ``0``, ``1``, … of the ``wanted`` nodes."""
        evaluator, (n, inputs) = self._evaluator(), self._inputs(header, arrays)
        found = evaluator.blocks(n, inputs, header["wanted"], list)
        grams = {str(i): on_host(analysis.gram(torch.cat(parts), self.settings.real).double())
                 for i, parts in enumerate(zip(*found))}
        return self._noted(evaluator), grams

    def _inputs(self, header: Header, arrays: Arrays) -> Tuple[int, Callable[[int, int], Tensor]]:
        """How many inputs there are, and those of a range of them."""
        if "images" in arrays:
            images = arrays["images"]
            return len(images), lambda start, end: self._float(images[start:end])
        images_of = self.sets[header["set"]]
        if "triplets" in arrays:
            planes = Planes(self._sent(arrays["triplets"].astype(np.int64)),
                            self._sent(arrays["coefficients"]).to(self.settings.real))
            first, last = header.get("range", (0, planes.coefficients.shape[:2].numel()))
            return last - first, lambda start, end: planes.batch(
                images_of, first + start, first + end)
        if "index" in arrays:
            index = self._sent(arrays["index"].astype(np.int64))
        else:
            index = torch.arange(*header["range"], device=self.settings.device)
        return len(index), lambda start, end: images_of.batch(index[start:end])

    def _evaluator(self) -> Evaluator:
        return Evaluator(self._held(), self.settings, self._statistics, self.block)

    def _noted(self, evaluator: Evaluator) -> Header:
        self.block = evaluator.block
        return {"notes": evaluator.notes} if evaluator.notes else {}

    def _held(self) -> Net:
        if self._net is None:
            raise ValueError("there is no net yet")
        return self._net

    def _training(self) -> Trainer:
        if self._trainer is None:
            raise ValueError("there is no net yet")
        return self._trainer

    def _sent(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.settings.device)

    def _float(self, values: np.ndarray) -> Tensor:
        return self._sent(values).to(self.settings.dtype)
