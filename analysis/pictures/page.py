"""Pictures in a page: the same marks as figures of plotly, as plain values for its JavaScript."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, assert_never

import numpy as np

from analysis.pictures.marks import Axis, Band, Line, Mark, Note, Numbers, Picture, Points, Rule
from analysis.pictures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, YELLOW, Look, look_of
from analysis.pictures.thinning import thin_dots
from analysis.text import visible

MOST_DOTS = 2000
"""Dots in one picture; a browser draws each as a node of its own."""

_OPACITY_OF_BANDS = 0.18
_LONGEST_LINE = 1500
_HEIGHT = 340
_WIDEST = 680
"""Pixels across the column of the page in which pictures stand."""

_LETTER, _NARROWEST_COLUMN, _NARROWEST_FIELD = 7, 30, 220
_LONGEST_TITLE = 42
_LARGE = 100_000
"""From here on an axis says 200k and 1.5M; figures in full would not stand beside one another."""
_DOT = 8
_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_SYMBOLS = {
    "o": "circle",
    ".": "circle",
    "X": "x",
    "s": "square",
    "D": "diamond",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    "P": "cross",
    "*": "star",
}


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """A picture for a page.

    ``plotly`` has ``data`` and ``layout`` as plotly's JavaScript takes them; text and grid have no colours in
    it, which depend on the page. ``caption`` is the picture's, and says what was thinned out.
    """

    plotly: dict[str, Any]
    caption: str
    least_width: int
    """Pixels that its labels need; on a narrower page it is scrolled."""


def page_figure(picture: Picture) -> PageFigure:
    """Translate a picture; the same picture always gives the same values.

    Of more than :data:`MOST_DOTS` dots that many are drawn, chosen at random with a fixed seed.
    """
    import plotly.graph_objects as go

    marks, thinned = thin_dots(picture.marks, MOST_DOTS)
    traces, shapes, notes = [], [], []
    for mark in marks:
        match mark:
            case Points():
                traces.append(_points(mark, _extent(picture, marks, mark.errors_along)))
            case Line():
                traces.append(_line(mark))
            case Band():
                traces.extend(_band(mark, _extent(picture, marks, "y")))
            case Rule():
                shapes.append(_rule(mark))
            case Note():
                notes.append(_note(mark, picture))
            case _:
                assert_never(mark)
    layout = {
        "xaxis": {**_axis(picture.x, _extent(picture, marks, "x")), **_slanted(picture.x)},
        "yaxis": _axis(picture.y, _extent(picture, marks, "y")),
        "shapes": shapes,
        "annotations": notes,
        "height": _HEIGHT * picture.lines,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        "hovermode": "closest",
        "template": go.layout.Template(),
    }
    drawn: dict[str, Any] = go.Figure(traces, layout).to_plotly_json()
    drawn["layout"].pop("template", None)
    return PageFigure(
        plotly=drawn,
        caption=" ".join(part for part in (picture.caption, thinned) if part),
        least_width=_least_width(picture),
    )


def _least_width(picture: Picture) -> int:
    across, up = ([len(text) for text in (axis.ticks or {}).values()] for axis in (picture.x, picture.y))
    named = len(across) * max(_LETTER * max(across, default=0), _NARROWEST_COLUMN)
    return min(max(named, _LETTER * max(up, default=0) + _NARROWEST_FIELD), _WIDEST)


def _points(mark: Points, extent: tuple[float, float]) -> dict[str, Any]:
    look = look_of(mark.role)
    small = 0.6 if look.marker == "." else 1.0
    sizes: Any = _DOT * small
    if mark.sizes is not None:
        sizes = [round(_DOT * small * math.sqrt(size), 1) for size in mark.sizes]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _plain(mark.x),
        "y": _plain(mark.y),
        "marker": {
            "symbol": _SYMBOLS[look.marker] + "-open" * look.is_hollow,
            "color": look.colour,
            "size": sizes,
            "opacity": 0.85,
            "line": {"width": 1.3 if look.is_hollow else 0},
        },
        **_named(mark.label),
        **_told(mark.tells),
    }
    if mark.low is not None and mark.high is not None:
        middle = mark.y if mark.errors_along == "y" else mark.x
        trace[f"error_{mark.errors_along}"] = {
            "type": "data",
            "symmetric": False,
            "array": _reach(middle, np.clip(mark.high, *extent), 1),
            "arrayminus": _reach(middle, np.clip(mark.low, *extent), -1),
            "color": look.colour,
            "thickness": 1.2,
            "width": 0,
        }
    return trace


def _reach(middle: Numbers, end: Any, sign: int) -> list[float | None]:
    return _plain(np.maximum(sign * (end - np.asarray(middle, dtype=float)), 0.0).tolist())


def _line(mark: Line) -> dict[str, Any]:
    keep = _spread(mark.x, mark.y)
    # With gaps it is many lines, which are to show one another.
    is_many = not np.isfinite(np.asarray(mark.y, dtype=float)).all()
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _plain([mark.x[index] for index in keep]),
        "y": _plain([mark.y[index] for index in keep]),
        "line": {
            **_stroke(look_of(mark.role), 1.1 if is_many else 1.8),
            "shape": "hv" if mark.steps else "linear",
        },
        "opacity": 0.7 if is_many else 1.0,
        "hoverinfo": "skip",
        **_named(mark.label),
    }


def _band(mark: Band, extent: tuple[float, float]) -> list[dict[str, Any]]:
    shape = "hv" if mark.steps else "linear"
    keep = _spread(mark.x, mark.low)
    x = _plain([mark.x[index] for index in keep])
    edge = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "hoverinfo": "skip",
        "line": {"width": 0, "shape": shape},
    }
    colour = _translucent(look_of(mark.role).colour)
    low, high = (
        _plain(np.clip(np.asarray(side, dtype=float)[list(keep)], *extent).tolist())
        for side in (mark.low, mark.high)
    )
    return [
        {**edge, "y": low, "showlegend": False},
        {**edge, "y": high, "fill": "tonexty", "fillcolor": colour, **_named(mark.label)},
    ]


def _rule(mark: Rule) -> dict[str, Any]:
    across = "y" if mark.along == "x" else "x"
    return {
        "type": "line",
        f"{mark.along}0": mark.value,
        f"{mark.along}1": mark.value,
        f"{across}0": 0,
        f"{across}1": 1,
        f"{across}ref": "paper",
        "layer": "below",
        "line": _stroke(look_of(mark.role), 1.2),
        **_named(mark.label),
    }


def _note(mark: Note, picture: Picture) -> dict[str, Any]:
    def place(value: float, axis: Axis) -> float:
        # Of notes alone, plotly wants the logarithm.
        return math.log10(value) if axis.scale == "log" else value

    return {
        "x": place(mark.x, picture.x),
        "y": place(mark.y, picture.y),
        "text": _safe(mark.text),
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom",
        "xshift": 4,
        "yshift": 3,
        "font": {"color": look_of(mark.role).colour, "size": 12},
    }


def _axis(axis: Axis, extent: tuple[float, float]) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "title": {"text": _safe("\n".join(textwrap.wrap(axis.title, _LONGEST_TITLE))), "standoff": 8},
        "type": axis.scale,
        "automargin": True,
        "zeroline": False,
        "ticks": "outside",
    }
    if axis.ticks is not None:
        drawn |= {
            "tickmode": "array",
            "tickvals": _plain(list(axis.ticks)),
            "ticktext": [_safe(text) for text in axis.ticks.values()],
        }
    else:
        low, high = extent
        if axis.scale == "log":
            drawn |= _decades(low, high)
        if axis.scale == "log" or high >= 1000:
            drawn["tickformat"] = "~s" if high >= _LARGE else ",~r"
    if axis.limits is not None:
        ends = [math.log10(end) for end in axis.limits] if axis.scale == "log" else list(axis.limits)
        drawn["range"] = ends[::-1] if axis.is_reversed else ends
    elif axis.is_reversed:
        drawn["autorange"] = "reversed"
    return drawn


def _decades(low: float, high: float) -> dict[str, Any]:
    """Return where a logarithmic axis is labelled: as often as there is room for whole numbers."""
    decades = math.log10(high / low) if 0 < low < high else 0.0
    if decades < 1:
        return {"nticks": 6}
    return {"dtick": "D2" if decades < 3 else math.ceil(decades / 7)}


def _slanted(axis: Axis) -> dict[str, Any]:
    names = list((axis.ticks or {}).values())
    is_crowded = len(names) * _LETTER * max(map(len, names), default=0) > _WIDEST
    return {"tickangle": -35} if is_crowded else {}


def _extent(picture: Picture, marks: Sequence[Mark], along: Literal["x", "y"]) -> tuple[float, float]:
    """Return the ends of an axis. An interval without an end is drawn to there: plotly would leave it out."""
    axis: Axis = getattr(picture, along)
    if axis.limits is not None:
        return axis.limits
    values = np.array([value for mark in marks for value in _values(mark, along)], dtype=float)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _values(mark: Mark, along: Literal["x", "y"]) -> Iterable[float]:
    """Return what a mark shows along an axis, ends of intervals included."""
    match mark:
        case Points():
            ends = (mark.low, mark.high) if mark.errors_along == along else ()
            return chain(getattr(mark, along), *(end for end in ends if end is not None))
        case Line():
            values: Numbers = getattr(mark, along)
            return values
        case Band():
            return mark.x if along == "x" else chain(mark.low, mark.high)
    return ()


def _spread(x: Numbers, y: Numbers) -> Sequence[int]:
    """Return which points of a line to keep: all, or of a long one without gaps as many as show."""
    if len(x) <= _LONGEST_LINE or not np.isfinite(np.asarray(y, dtype=float)).all():
        return range(len(x))
    kept: list[int] = np.unique(np.linspace(0, len(x) - 1, _LONGEST_LINE).astype(int)).tolist()
    return kept


def _named(label: str) -> dict[str, Any]:
    return {"name": _safe(label), "showlegend": True} if label else {"showlegend": False}


def _told(tells: Sequence[str]) -> dict[str, Any]:
    if not len(tells):
        return {"hoverinfo": "x+y"}
    return {"text": [_safe(text) for text in tells], "hoverinfo": "text"}


def _stroke(look: Look, width: float) -> dict[str, Any]:
    return {"color": look.colour, "dash": _DASHES[look.dash], "width": width}


def _translucent(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_OPACITY_OF_BANDS})"


def _plain(values: Numbers) -> list[float | None]:
    """Return numbers with six digits, which is more than a screen shows; what is not finite is None."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def _safe(text: str) -> str:
    """Return a text that plotly, which reads some HTML in it, shows letter by letter."""
    return html.escape(visible(text), quote=False).replace("\n", "<br>")


_LIGHTER = {
    BLUE: "#4FA3DC",
    SKY: "#A5D8F7",
    ORANGE: "#E6A82A",
    GREEN: "#2BBE92",
    VERMILION: "#F0803C",
    PURPLE: "#DC94BC",
    YELLOW: "#D4C43A",
    GREY: "#8E949A",
}

COLOURS_IN_THE_DARK = {
    **_LIGHTER,
    **{_translucent(colour): _translucent(lighter) for colour, lighter in _LIGHTER.items()},
}
"""For every colour of :func:`page_figure`, the one that is told as well on a dark page."""
