"""Frames, in which the program and the worker speak over pipes.

A frame, either way, is a u32 length, that many bytes of a JSON object, and the arrays that its
``arrays`` lists as ``[name, type, shape]``, one after the other: raw, row-major, little-endian, of
the types of :data:`TYPES`.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Dict, Optional, Tuple

import numpy as np

#: The version of the frames and of the requests in them; ``hello`` compares it.
PROTOCOL = 1

#: The types of arrays.
TYPES = {"u8": "|u1", "u32": "<u4", "i16": "<i2", "i64": "<i8", "f32": "<f4", "f64": "<f8"}
_NAMES = {np.dtype(code): name for name, code in TYPES.items()}

#: A longer header is no header: the stream is of something else.
LONGEST_HEADER = 1 << 28

Arrays = Dict[str, np.ndarray]
Frame = Tuple[Dict[str, Any], Arrays]


class FrameError(Exception):
    """The stream holds no frame where one should begin; nothing after it can be read."""


def read(stream: BinaryIO) -> Optional[Frame]:
    """The next frame; None where the stream ends before one."""
    start = stream.read(4)
    if not start:
        return None
    (length,) = struct.unpack("<I", _whole(start, 4))
    if length > LONGEST_HEADER:
        raise FrameError(f"a header of {length} bytes")
    try:
        header = json.loads(_whole(stream.read(length), length))
        arrays = {name: _array(stream, kind, shape) for name, kind, shape in header.pop("arrays")}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FrameError(f"a header that is not one: {error}") from error
    return header, arrays


def write(stream: BinaryIO, header: Dict[str, Any], arrays: Optional[Arrays] = None) -> None:
    """Writes one frame and sends it off."""
    named = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
    listed = [[name, _NAMES[array.dtype], list(array.shape)] for name, array in named.items()]
    text = json.dumps({**header, "arrays": listed}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for array in named.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def _whole(found: bytes, length: int) -> bytes:
    if len(found) < length:
        raise FrameError("the stream ends inside a frame")
    return found


def _array(stream: BinaryIO, kind: str, shape: list[int]) -> np.ndarray:
    array = np.empty(shape, TYPES[kind])
    view = array.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(view):
        read = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not read:
            raise FrameError("the stream ends inside an array")
        at += read
    return array
