"""What the rows of a recording are of: layers, groups of examples, planes and test images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from .._arrays import classes
from .._run_dir.checksums import sha256_of
from .._run_dir.names import file_name, file_names
from .._signature import ESTIMATORS, FEWEST


class Layout:
    """The arguments of a recording, checked, and the names that layers and groups have in files."""

    def __init__(self, layers: Iterable[str], examples: Mapping[str, Iterable[Any]], estimator: str,
                 decisions: dict[str, Any] | None, test_labels: npt.ArrayLike | None) -> None:
        if estimator not in ESTIMATORS:
            raise ValueError(f"estimator is {estimator!r}; expected one of {ESTIMATORS}")
        self.layers = [str(layer) for layer in layers]
        self.groups = {str(name): [str(i) for i in ids] for name, ids in examples.items()}
        self.estimator = estimator
        self.decisions = decisions
        self.test_labels = None if test_labels is None else classes("test_labels", test_labels)
        if not self.layers or not self.groups:
            raise ValueError("a recording needs at least one layer and one group of examples")
        for name, ids in self.groups.items():
            if len(ids) < FEWEST:
                raise ValueError(f"group {name!r} has {len(ids)} examples; CKA is defined from "
                                 f"{FEWEST} on, and some hundred make it precise")
        self.layer_files, self.group_files = file_names(self.layers), file_names(self.groups)

    def first_group(self):
        """The group that arrays are of which name none."""
        return next(iter(self.groups))

    def group_of_decisions(self):
        """What files call the group that the planes go through."""
        return file_name(self.decisions["group"])

    def settings(self, further):
        """What a continuation must have in common with the recording, ``further`` among it."""
        files = {**self.layer_files, **self.group_files}
        names = {own: name for name, own in files.items() if own != name}
        decisions = self.decisions and {**self.decisions, "group": self.group_of_decisions()}
        return {
            "estimator": self.estimator,
            **further,
            "layers": list(self.layer_files.values()),
            "groups": [{"name": self.group_files[name], "n_examples": len(ids),
                        "ids_sha256": sha256_of("\n".join(ids))}
                       for name, ids in self.groups.items()],
            "decisions": decisions,
            **self._about_answers(),
            **({"names": names} if names else {}),
        }

    def _about_answers(self):
        if self.test_labels is None:
            return {}
        labels = "\n".join(map(str, self.test_labels.tolist()))
        return {"answers": {"n_images": len(self.test_labels), "labels_sha256": sha256_of(labels)}}
