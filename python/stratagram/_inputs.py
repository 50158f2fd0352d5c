"""What a model is called with: a tensor, a tuple or a dict of tensors, the first axis examples."""

from __future__ import annotations

import torch


def as_tensors(value):
    if isinstance(value, torch.utils.data.DataLoader):
        batches = [b[0] if isinstance(b, (tuple, list)) else b for b in value]
        return torch.cat(batches)
    if isinstance(value, dict):
        return {k: torch.as_tensor(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(torch.as_tensor(v) for v in value)
    return torch.as_tensor(value)


def tensors(batch):
    if isinstance(batch, dict):
        return list(batch.values())
    return list(batch) if isinstance(batch, (tuple, list)) else [batch]


def length(batch):
    return len(tensors(batch)[0])


def batches(examples, size, least=1):
    n = length(examples)
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] < least:
        starts.pop()  # a remainder of one image has no variance
    for start, end in zip(starts, starts[1:] + [n]):
        if isinstance(examples, dict):
            yield {k: v[start:end] for k, v in examples.items()}
        elif isinstance(examples, tuple):
            yield tuple(v[start:end] for v in examples)
        else:
            yield examples[start:end]


def moved(batch, device):
    if isinstance(batch, dict):
        return {k: v.to(device) for k, v in batch.items()}
    if isinstance(batch, tuple):
        return tuple(v.to(device) for v in batch)
    return batch.to(device)
