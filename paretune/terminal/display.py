"""The search on the terminal: a live table for people, plain lines for files and pipes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from analysis.text import duration, number, plural, roughly, values_text, values_within
from paretune.plan.binding import BoundPlan
from paretune.record.endings import ENDINGS, TrialEnding
from paretune.record.events import WARNINGS, Listener, Row
from paretune.sampling.history import Standing, TrialSpec
from paretune.sampling.strategies.strategy import Progress
from paretune.terminal.board import Best, Board, RunningTrial
from paretune.terminal.columns import GAP, aligned, width_of
from search_spaces.plan import Values

_MOST_CHARACTERS = 120
"""Room for a configuration in a line of a file or a pipe."""

_LEAST_VALUES = 13
"""Room for values beside a trial's numbers below which there is no use in showing any."""

_LINES_ABOVE = 5
"""Lines that the live table takes besides those of the trials."""


class LiveDisplay(Listener):
    """A table of the running trials that redraws itself, with a line for each failure above it."""

    def __init__(self, board: Board, bound: BoundPlan, console: Console) -> None:
        self._board = board
        self._bound = bound
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw, transient=True)
        self._said: set[str] = set()

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """The table shows it; what is news to say once is said above it."""
        print_news(self._console, row, self._said)

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Keep failures on the screen; the rest is counted in the table."""
        if ending == "failed":
            self._console.print(f"{trial.label} failed: {error}", style="red", markup=False)

    def _draw(self) -> RenderableType:
        running = list(self._board.running.values())
        size = self._console.size
        lines = running_lines(self._bound, running, width=size.width, height=size.height)
        return Group(
            Text(headline(self._board), style="bold"),
            *map(Text, details(self._board)),
            *(Text(line, style=style, no_wrap=True, overflow="ellipsis") for line, style in lines),
        )


class LineDisplay(Listener):
    """One line per ended trial, and now and then a line on how far the search is."""

    _EVERY_SECONDS = 30.0
    _TOLD_EVERY_SECONDS = 15.0

    def __init__(self, board: Board, bound: BoundPlan, console: Console) -> None:
        self._board = board
        self._bound = bound
        self._console = console
        self._said_at = time.monotonic()
        self._said: set[str] = set()
        self._told = ""
        self._told_at = -math.inf

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Said when it ends; what is news to say once is said now."""
        if print_news(self._console, row, self._said):
            self._said_at = time.monotonic()

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Say that a trial waits."""
        if standing.is_paused:
            marks = standing.below_cut_at
            where = ", ".join(f"{100 * mark:g} %" if mark < 1 else f"step {mark:,g}" for mark in marks)
            self._say(f"{self._so_far}  {trial.label}  paused, below the cut at {where}")

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Say how a trial ended; of one that still waits for a resumed search was said that it does."""
        if ending == TrialEnding.INTERRUPTED and trial.label in self._board.paused:
            return
        # What a resumed trial reported in earlier sessions is not in its last row of this one.
        no_step = "no report" if trial.resume_from is None else "no further report"
        parts = [
            self._so_far,
            trial.label,
            ending,
            f"params={trial.params}",
            *(f"{m.name}={number(last[m.name])}" for m in self._bound.task.metrics if m.name in last),
            f"step={last['step']}" if "step" in last else no_step,
            configuration_text(self._bound, trial),
        ]
        if error is not None:
            parts.append(f"error: {error}")
        self._say("  ".join(parts))

    def progressed(self, progress: Progress) -> None:
        """Say now and then what is known, and the answer."""
        is_due = time.monotonic() - self._told_at > self._TOLD_EVERY_SECONDS
        is_news = self._board.ended_count and progress.sentence != self._told
        if is_news and (is_due or progress.is_answered):
            left = self._board.seconds_left
            when = f"; about {roughly(left)} {progress.aim}" if left else ""
            self._say(f"so far: {progress.sentence}{when}")
            self._told, self._told_at = progress.sentence, time.monotonic()

    def tick(self) -> None:
        """Show now and then that the search lives."""
        if time.monotonic() - self._said_at > self._EVERY_SECONDS:
            self._say(headline(self._board))

    @property
    def _so_far(self) -> str:
        return f"[{self._board.ended_count}/{self._board.trials}]"

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._said_at = time.monotonic()


