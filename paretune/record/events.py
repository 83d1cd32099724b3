"""What happens to trials, as told to everyone who wants to know: rows, TensorBoard, the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.record.endings import TrialEnding
from paretune.sampling.history import Standing, TrialSpec
from paretune.sampling.strategies.strategy import Progress

Row = Mapping[str, Any]

WARNINGS = "warnings"
"""Key of a report under which its worker's warnings since the report before come: a list of texts."""


class Listener:
    """Someone who is told of every event of a search, one after the other, in the thread that runs Tune.

    What a listener does not override it does not care about.
    """

    def announced(self, trial: TrialSpec) -> None:
        """Take note that a trial was handed out, in the order of configurations and seeds."""

    def started(self, trial: TrialSpec) -> None:
        """Take note that a trial began to run."""

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Take note of a report: ``step``, metrics, maybe ``warnings``, and in a last report ``ending``."""

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Take note of where early stopping sees a trial now: below a cut, paused, going on by lot.

        A paused trial does not run until it is started again.
        """

    def checkpointed(self, trial: TrialSpec, path: str) -> None:
        """Take note of a trial's newest checkpoint, a folder."""

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Take note of a trial's end, with its last report."""

    def progressed(self, progress: Progress) -> None:
        """Take note of how far the plan's question is answered; never called without one."""

    def tick(self) -> None:
        """Do what is due from time to time."""
