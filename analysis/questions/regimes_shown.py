"""The tables and the picture of the regimes that were asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.pictures.marks import Axis, Mark, Picture, Points
from analysis.selection import plain
from analysis.statistics.estimate import UNKNOWN
from analysis.text import plural

if TYPE_CHECKING:
    from analysis.questions.regimes import RegimesAnswer

_ASIDE = 0.13
"""How far trials that solved and others stand beside the edges, as a share of the way to the next size."""


def edges_table(answer: RegimesAnswer) -> Table:
    """Return the edges at each size."""
    by, rate, rows = answer.question.by, answer.question.rate, []
    for size in answer.sizes:
        lower, upper = (
            edge.rate if size.trials and size.works is not False else UNKNOWN for edge in size.edges
        )
        told = [end for one in (lower, upper) for end in (one.value, one.low, one.high)]
        finite = [value if math.isfinite(value) else math.nan for value in told]
        rows.append((plain(size.value), size.trials, round(size.posterior.none, 4), *finite))
    columns = [
        Column(by, "", "the value at which the band is asked for"),
        Column("trials", "trials", "trials with a known outcome"),
        Column("none", "share", "the probability that no rate works"),
    ]
    for side, below in (("lower", "below"), ("upper", "above")):
        meaning = f"{rate} {below} which too few of the seeds solve; missing where it lies beyond the space"
        columns.append(Column(side, "", meaning))
        columns += [
            Column(f"{side}_{end}", "", f"{word} end of its 95 % interval; missing where open")
            for end, word in (("low", "lower"), ("high", "upper"))
        ]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table(title=f"Edges of {rate} by {by}", frame=frame, columns=columns)


def trials_table(answer: RegimesAnswer) -> Table:
    """Return the trials at each rate."""
    by, rate = answer.question.by, answer.question.rate
    rows = [
        (plain(size.value), 10**one.x, int(one.solved), int(one.trials), size.posterior.chance(one.x))
        for size in answer.sizes
        for one in size.posterior.seen
    ]
    columns = [
        Column(by, "", "the value at which the band is asked for"),
        Column(rate, "", "the rate"),
        Column("solved", "trials", "trials that solved"),
        Column("known", "trials", "trials with a known outcome"),
        Column("fitted", "share", "the share of seeds that solve there, by all trials of that value"),
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    frame[rate] = frame[rate].map(lambda value: float(f"{value:.6g}"))
    frame["fitted"] = frame["fitted"].round(4)
    return Table(title=f"Trials by {by} and {rate}", frame=frame, columns=columns)


def edges_map(answer: RegimesAnswer) -> Picture:
    """Return the picture of an answer that has trials."""
    rate, by = answer.question.rate, answer.question.by
    marks: list[Mark] = []
    for role, name, side in (("works", "solved", -1), ("not learned", "not solved", 1)):
        places, rates, counts, tells = [], [], [], []
        for place, size in enumerate(answer.sizes):
            for one in size.posterior.seen:
                count = round(one.solved if role == "works" else one.trials - one.solved)
                if count:
                    places.append(place + side * _ASIDE)
                    rates.append(10**one.x)
                    counts.append(count)
                    tells.append(
                        f"{by} {plain(size.value)}, {rate} {10**one.x:.3g}: {one.solved:g} of {one.trials:g} "
                        "solved"
                    )
        if counts:
            marks.append(
                Points(
                    x=places,
                    y=rates,
                    role=role,
                    label=f"{name} ({sum(counts):,})",
                    tells=tells,
                    sizes=[min(0.5 + count / 4, 4.0) for count in counts],
                )
            )
    marks += _edges(answer)
    model = answer.sizes[0].posterior.model
    return Picture(
        name="question",
        title=f"The band of {rate} that was asked for",
        x=Axis(
            label=by,
            ticks={float(place): plain(size.value) for place, size in enumerate(answer.sizes)},
            limits=(-0.6, len(answer.sizes) - 0.4),
        ),
        y=Axis(
            label="learning rate" if rate == "lr" else rate,
            scale="log",
            limits=(10 ** (model.low - 0.2), 10 ** (model.high + 0.2)),
        ),
        marks=marks,
        caption=f"{plural(answer.trials, 'trial')}. A dot is one rate at one size, its area the number of "
        "its seeds. Edges stand with their 95 % intervals; one beyond the space is left out.",
    )


def _edges(answer: RegimesAnswer) -> list[Mark]:
    found = [
        (place, edge.rate)
        for place, size in enumerate(answer.sizes)
        if size.trials and size.works is not False
        for edge in size.edges
        if edge.rate.is_known
    ]
    if not found:
        return []
    model = answer.sizes[0].posterior.model
    first, last = 10**model.low, 10**model.high
    return [
        Points(
            x=[float(place) for place, _ in found],
            y=[rate.value for _, rate in found],
            low=[rate.low if math.isfinite(rate.low) else first for _, rate in found],
            high=[rate.high if math.isfinite(rate.high) else last for _, rate in found],
            role="edge",
            label="edge, with 95 % interval",
            tells=[
                f"{answer.question.by} {plain(answer.sizes[place].value)}: {rate}" for place, rate in found
            ],
        )
    ]
