"""Early stopping by asynchronous successive halving (ASHA), without Ray.

Li et al., "A System for Massively Parallel Hyperparameter Tuning", https://arxiv.org/abs/1810.05934, in the
variant of Ray Tune that stops trials and never resumes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.layout import TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import marks_of
from search_spaces.parts.early_stopping import EarlyStopping

_HELD_SINCE = "steps_to_target"
"""The metric that a trial reports once it is solved."""


class Rungs:
    """What trials were worth at each rung, and which trials are too weak to continue from there.

    A trial that comes to a rung is compared with those that came before: it is weak if it is worse than the
    quantile ``1 - 1 / reduction_factor`` of their values. The first trial at a rung is never weak.

    Trials are known by their labels, which they keep across sessions: a resumed trial does not enter a rung
    a second time with a later, better value, and :meth:`replay` refills the rungs from the rows.

    A solved trial is never stopped, and may stop reporting. Plain ASHA would then compare later trials with
    its losers only; here it counts at every later rung with its last value.

    A trial comes to the rungs at steps of its own, its ``report_at``: with rungs at shares of the budget,
    trials of different budgets are compared at the same share.

    Args:
        rule: the plan's.
        marks: what the rungs are called, in rising order: steps, or shares of each trial's steps.
    """

    def __init__(self, rule: EarlyStopping, marks: Sequence[float]) -> None:
        self._metric = rule.metric
        self._sign = 1.0 if rule.direction == "max" else -1.0
        self._percent = (1 - 1 / rule.reduction_factor) * 100
        self._marks = tuple(marks)
        self._rungs: list[dict[str, float]] = [{} for _ in marks]

    @property
    def values(self) -> dict[float, dict[str, float]]:
        """The metric's values by rung and label, in the order in which they came."""
        return {
            mark: {label: self._sign * worth for label, worth in rung.items()}
            for mark, rung in zip(self._marks, self._rungs, strict=True)
        }

    def reported(self, label: str, row: Mapping[str, Any], report_at: Sequence[int]) -> bool:
        """Take note of a report, and tell whether the trial is to be stopped.

        Only the last rung that it has come to counts; one that it passed without a report stays empty.

        Args:
            label: the trial's.
            row: ``step``, and the metric if it is known. A last report says its ``ending`` and is not judged.
            report_at: steps of this trial at which it comes to the rungs, one for each mark.
        """
        passed = sum(step <= row.get("step", 0) for step in report_at)
        if not passed or not self._is_known(row) or row.get("ending") is not None:
            return False
        rung = self._rungs[passed - 1]
        if label in rung:
            return False
        worth = self._sign * row[self._metric]
        is_weak = bool(rung) and worth < float(np.percentile(list(rung.values()), self._percent))
        rung[label] = worth
        return is_weak and _HELD_SINCE not in row

    def ended(self, label: str, row: Mapping[str, Any]) -> None:
        """Take note of a trial's end: if it solved the task, its last value counts at all rungs above.

        Args:
            label: the trial's.
            row: its last report, with its ``ending``.
        """
        if row.get("ending") != TrialEnding.SOLVED or not self._is_known(row):
            return
        for rung in self._rungs:
            rung.setdefault(label, self._sign * row[self._metric])

    def replay(
        self,
        label: str,
        report_at: Sequence[int],
        reports: Iterable[Mapping[str, Any]],
        ending: TrialEnding | None,
    ) -> None:
        """Refill the rungs with what an earlier session saw of a trial.

        Args:
            label: the trial's.
            report_at: see :meth:`reported`.
            reports: its reports, in the order of their steps.
            ending: how it ended; None if it did not.
        """
        last: Mapping[str, Any] = {}
        for row in reports:
            self.reported(label, row, report_at)
            last = row
        if ending is not None:
            self.ended(label, {**last, "ending": ending})

    def _is_known(self, row: Mapping[str, Any]) -> bool:
        value = row.get(self._metric)
        return value is not None and not math.isnan(value)

    def __str__(self) -> str:
        """Say how many trials came to each rung."""
        counts = zip(self._marks, map(len, self._rungs), strict=True)
        return ", ".join(f"{mark:g}: {count}" for mark, count in counts)


def rungs_for(bound: BoundPlan) -> Rungs | None:
    """Return the plan's rungs, still empty, or None when every trial may use its budget."""
    rule = bound.plan.early_stopping
    marks = marks_of(bound)
    return Rungs(rule, marks) if rule is not None and marks else None
