"""A worker to test: in this process for what it computes, as a process for its pipes."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from stratagram.worker import frame

REFERENCE = Path(__file__).parents[1] / "reference"
sys.path.insert(0, str(REFERENCE))  # nets.py: the nets in plain PyTorch


def in_process(**settings):
    """A session that has been greeted."""
    from stratagram.worker.session import Session

    worker = InProcess(Session())
    worker("hello", protocol=frame.PROTOCOL, settings={"threads": 1, **settings})
    return worker


class InProcess:
    """Requests as calls; every frame passes through bytes, as in a pipe."""

    def __init__(self, session):
        self.session = session

    def __call__(self, do, arrays=None, **header):
        header, arrays = through_bytes({"do": do, **header}, arrays)
        return result(*through_bytes(*self.session.answer(header, arrays)))


class Process:
    """A worker as the program starts it."""

    def __init__(self, **settings):
        self.process = subprocess.Popen([sys.executable, "-m", "stratagram.worker"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self("hello", protocol=frame.PROTOCOL, settings={"threads": 1, **settings})

    def __call__(self, do, arrays=None, **header):
        frame.write(self.process.stdin, {"do": do, **header}, arrays)
        return result(*frame.read(self.process.stdout))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):  # what was under way is lost
                pipe.close()


class Refused(Exception):
    """A request was answered with an error."""


def through_bytes(header, arrays):
    stream = io.BytesIO()
    frame.write(stream, header, arrays)
    stream.seek(0)
    read = frame.read(stream)
    assert not stream.read(), "bytes after the frame"
    return read


def result(header, arrays):
    if "error" in header:
        raise Refused(header["error"])
    return header, arrays


def stored_nodes():
    """The node lists of the fixtures' nets, as the program serializes them."""
    return json.loads((REFERENCE / "engine" / "nodes.json").read_text())


def give_images(worker, images, labels, name="train"):
    """Normalized images as a set."""
    images = np.asarray(images, np.float32)
    worker("data", {"images": images, "padding": np.zeros(images.shape[1], np.float32),
                    "labels": np.asarray(labels, np.uint8)}, set=name)


def give_bytes(worker, seed=0, n=60, shape=(3, 16, 16), name="train"):
    """Random bytes as a set; gives them, their table and labels."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (n, *shape), dtype=np.uint8)
    labels = draw.integers(0, 10, n, dtype=np.uint8)
    bytes_ = np.arange(256, dtype=np.float32) / np.float32(255)
    table = np.stack([(bytes_ - np.float32(0.4 + c / 20)) / np.float32(0.25)
                      for c in range(shape[0])])
    worker("data", {"images": pixels, "table": table, "padding": table[:, 0].copy(),
                    "labels": labels}, set=name)
    return pixels, table, labels


def normalized(pixels, table):
    channels = np.arange(pixels.shape[1])[:, None, None]
    return table[channels, pixels]


SGD = {"kind": "sgd", "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False}


def steps(worker, sizes, index, arrays=None, rates=None, keys=None, update=None, **header):
    """One request to train."""
    header = {"set": "train", "sizes": sizes, "rates": rates or [0.02] * len(sizes),
              "keys": keys or [0] * len(sizes), "update": update or SGD, "label_smoothing": 0.0,
              **header}
    index = np.asarray(index, np.uint32)
    return worker("train", {"index": index, **(arrays or {})}, **header)[1]
