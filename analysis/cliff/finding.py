"""The parameter cliff as a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from analysis.cliff.best_recipe import BestRecipes, best_recipes
from analysis.cliff.counts import Counts, count
from analysis.cliff.differences import differences
from analysis.cliff.fit import SizeFit, fit_sizes
from analysis.cliff.groups import Test, groups_by, interaction
from analysis.cliff.planning import MoreTrials, more_trials
from analysis.cliff.verdict import Verdict, verdict_of
from analysis.finding import Drawn, Table
from analysis.outcomes import Rate, rate_of, represented, with_outcomes
from analysis.pictures.marks import Picture
from analysis.questions.trials import that_answer
from analysis.rows import SearchRows
from analysis.statistics.difference import Difference
from analysis.statistics.estimate import UNKNOWN, Estimate


@dataclass(frozen=True, kw_only=True)
class Cliff(Drawn):
    """The sizes at which a task begins to be learned.

    Trials with an unknown outcome are left out of ``fit``; ``failed`` and ``solved`` are the fits if none or
    all of them had solved. Those that early stopping halted are none of these where others, which ran on by
    lot, represent them.
    """

    kind: ClassVar[str] = "cliff"
    title: ClassVar[str] = "Parameter cliff"

    name: str
    """The value of the parameter of this cliff, as in ``n_layers=1``; empty for all trials."""
    by: str | None
    has_target: bool
    rate: Rate
    """Outcomes of all trials, whatever their size."""
    endings: dict[str, int]
    """Endings of the trials with an unknown outcome that no others represent, with their number."""
    counts: Counts
    fit: SizeFit | None
    failed: SizeFit | None
    solved: SizeFit | None
    best: BestRecipes | None
    """The frontier cliff; None for a group."""
    groups: Sequence[Cliff]
    """One for each value of ``by``."""
    tests: Sequence[Test]
    """Whether sizes and slopes differ between the groups."""
    seeds: int
    """Trials that the search gives each configuration."""

    @property
    def unknown(self) -> int:
        """How many trials have an unknown outcome, and are not represented by others."""
        return sum(self.endings.values())

    @cached_property
    def more(self) -> MoreTrials | None:
        """More trials that would narrow it, from simulation; None if not needed or not known."""
        return None if self.fit is None or not self.has_target else more_trials(self.fit, self.seeds)

    @property
    def verdict(self) -> Verdict:
        """The verdict: a cliff, a ramp, no edge, or not determined."""
        return verdict_of(self.fit)

    def size(self, share: float = 0.5) -> Estimate:
        """Return the size at which a share of trials solves, in parameters.

        Raises:
            ValueError: the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must be between 0 and 1, but got {share:g}")
        return UNKNOWN if self.fit is None else self.fit.size(share)

    @property
    def sizes(self) -> dict[float, Estimate]:
        """The sizes at which 10, 50 and 90 % of trials solve."""
        return {share: self.size(share) for share in (0.1, 0.5, 0.9)}

    @property
    def sharpness(self) -> Estimate:
        """Factor of the odds of success where the size doubles."""
        return UNKNOWN if self.fit is None else self.fit.per_doubling

    @property
    def bounds(self) -> tuple[Estimate, Estimate] | None:
        """The 50 % size if every unknown trial had solved, and if none had; None if all are known, or
        represented by others."""
        if not self.unknown:
            return None
        halves = [UNKNOWN if fit is None else fit.size(0.5) for fit in (self.solved, self.failed)]
        return halves[0], halves[1]

    @property
    def sentences(self) -> Sequence[str]:
        """What was found."""
        from analysis.cliff.words import sentences

        return sentences(self)

    @property
    def tables(self) -> Sequence[Table]:
        """The sizes, the sharpness, and the success rates that they come from."""
        from analysis.cliff.tables import tables

        return tables(self)

    @property
    def table(self) -> pd.DataFrame:
        """The sizes: the first of the tables."""
        return self.tables[0].frame

    @property
    def pictures(self) -> Sequence[Picture]:
        """Success against size, of all recipes and of the best ones."""
        from analysis.cliff.picture import pictures

        return pictures(self)

    def difference_from(self, other: Cliff) -> Sequence[Difference]:
        """Return the ratios of this cliff's sizes and sharpness over those of another."""
        before, after = (None if cliff.best is None else cliff.best.fit for cliff in (other, self))
        return [
            *differences(other.fit, self.fit),
            *differences(before, after, quantity="50 % size of the best recipe"),
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        from analysis.cliff.tables import as_json

        return as_json(self)


def cliff(rows: SearchRows, by: str | None = None) -> Cliff:
    """Return the sizes at which the trials of a search begin to solve.

    Args:
        rows: the search, or a part of it.
        by: a parameter; each of its values gets a separate cliff, beside that of all trials.

    Raises:
        SelectionError: ``by`` is not a parameter of the search, or has too many values.
    """
    trials = that_answer(with_outcomes(rows))
    groups = []
    if by is not None and len(trials):
        for name, numbers in groups_by(rows, by).items():
            groups.append(_cliff(rows, trials[trials["configuration"].isin(numbers)], name))
    return _cliff(rows, trials, "", by, groups)


def _cliff(
    rows: SearchRows, trials: pd.DataFrame, name: str, by: str | None = None, groups: Sequence[Cliff] = ()
) -> Cliff:
    counts = count(trials)
    alone = trials[~represented(trials)]
    has_unknown = bool((alone["outcome"] == "unknown").any())
    unknown = alone.loc[alone["outcome"] == "unknown", "ending"].fillna("not ended")
    bounded = count(alone)
    return Cliff(
        name=name,
        by=by,
        has_target=rows.plan.target is not None,
        rate=rate_of(trials),
        endings={str(ending): int(number) for ending, number in unknown.value_counts().items()},
        counts=counts,
        fit=fit_sizes(counts),
        failed=fit_sizes(bounded.unknown_as(solved=False)) if has_unknown else None,
        solved=fit_sizes(bounded.unknown_as(solved=True)) if has_unknown else None,
        best=None if name else best_recipes(rows, trials),
        groups=groups,
        tests=interaction([group.fit for group in groups]),
        seeds=rows.plan.search.first_seeds,
    )
