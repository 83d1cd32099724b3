"""Pictures on paper: painted with Matplotlib on axes that are given, or saved as files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.pictures.marks import Axis, Band, Line, Mark, Note, Picture, Points, Rule
from analysis.pictures.style import look_of

FIGURE_FORMATS = (".png", ".svg", ".pdf")
_WIDTH, _HEIGHT = 7.2, 4.4
_AREA = 36


def paint(axes: Axes, picture: Picture) -> Axes:
    """Paint a picture on axes, without its caption, and return them."""
    axes.set_title(picture.title, loc="left", fontweight="bold")
    _prepare(axes, picture.x, along="x")
    _prepare(axes, picture.y, along="y")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    for mark in picture.marks:
        _paint_mark(axes, mark)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="best", fontsize="small")
    return axes


def figure_of(pictures: Sequence[Picture]) -> Figure:
    """Return one picture, or several side by side, with their captions, at the size of half a slide each."""
    tall = max(picture.lines for picture in pictures)
    figure = Figure(figsize=(_WIDTH * len(pictures), _HEIGHT * tall + 0.6), layout="constrained")
    panels = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axes, picture in zip(panels, pictures, strict=True):
        paint(axes, picture)
        if picture.caption:
            told = "\n".join(textwrap.wrap(picture.caption, 96))
            axes.set_xlabel(f"{axes.get_xlabel()}\n\n{told}", fontsize="small")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the ending names the format (.png, .svg, .pdf)."""
    # Without a date, and with names that are not drawn at random, the same numbers give the same file.
    with rc_context({"svg.hashsalt": path.suffix}):
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)


def _prepare(axes: Axes, axis: Axis, *, along: str) -> None:
    painted = axes.xaxis if along == "x" else axes.yaxis
    painted.set_label_text(axis.title)
    set_scale = axes.set_xscale if along == "x" else axes.set_yscale
    set_scale(axis.scale)
    if axis.ticks is not None:
        painted.set_ticks(list(axis.ticks), list(axis.ticks.values()))
    elif axis.scale == "log":
        painted.set_major_formatter(FuncFormatter(_plainly))
        span = axis.limits[1] / axis.limits[0] if axis.limits is not None else math.inf
        # Within little more than a decade, powers of ten alone would say nothing; nor would 1, 2, 5 in less.
        told = FuncFormatter(_plainly) if span < 4 else FuncFormatter(_one_two_five)
        painted.set_minor_formatter(told if span < 40 else NullFormatter())
    if axis.limits is not None:
        low, high = axis.limits
        set_limits = axes.set_xlim if along == "x" else axes.set_ylim
        set_limits((high, low) if axis.is_reversed else (low, high))


def _paint_mark(axes: Axes, mark: Mark) -> None:
    label = getattr(mark, "label", "") or None
    look = look_of(mark.role)
    match mark:
        case Points():
            if mark.low is not None and mark.high is not None:
                middle = mark.y if mark.errors_along == "y" else mark.x
                reach = [
                    [max(m - low, 0.0) for m, low in zip(middle, mark.low, strict=True)],
                    [max(high - m, 0.0) for m, high in zip(middle, mark.high, strict=True)],
                ]
                axes.errorbar(
                    mark.x,
                    mark.y,
                    **{f"{mark.errors_along}err": reach},  # type: ignore[arg-type]
                    fmt="none",
                    ecolor=look.colour,
                    elinewidth=1.2,
                    zorder=3,
                )
            axes.scatter(
                mark.x,
                mark.y,
                s=[_AREA * size for size in mark.sizes] if mark.sizes is not None else _AREA,
                marker=look.marker,
                facecolors="none" if look.is_hollow else look.colour,
                edgecolors=look.colour,
                linewidths=1.2 if look.is_hollow else 0.5,
                alpha=0.85,
                label=label,
                zorder=4,
            )
        case Line():
            draw = axes.step if mark.steps else axes.plot
            where = {"where": "post"} if mark.steps else {}
            draw(
                mark.x,
                mark.y,
                color=look.colour,
                linestyle=look.dash,
                linewidth=1.7,
                label=label,
                zorder=3,
                **where,  # type: ignore[arg-type]
            )
        case Band():
            axes.fill_between(
                mark.x,
                mark.low,
                mark.high,
                step="post" if mark.steps else None,
                color=look.colour,
                alpha=0.18,
                linewidth=0,
                label=label,
                zorder=1,
            )
        case Rule():
            draw_rule = axes.axvline if mark.along == "x" else axes.axhline
            draw_rule(
                mark.value, color=look.colour, linestyle=look.dash, linewidth=1.1, label=label, zorder=2
            )
        case Note():
            axes.annotate(
                mark.text,
                (mark.x, mark.y),
                xytext=(4, 6),
                textcoords="offset points",
                color=look.colour,
                fontsize="small",
                zorder=5,
            )
        case _:
            assert_never(mark)


def _plainly(value: float, _position: object) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _one_two_five(value: float, position: object) -> str:
    return _plainly(value, position) if f"{value:e}"[0] in "25" else ""
