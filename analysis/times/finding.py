"""Time to the target as a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from analysis.cliff.groups import groups_by
from analysis.files.layout import SelectionError
from analysis.finding import Drawn, Table
from analysis.outcomes import Rate, rate_of, with_outcomes
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.statistics.difference import Difference
from analysis.times.frontier import costs_by_size
from analysis.times.logrank import LogRank, log_rank
from analysis.times.measured import Measured, measure
from analysis.times.sharing import ELAPSED, shared_device
from analysis.wording import metric_text
from search_spaces.wording import accepted


@dataclass(frozen=True, kw_only=True)
class Group:
    """Some trials, or all: what reaching the target costs them, in every cost that the search knows."""

    name: str
    """The value of the parameter that the group is of, as in ``d_model=8``; empty for all trials."""
    rate: Rate
    """Outcomes of the trials."""
    endings: Mapping[str, int]
    """How the trials ended, with their number; "not ended" for those that have not."""
    measured: Mapping[str, Measured]
    """By the name of the cost."""


@dataclass(frozen=True, kw_only=True)
class Times(Drawn):
    """The time to the target, and the cost of a success."""

    kind: ClassVar[str] = "times"
    title: ClassVar[str] = "Time to target"

    search: str
    target: str
    """What counts as solved, as in ``exact match 0.99``; empty if the search has no target."""
    cost: str
    """The cost that the first sentence and the pictures are about; empty if the search knows none."""
    by: str | None
    whole: Group
    """All trials."""
    groups: Sequence[Group]
    """One for each value of ``by``."""
    log_rank: LogRank | None
    """Whether the groups differ; None without groups."""
    by_size: pd.DataFrame
    """Configurations with a success; see :func:`analysis.times.frontier.costs_by_size`."""
    shared: str | None
    """That trials shared a device, where elapsed times are among the costs."""

    @property
    def measured(self) -> Measured | None:
        """What all trials show of the chosen cost; None if the search knows none."""
        return self.whole.measured.get(self.cost)

    @property
    def frontier(self) -> pd.DataFrame:
        """The configurations that no other beats in both size and cost of a success, smallest first."""
        if not len(self.by_size):
            return self.by_size
        return self.by_size[self.by_size["is_best"]].drop(columns="is_best").reset_index(drop=True)

    @property
    def sentences(self) -> Sequence[str]:
        """What was found."""
        from analysis.times.words import sentences

        return sentences(self)

    @property
    def tables(self) -> Sequence[Table]:
        """Times and costs, a table for each cost, the chosen one first, and the frontier against size."""
        from analysis.times.tables import tables

        return tables(self)

    @property
    def pictures(self) -> Sequence[Picture]:
        """The share that has reached the target against what was spent, and the frontier against size."""
        from analysis.times.picture import pictures

        return pictures(self)

    def difference_from(self, other: Times) -> Sequence[Difference]:
        """Return the ratios of this search's cost of a success and median over those of another, in this
        one's cost; nothing if the other does not know that cost."""
        from analysis.times.differences import differences

        mine, theirs = self.measured, other.whole.measured.get(self.cost)
        return () if mine is None or theirs is None else differences(theirs, mine)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        from analysis.times.tables import as_json

        return as_json(self)


def times(rows: SearchRows, by: str | None = None, cost: str | None = None) -> Times:
    """Return the time of a search's trials to the target, and the cost of a success.

    Args:
        rows: the search, or a part of it.
        by: a parameter; each of its values gets separate times, beside those of all trials.
        cost: the cost that the first sentence and the pictures are about, such as ``steps_to_target``. If
            None it is the plan's first objective of that kind, else processor time, else steps.

    Raises:
        SelectionError: ``by`` is no parameter of the search, or has too many values; or ``cost`` is none of
            reaching the target.
    """
    trials = with_outcomes(rows)
    known = [name for name in rows.metrics if rows.is_of_target(name)]
    if cost is not None and cost not in known:
        raise SelectionError(f"--cost got {cost!r}, not a cost of reaching the target{accepted(cost, known)}")
    has_target = rows.plan.target is not None
    costs = [name for name in known if has_target and (name == cost or _is_there(rows, trials, name))]
    chosen = cost if has_target and cost is not None else _usual(rows, costs)
    groups, test = [], None
    whole = _group(rows, trials, costs, "")
    if by is not None and len(trials):
        of_group = {name: trials["configuration"].isin(part) for name, part in groups_by(rows, by).items()}
        groups = [_group(rows, trials[part], costs, name) for name, part in of_group.items()]
        if chosen:
            numbers = pd.Series(np.select(list(of_group.values()), range(len(groups))), index=trials.index)
            by_configuration = numbers.groupby(trials["configuration"]).first()
            observed = whole.measured[chosen].observed
            test = log_rank(observed, by_configuration.reindex(observed.configurations).to_numpy(np.int64))
    return Times(
        search=rows.plan.name,
        target=_target(rows),
        cost=chosen,
        by=by,
        whole=whole,
        groups=groups,
        log_rank=test,
        by_size=costs_by_size(rows, chosen) if chosen else pd.DataFrame(),
        shared=shared_device(rows) if set(costs) & set(ELAPSED) else None,
    )


def _group(rows: SearchRows, trials: pd.DataFrame, costs: Sequence[str], name: str) -> Group:
    endings = trials["ending"].fillna("not ended").value_counts()
    return Group(
        name=name,
        rate=rate_of(trials),
        endings={str(ending): int(number) for ending, number in endings.items()},
        measured={cost: measure(rows, trials, cost) for cost in costs},
    )


def _is_there(rows: SearchRows, trials: pd.DataFrame, cost: str) -> bool:
    """Tell whether any trial has spent some of it: older searches do not count everything."""
    names = {cost, rows.metrics[cost]["spent"]} & set(trials.columns)
    return any(trials[name].notna().any() for name in names)


def _usual(rows: SearchRows, costs: Sequence[str]) -> str:
    objectives = [objective.metric for objective in rows.plan.objectives if objective.metric in costs]
    usual = [name for name in ("cpu_seconds_to_target", "steps_to_target") if name in costs]
    return next(iter([*objectives, *usual, *costs]), "")


def _target(rows: SearchRows) -> str:
    if rows.plan.target is None:
        return ""
    ((name, value),) = rows.plan.target.items()
    return f"{metric_text(name)} {value:g}"
