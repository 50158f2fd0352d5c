"""SHA-256 of what a recorder writes, in ``checksums/train.csv`` (docs/FORMAT.md, "Checksums").

A line is added before a file gets its name, so that whoever reads it can tell that it is whole;
until the list is written again, at the end, a file that is being replaced has two lines.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path

from .files import make_folder, path, write_atomic, writing

HEADER = "file,bytes,sha256\n"
#: A list that is longer is not ours: it would be of half a million files.
_MAX_SIZE = 64 << 20
_LINE = re.compile(r"([^\x00-\x1f\x7f-\x9f]*),([0-9]+),([0-9a-fA-F]{64})")
_ZEROS = "0" * 64

#: Bytes and SHA-256 of a content.
Sum = tuple[int, str]
#: What each file may be.
Lines = dict[str, list[Sum]]


class Damaged(ValueError):
    """A file of a run is not as it was written."""


class Checksums:
    """The list of a recording, whose lock is held."""

    def __init__(self, root):
        self.root = root
        self.place = path(root, "train_checksums")
        self.lines = read_list(self.place) if self.place.exists() else {}
        self.finish()

    def write(self, place, content):
        """Writes bytes, or what ``content(file)`` writes, with their checksum."""
        if callable(content):
            file = io.BytesIO()
            content(file)
            content = file.getvalue()
        self._add(self._name(place), (len(content), hashlib.sha256(content).hexdigest()))
        write_atomic(place, content)

    def check(self, place):
        """Refuses a file that is not as it was written; one without a line passes."""
        known = self.lines.get(self._name(place))
        if known is None:
            return
        if sum_of(place) not in known:
            raise damage(place, known[-1], self.place, "restore it from a backup, or remove it to "
                         "leave the row out")

    def finish(self):
        """Writes the list whole: one line for each file that is there."""
        there = {name: sums for name, sums in self.lines.items() if (self.root / name).exists()}
        for name, sums in there.items():
            found = sum_of(self.root / name) if len(sums) > 1 else None
            there[name] = [found] if found in sums else sums
        self.lines = there
        text = "".join(_line(name, own) for name, sums in sorted(there.items()) for own in sums)
        if there:
            write_atomic(self.place, (HEADER + text).encode())
        else:
            self.place.unlink(missing_ok=True)

    def _add(self, name, own):
        sums = self.lines.get(name, [])
        if sums and sums[-1] == own:
            return
        make_folder(self.place.parent)
        with writing(self.place), self.place.open("ab", buffering=0) as file:
            start = file.tell()
            try:
                _write_all(file, ((HEADER if start == 0 else "") + _line(name, own)).encode())
                # A line that is to replace another must reach the disk before the file does.
                if sums:
                    os.fsync(file.fileno())
            except BaseException:
                file.truncate(start)
                raise
        self.lines[name] = [*sums, own]

    def _name(self, place):
        return place.relative_to(self.root).as_posix()


def _write_all(file, content):
    while content:
        content = content[file.write(content):]


def _line(name, own):
    return f"{name},{own[0]},{own[1]}\n"


def sum_of(place: Path, size: int | None = None) -> Sum:
    """Of a file, or of its first ``size`` bytes; of fewer where it is shorter."""
    digest, left = hashlib.sha256(), size
    with place.open("rb") as file:
        while block := file.read(1 << 20 if left is None else min(left, 1 << 20)):
            digest.update(block)
            left = left if left is None else left - len(block)
        return file.tell(), digest.hexdigest()


def sha256_of(text: str) -> str:
    """The digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_list(place: Path) -> Lines:
    """What each file may be, in the order of the lines; half a line at the end is none."""
    if place.stat().st_size > _MAX_SIZE:
        raise _no_list(place, "is too long")
    try:
        lines = place.read_bytes().decode().split("\n")[:-1]
    except UnicodeDecodeError:
        raise _no_list(place, "is no text") from None
    if lines and lines[0] + "\n" != HEADER:
        raise _no_list(place, "has another header")
    listed: Lines = {}
    for at, line in enumerate(lines[1:], start=2):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise _no_list(place, f"has no file and checksum in line {at}")
        listed.setdefault(parts[1], []).append((int(parts[2]), parts[3].lower()))
    return listed


def damage(place: Path, expected: Sum, listing: object, fix: str) -> Damaged:
    """The error for a file that is not as a list says."""
    found = sum_of(place)
    return Damaged(f"{place} is not as it was written: it has {found[0]} bytes with the SHA-256 "
                   f"{found[1]}; expected {expected[0]} bytes with the SHA-256 {expected[1]}, as "
                   f"{listing} says; {fix}")


def _no_list(place: Path, found: str) -> Damaged:
    return Damaged(f"{place} {found}; expected lines file,bytes,sha256; restore it from a backup; "
                   "without the file nothing is compared with checksums")


def sealed(content):
    """The text of a ``run.json`` with its own SHA-256, taken with zeros in its place."""
    text = json.dumps(content, indent=2)
    text = text.removesuffix("\n}") + f',\n  "checksum": "{_ZEROS}"\n}}\n'
    return text.replace(_ZEROS, hashlib.sha256(text.encode()).hexdigest())
