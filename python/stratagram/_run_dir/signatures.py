"""``signatures/`` of a recording: one array for each place, which grows by each row's."""

from __future__ import annotations

import numpy as np

from . import rows
from .files import path

#: What arrays of a row begin with that are signatures.
_PLACES = ("cka/", "drs/", "agreement/")
#: Answers of a readout that is fitted again; rows of an earlier version have none, so they do not grow.
READOUT = "agreement/test/readout"


def is_signature(name):
    """Whether an array of a row grows."""
    return name.startswith(_PLACES) and name != READOUT


class Signatures:
    """The arrays of a recording, whose lock is held; ``captured`` are the steps of rows that have any."""

    def __init__(self, root, captured):
        self._root = root
        self._captured = set(captured)

    def append(self, step, arrays):
        """Adds those of a row, after the earlier ones."""
        places = list(filter(is_signature, arrays))
        before = []
        if places:
            # Signatures grow from here on: the analysis, which listed them, is to be made again.
            path(self._root, "analysis_checksums").unlink(missing_ok=True)
            self._captured.add(step)
            before = sorted(other for other in self._captured if other < step)

        def earlier(place):
            for other in before:
                with np.load(path(self._root, "row", step=other)) as part:
                    yield part[place]

        for place in places:
            rows.append(self._array(place), len(before), arrays[place],
                        lambda p=place: earlier(p))

    def take_back(self, step):
        """Forgets a row; the next that is appended is written in its place."""
        self._captured.discard(step)

    def complete(self):
        """Adds what a process recorded that was killed before its signatures had grown; an
        analysis has written them itself.
        """
        if not self._captured or path(self._root, "axis").exists():
            return
        last = max(self._captured)
        with np.load(path(self._root, "row", step=last)) as row:
            arrays = {name: row[name] for name in row.files if is_signature(name)}
        n = len(self._captured)
        lacking = {place: values for place, values in arrays.items()
                   if not rows.holds(self._array(place), n, values)}
        if lacking:
            self.append(last, lacking)

    def _array(self, place):
        measure, group, layer = place.split("/")
        return path(self._root, "signatures", measure=measure, group=group, layer=layer)
