"""The recorder for PyTorch loops: a model's layers → rows of a run directory."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import random
import time
import types

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from ._inputs import as_tensors, batches, length, moved, tensors
from ._planes import Planes
from ._probes import Probes
from ._recording import OUTPUT, Recording
from ._signature import Undefined

#: Images of one batch where BatchNorm statistics are recomputed: those of batches are averaged.
BATCHNORM_BATCH = 1000


class Recorder:
    """Records what a model's layers do while it is trained by your own loop.

    >>> rec = stratagram.Recorder(model, out="runs/mine", layers=["layer?.?", "fc"],
    ...                           examples=x_eval, sample_ids=ids)
    >>> rec.log(epoch=epoch, step=step, train_error=…, test_error=…)      # in the loop

    ``stratagram analyze runs/mine && stratagram report runs/mine`` then gives the page.

    - ``layers``: names of ``model.named_modules()`` and globs of them, whose ``*`` matches dots, too
      (``"layer*"`` is all modules in the layers, ``"layer?.?"`` the blocks); the outputs of these
      modules are compared, flattened, in the order in which they run. Of a module that runs
      several times in one forward the last call counts. Tuples, dicts and outputs of Hugging
      Face stand for ``last_hidden_state``, ``logits``, or their first tensor.
    - ``examples``: a tensor, or a tuple or dict of tensors that the model is called with, the
      first axis being examples, or a DataLoader that does not shuffle (whose labels are left
      out); or several groups of such, ``{"test": …, "train-clean": …}``. They are moved to the
      model's device batch by batch.
    - ``sample_ids``: names of the examples (``{group: ids}`` for groups), by which a
      continuation, and you, know them; without it the examples' bytes are.
    - ``planes``: a :class:`Planes`, the folder of ``stratagram data planes``, or inputs ``[planes,
      points, …]``; the model's decisions there become the DRS of its output.
    - ``probes``: a :class:`Probes`, or its four arguments; a linear probe of each layer is then
      fitted for every row, by the program, and its decisions on ``planes`` become the layer's DRS.
    - ``estimator``: of CKA: ``"debiased"``, ``"biased"`` or ``"minibatch"``.
    - ``features``: what a map ``[n, c, h, w]`` stands for: ``"flatten"`` or ``"average"``
      (over h and w); ``tokens``: the same of ``[n, t, d]``: ``"all"`` flattened, the ``"mean"``
      of all but the first, ``"cls"`` the first.
    - ``batchnorm``: training images (a tensor, or batches) over which BatchNorm statistics are
      recomputed for each row, as ``stratagram`` itself does by default; without it, the
      model's running ones.
    - ``memory``: bytes of activations held at once, on the model's device; layers that do not
      fit together are recorded by passes of their own.

    Training is left as it was: modes, BatchNorm statistics and the states of all random
    generators are restored and hooks removed, also after an error. Under DistributedDataParallel
    rank 0 records and other ranks do nothing; compiled models run uncompiled here. A recording
    that is there is continued after its last step if its settings are the same.
    """

    def __init__(self, model, out, layers="*", examples=None, sample_ids=None, *, planes=None,
                 probes=None, estimator="debiased", features="flatten", tokens="all", batchnorm=None,
                 batch_size=256, memory=1 << 30, fresh=False):
        self.active = _rank() == 0
        self.seconds = 0.0
        if not self.active:
            return
        self.model = unwrapped(model)
        self._batch_size, self._memory, self._batchnorm = batch_size, memory, batchnorm
        self._features = _choice("features", features, ("flatten", "average"))
        self._tokens = _choice("tokens", tokens, ("all", "mean", "cls"))
        if examples is None:
            raise ValueError("examples are missing: the inputs that all rows are recorded on")
        self._examples = _groups(examples)
        self._planes = _planes(planes)
        self._probes = Probes(*probes) if isinstance(probes, (tuple, list)) else probes
        chosen = _matching(self.model, layers)
        with self._untouched():
            self._sizes = self._measure(chosen)
        self.layers = list(self._sizes)
        self._check_probes()
        settings = {"features": features, "tokens": tokens,
                    "batchnorm": self._statistics()}
        if self._probes is not None:
            settings["probes"] = self._probes.about()
        about = {"model": type(self.model).__name__, "device": str(_device(self.model)),
                 "torch": str(torch.__version__)}
        self.recording = Recording(
            out, self.layers, self._ids(sample_ids), estimator=estimator, settings=settings,
            about=about, fresh=fresh,
            decisions=None if self._planes is None else self._planes.about())

    def log(self, *, epoch, step, capture=True, **values):
        """Records a row: ``values`` (train_error, test_error, …; fractions) and the layers.

        With ``capture=False`` the values alone: curves may be denser than the matrices.
        Gives the seconds that it took.
        """
        if not self.active:
            return 0.0
        start = time.perf_counter()
        step, epoch = self.recording.begin(epoch, step, values)
        arrays = {}
        if capture:
            with self._untouched():
                self._capture(arrays)
        seconds = self.recording.write(step, epoch, arrays, values, start)
        self.seconds += seconds
        return seconds

    @property
    def last_step(self):
        """The last recorded step, None where there is none."""
        return self.recording.last_step if self.active else None

    def close(self):
        """Gives the directory free; the end of the process does, too."""
        if self.active:
            self.recording.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- capturing -------------------------------------------------------------------------

    def _capture(self, arrays):
        device_kind = _device(self.model).type
        for group, examples in self._examples.items():
            for layers in self._passes(length(examples)):
                taken = self._activations(layers, examples)
                with torch.autocast(device_kind, enabled=False), _exact_products():
                    for layer in layers:
                        self.recording.reduce(arrays, group, layer, taken.pop(layer))
        probes = {} if self._probes is None else self._fit(arrays)
        if self._planes is not None:
            self._decide(arrays, probes)

    def _passes(self, n):
        """Layers in groups whose activations fit into the memory; at least one each."""
        passes, used = [[]], 0
        for layer in self.layers:
            size = self._sizes[layer] * n
            if passes[-1] and used + size > self._memory:
                passes.append([])
                used = 0
            passes[-1].append(layer)
            used += size
        return passes

    def _activations(self, layers, examples, reduced=None, answer=lambda output: None):
        """The outputs of ``layers``, ``[n, p]`` each, copied as each module ends.

        The model's own outputs are what ``answer`` is called with.
        """
        n, taken, start = length(examples), {}, 0
        reduced = reduced or self._reduced

        def keep(name):
            def hook(_module, _inputs, output):
                x = reduced(name, _tensor(output, name), size)
                if name not in taken:
                    # MPS knows no float64, which means and sums are worked out in.
                    place = "cpu" if x.device.type == "mps" else x.device
                    taken[name] = torch.empty((n, x.shape[1]), dtype=x.dtype, device=place)
                taken[name][start:start + size] = x
            return hook

        with _hooks(self.model, {name: keep(name) for name in layers}):
            for batch in batches(examples, self._batch_size):
                size = length(batch)
                answer(self._forward(batch))
                start += size
        return taken

    def _measure(self, chosen):
        """Bytes an example of each layer, in the order in which they run.

        Modules that only a glob names are left out if they do not run or do not answer with a
        row for each example.
        """
        sizes = {}

        def measure(name):
            def hook(_module, _inputs, output):
                sizes.pop(name, None)  # of several calls the last one counts
                try:
                    x = self._reduced(name, _tensor(output, name), size)
                    wide = [x, self._pooled(name, _tensor(output, name), size)]
                except ValueError:
                    if chosen[name]:
                        raise
                    return
                sizes[name] = max(x.shape[1] for x in wide) * x.element_size()
            return hook

        batch = next(iter(batches(next(iter(self._examples.values())), 2)))
        size = length(batch)
        with _hooks(self.model, {name: measure(name) for name in chosen}):
            self._forward(batch)
        silent = [name for name, by_name in chosen.items() if by_name and name not in sizes]
        if silent or not sizes:
            raise ValueError(f"{silent[0] if silent else 'no module of `layers`'} does not run "
                             "in the model's forward")
        return sizes

    def _reduced(self, name, x, n):
        """What is compared of a module's output."""
        x = _rows(name, x, n)
        if x.dim() == 4 and self._features == "average":
            x = x.mean((2, 3))
        return self._tokenwise(x).reshape(n, -1)

    def _pooled(self, name, x, n):
        """What a probe has of a module's output."""
        x = _rows(name, x, n)
        side = self._probes and x.dim() == 4 and self._probes.side(*x.shape[1:])
        if side:
            x = torch.nn.functional.adaptive_avg_pool2d(x, side)
        return self._tokenwise(x).reshape(n, -1)

    def _tokenwise(self, x):
        if x.dim() == 3 and self._tokens != "all":
            return x[:, 0] if self._tokens == "cls" else x[:, 1:].mean(1)
        return x

    def _fit(self, arrays):
        """Adds the row of each layer's probe; gives the probes, or why there is none."""
        fitted, data = {}, self._probes
        for layers in self._passes(len(data.labels) + len(data.test_labels)):
            train, test = (self._activations(layers, as_tensors(images), self._pooled)
                           for images in (data.train, data.test))
            for layer in layers:
                try:
                    probe = data.fit(*(part.pop(layer).cpu().numpy() for part in (train, test)))
                    arrays[f"probe/{layer}"] = probe.row[None]
                except Undefined as reason:
                    probe = reason
                fitted[layer] = probe
        return fitted

    def _decide(self, arrays, probes):
        """Adds the classes that the model, and each layer's probe, gives on the planes."""
        decided = {layer: [] for layer in [*probes, OUTPUT]}

        def answer(output):
            scores = _tensor(output, "the model", first="logits")
            if scores.dim() != 2:
                raise ValueError(f"the model's output has the shape {tuple(scores.shape)}; "
                                 "expected [n, classes] to decide by")
            decided[OUTPUT].append(scores.argmax(1).cpu().numpy())

        defined = [layer for layer, probe in probes.items() if not isinstance(probe, Undefined)]
        for r in range(len(self._planes)):
            points = torch.from_numpy(self._planes[r])
            taken = self._activations(defined, points, self._pooled, answer)
            for layer in defined:
                classes = probes[layer].classes(taken.pop(layer).cpu().numpy())
                decided[layer].append(classes)
        for layer, classes in decided.items():
            if classes:
                self.recording.decide(arrays, np.concatenate(classes), layer)
            else:
                self.recording.decide(arrays, None, layer, str(probes[layer]))

    def _check_probes(self):
        if self._probes is None:
            return
        for name, images, labels in [
                ("train", self._probes.train, self._probes.labels),
                ("test", self._probes.test, self._probes.test_labels)]:
            if length(as_tensors(images)) != len(labels):
                raise ValueError(f"probes: {length(as_tensors(images))} {name} images and "
                                 f"{len(labels)} labels")
        if self._planes is not None and OUTPUT in self.layers:
            raise ValueError(f"a layer is called `{OUTPUT}`, as are the model's own decisions; "
                             "leave it out of `layers`, or probes or planes")

    def _forward(self, batch):
        batch = moved(batch, _device(self.model))
        if isinstance(batch, dict):
            return self.model(**batch)
        return self.model(*batch) if isinstance(batch, tuple) else self.model(batch)

    # -- leaving no trace ------------------------------------------------------------------

    @contextlib.contextmanager
    def _untouched(self):
        """Evaluation mode without gradients; everything is put back at the end."""
        modes = [(module, module.training) for module in self.model.modules()]
        statistics = [(module, {k: v.clone() for k, v in module._buffers.items()
                                if v is not None}, module.momentum)
                      for module in self.model.modules() if _is_batchnorm(module)]
        generators = _generators()
        try:
            with torch.no_grad(), _uncompiled():
                self.model.eval()
                if self._batchnorm is not None:
                    self._recompute_statistics()
                yield
        finally:
            for module, mode in modes:
                module.training = mode
            for module, buffers, momentum in statistics:
                module.momentum = momentum
                for name, value in buffers.items():
                    module._buffers[name].copy_(value)
            _restore_generators(generators)

    def _recompute_statistics(self):
        """Averages of the batches' statistics, weighted by batch size.

        ``torch.optim.swa_utils.update_bn`` weights all batches equally, so that the examples
        of a short last batch count more than others.
        """
        modules = [m for m in self.model.modules()
                   if _is_batchnorm(m) and m.track_running_stats]
        if not modules:
            return
        for module in modules:
            module.reset_running_stats()
            module.training = True
        images = self._batchnorm
        if isinstance(images, (torch.Tensor, np.ndarray)):
            images = batches(torch.as_tensor(images), BATCHNORM_BATCH, least=2)
        seen = 0
        with _alone(modules):
            for batch in images:
                batch = batch[0] if isinstance(batch, list) else batch
                seen += length(batch)
                for module in modules:
                    module.momentum = length(batch) / seen
                self._forward(batch)
        for module in modules:
            module.training = False

    def _statistics(self):
        if not any(_is_batchnorm(m) and m.track_running_stats for m in self.model.modules()):
            return "none"
        return "running" if self._batchnorm is None else "recomputed"

    def _ids(self, sample_ids):
        ids = {}
        for group, examples in self._examples.items():
            own = sample_ids.get(group) if isinstance(sample_ids, dict) else sample_ids
            n = length(examples)
            if own is None:
                digest = hashlib.sha256()
                for batch in batches(examples, 64):
                    for tensor in tensors(batch):
                        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
                own = [f"{digest.hexdigest()[:16]}:{row}" for row in range(n)]
            own = [getattr(i, "item", lambda i=i: i)() for i in own]
            if len(own) != n or len(set(own)) != n:
                raise ValueError(f"{len(set(own))} different sample ids for {n} examples of "
                                 f"{group}; expected one each")
            ids[group] = own
        return ids


