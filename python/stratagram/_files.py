"""Removes files of a run directory by their patterns, and nothing else."""

from __future__ import annotations

import re


def remove(directory, parts):
    """Removes the files below ``directory`` whose path matches ``parts``, such as
    ``["matrices", "{measure}", "{group}", "{layer}.npy"]``, and the directories that this
    leaves empty. Links are removed and never followed.
    """
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if not _matches(parts[0], path.name):
            continue
        if path.is_symlink():
            path.unlink()
        elif path.is_dir() and len(parts) > 1:
            remove(path, parts[1:])
            if not any(path.iterdir()):
                path.rmdir()
        elif path.is_file() and len(parts) == 1:
            path.unlink()


def _matches(part, name):
    pattern = re.escape(part).replace(r"\{step\}", r"step-\d{9,}")
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-][A-Za-z0-9._-]*", pattern), name)
