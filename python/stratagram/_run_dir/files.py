"""Files of a run directory: where they are, whole or not at all, and who may write them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from .._tables import FILES, KEPT

#: The version of the files (docs/FORMAT.md).
FORMAT = 1
TEMPORARY = ".stratagram-tmp-"


def path(root: Path, kind: str, step: int | None = None, **names: str) -> Path:
    """Where a file of ``kind`` is, such as ``path(root, "row", step=336)``."""
    if step is not None:
        names["step"] = f"step-{step:09}"
    return root / FILES[kind].format(**names)


def steps(root, kind):
    """``{step: path}`` of the files of ``kind``, whose names are steps, in their order."""
    found = {}
    folder = path(root, kind, step=0).parent
    # What `glob` may not read it passes over, as though nothing were there.
    for file in folder.iterdir() if folder.is_dir() else ():
        match = re.fullmatch(r"step-(\d{9,})", file.name.partition(".")[0])
        if match and path(root, kind, step=int(match[1])) == file:
            found[int(match[1])] = file
    return dict(sorted(found.items()))


def empty(root):
    """Removes every file of a run but the locks, ``run.json`` last, and nothing else."""
    for kind in FILES:
        if kind not in (*KEPT, "manifest"):
            remove(root, FILES[kind].split("/"))
    path(root, "manifest").unlink(missing_ok=True)


def remove(directory, parts):
    """Removes the files below ``directory`` whose path matches ``parts``, such as
    ``["matrices", "{measure}", "{group}", "{layer}.npy"]``, and the directories that this
    leaves empty. Links are removed and never followed.
    """
    if not directory.is_dir():
        return
    for found in sorted(directory.iterdir()):
        if not _matches(parts[0], found.name):
            continue
        if found.is_symlink():
            found.unlink()
        elif found.is_dir() and len(parts) > 1:
            remove(found, parts[1:])
            if not any(found.iterdir()):
                found.rmdir()
        elif found.is_file() and len(parts) == 1:
            found.unlink()


def _matches(part, name):
    pattern = re.escape(part).replace(r"\{step\}", r"step-\d{9,}")
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-][A-Za-z0-9._-]*", pattern), name)


def write_atomic(place, content):
    """Writes bytes, or what ``content(file)`` writes, under a temporary name and to disk, then
    renames, and forces the name to disk.
    """
    make_folder(place.parent)
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=place.parent)
    try:
        with writing(place):
            with os.fdopen(handle, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, place)
            _sync_folder(place.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def writing(place):
    """Names the file in errors of calls that know a descriptor only, or a temporary name."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{place} cannot be written: {error.strerror}") from error


def make_folder(folder):
    """Makes a folder and those above it, each name forced to disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        with writing(folder):
            _sync_folder(folder.parent)


def _sync_folder(folder):
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_json(place: Path) -> Any:
    """What a file says."""
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{place} is not JSON: {error}") from None


def read_manifest(root):
    """What ``run.json`` says."""
    place = path(root, "manifest")
    manifest = read_json(place)
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{place} has format {manifest.get('format')}; expected {FORMAT}")
    return manifest


def take_lock(root):
    """The open lock of a directory; None on Windows, where nothing keeps two recorders apart."""
    try:
        import fcntl
    except ImportError:
        return None
    lock = path(root, "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read(200).strip()
        lock.close()
        raise RuntimeError(f"{root} is in use by {holder or 'another process'}; close that "
                           "recorder or choose another directory") from None
    with writing(path(root, "lock")):
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n")
        lock.flush()
    return lock
