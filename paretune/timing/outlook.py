"""What a search is expected to do within a time, told before it begins, and compared with what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from analysis.cliff.foresight import Foresight, foresee
from analysis.text import duration, plural, rounded_percent
from paretune.errors import InputError
from paretune.timing.costs import configurations_there
from paretune.timing.estimate import BUSY, Clocked, ends_early, told_load
from paretune.timing.spans import about

_MOST = 20_000
"""Configurations that are simulated at most, where a file leaves their number open."""

_SEEDS_FROM = {4: 160, 3: 60, 2: 16}
"""How many seeds each configuration gets where a file leaves that open, by the trials there is time for: with
fewer trials there would be too few configurations."""


_UNLIKELY = 0.3
"""A chance below which there is no use in stating it."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a search is expected to do within a time.

    >>> import paretune
    >>> outlook = paretune.Outlook(
    ...     within=3600, trials=40, low=40, high=40, planned=40, seconds=900, seeds=2, at_a_time=2,
    ...     ends_early=True,
    ... )
    >>> outlook.is_whole
    True
    >>> outlook.compared(ended=40, cut=0, seconds=780)
    'Forecast: 40 trials in at most 15 min. 40 ended in 13 min 00 s of 1 h 00 min.'
    """

    within: float
    """Seconds that were given."""
    trials: int
    """Trials that are expected to end in time, if each uses its budget."""
    low: int
    """Of ten simulated searches, one ends fewer."""
    high: int
    """Of ten simulated searches, one ends more."""
    planned: int
    """Trials that the search has left to do."""
    seconds: float
    """Seconds from the command to the end."""
    seeds: int
    """Trials of each configuration."""
    at_a_time: int
    ends_early: bool
    """Whether trials can end before their budgets do."""
    question: str | None = None
    """The kind of the plan's question, whose answer ends the search."""
    opened: tuple[str, ...] = ()
    """What the file leaves open and the time decides: ``trials``, ``seeds``."""
    precision: float | None = None
    """How precisely the size at which half of the seeds learn is likely to be found, as a share."""
    chance: float | None = None
    """The chance of that."""
    measured: int = 0
    """Configurations that were measured."""
    measuring: float = 0.0
    """Seconds that measuring took."""
    load: float = 0.0
    """Programs that wanted a core before anything was measured, as multiples of the cores."""

    @property
    def is_whole(self) -> bool:
        """Whether everything that is planned is expected to end in time."""
        return self.low >= self.planned

    @property
    def sentences(self) -> list[str]:
        """What is said before the search begins."""
        measured = f"Measured {plural(self.measured, 'configuration')} in {duration(self.measuring)}."
        rough = [f"This is rough: {told_load(self.load)}."] if self.load > BUSY else []
        return [f"{measured} {self._told_trials}", *rough, *self._told_answer]

    def compared(self, ended: int, cut: int, seconds: float) -> str:
        """Return how good the forecast was.

        Args:
            ended: trials that ended.
            cut: trials that still ran when the time was over.
            seconds: from the command to the end.
        """
        least = "at least " if self.ends_early and not self.is_whole else ""
        most = "at most " if self.ends_early and self.is_whole else ""
        told = f"Forecast: {least}{plural(self.trials, 'trial')} in {most}{about(self.seconds)}"
        rest = f"; {cut} still ran when the time was over" if cut else ""
        return f"{told}. {ended} ended in {duration(seconds)} of {duration(self.within)}{rest}."

    def as_record(self) -> dict[str, Any]:
        """Return what the provenance of the session keeps."""
        return {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(self).items()}

    @property
    def _told_trials(self) -> str:
        given = duration(self.within)
        at_a_time = f"{plural(self.at_a_time, 'trial')} at a time"
        if self.is_whole and self.question is None:
            most = "at most about" if self.ends_early else "about"
            return (
                f"All {plural(self.planned, 'trial')} are expected to end within {given}, after {most} "
                f"{about(self.seconds)}, {at_a_time}."
            )
        of = "" if "trials" in self.opened else f" of {'at most ' * bool(self.question)}{self.planned:,}"
        each = f", {plural(self.seeds, 'seed')} of each configuration" if self.seeds > 1 else ""
        opened = f" (the file leaves {' and '.join(self.opened)} open)" if self.opened else ""
        more = " More will, where trials end at the target or are stopped early." if self.ends_early else ""
        count = f"{self.trials:,}{of} trials ({self.low:,} to {self.high:,})"
        return f"Within {given}, about {count} are expected to end, {at_a_time}{each}{opened}.{more}"

    @property
    def _told_answer(self) -> list[str]:
        if self.question is not None:
            return [f"It ends sooner if its question, {self.question}, is answered before."]
        if self.chance is None or self.precision is None:
            return []
        taken = "if it lies amid these sizes and 10 to 90 % learn within a factor of 4"
        if self.chance < _UNLIKELY:
            return ["They would be too few to tell at which size half of the seeds learn."]
        return [
            f"They would give the size at which half of the seeds learn to within "
            f"{rounded_percent(self.precision)} with a chance of {rounded_percent(self.chance)}, {taken}."
        ]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What the time decides where the file leaves it open."""

    trials: int | None = None
    seeds: int | None = None


def opened(clock: Clocked, left: float) -> Opened:
    """Return how many trials and seeds there is time for, where the file states neither.

    Twice as many trials as are expected are planned where they can end early: the deadline ends the search.

    Args:
        clock: the plan, measured.
        left: seconds of the search, its start-up included.
    """
    plan = clock.bound.plan
    if plan.search.trials is not None or plan.only or plan.question is not None:
        return Opened()
    by_one = clock.simulation.with_seeds(1).trials(_MOST, left).value
    seeds = plan.search.first_seeds
    may_have_more = plan.target is not None and "seeds" not in plan.search.model_fields_set
    if may_have_more:
        seeds = next((count for count, least in _SEEDS_FROM.items() if by_one >= least), 1)
    expected = clock.simulation.with_seeds(seeds).trials(_MOST, left).high
    room = 2.0 if ends_early(clock) else 1.2
    there = configurations_there(clock.bound)
    configurations = max(min(int(room * expected / seeds), _MOST if there is None else there), 1)
    return Opened(trials=configurations * seeds, seeds=seeds if may_have_more else None)


def outlook_of(
    clock: Clocked,
    *,
    within: float,
    spent: float,
    to_do: int | None = None,
    rest: float = 1.0,
    opened: tuple[str, ...] = (),
) -> Outlook:
    """Return what a search is expected to do.

    Args:
        clock: the plan, measured.
        within: seconds that were given.
        spent: seconds of them that are over.
        to_do: trials that are left of a search that is resumed; all of the plan if None.
        rest: the share of its steps that the farthest of these has left.
        opened: what the file leaves open.

    Raises:
        InputError: not one configuration is expected to end in time.
    """
    plan = clock.bound.plan
    seeds = 1 if plan.question is not None else plan.search.first_seeds
    planned = plan.trials if to_do is None else to_do
    configurations = -(-planned // seeds)
    simulation = clock.simulation.with_seeds(seeds)
    left = within - spent - clock.closing
    trials = simulation.trials(configurations, left)
    start_up = clock.slots.start_up
    least = start_up + rest * (simulation.seconds(1).high - start_up) + spent + clock.closing
    if not trials.high and least > within:
        all_seeds = f" with its {seeds} seeds" if seeds > 1 else ""
        # The steps of a search that is resumed stay as they are.
        shorter = ", or train fewer steps with --budget" if to_do is None else ""
        raise InputError(
            f"within {duration(within)} not even one configuration{all_seeds} is expected to end: that takes "
            f"about {about(least)}, {about(start_up)} of it for the start; give more time{shorter}"
        )
    is_whole = trials.low >= planned
    whole = simulation.seconds(configurations).value + spent + clock.closing if is_whole else within
    # Of a search that is resumed, the trials that it has would count too.
    foresight = _foresight(clock, int(trials.value), seeds) if to_do is None else None
    return Outlook(
        within=within,
        trials=int(min(trials.value, planned)),
        low=int(min(trials.low, planned)),
        high=int(min(trials.high, planned)),
        planned=planned,
        seconds=min(whole, within),
        seeds=seeds,
        at_a_time=clock.slots.count,
        ends_early=ends_early(clock),
        question=None if plan.question is None else plan.question.kind,
        opened=opened,
        precision=None if foresight is None else foresight.precision,
        chance=None if foresight is None else foresight.chance,
        measured=len(clock.measurement.found),
        measuring=clock.measurement.seconds,
        load=clock.load,
    )


def _foresight(clock: Clocked, trials: int, seeds: int) -> Foresight | None:
    plan = clock.bound.plan
    if plan.target is None or plan.question is not None:
        return None
    return foresee([one.params for one in clock.stands], configurations=trials // seeds, seeds=seeds)