def _rows(name, x, n):
    """A module's output in float32 or float64, an example a row."""
    if x.dim() < 1 or x.shape[0] != n:
        raise ValueError(f"the output of {name} has the shape {tuple(x.shape)}; expected "
                         f"[{n}, …], an example a row (batch_first=True for recurrent nets)")
    x = x.detach()
    return x if x.dtype == torch.float64 else x.float()


def unwrapped(model):
    """The module inside DistributedDataParallel, DataParallel and ``torch.compile``."""
    while True:
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, (torch.nn.parallel.DistributedDataParallel,
                                torch.nn.DataParallel)):
            model = model.module
        else:
            return model


def _rank():
    distributed = torch.distributed
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_rank() if ready else 0


def _matching(model, layers):
    names = [name for name, _ in model.named_modules() if name]
    patterns = [layers] if isinstance(layers, str) else list(layers)
    chosen = {}  # name: whether it is named itself, not by a glob
    for pattern in patterns:
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(f"`layers` names {pattern!r}, which is no module; there are "
                             f"{', '.join(names[:40])}")
        chosen.update((name, chosen.get(name, False) or name == pattern) for name in found)
    return chosen


def _tensor(output, name, first="last_hidden_state"):
    if isinstance(output, torch.Tensor):
        return output
    for key in (first, "last_hidden_state", "logits"):
        found = output.get(key) if isinstance(output, dict) else getattr(output, key, None)
        if isinstance(found, torch.Tensor):
            return found
    values = output.values() if isinstance(output, dict) else output
    if isinstance(values, (tuple, list)) or isinstance(output, dict):
        for value in values:
            if isinstance(value, torch.Tensor):
                return value
    raise ValueError(f"the output of {name} is a {type(output).__name__} without a tensor")


