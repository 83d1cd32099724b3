"""The frontier: the non-dominated configurations in a cost and a quality, or in two costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.configurations import columns_of, configurations
from analysis.export import records
from analysis.files.layout import Column
from analysis.finding import Drawn, Table
from analysis.measures import Measure, cost_measure, quality_measure
from analysis.pictures.frontier import frontier_picture
from analysis.pictures.marks import Picture
from analysis.ranking import cheapest, reaches_target, smallest_sentence
from analysis.rows import PARAMS, SearchRows
from analysis.statistics.dominance import non_dominated
from analysis.text import amount, plural

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What a frontier does not consider, and why: the first four are trials, the others configurations."""

    stopped_early: int
    diverged: int
    """Where the quality is a loss; a rate counts them as not solved."""
    failed: int
    unfinished: int
    """Interrupted, or still running."""
    without_value: int
    """Configurations without a trial trained to its end, which would tell the cost or the quality."""
    not_reaching: int
    """Configurations that do not reach the target, where only those that do are set against each other."""

    def as_json(self) -> dict[str, int]:
        """Return plain values."""
        return dict(vars(self))

    def __str__(self) -> str:
        trials = {
            "stopped early": self.stopped_early,
            "diverged": self.diverged,
            "failed": self.failed,
            "interrupted or unfinished": self.unfinished,
        }
        named = [f"{count:,} {ending}" for ending, count in trials.items() if count]
        parts = [f"trials that ended otherwise: {', '.join(named)}"] if named else []
        if self.without_value:
            parts.append(f"{plural(self.without_value, 'configuration')} without a trial trained to its end")
        if self.not_reaching:
            verb = "does" if self.not_reaching == 1 else "do"
            parts.append(f"{plural(self.not_reaching, 'configuration')} that {verb} not reach the target")
        return f"Not considered: {'; '.join(parts)}." if parts else ""


@dataclass(frozen=True, kw_only=True)
class Frontier(Drawn):
    """The non-dominated configurations, cheapest first, the others, and what was not considered."""

    search: str
    cost: Measure
    quality: Measure
    points: pd.DataFrame
    """Rows of :func:`analysis.configurations.configurations`."""
    others: pd.DataFrame
    """Dominated configurations, and those of which no seed solved; same columns."""
    left_out: LeftOut
    target: float | None
    """The value of the quality that is the target, if there is one."""
    labelled: pd.Series[Any] | None
    """The configuration that reaches the target at the least cost."""
    sentences: Sequence[str]
    columns: Sequence[Column]
    kind: Literal["frontier"] = "frontier"

    @property
    def title(self) -> str:
        """Return what it is about, for a heading."""
        return f"Frontier of {self.cost.text} against {self.quality.text}"

    @property
    def tables(self) -> Sequence[Table]:
        """Return the frontier as a table."""
        return (Table(title=self.title, frame=self.points, columns=self.columns),)

    @property
    def pictures(self) -> Sequence[Picture]:
        """Return the picture, and none where there is nothing to draw."""
        return (frontier_picture(self),) if len(self.points) or len(self.others) else ()

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "cost": self.cost.name,
            "quality": self.quality.name,
            "direction": self.quality.direction,
            "sentences": list(self.sentences),
            "frontier": records(self.points),
            "cheapest": None if self.labelled is None else int(self.labelled["configuration"]),
            "left_out": self.left_out.as_json(),
        }


