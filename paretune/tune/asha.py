"""Early stopping: Ray's ASHA, with memory across sessions and for trials that ended well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler

from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import marks_of
from search_spaces.plan import EarlyStopping

_MARK = "rung"
"""The name under which ASHA is told how far a trial is."""

_HELD_SINCE = "steps_to_target"
"""The metric that a trial reports from when on it is solved."""


@dataclass(frozen=True)
class _Labelled:
    """A trial under the name that it keeps across sessions, as ASHA's books know it."""

    trial_id: str


class RungScheduler(AsyncHyperBandScheduler):  # type: ignore[misc]
    """ASHA whose rungs can be refilled from the rows of earlier sessions.

    Tune does not restore ASHA's rungs, and gives a resumed trial a new id, under which it would
    enter its old rungs a second time with a later, better value. So trials are booked under their
    label, and :meth:`replay` refills the rungs.

    A trial that solved the task is never stopped, and may stop reporting. Plain ASHA would then
    compare later trials with its losers only; here it counts at every later rung with its last value.

    A trial comes to the rungs at steps of its own, which its ``report_at`` tells: with rungs at shares
    of the budget, trials of different budgets are compared at the same share.

    Args:
        rule: the plan's.
        marks: what the rungs are called, in order: steps, or shares of each trial's steps.
    """

    def __init__(self, rule: EarlyStopping, marks: Sequence[float]) -> None:
        super().__init__(
            time_attr=_MARK,
            metric=rule.metric,
            mode=rule.direction,
            max_t=marks[-1],
            grace_period=marks[0],
            reduction_factor=rule.reduction_factor,
            stop_last_trials=False,
        )
        self._marks = marks
        # Ray computes its own from logarithms, which rounding can rob of the last; trials report at ours.
        self._brackets[0]._rungs = [(mark, {}) for mark in reversed(marks)]

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Book a new trial under its label."""
        super().on_trial_add(tune_controller, _labelled(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Compare a trial at the rungs that it has reached."""
        if "ending" in result:
            # It ends by itself; stopping it now would only blur how.
            return str(self.CONTINUE)
        marked = self._marked(result, trial.config["report_at"])
        verdict = str(super().on_trial_result(tune_controller, _labelled(trial), marked))
        # Compared with, but not stopped: a baseline, since it is there to be compared with at its end, and
        # a trial that goes on though it holds the target, since it is solved.
        goes_on = not trial.config["may_stop_early"] or _HELD_SINCE in result
        return str(self.CONTINUE) if goes_on else verdict

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Book a trial's last value, at all rungs above if it solved the task."""
        self._book_end(_labelled(trial), result)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Forget a trial that failed."""
        self._trial_info.pop(_labelled(trial).trial_id, None)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Forget a trial that was removed before it ran."""
        self._trial_info.pop(_labelled(trial).trial_id, None)

    def replay(
        self, label: str, report_at: Sequence[int], reports: Iterable[Mapping[str, Any]], ending: str | None
    ) -> None:
        """Refill the rungs with what an earlier session saw of a trial, in the order of its steps."""
        trial = _Labelled(label)
        super().on_trial_add(None, trial)
        last: dict[str, Any] = {}
        for report in reports:
            last = {name: value for name, value in report.items() if value is not None}
            super().on_trial_result(None, trial, self._marked(last, report_at))
        if ending is None or ending == "interrupted":
            self._trial_info.pop(label, None)
        else:
            self._book_end(trial, {**last, "ending": ending})

    def _marked(self, result: Mapping[str, Any], report_at: Sequence[int]) -> dict[str, Any]:
        """Return a result with the mark of the last rung that the trial has come to, 0 before the first."""
        passed = sum(rung <= result.get("step", 0) for rung in report_at)
        return {**result, _MARK: self._marks[passed - 1] if passed else 0}

    def _book_end(self, trial: _Labelled, result: Mapping[str, Any]) -> None:
        self._trial_info.pop(trial.trial_id, None)
        if result.get("ending") != "solved" or self._metric not in result:
            return
        for _, recorded in self._brackets[0]._rungs:
            recorded.setdefault(trial.trial_id, self._metric_op * result[self._metric])


def make_scheduler(bound: BoundPlan) -> RungScheduler | None:
    """Return the plan's scheduler, or None when every trial may use its budget."""
    rule = bound.plan.early_stopping
    marks = marks_of(bound)
    return RungScheduler(rule, marks) if rule is not None and marks else None


def _labelled(trial: Any) -> _Labelled:
    return _Labelled(trial.config["label"])
