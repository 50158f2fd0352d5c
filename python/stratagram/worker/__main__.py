"""Answers requests on standard input until it ends."""

from __future__ import annotations

import os
import signal
import sys

from .frame import FrameError, read, write


def main() -> int:
    # Whatever a library prints goes to stderr: only frames may reach the program.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C reaches the whole group of processes; the program decides when the worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        from .session import Session
    except ImportError as error:
        write(answers, {"error": f"PyTorch cannot be imported: {error}", "kind": "no-torch"})
        return 1
    session = Session()
    while True:
        try:
            frame = read(sys.stdin.buffer)
        except FrameError as error:
            write(answers, {"error": f"the request cannot be read: {error}", "kind": "frame"})
            return 1
        if frame is None:
            return 0
        write(answers, *session.answer(*frame))


if __name__ == "__main__":
    sys.exit(main())
