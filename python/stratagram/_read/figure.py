"""Figures and the page of a report, as a notebook shows them."""

from __future__ import annotations

from html import escape
from pathlib import Path

from .._run_dir.checked import checked


class Figure:
    """A figure of the report; it draws itself in a notebook."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self._root = root

    @property
    def svg(self) -> str:
        """The drawing as text."""
        return checked(self._root, "figure", self.path).read_text(encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Figure({str(self.path)!r})"


class Page:
    """The report's page; a notebook shows it whole, in a frame of its own.

    The frame holds the page's text, so that it shows in Jupyter, VS Code and Colab, also without
    the file and after the notebook is closed.
    """

    def __init__(self, path: Path, height: int = 800, *, root: Path | None = None) -> None:
        self.path = path
        self.height = height
        #: The run that it is of; the page of a comparison is of none.
        self._root = root

    @property
    def html(self) -> str:
        """The page as text."""
        if self._root is not None:
            checked(self._root, "page", self.path)
        return self.path.read_text(encoding="utf-8")

    def _repr_html_(self) -> str:
        return (f'<iframe srcdoc="{escape(self.html)}" width="100%" height="{self.height}" '
                'style="border: 1px solid #ccc" sandbox="allow-scripts"></iframe>')

    def __repr__(self) -> str:
        return f"Page({str(self.path)!r})"
