"""Progress of retraining: a bar per seed on a terminal, a line per seed elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analysis.text import duration, number
from paretune.confirm.evaluation import headline
from paretune.confirm.retraining import SeedRun, config_of
from paretune.plan.binding import BoundPlan
from paretune.record.events import WARNINGS
from paretune.terminal.display import print_news
from search_spaces.plan import Values
from trainables.contract import Report

_LOGGER = "trainables"


def evaluating_status(console: Console) -> AbstractContextManager[object]:
    """Say on a terminal, until left, that a model is evaluated: a language model takes 20 s and more."""
    if not console.is_terminal:
        return nullcontext()
    return console.status("evaluating on held-out problems ...")


class SeedProgress:
    """Shows how far the current seed is, and how each seed ended."""

    def __init__(self, console: Console, bound: BoundPlan, values: Values, seeds: int) -> None:
        self._console = console
        self._metric = bound.task.metrics[0].name
        self._steps = config_of(bound, values).steps
        self._seeds = seeds
        self._ended = 0
        self._said: set[str] = set()
        self._warnings = _Warnings(console, self._said)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[value]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._row = self._bar.add_task(self._title(), total=self._steps, value="")

    def __enter__(self) -> SeedProgress:
        logging.getLogger(_LOGGER).addHandler(self._warnings)
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()
        logging.getLogger(_LOGGER).removeHandler(self._warnings)

    def report(self, report: Report) -> None:
        """Move the bar; say what is news to say once."""
        print_news(self._console, report.as_row(), self._said)
        value = f"{self._metric.replace('_', ' ')} {number(report.metrics.get(self._metric))}"
        self._bar.update(self._row, completed=report.step, value=value)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Say that the model is evaluated, in the place of the bar, which would stand still meanwhile."""
        self._bar.stop()
        try:
            with evaluating_status(self._console):
                yield
        finally:
            self._bar.start()

    def seed_ended(self, run: SeedRun) -> None:
        """Say how a seed ended, and turn to the next."""
        self._ended += 1
        told = "no checkpoint" if run.evaluation is None else headline(run.evaluation)
        self._console.print(
            f"seed {run.seed} {run.ending}{_time_to_target(run)}, {duration(run.seconds)} in all: {told}",
            soft_wrap=True,
        )
        if self._ended < self._seeds:
            self._bar.reset(self._row, total=self._steps, description=self._title(), value="")

    def _title(self) -> str:
        return f"seed {self._ended + 1} of {self._seeds}"


class _Warnings(logging.Handler):
    """Shows what training here warns of as the warnings of a search's workers are shown: each text once."""

    def __init__(self, console: Console, said: set[str]) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Show a warning, unless it was shown."""
        print_news(self._console, {WARNINGS: [record.getMessage()]}, self._said)


def _time_to_target(run: SeedRun) -> str:
    last = run.reports[-1]
    if "steps_to_target" not in last:
        return ""
    spent = duration(last["cpu_seconds_to_target"])
    return f" at step {last['steps_to_target']:,} ({spent} of processor time)"
