"""The classes of recorded examples, in ``labels.npz``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .._arrays import classes
from .files import path

#: Labels that a loader has of this group are those as given: its true ones are others.
CORRUPTED = "train-corrupted"


def of_groups(kind, given, groups):
    """``{(kind, group): classes}``: of one group, or of each in a mapping.

    ``kind`` is ``"clean"``, true labels, or ``"noisy"``, labels as given; ``groups`` maps names to examples.
    """
    argument = {"clean": "labels", "noisy": "noisy_labels"}[kind]
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(groups) > 1:
            raise ValueError(f"{argument} are of one group; expected {{group: labels}} of "
                             f"{', '.join(groups)}")
        given = {next(iter(groups)): given}
    found = {}
    for group, own in given.items():
        if group not in groups:
            raise ValueError(f"{argument} are of {group!r}; the groups are {', '.join(groups)}")
        found[kind, group] = classes(argument, own)
        if len(found[kind, group]) != len(groups[group]):
            raise ValueError(f"{len(found[kind, group])} {argument} for {len(groups[group])} "
                             f"examples of {group}")
    return found


def arguments(labels, noisy_labels, of_loaders, groups):
    """``labels`` and ``noisy_labels`` of a recording: those given, or those of its loaders."""
    if labels is not None or noisy_labels is not None:
        return {"labels": labels, "noisy_labels": noisy_labels}
    found = _usable(of_loaders, groups)
    of_kind = {kind: {group: own for (other, group), own in found.items() if other == kind}
               for kind in ("clean", "noisy")}
    return {"labels": of_kind["clean"] or None, "noisy_labels": of_kind["noisy"] or None}


def _usable(labels, groups):
    """``{(kind, group): classes}`` of what loaders and data sets have beside the examples.

    What is no class of each example, or different for most of them, is left out.
    """
    found = {}
    for group, own in labels.items():
        try:
            own = classes("labels", own)
        except ValueError:
            continue
        if len(own) == len(groups[group]) and 2 * len(np.unique(own)) <= len(own):
            found["noisy" if group == CORRUPTED else "clean", group] = own
    return found


def keep(root, checksums, members):
    """Adds arrays to ``labels.npz``; those that are there must be the same."""
    place = path(root, "labels")
    there = {}
    if place.exists():
        with np.load(place, allow_pickle=False) as arrays:
            there = dict(arrays)
    for name, own in members.items():
        if name in there and not np.array_equal(there[name], own):
            raise ValueError(f"{place} has other `{name}`; choose another directory, or start over "
                             "with fresh=True")
    if set(members) - set(there):
        checksums.write(place, lambda file: np.savez(file, **{**there, **members}))
