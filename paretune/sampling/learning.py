"""Learning from earlier searches: which of their configurations a sampler is given, and how they count.

A configuration fits if it is one of this search's space and differs at most in the recipe, that is in
parameters that every task has, such as ``steps`` or ``batch``. The task's own parameters say what is learned
by which model; which of them could differ without changing what a result means, only a person knows, so they
have to be the same or searched here.

A configuration weighs 1, and half as much for each parameter of the recipe that differs, and for another
target. Samplers know no
weights, so by weight a share of the configurations is taken, evenly over the order in which they were tried.
Those that differ weigh together at most as much as what this search tries itself: it has to be able to find
that they mislead.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.files.layout import TRIALS_FILE
from analysis.store import RowStore
from analysis.text import plural
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan, canonical
from paretune.plan.learned import Learned, LearnedSource
from paretune.sampling.translating import Fitting, LeftOutError, translated
from search_spaces.plan import Plan


@dataclass(frozen=True)
class EarlierSearch:
    """A search to learn from: what it was called, and its files."""

    name: str
    store: RowStore


class NothingToLearnError(InputError):
    """An earlier search that cannot be learned from; the message says why."""

    index = 0
    """Its place among those that were named."""


def learn(bound: BoundPlan, searches: Sequence[EarlierSearch]) -> Learned:
    """Return what a search can learn from earlier ones.

    Args:
        bound: the plan of the search that is to learn.
        searches: what it is to learn from, in the order in which they are named.

    Raises:
        NothingToLearnError: nothing can be learned from one of them.
        DamagedError: a file of one cannot be read.
    """
    found: list[tuple[EarlierSearch, list[Fitting], Counter[str], int, str]] = []
    known: set[str] = set()
    for index, search in enumerate(searches):
        try:
            digest = _digest(search.store.folder / TRIALS_FILE)
            fitting, left_out, count = _fitting(bound, search, known)
        except NothingToLearnError as error:
            error.index = index
            raise
        found.append((search, fitting, left_out, count, digest))
    differing = sum(bool(one.differs) for _, fitting, *_ in found for one in fitting)
    scale = min(1.0, bound.plan.configurations / max(differing, 1))
    sources, configurations = [], []
    for search, fitting, left_out, count, digest in found:
        taken = _thinned(fitting, scale)
        configurations += [one.learned for one in taken]
        sources.append(
            LearnedSource(
                name=search.name,
                folder=str(search.store.folder),
                digest=digest,
                configurations=count,
                fitting=len(fitting),
                learned=len(taken),
                differs=tuple(dict.fromkeys(text for one in fitting for text in one.differs)),
                left_out=dict(left_out),
            )
        )
    return Learned(sources=tuple(sources), configurations=tuple(configurations))


def _fitting(
    bound: BoundPlan, search: EarlierSearch, known: set[str]
) -> tuple[list[Fitting], Counter[str], int]:
    """Return the configurations that fit, how many do not for which reason, and how many there are.

    Args:
        bound: the plan of the search that is to learn.
        search: the earlier one.
        known: configurations that searches before had, to which this one's are added.
    """
    there = search.store.plan()
    _require_same_question(bound, there, search.name)
    rows: dict[int, list[Mapping[str, Any]]] = {}
    for row in search.store.trials().values():
        rows.setdefault(row["configuration"], []).append(row)
    if not rows:
        raise NothingToLearnError(f"{search.name} has no trials yet, so there is nothing to learn from it")
    defaults = search.store.defaults()
    fitting, left_out = [], Counter[str]()
    for number in sorted(rows):
        try:
            one = translated(bound, there, defaults, rows[number])
            one = replace(one, learned=replace(one.learned, of=f"{search.name} c{number:03d}"))
            if (text := canonical(one.learned.values)) in known:
                raise LeftOutError("known already")
        except LeftOutError as left:
            left_out[str(left)] += 1
            continue
        known.add(text)
        fitting.append(one)
    if not fitting:
        reasons = ", ".join(
            f"{reason} ({plural(count, 'configuration')})" for reason, count in left_out.items()
        )
        raise NothingToLearnError(f"there is nothing to learn from {search.name}: {reasons}")
    return fitting, left_out, len(rows)


def _require_same_question(bound: BoundPlan, there: Plan, name: str) -> None:
    if there.task != bound.plan.task:
        raise NothingToLearnError(
            f"{name} is of task {there.task}, not {bound.plan.task}, so it cannot be learned from"
        )
    ours, theirs = bound.plan.target or {}, there.target or {}
    if ours and theirs and ours.keys() != theirs.keys():
        raise NothingToLearnError(
            f"the target of {name} is of {next(iter(theirs))}, not of {next(iter(ours))}, so what solved "
            "there says nothing here"
        )
    costs = [o.metric for o in bound.plan.objectives if bound.metrics[o.metric].spent is not None]
    if costs and (theirs != ours or there.target_hold != bound.plan.target_hold):
        raise NothingToLearnError(
            f"{costs[0]} is an objective, and the target of {name} is another one: what it took to reach "
            "that says nothing here"
        )


def _thinned(fitting: Sequence[Fitting], scale: float) -> list[Fitting]:
    """Return a share of the configurations by their weights, evenly over their order, at least one."""
    taken, sum_before = [], 0.0
    for one in fitting:
        total = sum_before + one.weight * (scale if one.differs else 1.0)
        # Half a step in, so that one of weight 1/2 of every two is taken, and of a single one that one.
        if math.floor(total + 0.5) > math.floor(sum_before + 0.5):
            taken.append(one)
        sum_before = total
    return taken or [max(fitting, key=lambda one: one.weight)]


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return hashlib.sha256().hexdigest()
