"""Images and labels as NumPy arrays, wherever they are; torch is imported by those who have it."""

from __future__ import annotations

import sys

import numpy as np


def host(values):
    """Numbers as an array; of torch, float32 in place of bfloat16."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    return np.asarray(values)


def labelled(images, labels):
    """Images and labels; a loader or data set has both, if ``labels`` is None."""
    if "torch" in sys.modules or "datasets" in sys.modules:
        from ._torch.inputs import is_data, read_labelled

        if is_data(images):
            images, own = read_labelled(images)
            labels = own if labels is None else labels
    if labels is None:
        raise ValueError("labels are missing: give them beside the images, or a DataLoader or "
                         "data set that has them")
    return images, classes("labels", labels)


def classes(name, values):
    """Classes as int64, whatever type they have."""
    values = host(values).reshape(-1)
    whole = values.astype(np.int64) if values.dtype.kind in "iufb" else None
    if whole is None or len(values) == 0 or (whole != values).any() or whole.min() < 0 \
            or whole.max() > 65535:
        raise ValueError(f"{name} are {values[:3]}, …; expected classes from 0 to 65535")
    return whole
