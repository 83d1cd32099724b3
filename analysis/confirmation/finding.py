"""The finding: which configurations hold on fresh seeds, and the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analysis.confirmation.changes import mean_change
from analysis.confirmation.points import Confirmed, compared
from analysis.confirmation.rows import confirmations
from analysis.finding import Drawn, Table
from analysis.objectives import accuracy_objective
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.wording import target_text


@dataclass(frozen=True, kw_only=True)
class Confirmation(Drawn):
    """Configurations on fresh seeds beside the same in the search, smallest first."""

    search: str
    points: Sequence[Confirmed]
    metric: str
    """The metric of quality."""
    direction: str
    unit: str
    target: str | None
    """What counts as solved, in words."""
    bound: float | None
    """The target, if it is one of ``metric``."""
    by_rate: bool
    """Whether points are compared by their success rates, or by their means of ``metric``."""
    kind: str = "confirmed"
    title: str = "Confirmation"

    @property
    def change(self) -> Estimate:
        """The mean change over the points, from the search to fresh seeds: of rates, or of ``metric``."""
        return mean_change([p.rate_change if self.by_rate else p.mean_change for p in self.points])

    @property
    def best(self) -> Confirmed | None:
        """The point whose mean of ``metric`` on fresh seeds is the best."""
        sign = -1.0 if self.direction == "max" else 1.0
        known = [point for point in self.points if point.fresh_values]
        return min(known, key=lambda point: sign * point.fresh_mean.value, default=None)

    @property
    def sentences(self) -> Sequence[str]:
        """Which points hold, the changes, and the results on held-out data."""
        from analysis.confirmation.sentences import sentences_of

        return sentences_of(self)

    @cached_property
    def tables(self) -> Sequence[Table]:
        """One row for each point."""
        from analysis.confirmation.table import table_of

        return (table_of(self),)

    @property
    def pictures(self) -> Sequence[Picture]:
        """Found and confirmed, a line for each point."""
        from analysis.confirmation.picture import picture_of

        return (picture_of(self),) if self.points else ()

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        return {
            "sentences": list(self.sentences),
            "metric": self.metric,
            "unit": self.unit,
            "compared_by": "success rate" if self.by_rate else self.metric,
            "change": self.change.as_json(),
            "points": [point.as_json() for point in self.points],
        }


def confirmation(rows: SearchRows) -> Confirmation:
    """Return the results of confirmed configurations on fresh seeds, beside those in the search."""
    # Configurations ask this package for confirmed rates, so they come in where they are needed.
    from analysis.configurations import is_all_or_nothing

    metric, direction = accuracy_objective(rows)
    target = rows.plan.target
    return Confirmation(
        search=rows.folder.name,
        points=compared(rows, confirmations(rows), metric),
        metric=metric,
        direction=direction,
        unit=rows.metrics[metric]["unit"],
        target=None if target is None else target_text(rows),
        bound=None if target is None else target.get(metric),
        by_rate=target is not None and is_all_or_nothing(rows, metric),
    )
