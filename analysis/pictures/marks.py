"""The elements of a picture: plain values, independent of how they are drawn.

A picture is stated once and painted twice: by Matplotlib for files, by plotly in the page. Colours, markers
and dashes follow from the role of a mark, see :mod:`analysis.pictures.style`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Numbers = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis: what it shows and in which unit.

    ``ticks`` names places on the axis, for categories. ``limits`` are those of the data if None.
    """

    label: str
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    ticks: Mapping[float, str] | None = None
    limits: tuple[float, float] | None = None
    is_reversed: bool = False

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit and self.unit != "1" else self.label


@dataclass(frozen=True, kw_only=True)
class Points:
    """Dots, each with what is told when it is pointed at, and with error bars if ``low`` and ``high`` are
    there.

    ``sizes`` are areas relative to the usual one.
    """

    x: Numbers
    y: Numbers
    role: str
    label: str = ""
    tells: Sequence[str] = ()
    low: Numbers | None = None
    high: Numbers | None = None
    errors_along: Literal["x", "y"] = "y"
    sizes: Numbers | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through points, or steps that hold each value until the next."""

    x: Numbers
    y: Numbers
    role: str
    label: str = ""
    steps: bool = False


@dataclass(frozen=True, kw_only=True)
class Band:
    """The space between two lines, for an interval."""

    x: Numbers
    low: Numbers
    high: Numbers
    role: str
    label: str = ""
    steps: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight line across the picture at one value of an axis."""

    value: float
    along: Literal["x", "y"]
    """"x": at this x, upright; "y": at this y, level."""
    role: str
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A short text at a place."""

    x: float
    y: float
    text: str
    role: str = "text"


Mark = Points | Line | Band | Rule | Note


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture: a name for its files, a title, axes, marks from back to front, and what they rest on."""

    name: str
    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark] = field(default_factory=tuple)
    caption: str = ""
    """n, seeds, and what the marks mean: below the picture, everywhere that it is shown."""
    lines: int = 1
    """How tall it is, in units of the usual height: a forest plot of forty rows needs more."""
