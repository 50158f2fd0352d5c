"""That a file is as it was written, before it is read (docs/FORMAT.md, "Checksums").

As the program does it: each content is hashed once per process, a file without a line is read as
it is, and of a table that grows rows may stand behind the last line.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from .._tables import FILES, LISTED
from . import checksums as _checksums
from .checksums import Damaged, Lines, Sum

#: Tables to which rows are added.
_GROWING = ("history", "updates")
#: What makes the files of a list again.
_AGAIN = {
    "train_checksums": "restore it from a backup, or make the run again with --fresh",
    "analysis_checksums": "make it again: stratagram analyze {root} --force",
    "report_checksums": "make it again: stratagram report {root} --force",
}
_OWN = re.compile(rb'"checksum": "(.{0,64})', re.DOTALL)

#: By what a file that was replaced or has grown is known: size, time, number.
_Stamp = tuple[int, int, int]
_lists: dict[Path, tuple[_Stamp, Lines]] = {}
_seen: dict[Path, _Stamp] = {}


def checked(root: Path, kind: str, place: Path) -> Path:
    """``place`` itself, once its content is known to be as it was written.

    Raises :class:`Damaged` with what was found, what was expected and what to do.
    """
    if kind == "manifest":
        _check_manifest(place)
    if kind not in LISTED:
        return place
    listing = root / FILES[LISTED[kind]]
    name = place.relative_to(root).as_posix()
    sums: list[Sum] | None = None
    # Another process may replace the file, or its line, at this moment: once more, with its new
    # line.
    for _ in range(2):
        sums, stamp = _listed(listing).get(name), _stamp(place)
        if sums is None or stamp is None or _seen.get(place.absolute()) == stamp:
            return place
        if _holds(place, stamp[0], sums, kind in _GROWING):
            _seen[place.absolute()] = stamp
            return place
        _lists.pop(listing.absolute(), None)
    assert sums is not None
    raise _checksums.damage(place, sums[-1], FILES[LISTED[kind]],
                            f"{_AGAIN[LISTED[kind]].format(root=root)}; if it was changed on "
                            f"purpose, remove {FILES[LISTED[kind]]}")


def _listed(listing: Path) -> Lines:
    stamp, place = _stamp(listing), listing.absolute()
    if stamp is None:
        return {}
    if place not in _lists or _lists[place][0] != stamp:
        _lists[place] = stamp, _checksums.read_list(listing)
    return _lists[place][1]


def _stamp(place: Path) -> _Stamp | None:
    try:
        about = place.stat()
    except FileNotFoundError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ino


def _holds(place: Path, size: int, sums: list[Sum], grows: bool) -> bool:
    """Whether a file's content is one of those that are listed."""
    if not grows:
        return any(own[0] == size for own in sums) and _checksums.sum_of(place) in sums
    # Rows behind the last line are of a process that goes on, or was killed; the line before it
    # is that of a table about to be cut.
    fitting = [own for own in sums[-2:] if own[0] <= size]
    longest = max(fitting, key=lambda own: own[0], default=None)
    return longest is not None and _checksums.sum_of(place, longest[0]) == longest


def _check_manifest(place: Path) -> None:
    """``run.json`` holds its own SHA-256, taken with zeros in its place; older ones have none."""
    content = place.read_bytes()
    own = None
    for own in _OWN.finditer(content):
        pass
    if own is None:
        return
    start, end = own.span(1)
    zeroed = content[:start] + b"0" * (end - start) + content[end:]
    found = hashlib.sha256(zeroed).hexdigest()
    if found.encode() != own[1]:
        expected = ascii(own[1].decode("latin-1"))[1:-1]
        raise Damaged(f"{place} is not as it was written: its SHA-256 is {found}; expected "
                      f"{expected}, as it says itself; restore it from a backup; if it was changed "
                      "on purpose, remove `checksum`")
