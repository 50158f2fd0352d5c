"""The recorder for PyTorch loops: a model's layers → rows of a run directory."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch

from ._arrays import labelled
from ._planes import Planes
from ._probes import Probes
from ._record.recording import Recording
from ._record.row import OUTPUT
from ._run_dir import labels as _labels
from ._signature import Undefined
from ._torch import inputs as _inputs
from ._torch.batchnorm import TrainingImages, recompute, with_statistics
from ._torch.capture import Capture, answers_of, classes_of
from ._torch.inputs import batches, length, tensors
from ._torch.models import (
    Inputs,
    device_of,
    matching,
    named_modules,
    presets,
    rank,
    recordable,
    refuse_sharded,
)
from ._torch.readout import Readout
from ._torch.untouched import exact_products, generators_kept, untouched
from ._torch.weights import Weights
from ._track.publish import Live


class Recorder:
    """Records what a model's layers do while it is trained by your own loop.

    >>> rec = stratagram.Recorder(model, out="runs/mine", layers=["layer?.?", "fc"],
    ...                           examples=x_eval, sample_ids=ids)
    >>> rec.log(epoch=epoch, step=step, train_error=…, test_error=…)      # in the loop

    ``stratagram analyze runs/mine && stratagram report runs/mine`` then gives the page.

    - ``layers``: ``"blocks"`` (of ResNets and transformers in torchvision, timm and transformers:
      :meth:`presets`), or names of ``model.named_modules()`` and globs of them, whose ``*`` matches dots, too
      (``"layer*"`` is all modules in the layers, ``"layer?.?"`` the blocks); the outputs of these
      modules are compared, flattened, in the order in which they run. Of a module that runs
      several times in one forward the last call counts. Tuples, dicts and outputs of Hugging
      Face stand for ``last_hidden_state``, ``logits``, or their first tensor.
    - ``examples``: what the model is called with, the first axis being examples: a tensor, a
      tuple or dict of tensors (a tokenizer's ``BatchEncoding``, too), a DataLoader that does not
      shuffle, or a data set (their labels are left out); or several groups of such,
      ``{"test": …, "train-clean": …}``, with any names that are no arguments of the model's
      forward. They are moved to the model's device batch by batch.
    - ``sample_ids``: names of the examples (``{group: ids}`` for groups), by which a
      continuation, and you, know them; without it the examples' bytes are.
    - ``planes``: a :class:`Planes`, the folder of ``stratagram data planes``, a labelled loader or
      data set whose images the planes go through, or inputs ``[planes, points, …]``; the
      model's decisions there become the DRS of its output. A single logit decides by its sign.
    - ``probes``: a :class:`Probes`, or its four arguments; a linear probe of each layer is then
      fitted for every row, by the program, and its decisions on ``planes`` become the layer's DRS.
    - ``readout``: the same arguments; each row then has ``readout_train_error`` and
      ``readout_test_error``, of a readout that is fitted again on what the model's last layer is given:
      a rise of the test error that they do not have is in the readout, not in the representation.
      ``stratagram findings`` then says which share of a double descent is in the representation.
    - ``test``: labelled test images: a loader or data set, or ``(images, labels)``; without it those of
      ``readout`` or ``probes``. Each row has the model's answers to them, from which ``stratagram findings``
      measures a double descent on halves of the images.
    - ``labels``: the true classes of the examples, ``noisy_labels`` those that the model is given where these
      are wrong (an array, or ``{group: array}``), for neural collapse in collapse.csv. Without both, those
      that a loader or data set has beside the examples: true ones, of a group ``train-corrupted`` the ones
      given.
    - ``weights``: keep of each row what the distances between the weights up to each layer are made of, at
      most 64 KiB a tensor; ``stratagram findings`` reads the layers beside them.
    - ``estimator``: of CKA: ``"debiased"``, ``"biased"`` or ``"minibatch"``.
    - ``features``: what a map ``[n, c, h, w]`` stands for: ``"flatten"`` or ``"average"``
      (over h and w); ``tokens``: the same of ``[n, t, d]``: ``"all"`` flattened, the ``"mean"``
      of all but the first, ``"cls"`` the first.
    - ``batchnorm``: training images (a tensor, a DataLoader, or a list of batches) over which
      BatchNorm statistics are recomputed for each row, as ``stratagram`` itself does by default;
      without it, the model's running ones.
    - ``to``: ``"wandb"``, ``"trackio"`` or ``"tensorboard"``, which each row is sent to, and at ``close()``
      the figure and the page: see :func:`stratagram.publish`.
    - ``memory``: bytes of activations held at once, on the model's device; layers that do not
      fit together are recorded by passes of their own.

    Training is left as it was: modes, buffers, attributes of modules and the states of all
    random generators are restored and hooks removed, also after an error. Under
    DistributedDataParallel rank 0 records and other ranks do nothing; compiled models run
    uncompiled here; sharded models (FSDP) are refused. A recording that is there is continued
    after its last step if its settings are the same.
    """

    def __init__(self, model: torch.nn.Module, out: str | PathLike[str],
                 layers: str | Sequence[str] = "*", examples: Any = None, sample_ids: Any = None, *,
                 planes: Any = None, probes: Probes | Sequence[Any] | None = None,
                 readout: Probes | Sequence[Any] | None = None, test: Any = None,
                 labels: Any = None, noisy_labels: Any = None, weights: bool = True,
                 estimator: str = "debiased", features: str = "flatten", tokens: str = "all",
                 batchnorm: Any = None, batch_size: int = 256, memory: int = 1 << 30,
                 fresh: bool = False, to: str | None = None) -> None:
        if isinstance(model, torch.nn.Module):
            refuse_sharded(model)  # on every rank, so that none waits for another
        #: Whether this process records: rank 0 does.
        self.active: bool = rank() == 0
        #: Seconds that recording has taken.
        self.seconds: float = 0.0
        if not self.active:
            return
        self.model = recordable(model)
        _choice("features", features, ("flatten", "average"))
        _choice("tokens", tokens, ("all", "mean", "cls"))
        if examples is None:
            raise ValueError("examples are missing: the inputs that all rows are recorded on")
        inputs = Inputs(self.model)
        self._examples, of_loaders = _inputs.groups(examples, inputs)
        self._planes = _planes(planes)
        self._probes, self._probe_images = _read_probes("probes", probes, inputs)
        refitted, images = _read_probes("readout", readout, inputs)
        self._tested = _tested(test, inputs, (refitted, images), (self._probes, self._probe_images))
        self._batchnorm = None if batchnorm is None else TrainingImages(batchnorm, inputs)
        self._capture = Capture(
            self.model, features=features, tokens=tokens, batch_size=batch_size, memory=memory)
        self._pooled = self._probes and self._capture.pooled(self._probes)
        self._readout = refitted and Readout(refitted, images, self._capture)
        with self._evaluation():
            first = next(iter(self._examples.values()))
            self._capture.measure(matching(self.model, layers), first,
                                  *([self._pooled] if self._pooled else []))
            #: The recorded layers, in the order in which they run.
            self.layers: list[str] = list(self._capture.sizes)
            self._weights = Weights(self._capture, self.layers, OUTPUT) if weights else None
            for part in filter(None, (self._readout, self._weights)):
                part.find(next(batches(first, 2)))
        self._check_output()
        ids = _ids(self._examples, sample_ids)
        self.recording = Recording(
            out, self.layers, ids, estimator=estimator,
            **_labels.arguments(labels, noisy_labels, of_loaders, ids),
            settings=self._settings(features, tokens), about=_about(self.model), fresh=fresh,
            decisions=None if self._planes is None else self._planes.about(),
            test_labels=None if self._tested is None else self._tested[1])
        self._live = self._sent(lambda: Live(self.recording.root, to)) if to else None

    def log(self, *, epoch: float, step: int, capture: bool = True, **values: Any) -> float:
        """Records a row: ``values`` and the layers.

        ``values`` are errors, fractions from 0 to 1 (``train_error``, ``test_error``), losses and
        whatever else is to stand in history.csv; of accuracies (``train_acc``, ``val_accuracy`` …;
        fractions or percent) errors are made. With ``capture=False`` the values alone: curves
        may be denser than the matrices. Returns the seconds that it took.
        """
        if not self.active:
            return 0.0
        start = time.perf_counter()
        self.recording.check(epoch, step, values)
        return self._write(epoch, step, values, self._taken() if capture else None, start)

    def _follow(self, model):
        """Makes another model of the same architecture the one that is recorded."""
        self.model = self._capture.model = recordable(model)
        missing = set(self.layers) - set(named_modules(self.model))
        if missing:
            raise ValueError(f"a model has no {', '.join(sorted(missing))}; all have to be of one "
                             "architecture")

    def _taken(self):
        """What the layers are now, and numbers that belong to it."""
        row, values = self.recording.row(), {}
        with self._evaluation():
            self._take(row)
            if self._readout is not None:
                values, answers = self._readout.fit(self._tested[0])
                row.answer_readout(answers, str(answers) if isinstance(answers, Undefined) else None)
        return row, values

    def _write(self, epoch, step, values, taken, start):
        """Records what may have been taken earlier, ``start`` being when that began."""
        row, own = taken or (self.recording.row(), {})
        step, numbers = self.recording.begin(epoch, step, {**values, **own})
        seconds = self.recording.write(step, numbers, row, start)
        if self._live is not None:
            self._sent(lambda: self._live.row(step))
        self.seconds += seconds
        return seconds

    @staticmethod
    def _sent(send):
        """What ``send`` returns; trackers draw the names of runs from random generators."""
        with generators_kept():
            return send()

    @staticmethod
    def presets(model: torch.nn.Module) -> dict[str, list[str]]:
        """What ``layers`` can be for this model beside names: ``{"blocks": [names of modules]}``."""
        return presets(recordable(model))

    @property
    def last_step(self) -> int | None:
        """The last recorded step, None where there is none."""
        return self.recording.last_step if self.active else None

    def close(self) -> None:
        """Releases the directory; the end of the process does, too."""
        if self.active:
            self.recording.close()
            live, self._live = self._live, None
            if live is not None:
                self._sent(live.close)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one row ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _evaluation(self):
        """The model as it is evaluated; it is what it was at the end."""
        with untouched(self.model):
            if self._batchnorm is not None:
                recompute(self.model, self._batchnorm, self._capture.forward)
            yield

    def _take(self, row):
        device_kind = device_of(self.model).type
        for group, examples in self._examples.items():
            for layers in self._capture.passes(length(examples)):
                answers = []
                taken = self._capture.activations(
                    layers, examples, answer=lambda output: answers.append(answers_of(output)))
                with torch.autocast(device_kind, enabled=False), exact_products():
                    for layer in layers:
                        row.reduce(group, layer, taken.pop(layer))
            if self.recording.has_labels(group) and all(part is not None for part in answers):
                row.answer_examples(group, np.concatenate(answers))
        if self._weights is not None:
            row.add_weights(self._weights.sketches())
        probes = {} if self._probes is None else self._fit(row)
        if self._planes is not None:
            self._decide(row, probes)
        if self._tested is not None:
            answers = []
            self._capture.activations(
                [], self._tested[0], answer=lambda output: answers.append(classes_of(output).cpu().numpy()))
            row.answer(np.concatenate(answers))

    def _fit(self, row):
        """Adds the row of each layer's probe; returns the probes, or why there is none."""
        fitted, (train, test) = {}, self._probe_images
        for layers in self._capture.passes(length(train) + length(test)):
            on_train, on_test = (
                self._capture.activations(layers, images, self._pooled)
                for images in (train, test))
            for layer in layers:
                features = (part.pop(layer).cpu().numpy() for part in (on_train, on_test))
                try:
                    fitted[layer] = self._probes.fit(*features)
                    row.add_probe(layer, fitted[layer].row)
                except Undefined as reason:
                    fitted[layer] = reason
        return fitted

    def _decide(self, row, probes):
        """Adds the classes that the model, and each layer's probe, gives on the planes."""
        decided = {layer: [] for layer in [*probes, OUTPUT]}

        def answer(output):
            decided[OUTPUT].append(classes_of(output).cpu().numpy())

        defined = [layer for layer, probe in probes.items() if not isinstance(probe, Undefined)]
        kind = _kind(next(iter(self._examples.values())))
        for r in range(len(self._planes)):
            points = torch.from_numpy(self._planes[r]).to(kind)
            taken = self._capture.activations(defined, points, self._pooled, answer)
            for layer in defined:
                classes = probes[layer].classes(taken.pop(layer).cpu().numpy())
                decided[layer].append(classes)
        for layer, classes in decided.items():
            if classes:
                row.decide(np.concatenate(classes), layer)
            else:
                row.decide(None, layer, str(probes[layer]))

    # -- what is recorded ------------------------------------------------------------------

    def _check_output(self):
        if self._probes is not None and self._planes is not None and OUTPUT in self.layers:
            raise ValueError(f"a layer is called `{OUTPUT}`, as are the model's own decisions; "
                             "leave it out of `layers`, or probes or planes")

    def _settings(self, features, tokens):
        statistics = "none"
        if with_statistics(self.model):
            statistics = "running" if self._batchnorm is None else "recomputed"
        settings = {"features": features, "tokens": tokens, "batchnorm": statistics}
        if self._probes is not None:
            settings["probes"] = self._probes.about()
        if self._readout is not None:
            settings["readout"] = self._readout.about()
        return settings


def _read_probes(argument, probes, inputs):
    """A :class:`Probes`, and the images that it is trained and tested on."""
    if probes is None:
        return None, None
    probes = probes if isinstance(probes, Probes) else Probes(*probes)
    images = [_inputs.read(part, inputs) for part in (probes.train, probes.test)]
    labels = (probes.labels, probes.test_labels)
    for name, part, own in zip(("train", "test"), images, labels):
        if length(part) != len(own):
            raise ValueError(f"{argument}: {length(part)} {name} images and {len(own)} labels")
    return probes, images


def _tested(test, inputs, *others):
    """Test images and their labels; of the first of ``others`` that has them, without any."""
    if test is None:
        return next(((images[1], probes.test_labels) for probes, images in others if probes), None)
    images, labels = labelled(*test) if isinstance(test, tuple) and len(test) == 2 \
        else labelled(test, None)
    images = _inputs.read(images, inputs)
    if length(images) != len(labels):
        raise ValueError(f"test: {length(images)} images and {len(labels)} labels")
    return images, labels


def _about(model):
    return {"model": type(model).__name__, "device": str(device_of(model)),
            "torch": str(torch.__version__)}


def _planes(planes):
    if planes is None or isinstance(planes, Planes):
        return planes
    if _inputs.is_data(planes):
        return Planes.through(planes)
    if isinstance(planes, (torch.Tensor, np.ndarray)):
        return Planes("test", torch.as_tensor(planes).detach().float().cpu().numpy())
    return Planes.load(planes)


def _kind(examples):
    """The type of the numbers that the model is given."""
    kinds = [tensor.dtype for tensor in tensors(examples) if tensor.is_floating_point()]
    return kinds[0] if kinds else torch.float32


def _ids(groups, sample_ids):
    ids = {}
    for group, examples in groups.items():
        own = sample_ids.get(group) if isinstance(sample_ids, dict) else sample_ids
        n = length(examples)
        own = _digests(examples) if own is None else list(own)
        own = [getattr(i, "item", lambda i=i: i)() for i in own]
        if len(own) != n or len(set(own)) != n:
            raise ValueError(f"{len(set(own))} different sample ids for {n} examples of "
                             f"{group}; expected one each")
        ids[group] = own
    return ids


def _digests(examples):
    """Ids of examples that have none: from the bytes of all, and the row."""
    digest = hashlib.sha256()
    for batch in batches(examples, 64):
        for tensor in tensors(batch):
            tensor = tensor.detach().cpu().contiguous()
            digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return [f"{digest.hexdigest()[:16]}:{row}" for row in range(length(examples))]


def _choice(name, value, known):
    if value not in known:
        raise ValueError(f"{name} is {value!r}; expected one of {known}")