def frontier(rows: SearchRows, cost: str = PARAMS, quality: str | None = None) -> Frontier:
    """Return the non-dominated configurations in a cost and a quality.

    The quality is the expected success rate where a task is all or nothing, and the mean loss over seeds
    where it is not; or another cost. A configuration of which no seed has solved is on no frontier of a
    success rate. Where a cost of reaching the target, or two costs, are looked at, only configurations that
    reach the target are considered. One of which most seeds diverged is on no frontier of a loss.

    Args:
        rows: the search.
        cost: ``params``, or a metric that is a cost.
        quality: ``success_rate``, a metric of the task, or another cost; by default as said above.

    Raises:
        SelectionError: the target is asked about, and the search has none.
    """
    table = configurations(rows)
    across, up = cost_measure(rows, cost), quality_measure(rows, quality)
    # Also where no trial has reported either of them yet.
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, across.column, up.column])))
    costs = np.column_stack([across.costs(table), up.costs(table)])
    has_values = np.asarray(~np.isnan(costs).any(axis=1))
    is_known: Mask = (table["known"] > 0).to_numpy(dtype=bool)
    if up.kind == "rate":
        # Of configurations without a known trial, the rate is that of other sizes.
        has_values &= is_known
    reaches: Mask = reaches_target(rows, table).to_numpy(dtype=bool)
    needs_target = rows.plan.target is not None and _is_about_successes(across, up)
    considered: Mask = has_values & reaches if needs_target else has_values
    not_reaching: Mask = is_known & ~reaches if needs_target else np.zeros(len(table), dtype=bool)
    candidates = considered & _may_be_on(table, up)
    best = np.flatnonzero(candidates)
    best = best[non_dominated(costs[best])]
    # Cheapest first; of configurations that are equal in both, the one tried first stands for all.
    best = best[np.unique(costs[best], axis=0, return_index=True)[1]]
    others = considered.copy()
    others[best] = False
    points = table.iloc[best]
    return Frontier(
        search=rows.folder.name,
        cost=across,
        quality=up,
        points=points.reset_index(drop=True),
        others=table[others].reset_index(drop=True),
        left_out=_left_out(rows, table, up, considered, not_reaching),
        target=(rows.plan.target or {}).get(up.name),
        labelled=cheapest(rows, cost, table),
        sentences=_sentences(rows, table, across, up, points, int(considered.sum())),
        columns=columns_of(rows),
    )


def _is_about_successes(across: Measure, up: Measure) -> bool:
    """Tell whether only configurations that reach the target can be compared: one that does nothing costs
    least."""
    return across.kind == "cost of a success" or up.is_cost


def _may_be_on(table: pd.DataFrame, up: Measure) -> Mask:
    """Tell which configurations may be on a frontier, beside having values."""
    if up.kind == "rate":
        return ((table["solved"] > 0) | (table["confirmed_solved"] > 0)).to_numpy(dtype=bool)
    if up.kind == "loss":
        return (2 * table["diverged"] <= table["known"]).to_numpy(dtype=bool)
    return np.ones(len(table), dtype=bool)


def _left_out(
    rows: SearchRows, table: pd.DataFrame, up: Measure, considered: Mask, not_reaching: Mask
) -> LeftOut:
    endings = rows.trials["ending"]
    return LeftOut(
        stopped_early=int((endings == "stopped early").sum()),
        diverged=int((endings == "diverged").sum()) if up.kind == "loss" else 0,
        failed=int((endings == "failed").sum()),
        unfinished=int(endings.isna().sum() + (endings == "interrupted").sum()),
        without_value=int((~considered & ~not_reaching).sum()),
        not_reaching=int(not_reaching.sum()),
    )


def _sentences(
    rows: SearchRows, table: pd.DataFrame, across: Measure, up: Measure, points: pd.DataFrame, considered: int
) -> list[str]:
    said = [] if rows.plan.target is None else [smallest_sentence(rows, across.name, table)]
    if points.empty:
        why = "no trial has reported them yet" if not considered else "no seed has solved"
        return [*said, f"No configuration is on the frontier of {across.text} and {up.text}: {why}."]

    def told(row: pd.Series[Any]) -> str:
        return f"{_written(across, row)} with {_written(up, row)}"

    first, last = points.iloc[0], points.iloc[-1]
    ends = told(first) if len(points) == 1 else f"from {told(first)} to {told(last)}"
    count = f"{len(points):,} of {plural(considered, 'configuration')}"
    verb = "is" if len(points) == 1 else "are"
    return [*said, f"{count} {verb} on the frontier of {across.text} against {up.text}: {ends}."]


def _written(measure: Measure, row: pd.Series[Any]) -> str:
    value = float(row[measure.column])
    if measure.kind == "size":
        return amount(value, measure.unit or "parameters")
    return f"{measure.text} {amount(value, measure.unit if measure.unit in ('s', 'share') else '')}"
