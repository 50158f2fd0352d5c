"""The version of the installed package."""

from __future__ import annotations


def version() -> str:
    """The version, ``"0"`` for sources that are not installed."""
    from importlib import metadata

    try:
        return metadata.version("stratagram")
    except metadata.PackageNotFoundError:
        return "0"
