"""``.npy`` arrays ``[E, S]`` that grow by a row, so that signatures open with NumPy at any time.

They are copies: what is recorded stands in ``recorded/``, and an array that does not have the
rows it should have — of a process that was killed, or rows that were taken back — is made again.
"""

from __future__ import annotations

import os

import numpy as np

from .files import write_atomic, writing

_MAGIC = b"\x93NUMPY\x01\x00"
#: Bytes before the numbers: room for any count of rows.
_HEADER = 128


def append(path, index, row, earlier):
    """Makes ``row`` the row number ``index``; ``earlier()`` gives the rows before it.

    Rows of one-byte and two-byte classes make an array of the latter.
    """
    row = np.ascontiguousarray(row)
    if row.dtype == np.uint8 and index and _fits(path, index, row.astype(np.uint16)):
        row = row.astype(np.uint16)
    if index == 0 or not _fits(path, index, row):
        rows = [*earlier(), row] if index else [row]
        widest = max((r.dtype for r in rows), key=lambda dtype: dtype.itemsize)
        rows = [r.astype(widest, copy=False) for r in rows]
        row = rows[-1]
        write_atomic(path, _header(len(rows), row) + b"".join(r.tobytes() for r in rows))
        return
    with writing(path), open(path, "r+b") as file:
        file.seek(_HEADER + index * row.nbytes)
        file.write(row.tobytes())
        file.truncate()
        file.flush()
        file.seek(0)
        file.write(_header(index + 1, row))


def holds(path, n_rows, row):
    """Whether there are so many rows as this one, of classes in one byte or in two."""
    wider = [row, row.astype(np.uint16)] if row.dtype == np.uint8 else [row]
    return any(_fits(path, n_rows, own) for own in wider)


def _header(n_rows, row):
    about = {"descr": row.dtype.newbyteorder("<").str, "fortran_order": False,
             "shape": (n_rows, row.size)}
    text = repr(about).encode().ljust(_HEADER - len(_MAGIC) - 3) + b"\n"
    return _MAGIC + (_HEADER - len(_MAGIC) - 2).to_bytes(2, "little") + text


def _fits(path, n_rows, row):
    try:
        with open(path, "rb") as file:
            is_ours = file.read(_HEADER) == _header(n_rows, row)
            return is_ours and file.seek(0, os.SEEK_END) == _HEADER + n_rows * row.nbytes
    except OSError:
        return False
