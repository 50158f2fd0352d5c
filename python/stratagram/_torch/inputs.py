"""What a model is called with: a tensor, a tuple or a dict of tensors, the first axis examples;
and how these are read from loaders and data sets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.utils import data as torch_data

from .._signature import FEWEST
from .models import Inputs
from .untouched import generators_kept


def read(source, inputs=None):
    """The inputs in ``source``; of loaders and data sets, without their labels."""
    return read_labelled(source, inputs)[0]


def read_labelled(source, inputs=None):
    """The inputs in ``source``, and its labels as an array where there are some.

    Loaders are read in this process, batch by batch of their sampler: no worker is started, no
    seed drawn, and what data sets draw from global generators is put back.
    """
    if not is_data(source):
        return as_tensors(source), None
    parts = list(each(source, inputs))
    if not parts:
        raise ValueError(f"a {type(source).__name__} gives no examples")
    examples = joined([part for part, _ in parts])
    labels = [label for _, label in parts]
    if any(label is None for label in labels):
        return examples, None
    return examples, np.concatenate([np.asarray(label).reshape(-1) for label in labels])


def each(source, inputs=None, may_shuffle=False):
    """``(inputs, labels)`` of each batch of a loader, or each item of a data set."""
    with generators_kept(*_generators_of(source)):
        for batch, is_collated in _batches_of(source, may_shuffle):
            yield _parted(batch, is_collated, inputs)


def as_tensors(value):
    """A tensor, a tuple or a dict of tensors, of arrays and nested lists too."""
    if isinstance(value, Mapping):
        return {key: _tensor(v, f"`{key}`") for key, v in value.items() if v is not None}
    if isinstance(value, tuple):
        return tuple(_tensor(v, f"input {i}") for i, v in enumerate(value))
    return _tensor(value, "the examples")


def _tensor(value, name):
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
        return _stacked([torch.as_tensor(v) for v in value], torch.stack)
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name}: a {type(value).__name__} is not numbers of one shape an example ({error}); "
            "pad texts to one length, and turn pictures into tensors (padding=True, "
            "return_tensors='pt'; ToTensor)") from None


# -- loaders and data sets -----------------------------------------------------------------


def is_data(source):
    """Whether ``source`` is a loader or a data set of PyTorch or Hugging Face."""
    return isinstance(source, (torch_data.DataLoader, torch_data.Dataset)) or _is_hf(source)


def _is_hf(source):
    return type(source).__module__.split(".")[0] == "datasets" and hasattr(source, "features")


def _batches_of(source, may_shuffle):
    """``(batch, whether it is collated)``: a data set's batches are one item each."""
    source = getattr(source, "base_dataloader", source)  # accelerate's wait for other processes
    if not isinstance(source, torch_data.DataLoader):
        yield from ((item, False) for item in _items(source))
    elif type(source).__iter__ is not torch_data.DataLoader.__iter__:
        yield from ((batch, True) for batch in source)
    elif isinstance(source.dataset, torch_data.IterableDataset) or _is_stream(source.dataset):
        yield from _streamed(source)
    else:
        if not may_shuffle:
            _refuse_shuffling(source)
        automatic = source.batch_sampler is not None
        for chosen in source.batch_sampler if automatic else source.sampler:
            items = [source.dataset[i] for i in chosen] if automatic else source.dataset[chosen]
            yield source.collate_fn(items), True


def _is_stream(dataset):
    return _is_hf(dataset) and not hasattr(dataset, "__getitem__")


def _items(dataset):
    if isinstance(dataset, torch_data.IterableDataset) or _is_stream(dataset):
        return iter(dataset)
    return (dataset[i] for i in range(len(dataset)))


def _streamed(loader):
    size = loader.batch_size
    if size is None:
        yield from ((loader.collate_fn(item), True) for item in loader.dataset)
        return
    items = []
    for item in loader.dataset:
        items.append(item)
        if len(items) == size:
            yield loader.collate_fn(items), True
            items = []
    if items and not loader.drop_last:
        yield loader.collate_fn(items), True


def _refuse_shuffling(loader):
    samplers = [loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)]
    random = (torch_data.RandomSampler, torch_data.SubsetRandomSampler,
              torch_data.WeightedRandomSampler)
    shuffles = any(isinstance(s, random) or getattr(s, "shuffle", False) is True for s in samplers)
    order = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    if shuffles or list(order) != list(order):
        raise ValueError("a DataLoader shuffles its examples, which must be the same in every row "
                         "and after a continuation; make one with shuffle=False, or give tensors")


