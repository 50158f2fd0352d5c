"""A model's forward passes, and what is taken of its modules while they run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import torch

from .inputs import batches, length, mapped
from .models import device_of, named_modules


class Capture:
    """Takes the outputs of ``layers``, as ``features`` and ``tokens`` say, in batches.

    ``sizes`` are the bytes an example of each layer, in the order in which the layers run.
    """

    def __init__(self, model, *, features, tokens, batch_size, memory):
        self.model = model
        self._features, self._tokens = features, tokens
        self._batch_size, self._memory = batch_size, memory
        self.sizes = {}

    def measure(self, chosen, examples, *pooled):
        """Finds the layers that run, in their order, from two of the examples; ``pooled`` is what
        else is taken of them.

        Modules that only a glob names are left out if they do not run or do not answer with a
        row for each example.
        """
        sizes = {}

        def measure(name):
            def hook(_module, _inputs, output):
                sizes.pop(name, None)  # of several calls the last one counts
                try:
                    x = tensor_of(output, name)
                    wide = [take(name, x, size) for take in (self.reduced, *pooled)]
                except ValueError:
                    if chosen[name]:
                        raise
                    return
                sizes[name] = max(x.shape[1] for x in wide) * wide[0].element_size()
            return hook

        batch = next(iter(batches(examples, 2)))
        size = length(batch)
        with self.hooked({name: measure(name) for name in chosen}):
            self.forward(batch)
        silent = [name for name, by_name in chosen.items() if by_name and name not in sizes]
        if silent or not sizes:
            raise ValueError(f"{silent[0] if silent else 'no module of `layers`'} does not run "
                             "in the model's forward")
        self.sizes = sizes

    def modules(self):
        """The model's modules by name."""
        return named_modules(self.model)

    def passes(self, n):
        """Layers in groups whose activations fit into the memory; at least one each."""
        passes, used = [[]], 0
        for layer, size in self.sizes.items():
            if passes[-1] and used + size * n > self._memory:
                passes.append([])
                used = 0
            passes[-1].append(layer)
            used += size * n
        return passes

    def activations(self, layers, examples, reduced=None, answer=lambda output: None,
                    part=lambda _inputs, output: output):
        """The outputs of ``layers``, ``[n, p]`` each, copied as each module ends; or which ``part``
        of their inputs and outputs.

        The model's own outputs are what ``answer`` is called with.
        """
        n, taken, start = length(examples), {}, 0
        reduced = reduced or self.reduced

        def keep(name):
            def hook(_module, inputs, output):
                x = reduced(name, tensor_of(part(inputs, output), name), size)
                if name not in taken:
                    # MPS knows no float64, which means and sums are computed in.
                    place = "cpu" if x.device.type == "mps" else x.device
                    taken[name] = torch.empty((n, x.shape[1]), dtype=x.dtype, device=place)
                taken[name][start:start + size] = x
            return hook

        with self.hooked({name: keep(name) for name in layers}):
            for batch in batches(examples, self._batch_size):
                size = length(batch)
                answer(self.forward(batch))
                start += size
        return taken

    def forward(self, batch):
        """The model's output for a batch, on the model's device.

        Numbers are those of the model's precision where all its weights are of another than
        float32: examples and planes need not be.
        """
        device = device_of(self.model)
        kinds = {p.dtype for p in self.model.parameters() if p.is_floating_point()}
        kind = kinds.pop() if len(kinds) == 1 and torch.float32 not in kinds else None
        batch = mapped(batch, lambda tensor: tensor.to(
            device, kind if tensor.is_floating_point() else None))
        if isinstance(batch, dict):
            return self.model(**batch)
        return self.model(*batch) if isinstance(batch, tuple) else self.model(batch)

    def reduced(self, name, x, n):
        """What is compared of a module's output."""
        x = _rows(name, x, n)
        if x.dim() == 4 and self._features == "average":
            x = x.mean((2, 3))
        return self._tokenwise(x).reshape(n, -1)

    def pooled(self, probes):
        """What ``probes`` have of a module's output: maps are averaged in windows."""
        def take(name, x, n):
            x = _rows(name, x, n)
            side = probes.side(*x.shape[1:]) if x.dim() == 4 else None
            if side is not None:
                x = torch.nn.functional.adaptive_avg_pool2d(x, side)
            return self._tokenwise(x).reshape(n, -1)
        return take

    def _tokenwise(self, x):
        if x.dim() == 3 and self._tokens != "all":
            return x[:, 0] if self._tokens == "cls" else x[:, 1:].mean(1)
        return x

    @contextlib.contextmanager
    def hooked(self, hooks):
        """Calls ``hooks[name]`` after each forward of the module ``name``."""
        modules, handles = self.modules(), []
        try:
            for name, hook in hooks.items():
                handles.append(modules[name].register_forward_hook(hook))
            yield
        finally:
            for handle in handles:
                handle.remove()


def _rows(name, x, n):
    """A module's output in float32 or float64, an example a row."""
    if x.is_nested or x.dim() < 1 or x.shape[0] != n:
        shape = "nested" if x.is_nested else tuple(x.shape)
        raise ValueError(f"the output of {name} has the shape {shape}; expected [{n}, …], "
                         "an example a row (batch_first=True for recurrent nets)")
    x = x.detach()
    if x.is_quantized:
        x = x.dequantize()
    elif x.is_complex():
        x = torch.view_as_real(x)
    return x if x.dtype == torch.float64 else x.float()


def tensor_of(output, name, first="last_hidden_state"):
    """The tensor that a module's output stands for."""
    if isinstance(output, torch.Tensor):
        return output
    for key in (first, "last_hidden_state", "logits"):
        found = output.get(key) if isinstance(output, Mapping) else getattr(output, key, None)
        if isinstance(found, torch.Tensor):
            return found
    values = output.values() if isinstance(output, Mapping) else output
    for value in values if isinstance(values, (tuple, list)) or values is not output else ():
        if isinstance(value, torch.Tensor):
            return value
    raise ValueError(f"the output of {name} is a {type(output).__name__} without a tensor")


def classes_of(output):
    """The classes that a model's output decides for: of one logit, class 1 where it is above 0."""
    scores = tensor_of(output, "the model", first="logits")
    if scores.dim() == 1 or (scores.dim() == 2 and scores.shape[1] == 1):
        return (scores.reshape(-1) > 0).long()
    if scores.dim() != 2:
        raise ValueError(f"the model's output has the shape {tuple(scores.shape)}; expected "
                         "[n, classes], or one logit, to decide by")
    return scores.argmax(1)


def answers_of(output):
    """As :func:`classes_of`; None where the model does not answer with classes, or not finitely."""
    try:
        answers = classes_of(output)
    except ValueError:
        return None
    scores = tensor_of(output, "the model", first="logits")
    return answers.cpu().numpy() if bool(torch.isfinite(scores).all()) else None
