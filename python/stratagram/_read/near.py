"""What may have been meant by a name that there is none of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Missing(KeyError):
    """A name that there is none of; its text shows as it is, unlike that of a KeyError."""

    def __str__(self) -> str:
        return str(self.args[0])


def missing(what: str, name: object, known: Iterable[object]) -> Missing:
    """The error for a name that is not among ``known``: ``no layer 'fc9'; did you mean 'fc'?``."""
    names = [str(other) for other in known]
    there = f"there are {', '.join(names)}" if names else "there are none"
    return Missing("; ".join([f"no {what} {name!r}", " ".join([*meant(name, names), there])]))


def meant(name: object, names: list[str]) -> list[str]:
    """The question that offers near names, where there are any."""
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.6)
    return [f"did you mean {' or '.join(map(repr, near))}?"] if near else []
