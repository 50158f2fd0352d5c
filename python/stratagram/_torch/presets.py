"""Layers by the names of the field, so that nobody searches ``named_modules()``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: A block is numbered among its like and is of a class that is called so: ``BasicBlock``,
#: ``Bottleneck``, ``Block``, ``EncoderBlock``, ``ViTLayer``, ``BertLayer``, ``GPT2Block`` …
_NUMBERED = re.compile(r"(.*\.)?[A-Za-z_]*\d+")
_CALLED = re.compile(r".*(Block|Layer|Bottleneck|BottleNeck)")


def blocks(modules: Mapping[str, Any]) -> list[str]:
    """The residual blocks of ResNets and the blocks of transformers, the outermost ones."""
    found: list[str] = []
    for name, module in modules.items():
        is_block = _NUMBERED.fullmatch(name) and _CALLED.fullmatch(type(module).__name__)
        if is_block and not any(name.startswith(f"{outer}.") for outer in found):
            found.append(name)
    return found


PRESETS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {"blocks": blocks}
