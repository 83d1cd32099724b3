"""Time: what a plan takes on this machine, and a search that is to be over within a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from analysis.text import duration
from paretune.errors import InputError
from paretune.packing.settling import settle
from paretune.plan.binding import BoundPlan, bind
from paretune.record.recorder import TO_BE_DONE
from paretune.timing.deadline import Deadline
from paretune.timing.estimate import USUAL_CLOSING, TimeEstimate, clocked, estimate_of
from paretune.timing.measuring import MOST_SECONDS
from paretune.timing.outlook import Opened, Outlook, opened, outlook_of
from paretune.timing.slots import slots_here
from paretune.timing.spans import seconds_of
from paretune.timing.times import TrialTimes

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.record.run_folder import RunFolder
    from search_spaces.plan import Plan

_SHARE_FOR_MEASURING = 0.1
"""Of a short time, no more than this share goes into measuring."""

_MOST_BEFORE = 60.0
"""Seconds of a process before a command: more, and its start is not what the clock says."""


@dataclass(frozen=True, kw_only=True)
class Within:
    """A time that a search is given."""

    seconds: float
    began: float
    """When it began, by the clock that only runs forward."""

    @classmethod
    def of(cls, span: str | float | Within | None) -> Within | None:
        """Return a time that begins now; None for none.

        Raises:
            InputError: it is no time span.
        """
        if span is None or isinstance(span, Within):
            return span
        return cls(seconds=seconds_of(span), began=time.monotonic())

    @classmethod
    def of_command(cls, span: str | None) -> Within | None:
        """Return a time that began with this process; None for none.

        Raises:
            InputError: it is no time span.
        """
        if span is None:
            return None
        before = time.time() - psutil.Process().create_time()
        began = time.monotonic() - min(max(before, 0.0), _MOST_BEFORE)
        return cls(seconds=seconds_of(span, name="--within"), began=began)

    @property
    def spent(self) -> float:
        """Seconds of it that are over."""
        return time.monotonic() - self.began


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A search that keeps a deadline."""

    within: Within
    bound: BoundPlan
    deadline: Deadline
    outlook: Outlook | None
    """What it is expected to do; None where nothing was measured."""

    @property
    def too_short(self) -> str:
        """What is said where the time was over before a trial could begin."""
        given, spent = duration(self.within.seconds), duration(self.within.spent)
        return f"{given} were over before a trial could begin: the start took {spent}; give more time"

    def compared(self) -> str:
        """Return how good the forecast was, now that the search is over."""
        ended, cut, spent = self.deadline.ended_count, self.deadline.cut, self.within.spent
        if self.outlook is None:
            return ""
        return self.outlook.compared(ended, cut, spent)

    def settle(self, folder: RunFolder, plan: Plan) -> None:
        """Make what was begun the whole plan, where the file left open how many trials there are."""
        from paretune.api.sources import changed

        if self.outlook is None or "trials" not in self.outlook.opened or not self.deadline.ended_the_search:
            return
        begun = folder.store.trials().values()
        configurations = {row["configuration"] for row in begun}
        trials = max(len(configurations) * plan.search.first_seeds, len(begun))
        if 0 < trials < plan.trials:
            folder.store.write_plan(changed(plan, {("search", "trials"): trials}, source=folder.name))


def estimate(plan: Plan, *, allow_task_code: bool = False) -> TimeEstimate:
    """Measure a few configurations of a plan on this machine, and return how long a search of it would take.

    It takes some seconds, more if there is something to compile. It is what ``paretune check --time`` prints.

    Args:
        plan: a plan, as :func:`check` returns it.
        allow_task_code: whether the task may be code that the space file names.

    Raises:
        InputError: nothing could be measured.

    >>> import paretune
    >>> time = paretune.estimate(paretune.check("search_spaces/quickstart.yaml"))
    >>> time.seconds > time.start_up, time.ends_early
    (True, True)
    """
    return estimate_bound(bind(plan, allow_task_code=allow_task_code))


