"""The winners that early stopping cost a search, as a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from analysis.finding import Table
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.stopped.reserve import BelowCut, below_cut, by_size


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """What became of the trials below the cut of early stopping, and how many winners were lost among them.

    It concerns the trials of this search, and estimates what its own halted trials would have done.
    """

    kind: ClassVar[str] = "stopped"
    title: ClassVar[str] = "Winners lost to early stopping"

    has_target: bool
    reserve: float
    """The share of all trials that run on wherever they stand."""
    pauses: bool
    """Whether trials below the cut are paused, instead of stopped."""
    is_over: bool
    """Whether every trial that was begun has ended."""
    whole: BelowCut | None
    """All trials; None before the first."""
    bands: Sequence[BelowCut]
    """The same in two or three bands of sizes, the smallest first; none where there are too few trials."""

    @property
    def sentences(self) -> Sequence[str]:
        """What was found."""
        from analysis.stopped.words import sentences

        return sentences(self)

    @property
    def tables(self) -> Sequence[Table]:
        """What was lost, in all and by size."""
        from analysis.stopped.tables import tables

        return tables(self)

    @property
    def pictures(self) -> Sequence[Picture]:
        """None."""
        return ()

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        return {
            "kind": self.kind,
            "sentences": list(self.sentences),
            "reserve": self.reserve,
            "all": None if self.whole is None else self.whole.as_json(),
            "by_size": [band.as_json() for band in self.bands],
        }


def stopped(rows: SearchRows) -> Stopped | None:
    """Return the winners that early stopping cost a search, or a part of it; None if its plan has none."""
    rule = rows.plan.early_stopping
    if rule is None:
        return None
    trials = with_outcomes(rows)
    trials = trials[trials["params"].notna()]
    unended = trials["ending"].isna() | (trials["ending"] == "interrupted")
    return Stopped(
        has_target=rows.plan.target is not None,
        reserve=rule.reserve,
        pauses=rule.below_cut == "pause",
        is_over=not unended.any(),
        whole=None if trials.empty else below_cut(trials),
        bands=() if trials.empty else by_size(trials),
    )
