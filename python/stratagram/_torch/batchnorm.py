"""BatchNorm statistics over given training images, as ``stratagram`` itself computes them."""

from __future__ import annotations

import contextlib
import types

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.utils.data import DataLoader

from .inputs import as_tensors, batches, each, is_data, length, read

#: Images of one batch: statistics of batches are averaged.
BATCH = 1000


def with_statistics(model):
    """The modules of ``model`` that keep running statistics."""
    return [module for module in model.modules()
            if isinstance(module, _NormBase) and module.track_running_stats]


class TrainingImages:
    """What statistics are computed over: examples, or batches that can be read many times."""

    def __init__(self, images, inputs):
        if isinstance(images, DataLoader):  # may shuffle: an average has no order
            self.batches = lambda: (part for part, _ in each(images, inputs, may_shuffle=True))
        elif is_data(images) or isinstance(images, (torch.Tensor, np.ndarray)):
            examples = read(images, inputs)
            self.batches = lambda: batches(examples, BATCH, least=2)
        elif iter(images) is images:
            raise ValueError("batchnorm is an iterator, which can be read once; give a tensor, a "
                             "list of batches or a DataLoader")
        else:
            self.batches = lambda: (as_tensors(b[0] if isinstance(b, list) else b) for b in images)


def recompute(model, images, forward):
    """Averages of the batches' statistics, weighted by batch size; ``forward`` takes a batch.

    ``torch.optim.swa_utils.update_bn`` weights all batches equally, so that the examples of a
    short last batch count more than others.
    """
    modules = with_statistics(model)
    if not modules:
        return
    for module in modules:
        module.reset_running_stats()
        module.training = True
    seen = 0
    with _alone(modules):
        for batch in images.batches():
            seen += length(batch)
            for module in modules:
                module.momentum = length(batch) / seen
            forward(batch)
    for module in modules:
        module.training = False


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
