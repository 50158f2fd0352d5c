"""Names of layers and groups as names of files, whatever characters they have."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")
#: Devices of Windows, with any extension: `aux.npy` is none of its files.
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", re.IGNORECASE)
#: Characters of an escaped name before its digits.
_KEPT = 71


def file_name(name):
    """``name`` where a file can be called so; else its characters that can be in such a name,
    and eight digits of its SHA-256, so that different names stay different.

    >>> file_name("layer1.0"), file_name("conv 1")
    ('layer1.0', 'conv_1-c70ba390')
    """
    name = str(name)
    if any(part in (".", "..") for part in re.split(r"[/\\]", name)) or not name:
        raise ValueError(f"{name!r} cannot be a file name: expected the name of a layer or group, "
                         "not a path")
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:_KEPT]
    if kept.startswith(".") or _RESERVED.fullmatch(kept):
        kept = f"_{kept}"[:_KEPT]
    return f"{kept}-{digest}"


def file_names(names):
    """``{name: file name}`` for each of ``names``, in their order."""
    return {str(name): file_name(name) for name in names}