def headline(board: Board) -> str:
    """Say in one line how far the search is: endings by kind, elapsed time, time left."""
    counts = ", ".join(f"{board.endings[ending]} {ending}" for ending in ENDINGS if board.endings[ending])
    waiting = f", {len(board.paused)} paused" if board.paused else ""
    left, progress = board.seconds_left, board.progress
    until = "left" if progress is None else progress.aim
    of = f"{board.ended_count} of {board.trials}"
    return (
        ("" if not board.fake_gpus else f"fake GPUs: {board.fake_gpus}; ")
        + f"{of if progress is None else f'{board.ended_count} of at most {board.trials}'} trials ended"
        + (f" ({counts})" if counts else "")
        + waiting
        + f", {duration(board.elapsed)} elapsed"
        + ("" if not left else f", about {roughly(left)} {until}")
        + ("" if board.deadline is None else f", its time ends in {roughly(board.deadline.seconds_left)}")
    )


def details(board: Board) -> list[str]:
    """Say which trials are best so far."""
    lines = [] if board.progress is None else [f"so far: {board.progress.sentence}"]
    if board.best is not None:
        lines.append(f"best so far: {_best(board.best, board.objective.metric)}")
    if (row := board.smallest) is not None:
        seeds = f"{int(row['solved'])} of {plural(int(row['known']), 'seed')} solved"
        number = f"configuration {int(row['configuration'])}"
        lines.append(f"smallest so far: {int(row['params']):,} parameters, {seeds} ({number})")
    return lines


def print_news(console: Console, row: Row, said: set[str]) -> bool:
    """Print what a report says and no other did: what computes the steps, and warnings, without traces.

    Args:
        console: where to print.
        row: the report.
        said: texts that were printed; those that are now join them.

    Returns:
        whether there was something.
    """
    engine = row.get("engine")
    news = [] if engine is None else [(f"engine: {engine}", "dim")]
    news += [(f"warning: {text.strip().partition(chr(10))[0]}", "yellow") for text in row.get(WARNINGS, ())]
    fresh = [(text, style) for text, style in dict(news).items() if text not in said]
    for text, style in fresh:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        said.add(text)
    return bool(fresh)


def running_lines(
    bound: BoundPlan, running: Sequence[RunningTrial], *, width: int, height: int
) -> list[tuple[str, str]]:
    """Return the table of the running trials as lines, each with its style.

    A trial is one line if its searched values fit beside its numbers. Else they stand below, as many as fit,
    together with the metrics for which there is no room; in a terminal that is not high enough for that, they
    are cut to what there is beside. Values that all running trials have are the first to go, and how many are
    not shown is said.
    """
    if not running:
        return []
    names = [metric.name for metric in bound.task.metrics]
    headers = ["trial", "parameters", "step", *(name.replace("_", " ") for name in names)]
    cells = [
        [
            trial.spec.label,
            f"{trial.spec.params:,}",
            f"{trial.step:,} of {trial.steps:,}",
            *(number(trial.last.get(name)) for name in names),
        ]
        for trial in running
    ]
    values = [bound.plan.searched(trial.spec.values) for trial in running]
    rest = width - width_of(headers, cells, folds_headers=True) - GAP
    is_beside = rest >= max(len(values_text(own)) for own in values) or (
        2 * len(running) + _LINES_ABOVE > height and rest >= _LEAST_VALUES
    )
    below: list[list[str]] = [[] for _ in cells]
    while not is_beside and len(headers) > 4 and width_of(headers, cells, folds_headers=True) > width:
        name = headers.pop()
        for row, moved in zip(cells, below, strict=True):
            moved.insert(0, f"{name} {row.pop()}")
    left_out = _shared(values) if len(values) > 1 else at_default(bound, values[0])
    if is_beside:
        headers.append("configuration")
        for row, own in zip(cells, values, strict=True):
            row.append(values_within(own, rest, left_out=left_out))
    heads, lines = aligned(headers, cells, folds_headers=width_of(headers, cells) > width)
    drawn = [(head, "bold") for head in heads]
    for line, moved, own in zip(lines, below, values, strict=True):
        drawn.append((line, ""))
        if not is_beside:
            told = "".join(f"{text}  " for text in moved)
            drawn.append((f"  {told}{values_within(own, width - 2 - len(told), left_out=left_out)}", "dim"))
    return drawn


def configuration_text(bound: BoundPlan, trial: TrialSpec) -> str:
    """Write what is special about a configuration in a short line: the searched values, defaults last to
    stay. All of them are in the rows, in rank and in exports."""
    values = bound.plan.searched(trial.values)
    return values_within(values, _MOST_CHARACTERS, left_out=at_default(bound, values))


def at_default(bound: BoundPlan, values: Values) -> set[str]:
    """Return the names of the values that are the task's defaults."""
    defaults = bound.defaults
    return {name for name, value in values.items() if name in defaults and value == defaults[name]}


def _shared(values: Sequence[Values]) -> set[str]:
    first, *others = values
    return {name for name in first if all(name in own and own[name] == first[name] for own in others)}


def _best(best: Best, metric: str) -> str:
    return f"{metric} {number(best.value)} with {best.params:,} parameters ({best.label})"
