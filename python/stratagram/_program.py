"""The program ``stratagram``, which the wheel brings, and the version of both."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig


def find() -> str | None:
    """Its path: beside this Python, else on PATH; None where it is in neither place."""
    found = shutil.which("stratagram", path=sysconfig.get_path("scripts"))
    return found or shutil.which("stratagram")


def path(purpose: str) -> str:
    """Its path; raises FileNotFoundError, naming the ``purpose``, where it is not found."""
    found = find()
    if found is None:
        raise FileNotFoundError(f"{purpose} by the program `stratagram`, which is neither beside "
                                "this Python nor on PATH; this platform's wheel brings it (pip "
                                "install stratagram), and so does cargo install stratagram")
    return found


def run(purpose: str, *words: object) -> str:
    """What it prints; raises RuntimeError with the first line of its error."""
    command = [path(purpose), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise RuntimeError(f"stratagram {words[0]}: {' '.join(map(str.strip, lines))}")
    return done.stdout


def version() -> str:
    """The version of the installed package, ``"0"`` for sources that are not installed."""
    from importlib import metadata

    try:
        return metadata.version("stratagram")
    except metadata.PackageNotFoundError:
        return "0"
