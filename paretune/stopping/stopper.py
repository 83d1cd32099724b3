"""Early stopping: which trials go on at a rung, which are stopped or paused there, and which go on later.

Asynchronous successive halving, in both of its variants: the one of Ray Tune, which stops trials, and the
published one, which pauses them and promotes those that turn out to be good enough (Li et al.,
https://arxiv.org/abs/1810.05934). Free of Ray, so that it runs on recorded curves too.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from analysis.files.layout import KEPT, PAUSED, TrialEnding
from paretune.sampling.history import Standing
from paretune.stopping.bands import band_of
from paretune.stopping.rungs import Rung, Worths, rung_for, worths_of
from search_spaces.parts.early_stopping import EarlyStopping

HELD_SINCE = "steps_to_target"
"""The metric that a trial reports once it is solved."""


class Verdict(StrEnum):
    """What becomes of a trial after a report."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A trial, as far as early stopping is concerned."""

    label: str
    """Its name, which it keeps across sessions."""
    params: int
    report_at: Sequence[int]
    """Steps of its own at which it comes to the rungs, one for each, in their order."""
    may_stop: bool = True
    """Whether it may be stopped. Baselines are compared with, and never stopped."""


_Place = tuple[int, int]
"""A rung and a band, both by their numbers."""


class EarlyStopper:
    """What trials were worth at each rung, and what follows for each of them.

    A trial that comes to a rung is compared with those of its band that came before. If it is below the
    quantile ``1 - 1 / reduction_factor`` of them, it is stopped, or it is paused: then it goes on once it is
    above the cut, since others came that were worse. The first trial at a rung is never below the cut.

    By lot, a share of all trials runs on wherever it stands. Of these, the ones that would not have gone on
    by themselves represent those that were stopped; see :attr:`Standing.kept_chance`. Whether a trial is
    among them depends on the seed and on its label alone.

    A resumed trial does not enter a rung a second time with a later, better value; :meth:`restore` refills
    the rungs from rows. A solved trial is never stopped, and may stop reporting. Plain ASHA would then
    compare later trials with its losers only; here it counts at every later rung with its last value.

    Args:
        rule: the plan's.
        marks: what the rungs are called, in rising order: steps, or shares of each trial's steps.
        edges: sizes between the bands, in parameters; none to compare all trials.
        seed: of the lots.
    """

    def __init__(
        self, rule: EarlyStopping, marks: Sequence[float], edges: Sequence[float] = (), seed: int = 0
    ) -> None:
        self._rule = rule
        self._compared = rule.compared
        self._marks = tuple(marks)
        self._edges = edges
        self._seed = seed
        self._rungs: dict[_Place, Rung] = {
            (rung, band): rung_for(rule) for rung in range(len(marks)) for band in range(len(edges) + 1)
        }
        self._entrants: dict[str, Entrant] = {}
        self._bands: dict[str, int] = {}
        self._paused: dict[str, _Place] = {}
        self._kept: dict[str, list[_Place]] = {}
        """Trials of the reserve that were below a cut: where, as long as they are."""
        self._stopped: dict[str, _Place] = {}
        self._idle: dict[str, _Place] = {}
        """Trials that went on below the cut for want of anything better."""
        self._above: set[str] = set()
        """The paused trials that were above the cut when their rung last changed."""
        self._changed: dict[str, None] = {}
        self._verdict: dict[str, Any] = {}
        """What became of the trial that reported last, as columns of its report."""
        self._news: set[_Place] = set()
        """Where a trial came since this was last looked at: elsewhere nobody's standing has changed."""

    # What happens to trials

    def enter(self, entrant: Entrant) -> None:
        """Take note of a trial before its first report."""
        self._entrants[entrant.label] = entrant
        self._bands[entrant.label] = band_of(entrant.params, self._edges)

    def reported(self, label: str, row: Mapping[str, Any]) -> Verdict:
        """Take note of a report, and tell what becomes of the trial.

        Only the last rung that it has come to counts; one that it passed without a report stays empty.

        Args:
            label: the trial's.
            row: ``step``, and metrics as far as known. A last report says its ``ending`` and is not judged.
        """
        self._verdict = {}
        found = self._arrival(label, row)
        if found is None:
            return Verdict.CONTINUE
        place, worths = found
        rung = self._rungs[place]
        is_below = rung.is_below(worths)
        self._add(place, label, worths)
        if not is_below or not self._entrants[label].may_stop or HELD_SINCE in row:
            return Verdict.CONTINUE
        self._changed[label] = None
        self._idle.pop(label, None)
        self._verdict = {"cut_at": self._marks[place[0]]}
        if self.is_in_reserve(label):
            self._kept.setdefault(label, []).append(place)
            self._verdict |= {"verdict": KEPT, "kept_chance": self._rule.reserve}
            return Verdict.CONTINUE
        if self._rule.below_cut == "pause":
            self._paused[label] = place
            self._verdict["verdict"] = PAUSED
            return Verdict.PAUSE
        self._stopped[label] = place
        self._verdict["verdict"] = str(TrialEnding.STOPPED_EARLY)
        return Verdict.STOP

    def ended(self, label: str, row: Mapping[str, Any]) -> None:
        """Take note of a trial's end: if it solved the task, its last value counts at all rungs above.

        Args:
            label: the trial's.
            row: its last report, with its ``ending``.
        """
        self._paused.pop(label, None)
        worths = worths_of(self._compared, row) if row.get("ending") == TrialEnding.SOLVED else None
        if worths is None:
            return
        for rung in range(len(self._marks)):
            place = rung, self._bands[label]
            if label not in self._rungs[place]:
                self._add(place, label, worths)

    def restore(
        self,
        entrant: Entrant,
        reports: Iterable[Mapping[str, Any]],
        ending: TrialEnding | None,
        standing: Standing,
    ) -> None:
        """Take over what an earlier session knew of a trial.

        Args:
            entrant: the trial.
            reports: its reports, in the order of their steps.
            ending: how it ended; None if it did not.
            standing: how it stood, as its row says.
        """
        self.enter(entrant)
        label = entrant.label
        last: Mapping[str, Any] = {}
        for row in reports:
            found = self._arrival(label, row)
            if found is not None:
                self._add(found[0], label, found[1])
            last = row
        band = self._bands[label]
        below = [(self._marks.index(m), band) for m in standing.below_cut_at if m in self._marks]
        # One whose report is lost has nothing to be compared by: it comes to the rung again.
        places = [place for place in below if label in self._rungs[place]]
        if standing.is_paused and places and ending is None:
            self._paused[label] = places[-1]
        elif standing.kept_chance is not None:
            self._kept[label] = places
        elif places:
            halted = self._stopped if ending == TrialEnding.STOPPED_EARLY else self._idle
            halted[label] = places[-1]
        if ending is not None:
            self.ended(label, {**last, "ending": ending})
        self._changed.clear()

    # What goes on

    def promoted(self) -> str | None:
        """Return the paused trial that goes on next since it is above the cut by now; None if none is.

        The one at the latest rung comes first, then the best. It stays paused until :meth:`goes_on`.
        """
        if self._rule.below_cut == "stop":
            # Who was stopped does not go on above the cut: who ran on by lot stands for them there too.
            return None
        if self._news:
            news, self._news = self._news, set()
            for place in news:
                here = [label for label, other in self._paused.items() if other == place]
                if here:
                    self._above.difference_update(here)
                    self._above.update(self._rungs[place].not_below(here))
            for label, places in self._kept.items():
                self._forget(
                    label, [place for place in places if place in news and not self._is_below(label, place)]
                )
        above = [label for label in self._above if label in self._paused]
        return min(above, key=self._turn_of_paused, default=None)

    def best_paused(self) -> str | None:
        """Return the paused trial that goes on when nothing better is left to do; None if none is paused."""
        return self.promoted() or min(self._paused, key=self._turn_of_paused, default=None)

    def goes_on(self, label: str) -> None:
        """Take note that a paused trial goes on: since it is above the cut by now, or for want of better.

        What runs on by lot, and would have been called before it, would have gone on by now too: it is not
        kept by lot any more.
        """
        place = self._paused.pop(label)
        self._changed[label] = None
        is_idle = self._is_below(label, place)
        if is_idle:
            self._idle[label] = place
        turn = self._turn(label, place)[:2]
        for other, places in self._kept.items():
            # One that is above the cut goes on before those at other rungs and in other bands that are not.
            compared = places if is_idle else [own for own in places if own == place]
            self._forget(other, [own for own in compared if self._turn(other, own)[:2] <= turn])

    # What is known

    @property
    def paused(self) -> Sequence[str]:
        """The labels of the paused trials."""
        return list(self._paused)

    def runs_below_cut(self, label: str) -> bool:
        """Tell whether a trial that was paused below the cut went on there for want of anything better."""
        return label in self._idle

    def is_in_reserve(self, label: str) -> bool:
        """Tell whether a trial was drawn to run on below the cut."""
        text = f"{self._seed}/{label}"
        drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56
        return drawn < self._rule.reserve and self._entrants[label].may_stop

    def standing(self, label: str) -> Standing:
        """Return where a trial stands."""
        kept = self._kept.get(label)
        halted = [held[label] for held in (self._paused, self._stopped, self._idle) if label in held]
        places = halted if kept is None else kept
        return Standing(
            below_cut_at=tuple(self._marks[rung] for rung, _ in places),
            # Once it is above the cut it goes on for certain.
            kept_chance=None if kept is None else self._rule.reserve if kept else 1.0,
            is_paused=label in self._paused,
        )

    def take_verdict(self) -> Mapping[str, Any]:
        """Return what became of the trial that reported last, as columns of its report; empty if it goes on.

        So the report's row has it, whatever kills the search before the trial's own row says it.
        """
        verdict, self._verdict = self._verdict, {}
        return verdict

    def take_changes(self) -> Mapping[str, Standing]:
        """Return where those trials stand for which that has changed since this was last asked."""
        changed = {label: self.standing(label) for label in self._changed}
        self._changed.clear()
        return changed

    @property
    def values(self) -> dict[float, dict[str, Worths]]:
        """What trials were worth by rung and label, in the order in which they came: larger is better."""
        found: dict[float, dict[str, Worths]] = {mark: {} for mark in self._marks}
        for (rung, _), here in self._rungs.items():
            found[self._marks[rung]] |= here.worths
        return found

    def __str__(self) -> str:
        """Say how many trials came to each rung."""
        return ", ".join(f"{mark:g}: {len(here)}" for mark, here in self.values.items())

    def _arrival(self, label: str, row: Mapping[str, Any]) -> tuple[_Place, Worths] | None:
        """Return the rung that a report comes to, with what it is worth there; None if it comes to none."""
        passed = bisect_right(self._entrants[label].report_at, row.get("step", 0))
        if not passed or row.get("ending") is not None:
            return None
        place = passed - 1, self._bands[label]
        worths = None if label in self._rungs[place] else worths_of(self._compared, row)
        return None if worths is None else (place, worths)

    def _add(self, place: _Place, label: str, worths: Worths) -> None:
        self._rungs[place].add(label, worths)
        self._news.add(place)

    def _is_below(self, label: str, place: _Place) -> bool:
        rung = self._rungs[place]
        return rung.is_below(rung.worths[label], label)

    def _forget(self, label: str, places: Iterable[_Place]) -> None:
        """Take note that a trial of the reserve would not be below the cut at these rungs any more."""
        gone = list(places)
        if gone:
            self._kept[label] = [place for place in self._kept[label] if place not in gone]
            self._changed[label] = None

    def _turn(self, label: str, place: _Place) -> tuple[float, float, str]:
        """Return what trials that wait at their places are called by, the first being the smallest."""
        return -place[0], -self._rungs[place].share_beaten(label), label

    def _turn_of_paused(self, label: str) -> tuple[float, float, str]:
        return self._turn(label, self._paused[label])
