"""The picture of the regimes that were asked for: the edges at each size, over the trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.pictures.marks import Axis, Mark, Picture, Points
from analysis.selection import plain
from analysis.text import plural

if TYPE_CHECKING:
    from analysis.questions.regimes import RegimesAnswer

_ASIDE = 0.13
"""How far trials that solved and others stand beside the edges, as a share of the way to the next size."""


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
        "its seeds. Edges stand with their 95 % credible intervals; one beyond the space is left out.",
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
            role="fit",
            label="edge, with 95 % interval",
            tells=[
                f"{answer.question.by} {plain(answer.sizes[place].value)}: {rate}" for place, rate in found
            ],
        )
    ]
