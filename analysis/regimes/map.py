"""The map: every trial as a dot at its size and rate, coloured by regime, with the edges of the band."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.pictures.marks import Axis, Band, Line, Mark, Picture, Points
from analysis.regimes.classify import REGIMES, Regime
from analysis.regimes.points import neighbours
from analysis.rows import PARAMS
from analysis.text import plural

if TYPE_CHECKING:
    from analysis.regimes.finding import Regimes, Side

MOST_DOTS = 4_000
"""Of more trials a random part is drawn; more dots hide one another."""

_PLACES = 13
_DODGE = 0.35
"""How far the dots of one size and rate are spread, as a share of the way to the next size."""

_SHORT: dict[Regime, str] = {
    "too slow": "loss still falling at the end",
    "stuck": "on a plateau",
    "not learned": "too few reports to tell",
    "unstable": "lost the target, or the loss rose again",
    "diverges": "loss not finite, or blown up",
}


def regime_map(finding: Regimes) -> Picture:
    """Return the map of a finding that has trials."""
    frame = finding.points.frame
    shown = frame if len(frame) <= MOST_DOTS else frame.sample(MOST_DOTS, random_state=0)
    shown = shown.assign(along=_dodged(shown))
    span = _span(frame["size"], room=1.15)
    rates = _span(frame["rate"], room=1.6)
    marks: list[Mark] = []
    for side in ("lower", "upper"):
        marks += _edge(finding, side, span, rates)
    for regime in REGIMES:
        part = shown[shown["regime"] == regime]
        if len(part):
            total = int((frame["regime"] == regime).sum())
            marks.append(
                Points(
                    x=part["along"].tolist(),
                    y=part["rate"].tolist(),
                    role=regime,
                    label=f"{regime} ({total:,})",
                    tells=_tells(finding, part),
                )
            )
    unit = "parameters" if finding.size == PARAMS else ""
    return Picture(
        name="regimes",
        title=finding.title if finding.rate == "lr" else f"Regimes of {finding.rate}",
        x=Axis(label="size" if unit else finding.size, unit=unit, scale="log", limits=span),
        y=Axis(label="learning rate" if finding.rate == "lr" else finding.rate, scale="log", limits=rates),
        marks=marks,
        caption=_caption(finding, len(shown)),
    )


def _dodged(frame: pd.DataFrame) -> pd.Series[float]:
    """Return sizes moved a little, so that the seeds of one size and rate stand beside each other."""
    # Configurations of one size and rate stand beside each other too.
    cell = frame.groupby(["size", "rate"])["size"]
    place, count = cell.cumcount(), cell.transform("size")
    offset: pd.Series[float] = (place - (count - 1) / 2) / np.maximum(count, 4)
    sizes = frame["size"]
    least = math.log(sizes.max() / sizes.min()) / 40
    step = min(max(math.log(neighbours(sizes)), least), 0.5)
    moved: pd.Series[float] = frame["size"] * np.exp(_DODGE * step * offset)
    return moved


def _edge(finding: Regimes, side: Side, span: tuple[float, float], rates: tuple[float, float]) -> list[Mark]:
    """Return an edge as a line with its interval as a band, within the picture."""
    sizes = np.geomspace(*(finding.sizes if finding.is_of_sizes else span), _PLACES)
    # Of a single size the edge is drawn as a level line around it.
    found = [finding.edge(side, float(s) if finding.is_of_sizes else finding.sizes[0]) for s in sizes]
    if not all(estimate.is_known for estimate in found):
        return []
    lows, highs = (np.clip([getattr(e, end) for e in found], *rates) for end in ("low", "high"))
    values = np.array([estimate.value for estimate in found])
    inside = (values >= rates[0]) & (values <= rates[1])
    marks: list[Mark] = [Band(x=sizes.tolist(), low=lows.tolist(), high=highs.tolist(), role="fit")]
    if inside.any():
        label = "half of the trials work, with 95 % interval" if side == "lower" else ""
        marks.append(Line(x=sizes[inside].tolist(), y=values[inside].tolist(), role="fit", label=label))
    return marks


def _tells(finding: Regimes, part: pd.DataFrame) -> list[str]:
    return [
        f"c{configuration:03d}, seed {seed}: {finding.size} {size:g}, {finding.rate} {rate:.3g}, {regime}"
        for configuration, seed, size, rate, regime in zip(
            part["configuration"], part["seed_index"], part["size"], part["rate"], part["regime"], strict=True
        )
    ]


def _span(values: pd.Series[float], room: float) -> tuple[float, float]:
    return float(values.min()) / room, float(values.max()) * room


def _caption(finding: Regimes, shown: int) -> str:
    frame = finding.points.frame
    seeds = frame.groupby("configuration").size()
    each = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    told = [
        f"{plural(len(frame), 'trial')} of {plural(len(seeds), 'configuration')}, {each} per configuration"
    ]
    if shown < len(frame):
        told.append(f"{shown:,} of them drawn")
    told.append("dots of one size and rate are moved aside")
    present = set(frame["regime"])
    told += [f"{name}: {meaning}" for name, meaning in _SHORT.items() if name in present]
    return "; ".join(told) + "."