def estimate_bound(bound: BoundPlan) -> TimeEstimate:
    """Return what :func:`estimate` does, of a plan with its task.

    Raises:
        InputError: nothing could be measured, or there is no GPU for trials that are to get one.
    """
    clock = clocked(settle(bound).bound)
    if not clock.times.is_known:
        raise InputError(_not_measured(clock.measurement.errors))
    return estimate_of(clock)


def timed(
    bound: BoundPlan,
    within: Within,
    console: Console,
    *,
    address: str,
    again: Callable[[Opened], BoundPlan] | None = None,
    to_do: int | None = None,
    begun: Mapping[str, float] | None = None,
) -> Timed:
    """Measure, say what is expected to be done within a time, and return what keeps it.

    Args:
        bound: the plan.
        within: the time.
        console: where it is said.
        address: ``local``, or a Ray cluster, on whose machines nothing is measured.
        again: returns the plan with what the time decides; None if it decides nothing.
        to_do: trials that are left of a search that is resumed.
        begun: shares of their steps that some of these have taken, by label.

    Raises:
        InputError: not one configuration is expected to end in time.
    """
    ends_at = within.began + within.seconds
    if address != "local":
        console.print(
            "Steps are not measured, as trials run on a cluster: whether a trial can still end in time is "
            "judged by those that have ended.",
            soft_wrap=True,
        )
        deadline = Deadline(
            bound,
            TrialTimes([]),
            slots=slots_here(bound),
            ends_at=ends_at,
            closing=USUAL_CLOSING,
            expected={"within": within.seconds, "forecast": None},
            begun=begun,
        )
        return Timed(within=within, bound=bound, deadline=deadline, outlook=None)
    console.print("Measuring steps of a few configurations ...", style="dim")
    clock = clocked(bound, seconds=min(MOST_SECONDS, _SHARE_FOR_MEASURING * within.seconds))
    outlook = None
    if clock.times.is_known:
        left = within.seconds - within.spent
        chosen = Opened() if again is None else opened(clock, left)
        words = tuple(name for name in ("trials", "seeds") if getattr(chosen, name) is not None)
        if words and again is not None:
            bound = again(chosen)
            clock = clock.of(bound)
        outlook = outlook_of(
            clock,
            within=within.seconds,
            spent=within.spent,
            to_do=to_do,
            rest=1.0 - max((begun or {}).values(), default=0.0),
            opened=words,
        )
        for sentence in outlook.sentences:
            console.print(sentence, soft_wrap=not console.is_terminal)
    else:
        console.print(_not_measured(clock.measurement.errors), style="yellow", soft_wrap=True)
    deadline = Deadline(
        bound,
        clock.times,
        slots=clock.slots.count,
        ends_at=ends_at,
        closing=clock.closing,
        expected={
            "within": within.seconds,
            "forecast": None if outlook is None else outlook.as_record(),
        },
        begun=begun,
    )
    return Timed(within=within, bound=bound, deadline=deadline, outlook=outlook)


def trials_to_do(folder: RunFolder, bound: BoundPlan) -> int:
    """Return how many trials of a search that is resumed are left to do."""
    done = sum(row.get("ending") not in TO_BE_DONE for row in folder.store.trials().values())
    return max(bound.plan.trials - done, 0)


def begun_before(folder: RunFolder, bound: BoundPlan) -> dict[str, float]:
    """Return the shares of their steps that trials which have not ended had taken, by label."""
    reports = folder.store.reports_by_trial()
    return {
        label: min(reports[label][-1]["step"] / bound.config(row["values"]).steps, 1.0)
        for label, row in folder.store.trials().items()
        if row.get("ending") in TO_BE_DONE and reports.get(label)
    }


def _not_measured(errors: tuple[str, ...]) -> str:
    reason = f" ({'; '.join(errors)})" if errors else ""
    return f"no step could be measured{reason}, so it is not known how long trials take"