@contextlib.contextmanager
def _hooks(model, hooks):
    modules, handles = dict(model.named_modules()), []
    try:
        for name, hook in hooks.items():
            handles.append(modules[name].register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _groups(examples):
    nested = isinstance(examples, dict) and all(
        isinstance(v, (dict, tuple)) for v in examples.values())
    named = isinstance(examples, dict) and set(examples) <= {
        "test", "train", "train-clean", "train-corrupted"}
    groups = examples if nested or named else {"test": examples}
    return {name: as_tensors(value) for name, value in groups.items()}


def _planes(planes):
    if planes is None or isinstance(planes, Planes):
        return planes
    if isinstance(planes, (torch.Tensor, np.ndarray)):
        return Planes("test", torch.as_tensor(planes).detach().cpu().numpy())
    return Planes.load(planes)


def _device(model):
    first = next(model.parameters(), None)
    first = next(model.buffers(), None) if first is None else first
    return torch.device("cpu") if first is None else first.device


def _is_batchnorm(module):
    return isinstance(module, _NormBase)


@contextlib.contextmanager
def _alone(modules):
    """SyncBatchNorm as BatchNorm: one rank records, and the others would never answer."""
    synced = [m for m in modules if isinstance(m, torch.nn.SyncBatchNorm)]
    before = [vars(module).get("forward") for module in synced]
    for module in synced:
        module.forward = types.MethodType(_BatchNorm.forward, module)
    try:
        yield
    finally:
        for module, forward in zip(synced, before):
            del module.forward
            if forward is not None:
                module.forward = forward


def _generators():
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda, mps


def _restore_generators(states):
    python, numpy, cpu, cuda, mps = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
    if mps is not None:
        torch.mps.set_rng_state(mps)


@contextlib.contextmanager
def _exact_products():
    """Products in full float32: TF32 has ten bits of mantissa."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _uncompiled():
    """Modules that were compiled in place run as they are written, so that hooks are called."""
    stance = getattr(torch.compiler, "set_stance", None)
    return contextlib.nullcontext() if stance is None else stance("force_eager")


def _choice(name, value, known):
    if value not in known:
        raise ValueError(f"{name} is {value!r}; expected one of {known}")
    return value