def _generators_of(source):
    source = getattr(source, "base_dataloader", source)
    samplers = [getattr(source, name, None) for name in ("sampler", "batch_sampler")]
    samplers.append(getattr(samplers[1], "sampler", None))
    return [getattr(part, "generator", None) for part in (source, *samplers)]


def _parted(batch, is_collated, inputs):
    """The inputs of a batch, and its labels; of one item, with a first axis of one."""
    label = None
    if isinstance(batch, Mapping):
        label = next((batch[key] for key in Inputs.LABELS if key in batch), None)
        numbers = {key: value for key, value in batch.items() if _is_numeric(value)}
        batch = inputs.columns(numbers) if inputs else _only(numbers)
    elif isinstance(batch, (tuple, list)) and not hasattr(batch, "dtype"):
        label = batch[1] if len(batch) > 1 else None
        batch = batch[0]
        batch = tuple(batch) if isinstance(batch, list) else batch
    batch = as_tensors(batch)
    if is_collated:
        return batch, _host(label)
    return mapped(batch, lambda tensor: tensor[None]), _host(label)


def _only(columns):
    """The images among the columns of a data set: what is left without labels."""
    left = {key: value for key, value in columns.items() if key not in Inputs.LABELS}
    return next(iter(left.values())) if len(left) == 1 else left


def _is_numeric(value):
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return getattr(value, "dtype", None) != object
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (int, float, torch.Tensor, np.ndarray, np.generic))


def _host(label):
    label = label.detach().cpu().numpy() if isinstance(label, torch.Tensor) else label
    return label if label is None or _is_numeric(label) else None


# -- batches -------------------------------------------------------------------------------


def joined(parts):
    """Batches of examples, one after the other."""
    first = parts[0]
    if isinstance(first, dict):
        return {key: _stacked([part[key] for part in parts], torch.cat) for key in first}
    if isinstance(first, tuple):
        return tuple(_stacked(list(column), torch.cat) for column in zip(*parts))
    return _stacked(parts, torch.cat)


def _stacked(parts, put_together):
    shapes = {tuple(part.shape[1:] if put_together is torch.cat else part.shape) for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"examples have different shapes: {sorted(shapes)[:3]}; pad or crop all "
                         "to one (of texts padding='max_length')")
    return put_together(parts)


def mapped(batch, change):
    """``change`` of each tensor of a batch."""
    if isinstance(batch, dict):
        return {key: change(value) for key, value in batch.items()}
    return tuple(map(change, batch)) if isinstance(batch, tuple) else change(batch)


def tensors(batch):
    """The tensors of a batch."""
    if isinstance(batch, dict):
        return list(batch.values())
    return list(batch) if isinstance(batch, tuple) else [batch]


def length(batch):
    """Its number of examples."""
    return len(tensors(batch)[0])


def batches(examples, size, least=1):
    """Parts of ``size`` examples, the last one at least ``least``."""
    n = length(examples)
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] < least:
        starts.pop()  # a remainder of one image has no variance
    for start, end in zip(starts, starts[1:] + [n]):
        yield mapped(examples, lambda tensor: tensor[start:end])  # noqa: B023, used at once


def groups(examples, inputs):
    """``{group: examples}``, and ``{group: labels}`` of those that have some: what is given is the group
    ``test``, unless it is a dict of groups.

    The keys of a dict are arguments of the model's forward, or else groups; a dict of dicts,
    tuples, loaders or data sets is one of groups.
    """
    given = examples if isinstance(examples, Mapping) else None
    if given is None or (inputs.are(given) and not _is_nested(given)):
        given = {"test": examples}
    elif not _is_nested(given) and any(key in inputs.names for key in given):
        raise ValueError(f"examples have {', '.join(map(str, given))}, and the model's forward "
                         f"takes {', '.join(inputs.names)}; groups are {{name: examples}}")
    found, labels = {}, {}
    for name, value in given.items():
        name = str(name)
        found[name], own = read_labelled(value, inputs)
        _check(name, found[name])
        if own is not None:
            labels[name] = own
    return found, labels


def _is_nested(given):
    return bool(given) and all(isinstance(v, (Mapping, tuple)) or is_data(v)
                               for v in given.values())


def _check(group, examples):
    counts = [len(tensor) if tensor.dim() else 0 for tensor in tensors(examples)]
    if not counts or len(set(counts)) != 1:
        raise ValueError(f"the inputs of group {group!r} have {counts} examples; expected as many "
                         "each, along the first axis")
    if counts[0] < FEWEST:
        raise ValueError(f"group {group!r} has {counts[0]} example{'s' * (counts[0] != 1)}; CKA is "
                         f"defined from {FEWEST} on, and some hundred make it precise")
