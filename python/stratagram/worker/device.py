"""What the net runs on, and how exactly."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, ContextManager, Dict, Iterator, Optional

import torch

#: Types of the parameters; ``f64`` is for checks against PyTorch itself.
PRECISIONS = ("f32", "tf32", "bf16", "f64")


@dataclass(frozen=True)
class Settings:
    """The settings of ``[engine]``."""

    device: str = "cpu"
    precision: str = "f32"
    compile: bool = False
    deterministic: bool = True
    threads: Optional[int] = None
    memory: Optional[int] = None  #: MiB of the device's memory that may be taken

    def begin(self) -> None:
        """Chooses them for the process, before anything is computed."""
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        if self.threads:
            torch.set_num_threads(self.threads)
        _allow_tf32(self.precision == "tf32")
        torch.backends.cudnn.benchmark = not self.deterministic
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
            # All memory is written before it is read; filling it first costs time alone.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.zeros(1, device=self.device)  # a device that is not there is an error here
        if self.memory and torch.device(self.device).type == "cuda":
            total = torch.cuda.get_device_properties(self.device).total_memory
            torch.cuda.set_per_process_memory_fraction(
                min(1.0, self.memory * 2**20 / total), self.device)

    @property
    def dtype(self) -> torch.dtype:
        """The type of parameters and images."""
        return torch.float64 if self.precision == "f64" else torch.float32

    @property
    def real(self) -> torch.dtype:
        """The type in which sums and points on planes are computed."""
        return torch.float32 if torch.device(self.device).type == "mps" else torch.float64

    @property
    def layout(self) -> torch.memory_format:
        """How maps lie in memory: on CUDA devices, convolutions want channels together."""
        is_cuda = torch.device(self.device).type == "cuda"
        return torch.channels_last if is_cuda else torch.contiguous_format

    def autocast(self) -> ContextManager[Any]:
        """bf16 where PyTorch holds it to be safe, in a forward pass."""
        if self.precision != "bf16":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Products in whole f32, whatever the net's precision: of classifiers and Gram matrices."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def name(device: str) -> str:
    """What a device calls itself."""
    if torch.device(device).type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device


def seen() -> Dict[str, str]:
    """The devices that PyTorch sees, with their names."""
    devices = {f"cuda:{i}": name(f"cuda:{i}") for i in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        devices["mps"] = "mps"
    return {"cpu": "cpu", **devices}
