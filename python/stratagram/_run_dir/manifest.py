"""``run.json`` of a recording: a directory is begun with it, or continued if it says the same."""

from __future__ import annotations

import json
import time

from .._program import version
from .checksums import sealed
from .files import FORMAT, TEMPORARY, path, read_manifest, write_atomic


def claim(root):
    """Makes the directory; refuses one that holds anything but a recording."""
    manifest = path(root, "manifest")
    if root.exists() and not root.is_dir():
        raise FileExistsError(f"{root} is a file; choose another directory")
    if root.is_dir() and not manifest.exists():
        lock = path(root, "lock")
        others = [p.name for p in root.iterdir()
                  if p != lock and not p.name.startswith(TEMPORARY)]
        if others:
            raise FileExistsError(
                f"{root} is not empty and holds no run ({others[0]}, …); "
                "choose another directory")
    root.mkdir(parents=True, exist_ok=True)
    if manifest.exists() and read_manifest(root).get("source") != "recorded":
        raise FileExistsError(
            f"{root} holds a run that stratagram trained; choose another directory")


def adopt_or_begin(root, settings, about):
    """Writes ``run.json``, or refuses one of other settings by the keys that differ."""
    for stray in root.rglob(f"{TEMPORARY}*"):
        stray.unlink()
    manifest = path(root, "manifest")
    if not manifest.exists():
        content = {"format": FORMAT, "stratagram": version(), "source": "recorded",
                   "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                   **about, "recording": settings}
        write_atomic(manifest, sealed(content).encode())
        return
    there = _flat(read_manifest(root).get("recording") or {})
    here = _flat(json.loads(json.dumps(settings)))
    differ = [key for key in sorted({*there, *here}) if there.get(key) != here.get(key)]
    if differ:
        shown = "; ".join(f"{key} is {there.get(key)!r} there but {here.get(key)!r} here"
                          for key in differ)
        raise ValueError(f"{root} holds another recording: {shown}. Choose another "
                         "directory, or start over with fresh=True")


def _flat(value, key=""):
    if isinstance(value, dict):
        pairs = [(f"{key}.{k}" if key else k, v) for k, v in value.items()]
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        pairs = [(f"{key}.{v.get('name')}", v) for v in value]
    else:
        return {key: value}
    return {k: v for name, inner in pairs for k, v in _flat(inner, name).items()}
