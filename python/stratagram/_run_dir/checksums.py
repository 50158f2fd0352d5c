"""SHA-256 of what a recorder writes, in ``checksums/train.csv`` (docs/FORMAT.md, "Checksums").

A line is added before a file gets its name, so that whoever reads it can tell that it is whole;
until the list is written again, at the end, a file that is being replaced has two lines.
"""

from __future__ import annotations

import hashlib
import io
import json
import os

from .files import path, write_atomic

HEADER = "file,bytes,sha256\n"
_ZEROS = "0" * 64


class Checksums:
    """The list of a recording, whose lock is held."""

    def __init__(self, root):
        self.root = root
        self.place = path(root, "train_checksums")
        self.lines = self._read()
        self.finish()

    def _read(self):
        """What each file may be, ``{name: [(bytes, sha256), …]}``; half a line is none."""
        text = self.place.read_text(encoding="utf-8") if self.place.exists() else ""
        lines = {}
        for line in text.splitlines(keepends=True)[1:]:
            if line.endswith("\n"):
                name, size, digest = line[:-1].rsplit(",", 2)
                lines.setdefault(name, []).append((int(size), digest))
        return lines

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
        found = _sum(place)
        if found not in known:
            raise ValueError(
                f"{place} is not as it was written: it has {found[0]} bytes with the SHA-256 "
                f"{found[1]}; expected {known[-1][0]} with {known[-1][1]}, as {self.place} says. "
                "Restore it from a backup, or remove it to leave the row out")

    def finish(self):
        """Writes the list whole: one line for each file that is there."""
        there = {name: sums for name, sums in self.lines.items() if (self.root / name).exists()}
        for name, sums in there.items():
            found = _sum(self.root / name) if len(sums) > 1 else None
            there[name] = [found] if found in sums else sums
        self.lines = there
        text = "".join(_line(name, own) for name, sums in sorted(there.items()) for own in sums)
        if there:
            write_atomic(self.place, (HEADER + text).encode())
        else:
            self.place.unlink(missing_ok=True)

    def _add(self, name, own):
        sums = self.lines.setdefault(name, [])
        if sums and sums[-1] == own:
            return
        self.place.parent.mkdir(parents=True, exist_ok=True)
        with self.place.open("a", encoding="utf-8", newline="\n") as file:
            file.write((HEADER if file.tell() == 0 else "") + _line(name, own))
            file.flush()
            # A line that is to replace another must reach the disk before the file does.
            if sums:
                os.fsync(file.fileno())
        sums.append(own)

    def _name(self, place):
        return place.relative_to(self.root).as_posix()


def _line(name, own):
    return f"{name},{own[0]},{own[1]}\n"


def _sum(place):
    digest, size = hashlib.sha256(), 0
    with place.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def sealed(content):
    """The text of a ``run.json`` with its own SHA-256, taken with zeros in its place."""
    text = json.dumps(content, indent=2)
    text = text.removesuffix("\n}") + f',\n  "checksum": "{_ZEROS}"\n}}\n'
    return text.replace(_ZEROS, hashlib.sha256(text.encode()).hexdigest())
