"""Which configurations of a search to confirm, and which fresh seeds each of them still lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.confirmation import before_confirmation, confirmations
from analysis.rows import SearchRows
from paretune.confirm.retraining import fresh_seed
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from search_spaces.plan import Values

FRONTIER = "frontier"
_ACCEPTED = "frontier, top:N as in top:5, or numbers of configurations as in 8 or 8,2"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A configuration that shall be confirmed, and the fresh seeds that it still needs."""

    number: int
    params: int
    values: Values
    missing: Sequence[int]
    """Numbers of the seeds, counted from 0."""
    seconds: float | None
    """What a seed of it may take by the rows there are; None if they do not tell."""


def choose_points(rows: SearchRows, bound: BoundPlan, wanted: Sequence[str], seeds: int) -> list[Point]:
    """Return the configurations to confirm, each with the seeds of ``0`` to ``seeds - 1`` that it lacks.

    Args:
        rows: the search.
        bound: its plan.
        wanted: ``frontier``, ``top:N``, and numbers of configurations, also several with commas.
        seeds: how many fresh seeds each shall have.

    Raises:
        InputError: something else is wanted, or there is no such configuration, or none worth confirming.
    """
    numbers = list(dict.fromkeys(number for text in wanted for number in _numbers_of(rows, text)))
    trials = rows.trials.drop_duplicates("configuration")
    columns = (trials[name].tolist() for name in ("configuration", "params", "values"))
    known = {number: (params, values) for number, params, values in zip(*columns, strict=True)}
    done = confirmations(rows)
    points = []
    for number in numbers:
        of_it = done[done["configuration"] == number]
        seeds_done = set(of_it["seed"].tolist())
        params, values = known[number]
        points.append(
            Point(
                number=number,
                params=int(params),
                values=values,
                missing=[index for index in range(seeds) if fresh_seed(bound, index) not in seeds_done],
                seconds=_seconds_of_a_seed(rows, bound, number, of_it["seconds"].tolist()),
            )
        )
    return points


def _numbers_of(rows: SearchRows, text: str) -> list[int]:
    from analysis.ranking import ranking

    numbers: list[int] = []
    for part in (part.strip() for part in text.split(",")):
        kind, _, count = part.partition(":")
        if part == FRONTIER:
            numbers += _on_the_frontier(rows)
        elif kind == "top" and count.isdecimal() and int(count) > 0:
            ranked = ranking(before_confirmation(rows))
            numbers += [int(number) for number in ranked["configuration"].head(int(count))]
        elif part.isdecimal():
            numbers.append(_existing(rows, int(part)))
        else:
            raise InputError(f"--points: got {part!r}; accepted: {_ACCEPTED}")
    return numbers


def _on_the_frontier(rows: SearchRows) -> list[int]:
    """Return the configurations on the frontier of any cost that the plan wants small."""
    from analysis.frontier import frontier

    bare = before_confirmation(rows)
    found: list[int] = []
    for cost in bare.cost_objectives:
        points = frontier(bare, cost).points
        if bare.plan.target is not None and len(points):
            points = points[points["solved"] > 0]
        found += [int(number) for number in points["configuration"]] if len(points) else []
    if not found:
        why = "has solved with any seed" if bare.plan.target is not None else "has a value"
        raise InputError(
            f"--points frontier: no configuration on the frontier {why}, so there is nothing to confirm; "
            "choose by rank or by number, as in --points top:5 or --points 0"
        )
    return found


def _existing(rows: SearchRows, number: int) -> int:
    there = sorted(int(other) for other in rows.trials["configuration"].unique())
    if number in there:
        return number
    is_whole = there == list(range(there[0], there[-1] + 1))
    listed = f"{there[0]} to {there[-1]}" if is_whole and len(there) > 1 else ", ".join(map(str, there[:20]))
    raise InputError(f"--points: there is no configuration {number}; there are {listed}")


def _seconds_of_a_seed(
    rows: SearchRows, bound: BoundPlan, number: int, confirmed: list[float]
) -> float | None:
    """Return what a seed may take: as its fresh seeds before, else as the search's trials at full budget."""
    if confirmed:
        return sum(confirmed) / len(confirmed)
    trials = rows.trials[rows.trials["configuration"] == number]
    if "wall_seconds" not in trials.columns:
        return None
    steps = bound.config(trials["values"].iloc[0]).steps
    known = trials[(trials["step"] > 0) & (trials["wall_seconds"] > 0)]
    if known.empty:
        return None
    seconds = float((known["wall_seconds"] / known["step"]).median()) * steps
    return seconds if math.isfinite(seconds) else None
