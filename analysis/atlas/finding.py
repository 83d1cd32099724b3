"""The atlas as a finding: the sizes at which each of several series learns its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from analysis.atlas.pooling import FRESH, pooled
from analysis.cliff.counts import Counts, count
from analysis.cliff.finding import Cliff, cliff
from analysis.cliff.groups import Test, interaction
from analysis.comparison.plans import ComparisonError, check_same_question, names_of
from analysis.files.layout import SelectionError
from analysis.finding import Drawn, Table
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.wording import target_text


@dataclass(frozen=True, kw_only=True)
class Series:
    """Success against size of one search, or of all trials that have the same values of some parameters."""

    name: str
    cliff: Cliff
    """Of its trials; a configuration that was confirmed counts with its fresh seeds alone."""
    found: Counts
    """The configurations that were not confirmed."""
    fresh: Counts
    """Those that were."""

    @property
    def is_determined(self) -> bool:
        """Tell whether the size at which half of the seeds solve is known."""
        return self.cliff.verdict in ("cliff", "ramp")


@dataclass(frozen=True, kw_only=True)
class Atlas(Drawn):
    """Success against size, in several series."""

    kind: ClassVar[str] = "atlas"
    title: ClassVar[str] = "Atlas of sizes"

    searches: Sequence[str]
    by: Sequence[str]
    target: str
    """What solved means, in words; empty where the searches mean different levels of the same metric."""
    series: Sequence[Series]

    @cached_property
    def tests(self) -> Sequence[Test]:
        """Whether sizes and slopes differ between the series."""
        return interaction([one.cliff.fit for one in self.series if one.is_determined])

    @property
    def sentences(self) -> Sequence[str]:
        """The 50 % size of each series, whether they differ, and what each rests on."""
        from analysis.atlas.words import sentences

        return sentences(self)

    @property
    def tables(self) -> Sequence[Table]:
        """The sizes of each series, and the success rates that they come from."""
        from analysis.atlas.tables import tables

        return tables(self)

    @property
    def pictures(self) -> Sequence[Picture]:
        """All series in one picture."""
        from analysis.atlas.picture import picture

        return [picture(self)] if any(len(one.cliff.counts) for one in self.series) else []

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        return {
            "kind": self.kind,
            "searches": list(self.searches),
            "by": list(self.by),
            "target": self.target,
            "sentences": list(self.sentences),
            "series": [
                {"series": one.name, "fresh_trials": int(one.fresh.known_trials.sum()), **one.cliff.as_json()}
                for one in self.series
            ],
            "tests": [test.as_json() for test in self.tests],
        }


def atlas(searches: Sequence[SearchRows], by: Sequence[str] = (), labels: Sequence[str] = ()) -> Atlas:
    """Return success against size of several searches.

    Args:
        searches: searches, or parts of them, of one task, with a target for the same metric.
        by: parameters, each combination of whose values is a series of the trials of all searches; if empty,
            each search is one.
        labels: what to call each search, in place of its name; those with the same label are one series.

    Raises:
        ComparisonError: the searches ask different questions, or one has no target.
        SelectionError: a search has no such parameter, there are too many combinations, or labels are not
            as many as searches.
    """
    if labels and len(labels) != len(searches):
        raise SelectionError(f"got {len(labels)} labels for {len(searches)} searches; give one for each")
    named = dict(zip(names_of(searches), searches, strict=True))
    if len(named) > 1:
        check_same_question(named)
    for name, rows in named.items():
        if rows.plan.target is None:
            raise ComparisonError(f"{name} has no target, so no trial counts as solved")
    targets = {target_text(rows) for rows in named.values()}
    return Atlas(
        searches=tuple(named),
        by=tuple(by),
        target=targets.pop() if len(targets) == 1 else "",
        series=[
            _series(name, rows)
            for name, rows in pooled(searches, labels or ([] if by else list(named)), by).items()
        ],
    )


def _series(name: str, rows: SearchRows) -> Series:
    trials = with_outcomes(rows)
    is_fresh = trials[FRESH].astype(bool)
    return Series(name=name, cliff=cliff(rows), found=count(trials[~is_fresh]), fresh=count(trials[is_fresh]))
