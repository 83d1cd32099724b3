"""The search on the terminal: a live table for people, plain lines for files and pipes."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.text import duration, number, plural, values_text
from paretune.plan.binding import BoundPlan
from paretune.record.endings import ENDINGS, TrialEnding
from paretune.record.events import Row
from paretune.sampling.queue import TrialSpec
from paretune.terminal.board import Best, Board


class LiveDisplay:
    """A table of the running trials that redraws itself, with a line for each failure above it."""

    def __init__(self, board: Board, bound: BoundPlan, console: Console) -> None:
        self._board = board
        self._bound = bound
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw, transient=True)
        self._engines: set[str] = set()

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def announced(self, trial: TrialSpec) -> None:
        """Not shown."""

    def started(self, trial: TrialSpec) -> None:
        """The table shows it."""

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """The table shows it; what computes the steps is said once, above it."""
        if (text := engine_text(row, self._engines)) is not None:
            self._live.console.print(text, style="dim", markup=False, highlight=False)

    def checkpointed(self, trial: TrialSpec, path: str) -> None:
        """Not shown."""

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Keep failures on the screen; the rest is counted in the table."""
        if ending == "failed":
            self._live.console.print(f"{trial.label} failed: {error}", style="red", markup=False)

    def tick(self) -> None:
        """The table redraws itself."""

    def _draw(self) -> RenderableType:
        metrics = self._bound.task.metrics
        table = Table(box=None, pad_edge=False, header_style="bold")
        # Where it is narrow, the configuration gives way: its texts are cut, and nothing else is.
        table.add_column("trial", no_wrap=True)
        table.add_column("parameters", justify="right", no_wrap=True)
        table.add_column("step", justify="right", no_wrap=True)
        for metric in metrics:
            table.add_column(metric.name.replace("_", " "), justify="right", no_wrap=True)
        table.add_column("configuration", min_width=13)
        for trial in list(self._board.running.values()):
            table.add_row(
                trial.spec.label,
                f"{trial.spec.params:,}",
                f"{trial.step:,} of {trial.steps:,}",
                *(number(trial.last.get(metric.name)) for metric in metrics),
                Text(configuration_text(self._bound, trial.spec), no_wrap=True, overflow="ellipsis"),
            )
        return Group(Text(headline(self._board), style="bold"), *map(Text, details(self._board)), table)


class LineDisplay:
    """One line per ended trial, and now and then a line on how far the search is."""

    _EVERY_SECONDS = 30.0

    def __init__(self, board: Board, bound: BoundPlan, console: Console) -> None:
        self._board = board
        self._bound = bound
        self._console = console
        self._said_at = time.monotonic()
        self._engines: set[str] = set()

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def announced(self, trial: TrialSpec) -> None:
        """Not shown."""

    def started(self, trial: TrialSpec) -> None:
        """Said when it ends."""

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Said when it ends; what computes the steps is said once."""
        if (text := engine_text(row, self._engines)) is not None:
            self._say(text)

    def checkpointed(self, trial: TrialSpec, path: str) -> None:
        """Not shown."""

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Say how a trial ended."""
        board = self._board
        parts = [
            f"[{board.ended_count}/{board.trials}]",
            trial.label,
            ending,
            f"params={trial.params}",
            *(f"{m.name}={number(last[m.name])}" for m in self._bound.task.metrics if m.name in last),
            f"step={last.get('step', 0)}",
            configuration_text(self._bound, trial),
        ]
        if error is not None:
            parts.append(f"error: {error}")
        self._say("  ".join(parts))

    def tick(self) -> None:
        """Show now and then that the search lives."""
        if time.monotonic() - self._said_at > self._EVERY_SECONDS:
            self._say(headline(self._board))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._said_at = time.monotonic()


def headline(board: Board) -> str:
    """Say in one line how far the search is: endings by kind, elapsed time, time left."""
    counts = ", ".join(f"{board.endings[ending]} {ending}" for ending in ENDINGS if board.endings[ending])
    left = board.seconds_left
    return (
        f"{board.ended_count} of {board.trials} trials ended"
        + (f" ({counts})" if counts else "")
        + f", {duration(board.elapsed)} elapsed"
        + ("" if left is None else f", about {duration(left)} left")
    )


def details(board: Board) -> list[str]:
    """Say which trials are best so far."""
    lines = []
    if board.best is not None:
        lines.append(f"best so far: {_best(board.best, board.objective.metric)}")
    if (row := board.smallest) is not None:
        seeds = f"{int(row['solved'])} of {plural(int(row['known']), 'seed')} solved"
        number = f"configuration {int(row['configuration'])}"
        lines.append(f"smallest so far: {int(row['params']):,} parameters, {seeds} ({number})")
    return lines


def engine_text(row: Row, said: set[str]) -> str | None:
    """Return the line on what computes a trial's steps, unless it is among those ``said`` already."""
    engine = row.get("engine")
    if engine is None or engine in said:
        return None
    said.add(engine)
    return f"engine: {engine}"


def configuration_text(bound: BoundPlan, trial: TrialSpec) -> str:
    """Write what is special about a configuration: the searched values."""
    return values_text(bound.plan.searched(trial.values))


def _best(best: Best, metric: str) -> str:
    return f"{metric} {number(best.value)} with {best.params:,} parameters ({best.label})"
